"""What the stand-in clusters of a test session share, because making it takes longer than they."""

import datetime
import json
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

KEY_ID = "key-1"


def write(folder: Path) -> None:
    """`tls.pem` (certificate and key), `ca.pem`, `signing.pem` and `jwks.json`."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(key)
    (folder / "ca.pem").write_bytes(certificate)
    (folder / "tls.pem").write_bytes(certificate + _private(key))
    signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "signing.pem").write_bytes(_private(signing))
    jwk = {**RSAAlgorithm.to_jwk(signing.public_key(), as_dict=True), "kid": KEY_ID, "alg": "RS256"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))


def _certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
