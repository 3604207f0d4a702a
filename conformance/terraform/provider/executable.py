"""
The provider as a plugin that Terraform starts itself.

For people who run `terraform` by hand against `conformance up`. The handshake is
go-plugin's: a line on standard output with protocol, socket and certificate
(hashicorp/go-plugin, docs/internals.md). The certificate is made anew each time, on a
curve that both sides know.

Terraform that was killed does not end its plugins; this one looks whether its parent
is still there.
"""

import base64
import datetime
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from typing import Final

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from conformance.terraform.provider import protocol
from conformance.terraform.provider.catalogue import AWS
from conformance.terraform.provider.connection import Settings
from conformance.terraform.provider.server import CATALOGUES, make_server
from conformance.terraform.provider.service import Provider

# What Terraform puts into the environment of its plugins (terraform-plugin-go,
# tfprotov6/tf6server/plugin.go), so that a person who starts one is told.
_COOKIE: Final = (
    "TF_PLUGIN_MAGIC_COOKIE",
    "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
)
_CORE_PROTOCOL: Final = 1
_PARENT_CHECK_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 5.0


def main(environment: Mapping[str, str], source: str = AWS.source) -> int:
    """Serve the provider of this source until Terraform says stop or is gone; the exit code."""
    if environment.get(_COOKIE[0]) != _COOKIE[1]:
        print(
            "This is a Terraform provider; Terraform starts it. "
            "`conformance up` prints how to run terraform with it.",
            file=sys.stderr,
        )
        return 1
    # Ctrl-C in a terminal reaches the whole group; the plugin ends when Terraform says so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent, stop = os.getppid(), threading.Event()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        certificate, credentials = _certificate()
        catalogue = next(each for each in CATALOGUES if each.source == source)
        provider = Provider(Settings.from_environment(environment), catalogue)
        server = make_server(provider, stop.set)
        socket = f"{folder}/provider"
        server.add_secure_port(f"unix:{socket}", credentials)
        server.start()
        line = (_CORE_PROTOCOL, protocol.VERSION, "unix", socket, "grpc", certificate)
        print("|".join(map(str, line)), flush=True)
        while not stop.wait(_PARENT_CHECK_SECONDS) and os.getppid() == parent:
            pass
        server.stop(_GRACE_SECONDS).wait()
    return 0


def _certificate() -> tuple[str, grpc.ServerCredentials]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    # go-plugin reads base64 without padding.
    told = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    return told.rstrip("="), grpc.ssl_server_credentials([(private, public)])
