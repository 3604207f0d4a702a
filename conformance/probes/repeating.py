"""
Calls that a pod makes again and again until it is told to end, each in a thread of its own.

Runs inside the pod, beside `runner.py`, whose module it is handed: a promise about time
is seen by somebody who calls all the while, not by one call before and one after. Every
call is one line, with the moment when it began. Each call has a runner, and so an SDK,
of its own, as if it were another program in the same pod. Unlike one call of a plan, a
load waits between the attempts of its SDK as applications do.
"""

import gc
import json
import os
import sys
import threading
import time
from importlib import import_module
from typing import Any

RETRY_SECONDS = 1.0
"""Between boto3's three attempts to get credentials (botocore.utils.ContainerMetadataFetcher)."""

KEYS_OF_EKS_AUTH = {
    "accessKeyId": "AccessKeyId",
    "secretAccessKey": "SecretAccessKey",
    "sessionToken": "Token",
}
"""Its spelling and the agent's."""

_speaking = threading.Lock()


def repeat(runner: Any, calls: list[dict[str, Any]]) -> None:
    """Make each call every `every` seconds, or as often as it is answered, until SIGTERM."""
    told_to_end = runner.end_is_waited_for()
    gc.enable()
    for call in calls:
        load = Load(runner, call)
        threading.Thread(target=load.go_on, name=call["name"], daemon=True).start()
    told_to_end()
    with _speaking:
        # Not sys.exit: threads that call all the while would be in the way of its tidying up.
        os._exit(0)


class Load:
    """One call of a plan; `runner` is the module of that name."""

    def __init__(self, runner: Any, call: dict[str, Any]) -> None:
        self._module = runner
        self._call = call
        self._how: dict[str, Any] = call["repeat"]
        self._runner = runner.Runner()
        self._kept: dict[str, str] | None = None
        self._told: dict[str, Any] = {}
        """What is said of the credentials that are kept."""

    def go_on(self) -> None:
        """Call, tell, wait until it is time again."""
        pause = threading.Event()
        due = time.monotonic()
        while True:
            moment, began = time.time(), time.monotonic()
            told = self._again()
            told["latency_ms"] = round((time.monotonic() - began) * 1000, 1)
            say({"sample": moment, **told, "injection": {}})
            due = max(due + self._how["every"], time.monotonic())
            pause.wait(due - time.monotonic())

    def _again(self) -> dict[str, Any]:
        if self._kept is None:
            if self._how["fresh"]:
                self._runner = self._module.Runner()
            self._forget()
            if "keeping" not in self._how:
                told: dict[str, Any] = self._runner.run(self._call)
                return told
            refused = self._get_credentials()
            if refused is not None:
                return refused
        kept = {**self._how["keeping"], "name": self._call["name"]}
        self._runner.boto3().answers.clear()
        answer = self._runner.boto3().call(kept, self._kept)
        return {**self._head(), **self._runner.result(kept, answer), **self._told}

    def _forget(self) -> None:
        """Nothing that was asked before stands for what is asked now."""
        self._runner.outages.clear()
        if "agent" not in self._call or "then" in self._call:
            sdk = self._runner.boto3()
            sdk.asked, sdk.refusal = False, None
            sdk.answers.clear()
            import_module("botocore.utils").ContainerMetadataFetcher.SLEEP_TIME = RETRY_SECONDS

    def _get_credentials(self) -> dict[str, Any] | None:
        """Ask for those that are kept; how they were refused, if they were."""
        made: dict[str, Any] = self._call
        given: Any = None
        if "agent" in made:
            _, given = self._module.ask_agent(made["agent"], self._token())
            made = made.get("then", made)
        if "service" in made and not isinstance(given, self._module.Refusal):
            asked = {**made, "name": self._call["name"]}
            given = self._runner.boto3().call(asked, given)
        if isinstance(given, self._module.Refusal):
            return {**self._head(), **self._runner.result(made, given)}
        keys, expires = given, given.get("Expiration")
        if "credentials" in given:
            expires = given["credentials"]["expiration"].isoformat()
            keys = {agents: given["credentials"][its] for its, agents in KEYS_OF_EKS_AUTH.items()}
        self._kept = {agents: keys[agents] for agents in KEYS_OF_EKS_AUTH.values()}
        self._runner.secrets.add(*self._kept.values())
        access_key = self._module.fingerprint(keys["AccessKeyId"])
        self._told = {"provider": "by-hand", "access_key": access_key, "expires_at": expires}
        return None

    def _token(self) -> str:
        path: str = self._call["agent"]["token_file"]
        token: str = self._runner.read_token(os.path.expandvars(path))
        return token

    def _head(self) -> dict[str, Any]:
        return {"evidence": self._module.FORMAT, "call": self._call["name"]}


def say(line: dict[str, Any]) -> None:
    """One whole line, whoever else speaks."""
    with _speaking:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
