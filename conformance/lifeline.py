"""
How a process of ours knows that whoever started it is gone, and how it goes itself.

A lifeline is a pipe whose writing end only the parent holds: end of file means that the
parent has ended, however it died. Signals do not tell (`kill -9` sends none to
children), and a parent's pid may be somebody else's by the time one looks.
"""

import asyncio
import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn


def end_with(lifeline: int | None, ended: asyncio.Event) -> None:
    """
    Set `ended` at end of file on `lifeline`, and on SIGTERM or SIGINT.

    To be called on the running loop; without a lifeline the signals remain.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if lifeline is not None:
        os.set_blocking(lifeline, False)
        loop.add_reader(lifeline, partial(_look, lifeline, ended))


def _look(lifeline: int, ended: asyncio.Event) -> None:
    """Anything written is not for us."""
    if not os.read(lifeline, 1024):
        asyncio.get_running_loop().remove_reader(lifeline)
        ended.set()


def leave(*folders: Path) -> NoReturn:
    """Remove the folders and end at once, without waiting for threads that nobody can stop."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
