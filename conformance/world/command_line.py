"""
The AWS CLI beside the harness: what a platform team types, and what it is told.

Guides are written for the CLI, so their commands are run as they stand there. Keys go by
the environment of the child and never by its arguments, which everybody on the machine
can read.
"""

import os
import subprocess
import time

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.probes import aws_cli
from conformance.probes.evidence import HARNESS, Evidence

SECONDS = 60.0
_KEPT = ("PATH", "HOME", "LANG", "PYTHONPATH", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


def type_command(aws: Aws, words: tuple[str, ...]) -> Evidence:
    """
    Run one command, given without `aws`; whatever the CLI says is evidence.

    Raises `HarnessError` when there is no CLI or nobody knows what it said.
    """
    command = aws_cli.command()
    if command is None:
        raise HarnessError(
            "the AWS CLI is not installed here",
            try_="name the capability aws-cli in the scenario's `needs`",
        )
    began = time.monotonic()
    try:
        ended = subprocess.run(
            [*command, *words],
            env=_environment(aws),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"`aws {' '.join(words[:2])}` did not end in {SECONDS:g} s") from error
    return aws_cli.evidence_of(
        " ".join(words[:2]),
        words,
        ended.returncode,
        ended.stdout or ended.stderr,
        told={
            "provider": HARNESS,
            "latency_ms": round((time.monotonic() - began) * 1000, 1),
            "bound_ms": SECONDS * 1000,
        },
    )


def _environment(aws: Aws) -> dict[str, str]:
    """The account's keys where it has some, the user's own where it has none."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    kept |= {"AWS_REGION": aws.region, "AWS_DEFAULT_REGION": aws.region, "AWS_PAGER": ""}
    if aws.endpoint is None or aws.access_key_id is None or aws.secret_access_key is None:
        return {**{k: v for k, v in os.environ.items() if k.startswith("AWS_")}, **kept}
    return kept | {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": aws.access_key_id,
        "AWS_SECRET_ACCESS_KEY": aws.secret_access_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
