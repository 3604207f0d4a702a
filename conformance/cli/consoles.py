"""Where people read; a pipe has no width of its own, and 80 columns cut what CI keeps."""

import sys

from rich.console import Console

PIPE_WIDTH = 120


def console_of(*, stderr: bool = False) -> Console:
    """A console on standard output or standard error, without colour where that is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False)
