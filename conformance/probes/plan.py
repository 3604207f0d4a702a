"""
Call plans: what a probe pod shall try, as plain JSON in one environment variable.

A plan says what to call, never what to expect: expectations stay in the scenario,
so a pod cannot learn what it is supposed to see. A pod costs more than a call, so
one plan holds all the calls that one identity shall make.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

from conformance.errors import HarnessError

SECRETS_PATH = "/var/run/secrets/conformance"
"""Where a pod finds the secrets of its request, one file each."""

OWN_TOKEN = "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - a variable, expanded in the pod
"""The token that was injected into the pod itself."""


FILE = "$file"
"""Marks a parameter that the runner reads from a file."""

ANSWER = "$answer"
"""Marks a parameter that the runner takes from the answer to an earlier call."""


@dataclass(frozen=True)
class ServiceCall:
    """One call of an AWS service, by boto3's names."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    in_url: bool = False
    """S3 only: the signature goes into the URL, as in one that was presigned."""

    def as_json(self) -> dict[str, Any]:
        told = {
            "service": self.service,
            "operation": self.operation,
            "parameters": dict(self.parameters),
        }
        return told | ({"in_url": True} if self.in_url else {})


@dataclass(frozen=True)
class AgentCall:
    """
    One request to the agent by hand, without an SDK.

    It goes to the address that was injected into the pod. `token_file` is a path,
    `OWN_TOKEN`, or None for a request without a token. `then` is made with the
    credentials that came back. The rest changes one thing about the request each:
    `host` the header, `path` what is asked for (with its query), `address` where it
    is sent (`http://[fd00:ec2::23]`), `authorization` what stands around the token.
    """

    token_file: str | None
    host: str = ""
    path: str = ""
    method: str = "GET"
    address: str = ""
    authorization: str = "{token}"
    body: str = ""
    times: int = 1
    """That many requests at once."""
    flood: int = 0
    """That many requests down one connection, without a token and whatever else is said here."""
    after: str = ""
    """
    A call of the plan. Where that one found a part away, this one is not made and tells the
    same: each would take the agent's own time to give up, 1.5 s, to no end.
    """
    plain: bool = False
    """Any 200 is an answer: for paths that give no credentials."""
    then: ServiceCall | None = None

    def as_json(self) -> dict[str, Any]:
        request = {k: v for k, v in asdict(self).items() if k != "then"}
        return {"agent": request} | ({"then": self.then.as_json()} if self.then else {})


@dataclass(frozen=True)
class Repeated:
    """
    A call that is made again and again, beside the others, once the rest of the plan is done.

    It is made every `every` seconds, or as often as it is answered; the pod ends by being
    deleted: see `World.running`.
    """

    call: ServiceCall | AgentCall
    every: float = 0.1
    fresh: bool = False
    """By a new SDK each time, as by a program that has just started."""
    keeping: ServiceCall | None = None
    """
    Then `call` is made until it gives credentials, and this one is made with them for ever
    after, as by a program that never asks for others.
    """

    def as_json(self) -> dict[str, Any]:
        repeat: dict[str, Any] = {"every": self.every, "fresh": self.fresh}
        if self.keeping is not None:
            repeat["keeping"] = self.keeping.as_json()
        return self.call.as_json() | {"repeat": repeat}


Call: TypeAlias = ServiceCall | AgentCall | Repeated


def call(service: str, operation: str, **parameters: Any) -> ServiceCall:
    """`call("s3", "get_object", Bucket=..., Key=...)`, as the pod's own identity."""
    return ServiceCall(service, operation, parameters)


WHO_AM_I = call("sts", "get_caller_identity")
"""Whose session these credentials are; allowed to everyone, so never denied by a policy."""


def presented(secret: str) -> dict[str, str]:
    """
    A parameter of a call that is a secret of the probe request.

    The plan stands in the pod's specification for everybody to read, so it only says where the
    pod finds it.
    """
    return {FILE: f"{SECRETS_PATH}/{secret}"}


def answer_of(call: str, *path: str | int) -> dict[str, list[str | int]]:
    """
    A parameter that an earlier call of the same plan answered: `answer_of("receive",
    "Messages", 0, "ReceiptHandle")`.

    Where that call was refused or its answer has no such part, this one cannot be made, which
    is nobody's decision: look at the earlier one first.
    """
    return {ANSWER: [call, *path]}


def by_url(made: ServiceCall) -> ServiceCall:
    """The same call of S3 as whoever holds a presigned URL makes it: nothing but a URL."""
    return replace(made, in_url=True)


def ask_agent(
    token: str | None = OWN_TOKEN, *, then: ServiceCall | None = None, **changed: Any
) -> AgentCall:
    """
    Ask the agent by hand, presenting `token`; `changed` are other fields of `AgentCall`.

    `token` names a secret of the probe request; without it the pod presents its
    own, and with None it presents nothing.
    """
    file = token if token is None or token == OWN_TOKEN else f"{SECRETS_PATH}/{token}"
    return AgentCall(file, then=then, **changed)


def repeated(
    call: ServiceCall | AgentCall,
    *,
    every: float = 0.1,
    fresh: bool = False,
    keeping: ServiceCall | None = None,
) -> Repeated:
    """`repeated(WHO_AM_I, every=0.2)`; see `Repeated`."""
    return Repeated(call, every, fresh, keeping)


def ask_node(path: str, *, port: int) -> AgentCall:
    """What the agent's process says at another of its ports; `port` as on a node of EKS."""
    return AgentCall(None, path=path, address=f"http://169.254.170.23:{port}", plain=True)


def plan_json(plan: Mapping[str, Call], *, hold: bool = False) -> str:
    """The value of CONFORMANCE_PLAN; raises `HarnessError` for parameters JSON cannot carry."""
    calls = [{"name": name, **what.as_json()} for name, what in plan.items()]
    try:
        return json.dumps({"calls": calls, "hold": hold})
    except TypeError as error:
        raise HarnessError(
            "a call plan holds a parameter that JSON cannot carry",
            saw=str(error),
            try_="text, numbers, lists and dictionaries; bodies as text",
        ) from error
