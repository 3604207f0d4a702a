"""
No secret lies where others read, and nobody outside of this machine is listened to.

One run is watched while it goes on. It is one with broken promises, because messages
of failures are where a secret would get out first.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from conformance.cluster.nodes import network
from conformance.emulator.admin import AdminClient
from conformance.emulator.sessions import access_key_id, secret_access_key
from conformance.environment import Environment
from conformance.events import EventLog
from conformance.faults import EKS_AUTH_SKIPS_SIGNATURE, S3_IGNORES_POLICIES
from conformance.run.options import new_run
from conformance.spec import Association, Role, Spec
from conformance.world import World, open_world
from tests.endtoend.command import SLICE, Command, Ran
from tests.endtoend.watching import (
    JWT,
    SECRET_KEY,
    SESSION_TOKEN,
    Watch,
    in_memory,
    namespaces,
    own_sockets,
    sockets_in,
)

LOOK_SECONDS = 0.15
WATCHED = (
    *SLICE,
    "scenarios/test_association_api.py",
    "scenarios/test_eks_auth.py",
    "scenarios/test_cross_account.py",
    "scenarios/test_audit.py",
    "scenarios/test_best_practices.py",
)
KNOWN_SHARE = 0.8
"""Of secret keys; `SECRET_KEY` says which are not."""
LOOPBACK = {"127.0.0.1", "::1"}
PAGE_TOKEN = re.compile(rb"nextToken\W+[\w+/=-]+")
"""Random to look at, and nobody's secret: it says where the next page of a list begins."""
SAMPLES = 300
METRICS = ("0.0.0.0", 2705)  # noqa: S104 - it is looked for, not bound
"""The agent's, in a node's network: AWS's agent listens at all addresses of its node, too."""
SHAPES = {
    "a JWT": JWT,
    "an access key id": re.compile(rb"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    # A secret access key, or any part of a longer secret: mixed, and not the text of a path.
    "a secret key": re.compile(
        rb"(?<![\w+/-])(?=[\w+/-]*[A-Z][\w+/-]*[A-Z])(?=[\w+/-]*[a-z])(?=(?:[\w+/-]*[0-9]){3})"
        rb"[A-Za-z0-9+/_-]{40,}(?![\w+/-])"
    ),
}


@dataclass
class Seen:
    """A run that was watched to its end."""

    ran: Ran
    watch: Watch
    secrets: dict[str, set[bytes]]
    """By their kind."""

    @property
    def kept(self) -> dict[str, bytes]:
        """Everything that stays when the run is over, and may be shown to others."""
        files = [path for path in self.ran.folder.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files} | {
            "the terminal": self.ran.said.encode()
        }


@pytest.fixture(scope="module")
def seen(running: Environment, command: Command) -> Seen:
    assert running.admin_socket is not None
    assert running.pid is not None
    admin = AdminClient(running.admin_socket)
    began = datetime.now(UTC)
    admin.set_faults([EKS_AUTH_SKIPS_SIGNATURE.name, S3_IGNORES_POLICIES.name])
    try:
        with command.begin(*WATCHED, "-n", "2", "--environment", running.file) as begun:
            watch = Watch(running, psutil.Process(begun.process.pid))
            while begun.process.poll() is None:
                watch.look()
                with suppress(subprocess.TimeoutExpired):
                    begun.process.wait(LOOK_SECONDS)
            ran = begun.end()
    finally:
        admin.set_faults([])
    watch.look()
    user = json.loads(running.cluster.kubeconfig.read_text(encoding="utf-8"))["users"][0]["user"]
    assert running.aws.secret_access_key
    assert running.aws.other
    assert running.aws.other.secret_access_key
    secrets = {
        "the account's secret key": {running.aws.secret_access_key.encode()},
        "the other account's secret key": {running.aws.other.secret_access_key.encode()},
        "the administrator's token": {user["token"].encode()},
        "pods' tokens": watch.tokens,
    }
    with suppress(PermissionError):  # Somebody else's memory may be closed to us.
        tokens, keys = in_memory(running.pid, SESSION_TOKEN, SECRET_KEY)
        minted = len(admin.records(began).sessions)
        assert len(tokens) >= minted
        assert len(keys) >= KNOWN_SHARE * minted
        secrets |= {"session tokens": tokens, "sessions' secret keys": keys}
    return Seen(ran, watch, secrets)


def leaked(secrets: dict[str, set[bytes]], places: dict[str, bytes]) -> list[str]:
    """Never the secret itself: a test's message is read by others, too."""
    return [
        f"{kind} in {place}"
        for place, content in places.items()
        for kind, values in secrets.items()
        if any(value in content for value in values)
    ]


def test_watched_run_had_secrets_to_lose(seen: Seen) -> None:
    assert seen.ran.code == 1
    assert {kind for kind, values in seen.secrets.items() if not values} == set()
    assert len(seen.secrets["pods' tokens"]) >= 10


def test_no_secret_is_in_reports_or_in_the_terminal(seen: Seen) -> None:
    assert {Path(place).name for place in seen.kept} > {"report.json", "report.html", "junit.xml"}
    assert leaked(seen.secrets, seen.kept) == []


def test_shapes_are_those_of_what_the_emulation_gives_out() -> None:
    given = {
        "a JWT": ["eyJhbGciOiJSUzI1.eyJpc3MiOiJo.c2lnbmF0dXJl"],
        "an access key id": [access_key_id("ASIA") for _ in range(SAMPLES)],
        "a secret key": [secret_access_key() for _ in range(SAMPLES)],
    }
    known = {
        kind: sum(SHAPES[kind].search(value.encode()) is not None for value in values) / len(values)
        for kind, values in given.items()
    }

    # One secret key in 20 has fewer than three digits, which a text of words has as well.
    assert {kind: share > KNOWN_SHARE for kind, share in known.items()} == dict.fromkeys(
        SHAPES, True
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_in_reports_is_shaped_like_a_secret(shape: str, seen: Seen) -> None:
    found = {
        (place, match[0].decode()[:4])
        for place, content in seen.kept.items()
        for match in SHAPES[shape].finditer(PAGE_TOKEN.sub(b"", content))
    }
    assert found == set()


def test_no_secret_is_in_a_log(seen: Seen) -> None:
    names = {Path(place).name for place in seen.watch.logs}
    assert names > {"aws.log", "cluster.log"}
    assert any(b"client-addr" in content for content in seen.watch.logs.values()), "agents' logs"
    assert any(b'{"evidence"' in content for content in seen.watch.logs.values()), "pods' logs"

    assert leaked(seen.secrets, seen.watch.logs) == []


def test_no_secret_is_in_the_arguments_of_a_process(seen: Seen) -> None:
    words = {str(number): words for number, words in enumerate(seen.watch.arguments)}
    for program in (b"conformance.emulator", b"conformance.cluster", b"terraform", b"--args"):
        assert any(program in line for line in words.values()), program

    assert leaked(seen.secrets, words) == []


def test_run_listens_on_loopback_only(seen: Seen) -> None:
    assert {address for address, _ in seen.watch.listening} <= LOOPBACK


def test_environment_listens_on_loopback_only(running: Environment) -> None:
    assert running.pid is not None
    found = own_sockets(running.pid)

    assert len(found) >= 2, "AWS and the API server at least"
    assert {address for address, _ in found} <= LOOPBACK


@pytest.fixture(scope="module")
def world(running: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Hides the suite's fixture of that name: no scenario is run here."""
    spec = Spec(
        roles=(Role(name="worker"),),
        associations=(Association(namespace="shop", service_account="worker", role="worker"),),
    )
    with open_world(
        spec,
        environment=running,
        run=new_run(),
        key="listening",
        stack="aws",
        folder=tmp_path_factory.mktemp("world"),
        log=EventLog(None),
    ) as opened:
        yield opened


def test_own_networks_listen_where_nodes_and_pods_ask_only(
    running: Environment, world: World
) -> None:
    if running.network == "loopback":
        pytest.skip("this machine allows no network namespaces, so there are none to look into")
    assert running.pid is not None
    allowed = {value for name, value in vars(network).items() if "ADDRESS" in name}

    with world.hold("shop", "worker"):
        spaces = namespaces(running.pid)
        found = {one for pid, path in spaces.values() for one in sockets_in(pid, path)}

    assert len(spaces) >= 1 + 3 + 1, "the hub, three nodes, and a pod"
    assert (network.AGENT_ADDRESS, 80) in found
    others = {one for one in found if one != METRICS}
    assert {address for address, _ in others} <= allowed | LOOPBACK
