"""
botocore clients for the account that is swept, emulated or real, and how they answer.

An emulated account is reached by its own endpoint and key and by nothing of this
process's environment. A real one is reached as any AWS tool would: what the ambient
credentials say.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import botocore.config
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from conformance.environment import Aws
from conformance.errors import HarnessError
from conformance.terraform.provider.connection import Connection, Settings

ABSENT: Final = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "NoSuchEntity",
        "NoSuchTagSet",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)
"""Somebody was faster, or AWS had it in a list still."""

UNKNOWN_OPERATIONS: Final = frozenset(
    {"InvalidAction", "NotImplementedException", "UnknownOperationException"}
)
"""An emulation without this operation has none of its things either."""

REFUSED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "ExpiredToken", "UnauthorizedOperation"}
)
"""Asking again changes nothing."""

# Throttling is normal here: everything is listed, and every tag is a call of its own.
_REAL: Final = botocore.config.Config(
    retries={"mode": "adaptive", "total_max_attempts": 10},
    connect_timeout=10,
    max_pool_connections=32,
)

Clients = Callable[[str], Any]
"""A service's name to its client."""


def clients_of(aws: Aws, profile: str | None = None) -> Clients:
    """
    One client per service, safe from several threads.

    `profile` is one of the user's, for a real account that is not the ambient one.
    """
    if aws.endpoint is not None:
        connection = Connection(
            Settings(
                region=aws.region,
                endpoint=aws.endpoint,
                access_key_id=aws.access_key_id,
                secret_access_key=aws.secret_access_key,
                path_style=True,
            )
        )
        return connection.client
    session = botocore.session.Session(profile=profile)
    made: dict[str, Any] = {}
    lock = threading.Lock()

    def client(service: str) -> Any:
        with lock:
            if service not in made:
                made[service] = session.create_client(service, region_name=aws.region, config=_REAL)
            return made[service]

    return client


def check_account(clients: Clients, account_id: str) -> None:
    """Raises `HarnessError` when the credentials are of another account, or of none."""
    try:
        answer = clients("sts").get_caller_identity()["Account"]
    except (ClientError, BotoCoreError) as error:
        raise HarnessError(
            f"account {account_id} cannot be reached",
            saw=str(error),
            try_="aws sts get-caller-identity",
        ) from error
    if answer != account_id:
        raise HarnessError(
            f"the credentials are not of account {account_id}",
            saw=f"they are of {answer}",
            try_="AWS_PROFILE=... conformance sweep",
        )


def code_of(error: ClientError) -> str:
    code: str = error.response.get("Error", {}).get("Code", "")
    return code


def pages(client: Any, operation: str, key: str, **parameters: Any) -> Iterator[Any]:
    """All items of a listing; of one whose owner is gone, none."""
    try:
        for page in client.get_paginator(operation).paginate(**parameters):
            yield from page.get(key) or ()
    except ClientError as error:
        if code_of(error) not in ABSENT | UNKNOWN_OPERATIONS:
            raise


def ask(call: Callable[..., Any], **parameters: Any) -> Any | None:
    """What a call answers; None when what it is about is not there."""
    try:
        return call(**parameters)
    except ClientError as error:
        if code_of(error) in ABSENT | UNKNOWN_OPERATIONS:
            return None
        raise


def pairs(tags: Any, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """AWS's list of tags as a mapping."""
    return {tag[key]: tag[value] for tag in tags or ()}
