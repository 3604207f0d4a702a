"""
The cluster process's control API, as EKS uses it.

EKS decides; the cluster process does. A request answers when its effect is there
(nodes Ready, add-on running, webhook knowing), so nothing here has to poll. The
requests are listed in docs/architecture.md.
"""

from pathlib import Path
from typing import Any

import aiohttp

# The slowest of them starts nodes and waits until they are Ready, on a busy machine.
LONGEST_SECONDS = 120.0


class ControlError(Exception):
    """The cluster process refused or could not be reached; holds the question and the answer."""


class ConflictError(ControlError):
    """The cluster process found something that is not as it was left; says what."""


class Control:
    """A client of one cluster process; close it before forgetting it."""

    def __init__(self, socket: Path) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(socket)),
            timeout=aiohttp.ClientTimeout(total=LONGEST_SECONDS),
        )

    async def close(self) -> None:
        await self._session.close()

    async def put_nodegroup(
        self,
        name: str,
        *,
        desired: int,
        role_arn: str,
        labels: dict[str, str],
        taints: list[dict[str, str]],
    ) -> None:
        """Returns when that many nodes are Ready. This and the others raise `ControlError`."""
        body = {"desired": desired, "role_arn": role_arn, "labels": labels, "taints": taints}
        await self._ask("PUT", f"/nodegroups/{name}", body)

    async def delete_nodegroup(self, name: str) -> None:
        await self._ask("DELETE", f"/nodegroups/{name}")

    async def put_addon(
        self, name: str, *, version: str, configuration: object, conflicts: str
    ) -> None:
        """
        Returns when the add-on is ready on every node there is.

        `conflicts` is `NONE`, `OVERWRITE` or `PRESERVE`; raises `ConflictError` with `NONE`
        when somebody else changed what is installed.
        """
        body = {"version": version, "configuration": configuration, "conflicts": conflicts}
        await self._ask("PUT", f"/addons/{name}", body)

    async def delete_addon(self, name: str) -> None:
        await self._ask("DELETE", f"/addons/{name}")

    async def put_identities(self, identities: list[dict[str, str]]) -> None:
        """Returns when the webhook knows exactly these."""
        await self._ask("PUT", "/identities", {"identities": identities})

    async def put_faults(self, active: list[str]) -> None:
        await self._ask("PUT", "/faults", {"active": active})

    async def put_settings(
        self, *, max_token_seconds: int, agent_clock_seconds: float, agent_elapsed_seconds: float
    ) -> None:
        """Returns when new tokens live no longer than that, and agents have that clock."""
        wanted = {
            "max_token_seconds": max_token_seconds,
            "agent_clock_seconds": agent_clock_seconds,
            "agent_elapsed_seconds": agent_elapsed_seconds,
        }
        await self._ask("PUT", "/settings", wanted)

    async def health(self) -> dict[str, str]:
        """Parts that are not `ok`, with what is wrong."""
        answer = await self._ask("GET", "/health")
        return {part: said for part, said in answer.get("parts", {}).items() if said != "ok"}

    async def stop(self) -> None:
        """Returns when the cluster process has begun to end."""
        await self._ask("POST", "/stop")

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        asked = f"{method} {path}"
        try:
            async with self._session.request(method, f"http://cluster{path}", json=body) as answer:
                text = await answer.text()
                if answer.status == 409:
                    raise ConflictError((await answer.json())["error"])
                if answer.status >= 300:
                    raise ControlError(f"{asked}: {answer.status} {text[:500]}")
                return (await answer.json()) if text else {}
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ControlError(f"{asked}: {type(error).__name__} {error}") from error
