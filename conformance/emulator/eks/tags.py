"""
Tags of whatever EKS has, by ARN.

A node group's, an add-on's and an association's tags are changed here and nowhere
else; UpdateX never touches them.
"""

from typing import Any

from conformance.emulator.eks.call import Call
from conformance.emulator.eks.errors import ServiceError

MOST = 50


async def tag(call: Call) -> dict[str, Any]:
    tags = _tags(call)
    if len(tags.keys() | call["tags"].keys()) > MOST:
        raise ServiceError("BadRequestException", f"A resource can have at most {MOST} tags.")
    tags.update(call["tags"])
    return {}


async def untag(call: Call) -> dict[str, Any]:
    tags = _tags(call)
    for key in call["tagKeys"]:
        tags.pop(key, None)
    return {}


async def list_(call: Call) -> dict[str, Any]:
    return {"tags": _tags(call)}


def _tags(call: Call) -> dict[str, str]:
    tags = call.store.tagged(call["resourceArn"])
    if tags is None:
        raise ServiceError("NotFoundException", f"No resource has the ARN {call['resourceArn']}.")
    return tags
