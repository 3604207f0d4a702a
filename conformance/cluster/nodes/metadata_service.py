"""
The instance metadata service of every node, at 169.254.169.254.

It is how a pod that was not injected gets the role of its node without anybody
noticing, so it has to be there to be missed. It answers in the hub, one hop before
the nodes, as EC2's does: an answer to `PUT /latest/api/token` leaves with a time to
live of the hop limit, and it is the kernel of the node that drops it on the way into
a pod. Whose metadata is asked for is decided by the address that asks.

The trap: everything but that one answer has the usual time to live. The connection
is made, and the client waits for a token until its own patience ends.

Sources: EC2 User Guide, "Use the Instance Metadata Service to access instance
metadata"; `Troubleshoot IAM and Amazon EC2` for a role that EC2 may not assume.
"""

import json
import platform
import re
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic

from aiohttp import web

from conformance.cluster.agent.interface import NodeCredentialsError
from conformance.cluster.nodes.instance_credentials import InstanceCredentials
from conformance.cluster.nodes.metadata_options import MetadataOptions
from conformance.cluster.nodes.node_object import NodeIdentity

_TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
_TOKEN_SECONDS = "X-aws-ec2-metadata-token-ttl-seconds"  # noqa: S105 - a header's name
_LONGEST_SECONDS = 21600
_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
_VERSION = re.compile(r"latest|\d{4}-\d\d-\d\d")
_LOST_AFTER_MILLISECONDS = 3000
_AMI = "ami-0c0f00000000a12023"
_CREDENTIALS = "meta-data/iam/security-credentials"


@dataclass(frozen=True)
class Instance:
    """One node as EC2 knows it."""

    identity: NodeIdentity
    options: MetadataOptions
    launched: datetime

    @property
    def role(self) -> str:
        """The name of the node role, without its path."""
        return self.identity.role_arn.rpartition("/")[2]


FindInstance = Callable[[str], Instance | None]
"""The instance that an address belongs to: the node's own, or one of its pods'."""


@dataclass(frozen=True)
class _Token:
    instance_id: str
    ends: float


class MetadataService:
    """Answers for all nodes of a cluster."""

    def __init__(
        self, find: FindInstance, credentials: InstanceCredentials, account_id: str
    ) -> None:
        self._find = find
        self._credentials = credentials
        self._account_id = account_id
        self._tokens: dict[str, _Token] = {}
        self._runner: web.ServerRunner | None = None

    async def start(self, listening: socket.socket) -> None:
        self._runner = web.ServerRunner(
            web.Server(self._answer, access_log=None), handle_signals=False, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, http: web.BaseRequest) -> web.StreamResponse:
        instance = self._find(http.remote or "")
        if instance is None:
            return _failure(404, "Not Found")
        if http.method == "PUT":
            return self._give_token(http, instance)
        if http.method not in {"GET", "HEAD"}:
            return _failure(405, "Method Not Allowed")
        given = http.headers.get(_TOKEN)
        if given is None and instance.options.tokens_required:
            return _failure(401, "Unauthorized")
        left = self._seconds_left(given, instance) if given is not None else 0
        if left is None:
            return _failure(401, "Unauthorized")
        text = await self._text(http.path, instance)
        if text is None:
            return _failure(404, "Not Found")
        response = web.Response(text=text, content_type="text/plain", headers=_SERVER)
        if given is not None:
            response.headers[_TOKEN_SECONDS] = str(left)
        return response

    def _give_token(self, http: web.BaseRequest, instance: Instance) -> web.Response:
        _limit_hops(http, instance.options.hop_limit)
        if http.path != _TOKEN_PATH or "X-Forwarded-For" in http.headers:
            # A proxy has asked: the guide names this refusal as IMDSv2's guard against them.
            return _failure(403, "Forbidden")
        wanted = http.headers.get(_TOKEN_SECONDS, "")
        if not wanted.isdecimal() or not 1 <= int(wanted) <= _LONGEST_SECONDS:
            return _failure(400, "Bad Request")
        now = monotonic()
        self._tokens = {text: one for text, one in self._tokens.items() if one.ends > now}
        text = secrets.token_urlsafe(41)
        self._tokens[text] = _Token(instance.identity.instance_id, now + int(wanted))
        return web.Response(
            text=text, content_type="text/plain", headers={**_SERVER, _TOKEN_SECONDS: wanted}
        )

    def _seconds_left(self, given: str, instance: Instance) -> int | None:
        """None for a token that is unknown, over, or another instance's."""
        token = self._tokens.get(given)
        if token is None or token.instance_id != instance.identity.instance_id:
            return None
        left = token.ends - monotonic()
        return int(left) if left > 0 else None

    async def _text(self, path: str, instance: Instance) -> str | None:
        version, _, wanted = path.strip("/").partition("/")
        if not version:
            return "latest"
        if not _VERSION.fullmatch(version):
            return None
        if wanted == f"{_CREDENTIALS}/{instance.role}":
            return await self._role_credentials(instance)
        known = _documents(instance, self._account_id)
        if wanted in known:
            return known[wanted]
        return _listing([*known, f"{_CREDENTIALS}/{instance.role}"], wanted)

    async def _role_credentials(self, instance: Instance) -> str:
        try:
            session = await self._credentials.session(
                instance.identity.role_arn, instance.identity.instance_id
            )
        except NodeCredentialsError:
            refused = {
                "Code": "AssumeRoleUnauthorizedAccess",
                "Message": f"EC2 cannot assume the role {instance.role}. Please see documentation "
                "at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html"
                "#troubleshoot_iam-ec2_errors-info-doc.",
                "LastUpdated": _time(datetime.now(UTC)),
            }
            return json.dumps(refused, indent=2)
        given = {
            "Code": "Success",
            "LastUpdated": _time(session.obtained),
            "Type": "AWS-HMAC",
            "AccessKeyId": session.credentials.access_key_id,
            "SecretAccessKey": session.credentials.secret_access_key,
            "Token": session.credentials.session_token,
            "Expiration": _time(session.expires),
        }
        return json.dumps(given, indent=2)


_SERVER = {"Server": "EC2ws"}


def _limit_hops(http: web.BaseRequest, hops: int) -> None:
    transport = http.transport
    if transport is None:
        return
    peer = transport.get_extra_info("socket")
    # For the rest of the connection: a lost answer that is sent again must not get further.
    peer.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _LOST_AFTER_MILLISECONDS)


def _failure(status: int, reason: str) -> web.Response:
    page = (
        '<?xml version="1.0" encoding="iso-8859-1"?>\n'
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n'
        '\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n'
        f" <head>\n  <title>{status} - {reason}</title>\n </head>\n"
        f" <body>\n  <h1>{status} - {reason}</h1>\n </body>\n</html>\n"
    )
    return web.Response(status=status, text=page, content_type="text/html", headers=_SERVER)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _documents(instance: Instance, account_id: str) -> dict[str, str]:
    """Every leaf but the credentials, by its path below the version."""
    node = instance.identity
    launched = _time(instance.launched)
    profile_arn = f"{node.role_arn.rpartition(':')[0]}:instance-profile/{instance.role}"
    octets = [int(part) for part in node.address.split(".")]
    info = {
        "Code": "Success",
        "LastUpdated": launched,
        "InstanceProfileArn": profile_arn,
        "InstanceProfileId": f"AIPA{node.instance_id.removeprefix('i-').upper()}",
    }
    document = {
        "accountId": account_id,
        "architecture": {"aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "availabilityZone": node.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": _AMI,
        "instanceId": node.instance_id,
        "instanceType": node.instance_type,
        "kernelId": None,
        "pendingTime": launched,
        "privateIp": node.address,
        "ramdiskId": None,
        "region": node.region,
        "version": "2017-09-30",
    }
    metadata = {
        "ami-id": _AMI,
        "hostname": node.name,
        "iam/info": json.dumps(info, indent=2),
        "instance-id": node.instance_id,
        "instance-type": node.instance_type,
        "local-hostname": node.name,
        "local-ipv4": node.address,
        "mac": ":".join(f"{part:02x}" for part in (2, 0, *octets)),
        "placement/availability-zone": node.zone,
        "placement/availability-zone-id": zone_id(node.zone),
        "placement/region": node.region,
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    return {
        "dynamic/instance-identity/document": json.dumps(document, indent=2),
        **{f"meta-data/{path}": text for path, text in metadata.items()},
    }


def zone_id(zone: str) -> str:
    """
    The id of a zone where `a` is the first: `us-west-2a` is `usw2-az1`.

    In life each account has its own order of letters (AWS RAM User Guide, "AZ IDs").
    """
    *area, where, number = zone[:-1].split("-")
    compass = "".join(word[0] for word in re.findall("north|south|east|west|central", where))
    area = [area[0], *(word[0] for word in area[1:])]
    return f"{''.join(area)}{compass}{number}-az{ord(zone[-1]) - ord('a') + 1}"


def _listing(paths: Iterable[str], folder: str) -> str | None:
    """The entries of a folder, those with something below them ending in a slash."""
    prefix = f"{folder}/" if folder else ""
    found = {path.removeprefix(prefix) for path in paths if path.startswith(prefix)}
    if not found:
        return None
    return "\n".join(sorted({head + slash for head, slash, _ in (p.partition("/") for p in found)}))
