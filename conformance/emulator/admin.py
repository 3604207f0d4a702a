"""
A client of the admin API for everyone who is not the AWS process.

Synchronous and from the standard library, so that tests, targets and worlds can use
it without an event loop. The cluster process, which has one, speaks HTTP to the same
socket.
"""

import http.client
import json
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from conformance.emulator.behaviour import Behaviour
from conformance.emulator.records import EksAuthCall, IamDecision, SessionMinted
from conformance.errors import HarnessError

PATIENCE = 10.0
"""Seconds for one answer; faults wait for every cluster to know them."""


@dataclass(frozen=True)
class Recorded:
    """What the AWS process has kept, oldest first."""

    eks_auth: list[EksAuthCall]
    decisions: list[IamDecision]
    sessions: list[SessionMinted]


@dataclass(frozen=True)
class Health:
    """`ok` when every part is; `parts` says which is not, and why."""

    ok: bool
    parts: dict[str, str]


_RECORDED = TypeAdapter(Recorded)
_HEALTH = TypeAdapter(Health)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("aws.sock", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class AdminClient:
    """
    One request a call, nothing is kept open.

    Every method raises `HarnessError` when the process cannot be reached or refuses.
    """

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path

    def health(self) -> Health:
        return _HEALTH.validate_python(self._ask("GET", "/health"))

    def faults(self) -> list[str]:
        """Names of the active faults."""
        return list(self._ask("GET", "/faults")["active"])

    def set_faults(self, names: list[str]) -> list[str]:
        """
        Switch on exactly these; every cluster knows them when this returns.

        Also raises when a cluster could not be told; the faults are set everywhere else.
        """
        told = self._ask("PUT", "/faults", {"active": names})
        _all_reached("faults", told)
        return list(told["active"])

    def settings(self) -> Behaviour:
        """What the environment goes by now."""
        return Behaviour.model_validate(self._ask("GET", "/settings")["settings"])

    def set_settings(self, **changes: Any) -> Behaviour:
        """
        Change these settings of `Behaviour` and leave the others; all of them as they are then.

        What is there already stays as it was made: tokens and sessions keep their lives.
        Raises like `set_faults`.
        """
        told = self._ask("PUT", "/settings", changes)
        _all_reached("settings", told)
        return Behaviour.model_validate(told["settings"])

    def records(self, since: datetime | None = None, access_keys: Collection[str] = ()) -> Recorded:
        """
        Everything kept at or after `since` (aware).

        With `access_keys`, fingerprints, only what was done with those.
        """
        asked = [_since(since), *(f"access_key={key}" for key in access_keys)]
        return _RECORDED.validate_python(self._ask("GET", f"/records{_query(asked)}"))

    def trail(self, since: datetime | None = None) -> list[dict[str, Any]]:
        """
        CloudTrail's records of every account at or after `since` (aware), oldest first.

        Data events are among them, which LookupEvents never shows.
        """
        return list(self._ask("GET", f"/trail{_query([_since(since)])}")["Records"])

    def instance_credentials(self, role_arn: str, instance_id: str) -> dict[str, str]:
        """Credentials of a node, spelled as the instance metadata service does."""
        wanted = {"role_arn": role_arn, "instance_id": instance_id}
        return dict(self._ask("POST", "/instance-credentials", wanted))

    def outlive(self) -> None:
        """From now on the process does not end with the one that started it."""
        self._ask("POST", "/outlive")

    def stop(self) -> None:
        """Ask for the end; the process is gone within 3 s."""
        self._ask("POST", "/stop")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = _UnixConnection(self._path)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            told: dict[str, Any] = json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise HarnessError(
                f"emulated AWS: {method} {path.partition('?')[0]} got no answer",
                saw=f"{type(error).__name__}: {error} at {self._path}",
                try_="conformance doctor; the process may have ended, its log is beside the socket",
            ) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise HarnessError(
                f"emulated AWS: {method} {path.partition('?')[0]} was refused",
                saw=f"{answer.status}: {told.get('error', '')}",
            )
        return told


def _since(moment: datetime | None) -> str:
    """As in a query, where `+00:00` would be read as a space."""
    return "" if moment is None else f"since={moment.isoformat().replace('+', '%2B')}"


def _query(parts: Iterable[str]) -> str:
    asked = "&".join(filter(None, parts))
    return f"?{asked}" if asked else ""


def _all_reached(what: str, told: dict[str, Any]) -> None:
    if told["unreached"]:
        raise HarnessError(
            f"emulated AWS: {what} are set, but not everywhere",
            saw="; ".join(f"{part}: {why}" for part, why in told["unreached"].items()),
            try_="the cluster's log, clusters/<name>/cluster.log",
        )
