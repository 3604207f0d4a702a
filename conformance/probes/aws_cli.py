"""
What the AWS CLI said in a pod, as evidence like any other.

Every guide to Pod Identity ends with `image: amazon/aws-cli` and a command, so that is
what has to work, and not only a runner of ours. But the CLI was made to be read by
people: it tells no HTTP status, and who refused stands in a sentence. The table below
reads those sentences; one that is not in it is trouble of ours, never a denial.

A pod with one command runs just that. Several stand in a script that prints a mark
before each and its exit code after it, for a pod has one log.

Source of the sentences: aws/aws-cli 1.46 (2.x has the same): botocore's ClientError,
CredentialRetrievalError and NoCredentialsError.
"""

import importlib.util
import json
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.errors import HarnessError
from conformance.probes.evidence import FORMAT, Evidence, as_evidence

IMAGE = "amazon/aws-cli"
AWS = "aws"

UNTOLD = -1
"""`Evidence.status` where the CLI does not tell the HTTP status."""

_MARK = "--- conformance: "


@dataclass(frozen=True)
class _Sentence:
    """A refusal in the CLI's words: who speaks, and which groups tell code, status and text."""

    source: str
    pattern: re.Pattern[str]


_SENTENCES = (
    _Sentence(
        "service",
        re.compile(
            r"An error occurred \((?P<code>\w+)\) when calling the (?P<operation>\w+) operation"
            r"(?: \([^)]*\))?: (?P<text>.*)"
        ),
    ),
    _Sentence(
        "agent",
        re.compile(
            r"Error when retrieving credentials from container-role: .*?Received non 200 response "
            r"(?P<status>\d+) from container metadata: (?P<text>.*)",
            re.DOTALL,
        ),
    ),
    _Sentence(
        "agent",
        re.compile(r"Error when retrieving credentials from container-role: (?P<text>.*)"),
    ),
    _Sentence("chain", re.compile(r"(?P<text>Unable to locate credentials.*)")),
)


def command() -> tuple[str, ...] | None:
    """How the CLI is run on this machine; None where it is not."""
    if importlib.util.find_spec("awscli") is not None:
        return (sys.executable, "-m", "awscli")
    found = shutil.which(AWS)
    return (found,) if found else None


def container_command(commands: Mapping[str, Sequence[str]]) -> list[str]:
    """What a container runs for these commands, given without `aws`."""
    if len(commands) == 1:
        return [AWS, *next(iter(commands.values()))]
    lines = []
    for name, words in commands.items():
        lines += [
            f"echo {shlex.quote(_MARK + name)}",
            f"{shlex.join([AWS, *words])} 2>&1",
            # What was printed may not end with a newline.
            f'printf "\\n{_MARK}%s\\n" "$?"',
        ]
    return ["sh", "-c", "\n".join(lines)]


def read_log(
    log: str,
    commands: Mapping[str, Sequence[str]],
    *,
    exit_code: int,
    told: Mapping[str, Any],
    keeping: Mapping[str, str],
) -> dict[str, Evidence]:
    """
    Evidence of each command; one that left no trace is left out.

    `told` are members that all of them have in common; of what a command in `keeping` answers
    only lines with that text stay. Raises `HarnessError` for an end that is in no sentence of
    the table.
    """

    def said(name: str, code: int, text: str) -> Evidence:
        return evidence_of(
            name, commands[name], code, text, told=told, keeping=keeping.get(name, "")
        )

    if len(commands) == 1:
        name = next(iter(commands))
        return {name: said(name, exit_code, log)}
    parts = re.split(rf"^{re.escape(_MARK)}(.*)\n?", log, flags=re.MULTILINE)[1:]
    found = {}
    for name, printed, code in zip(parts[0::4], parts[1::4], parts[2::4], strict=False):
        found[name] = said(name, int(code), printed.removesuffix("\n"))  # The script's own.
    return found


def evidence_of(
    name: str,
    words: Sequence[str],
    exit_code: int,
    text: str,
    *,
    told: Mapping[str, Any],
    keeping: str = "",
) -> Evidence:
    """What one command said; raises `HarnessError` when nobody knows what that means."""
    line: dict[str, Any] = {
        "evidence": FORMAT,
        "call": name,
        "operation": ":".join(words[:2]),
        "latency_ms": 0.0,
        "bound_ms": 0.0,
        "injection": {},
        **told,
    }
    if exit_code == 0:
        return as_evidence({**line, "status": 200, "answer": _answer(_kept(text, keeping))})
    for sentence in _SENTENCES:
        if match := sentence.pattern.search(text):
            said = match.groupdict()
            code = said.get("code") or ("NoCredentials" if sentence.source == "chain" else "")
            refusal = {
                "source": sentence.source,
                "status": _status(sentence.source, code, said),
                "code": code,
                "text": said["text"].strip(),
            }
            return as_evidence({**line, "refusal": refusal})
    raise HarnessError(
        f"`aws {' '.join(words[:2])}` ended in a way that is in no table",
        saw=f"exit code {exit_code}: {text.strip()[-600:]}",
        try_="the call's parameters; conformance/probes/aws_cli.py",
    )


def _status(source: str, code: str, said: Mapping[str, str | None]) -> int:
    if source == "chain":
        return 0
    if told := said.get("status"):
        return int(told)
    # A HEAD has no body, and so no code but its status.
    return int(code) if code.isdecimal() else 0 if source == "agent" else UNTOLD


def _kept(text: str, keeping: str) -> str:
    """The lines with that text, and how many there were besides."""
    lines = text.splitlines()
    kept = [line for line in lines if keeping in line]
    left_out = len(lines) - len(kept)
    return "\n".join([*kept, f"({left_out} more)"]) if left_out else text


def _answer(text: str) -> dict[str, Any]:
    """The JSON that was printed, or the text as a body."""
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {"Body": {"text": text}}
