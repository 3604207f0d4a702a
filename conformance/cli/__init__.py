"""
The command line: a thin front for pytest and our plugin, and for environments.

Every command says by example what it does. A mistake on the command line exits 2,
trouble of ours exits 3, both with words that someone can act on. Python ends with 1
whatever it stumbles over, and so do typer and rich when nobody reads on; 1 is what a
broken promise exits with, so here nothing else may.
"""

import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from conformance.errors import HarnessError, UsageError

EXIT_USAGE = 2
EXIT_ERROR = 3
EXIT_UNREAD = 128 + signal.SIGPIPE
"""As shells tell of `yes | head -1`: whoever read us has seen enough. That is no error."""


def main() -> None:
    """The `conformance` command."""
    try:
        try:
            _obey(sys.argv[1:])
        finally:
            # Here, where it can be told; Python would exit 120 later on.
            sys.stdout.flush()
    except HarnessError as error:
        usage = isinstance(error, UsageError)
        _end(EXIT_USAGE if usage else EXIT_ERROR, f"{'usage' if usage else 'error'}: {error}")
    except BrokenPipeError:
        _end(EXIT_UNREAD)
    except OSError as error:
        _end(EXIT_ERROR, f"error: {_refusal(error)}")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no broken promise
        _end(EXIT_ERROR, f"{traceback.format_exc()}error: a fault in the suite itself: {error!r}")


def _obey(argv: list[str]) -> None:
    from conformance.cli.app import app  # noqa: PLC0415 - an import that fails is said nicely too

    arguments, passed_on = split_arguments(argv)
    try:
        app(args=arguments, prog_name="conformance", obj=passed_on)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        raise


def _end(code: int, words: str = "") -> NoReturn:
    with suppress(OSError):
        sys.stderr.write(f"{words}\n" if words else "")
        sys.stderr.flush()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            # What could not be written is not to be tried, and complained of, once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _refusal(error: OSError) -> str:
    """What the machine would not do, in a sentence."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return "the folder that this was started in is gone\n  try: cd to one that is there"
    what = f"{error.filename}: " if error.filename else ""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"this machine refuses: {what}{error.strerror or error}\n"
        f"  saw: {type(error).__name__} in {Path(place.filename).name}:{place.lineno}, {place.name}"
    )


def split_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """
    Our arguments, and those after `--`, which are pytest's.

    Done here because to the parser both are positional, and `-- -p name` would run a
    scenario called "name".
    """
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]
