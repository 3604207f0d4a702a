"""A webhook with the recordings' identities and service accounts, asked over TLS."""

from __future__ import annotations

import asyncio
import datetime
import random
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conformance.cluster.webhook import Webhook, WebhookSettings
from conformance.faults import ActiveFaults

IDENTITIES = [("default", "sa"), ("default", "irsa"), ("default", "exp")]
ROLE = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/r"}
SERVICE_ACCOUNTS: dict[tuple[str, str], dict[str, str]] = {
    ("default", "sa"): {},
    ("default", "other"): {},
    ("default", "irsa"): ROLE,
    ("default", "irsaonly"): ROLE,
    ("default", "exp"): {
        "eks.amazonaws.com/token-expiration": "3600",
        "eks.amazonaws.com/sts-regional-endpoints": "true",
        "eks.amazonaws.com/audience": "someone.else",
    },
}


async def annotations_of(namespace: str, name: str) -> Mapping[str, str] | None:
    return SERVICE_ACCOUNTS.get((namespace, name))


def make_webhook(
    settings: WebhookSettings | None = None, faults: tuple[str, ...] = (), seed: int = 7
) -> Webhook:
    active = ActiveFaults(list(faults))
    rng = random.Random(seed)  # noqa: S311 - lifetimes that repeat
    made = Webhook(settings or WebhookSettings(), annotations_of, active, rng)
    made.set_identities(IDENTITIES)
    return made


def review_of(pod: dict[str, Any], version: str = "v1") -> dict[str, Any]:
    return {
        "kind": "AdmissionReview",
        "apiVersion": f"admission.k8s.io/{version}",
        "request": {"uid": "u1", "namespace": "default", "object": pod},
    }


@dataclass
class Answer:
    status: int
    content_type: str
    text: str


@dataclass
class Asked:
    """A webhook at a URL."""

    url: str

    async def post(self, body: bytes, content_type: str = "application/json") -> Answer:
        headers = {"Content-Type": content_type}
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{self.url}/mutate", data=body, headers=headers, ssl=_TRUST_ANY
            ) as response,
        ):
            text = await response.text()
            return Answer(response.status, response.headers.get("Content-Type", ""), text)

    async def get(self, path: str) -> Answer:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}{path}", ssl=_TRUST_ANY) as response,
        ):
            text = await response.text()
            return Answer(response.status, response.headers.get("Content-Type", ""), text)


# A webhook under test has a certificate of its own making, on loopback.
_TRUST_ANY = ssl.create_default_context()
_TRUST_ANY.check_hostname = False
_TRUST_ANY.verify_mode = ssl.CERT_NONE


def server_tls(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "webhook")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "webhook.pem"
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


@dataclass
class Running:
    """Our webhook over TLS, for as long as a test runs in its loop."""

    tls: ssl.SSLContext
    webhook: Webhook = field(default_factory=make_webhook)

    async def __aenter__(self) -> Asked:
        made = socket.socket()
        made.bind(("127.0.0.1", 0))
        await self.webhook.start(made, self.tls)
        return Asked(f"https://127.0.0.1:{made.getsockname()[1]}")

    async def __aexit__(self, *_: object) -> None:
        await self.webhook.close()
        # TLS shuts down a step later than the runner's cleanup returns.
        await asyncio.sleep(0)


@pytest.fixture(scope="session")
def webhook_url(pytestconfig: pytest.Config) -> str | None:
    """The webhook to compare with the recordings instead of ours."""
    return cast("str | None", pytestconfig.getoption("--webhook"))


@pytest.fixture(scope="session")
def webhook_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_tls(tmp_path_factory.mktemp("webhook"))
