"""
`python -m conformance.emulator --dir DIR`: the AWS process.

ministack reads its settings while it is imported, so the command line comes first
and everything that imports it after. argparse, because typer would cost a quarter
of the start.
"""

import argparse
import gc
import logging
import re
import secrets
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.emulator import borrowed
from conformance.emulator.behaviour import Behaviour
from conformance.errors import HarnessError
from conformance.faults import FAULTS

_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")


def _account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an account id of 12 digits")
    return text


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a region such as eu-west-1")
    return text


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; exits 2 with a sentence when it is wrong."""
    parser = argparse.ArgumentParser(prog="python -m conformance.emulator", allow_abbrev=False)
    parser.add_argument("--dir", type=Path, required=True, dest="folder")
    parser.add_argument("--region", type=_region, default="us-east-1")
    parser.add_argument("--account", type=_account, default=None)
    parser.add_argument("--lifeline-fd", type=int, default=None)
    parser.add_argument("--fault", action="append", default=[], choices=sorted(FAULTS))
    parser.add_argument("--network", choices=("auto", "root", "userns", "loopback"), default="auto")
    parser.add_argument("--log-file", type=Path, default=None)
    for name, field in Behaviour.model_fields.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            metavar="N",
            help=f"default {field.default}",
        )
    return parser.parse_args(arguments)


def behaviour(given: argparse.Namespace) -> Behaviour:
    """The settings among the options; raises `UsageError` for one that cannot be."""
    return Behaviour().changed(
        {name: value for name, value in vars(given).items() if name in Behaviour.model_fields}
    )


def account_id() -> str:
    """A random account; the first digits say at a glance that it is nobody's."""
    return "0000" + "".join(secrets.choice("0123456789") for _ in range(8))


def main() -> None:
    given = options()
    try:
        behaves = behaviour(given)
    except HarnessError as error:
        sys.exit(f"{error}")
    given.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    logging.basicConfig(
        filename=given.log_file,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    account = given.account or account_id()
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    borrowed.prepare(region=given.region, account_id=account)

    # What is imported is there to stay: to look for garbage in it is a fifth of the start.
    gc.disable()
    from conformance.emulator.process import Options, serve  # noqa: PLC0415 -- after prepare
    from conformance.emulator.service import Settings  # noqa: PLC0415 -- after prepare

    gc.enable()
    settings = Settings(
        folder=given.folder.resolve(),
        region=given.region,
        account_id=account,
        port=listening.getsockname()[1],
        network=given.network,
    )
    try:
        serve(Options(settings, listening, behaves, tuple(given.fault), given.lifeline_fd))
    except HarnessError as error:
        sys.exit(f"{error}")
    except OSError as error:
        sys.exit(f"emulated AWS cannot start\n  saw: {error}")


if __name__ == "__main__":
    main()
