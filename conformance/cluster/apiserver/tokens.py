"""
Service account tokens: signed, published as keys, and checked as kube-apiserver does.

EKS Auth trusts these tokens by the published keys alone, so header, `kid` and claims
must be those of a real server. Traps: the header holds `alg` and `kid` but no `typ`;
`exp` and `nbf` have a minute of leeway; a token of a pod dies with the pod although
its signature stays good.
Source: k8s.io/kubernetes pkg/serviceaccount/{jwt,claims}.go and the recorded answers.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from conformance.cluster.apiserver.resources import (
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
    dig,
)
from conformance.cluster.apiserver.store import Store

LEEWAY = timedelta(seconds=60)
_EXTENDED = timedelta(days=365)
_KUBELET_SECONDS = 3607
"""The odd life by which kubelet marks tokens for the API; they live a year and warn before."""

INVALID = "invalid bearer token"


@dataclass(frozen=True)
class Grant:
    """Rules as a ClusterRole has them, and the namespaces they count in."""

    rules: tuple[Object, ...]
    namespaces: tuple[str, ...] = ()
    """Names or patterns such as `dev-*`; empty for the whole cluster."""


@dataclass(frozen=True)
class User:
    """Who asks."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)
    grants: tuple["Grant", ...] = ()
    """Rights that come with who they are and not from RBAC."""

    def info(self) -> Object:
        """As UserInfo in reviews and admission requests."""
        named: Object = {
            "username": self.name,
            "uid": self.uid,
            "groups": list(self.groups),
            "extra": self.extra,
        }
        return {key: value for key, value in named.items() if value}


NameKey = Callable[[bytes], str]
"""Makes the `kid` of a public key, which is given as DER."""


class TokenRefusedError(Exception):
    """Says why, in the words of TokenReview's `status.error`; never holds the token."""


@dataclass(frozen=True)
class Binding:
    """What a token is bound to: it dies with it."""

    kind: str
    obj: Object


_BOUND = {"Pod": PODS, "Secret": SECRETS, "Node": NODES}
BINDABLE: dict[tuple[str, str], Resource] = {("v1", kind): row for kind, row in _BOUND.items()}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _compact(value: Object) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def kubernetes_key_id(public_key: bytes) -> str:
    """keyIDFromPublicKey in pkg/serviceaccount/jwt.go."""
    return _encode(hashlib.sha256(public_key).digest())


def eks_key_id(public_key: bytes) -> str:
    """
    A `kid` as EKS's signer gives it: 40 hexadecimal digits, which agent 0.2.1 insists on.

    What EKS makes them of is not known; only tokens that it signed have been seen.
    """
    return hashlib.sha1(public_key, usedforsecurity=False).hexdigest()


class TokenAuthority:
    """Signs and checks the tokens of one cluster with an RSA key of its own."""

    def __init__(
        self,
        store: Store,
        issuer: str,
        now: Callable[[], datetime],
        name_key: NameKey = kubernetes_key_id,
    ) -> None:
        self.issuer = issuer
        self._store = store
        self._now = now
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.key_id = name_key(public)

    def jwks(self) -> Object:
        numbers = self._key.public_key().public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        exponent = numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big")
        key = {
            "use": "sig",
            "kty": "RSA",
            "kid": self.key_id,
            "alg": "RS256",
            "n": _encode(modulus),
            "e": _encode(exponent),
        }
        return {"keys": [key]}

    def sign(self, claims: Object) -> str:
        """A token with exactly these claims."""
        head = {"alg": "RS256", "kid": self.key_id}
        signed = f"{_compact(head)}.{_compact(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encode(signature)}"

    def issue(
        self,
        account: Object,
        audiences: list[str],
        seconds: int,
        binding: Binding | None,
        *,
        for_api: bool,
    ) -> tuple[str, datetime]:
        """
        A token of a service account, and when it ends.

        `for_api`: the audiences are the API's own. Such a token, of kubelet's
        telltale life and bound to a pod, really lives a year.
        """
        meta = account["metadata"]
        issued = self._now().replace(microsecond=0)
        ends = issued + timedelta(seconds=seconds)
        private: Object = {"namespace": meta["namespace"]}
        private["serviceaccount"] = {"name": meta["name"], "uid": meta["uid"]}
        if binding is not None:
            private |= self._binding_claims(binding)
        expires = ends
        if for_api and seconds == _KUBELET_SECONDS and binding and binding.kind == "Pod":
            private["warnafter"] = int(ends.timestamp())
            expires = issued + _EXTENDED
        claims = {
            "aud": audiences,
            "exp": int(expires.timestamp()),
            "iat": int(issued.timestamp()),
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": dict(sorted(private.items())),
            "nbf": int(issued.timestamp()),
            "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
        }
        return self.sign(claims), ends

    def _binding_claims(self, binding: Binding) -> Object:
        meta = binding.obj["metadata"]
        claims: Object = {binding.kind.lower(): {"name": meta["name"], "uid": meta["uid"]}}
        node_name = dig(binding.obj, "spec", "nodeName") if binding.kind == "Pod" else None
        if node_name:
            node = self._store.find(NODES, "", node_name)
            claims["node"] = {"name": node_name}
            if node is not None:
                claims["node"]["uid"] = node["metadata"]["uid"]
        return claims

    def verify(self, token: str, audiences: list[str]) -> tuple[User, list[str]]:
        """
        Whose token it is, and which of `audiences` it is for.

        Raises `TokenRefusedError`. The order of the checks is kube-apiserver's, since it
        decides which of several reasons is told.
        """
        claims = self._signed_claims(token)
        aud = claims.get("aud") or []
        own = [aud] if isinstance(aud, str) else list(aud)
        shared = [audience for audience in audiences if audience in own]
        if not shared:
            raise TokenRefusedError(
                f"[{INVALID}, token audiences {quoted(own)} is invalid for the target audiences "
                f"{quoted(audiences)}]"
            )
        try:
            return self._holder(claims), shared
        except TokenRefusedError as error:
            raise TokenRefusedError(f"[{INVALID}, {error}]") from error

    def _signed_claims(self, token: str) -> dict[str, Any]:
        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise TokenRefusedError(INVALID) from error
        if unverified.get("iss") != self.issuer:
            # Not for this authenticator; there is no other that could know it.
            raise TokenRefusedError(INVALID)
        only_signature = {"verify_signature": True} | {
            f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
        }
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                options=only_signature,  # type: ignore[arg-type]  # a TypedDict of literals
            )
        except jwt.InvalidTokenError as error:
            raise TokenRefusedError(
                f"[{INVALID}, go-jose/go-jose: error in cryptographic primitive]"
            ) from error
        return claims

    def _holder(self, claims: dict[str, Any]) -> User:
        now, leeway = self._now().timestamp(), LEEWAY.total_seconds()
        if now - leeway > claims.get("exp", 0):
            raise TokenRefusedError("service account token has expired")
        if now + leeway < claims.get("nbf", 0):
            raise TokenRefusedError("service account token is not valid yet")
        private = claims.get("kubernetes.io") or {}
        namespace, account = private.get("namespace", ""), private.get("serviceaccount") or {}
        name = account.get("name", "")
        stored = self._store.find(SERVICE_ACCOUNTS, namespace, name)
        if stored is None:
            raise TokenRefusedError(f'serviceaccounts "{name}" not found')
        uid = stored["metadata"]["uid"]
        if uid != account.get("uid"):
            raise TokenRefusedError(
                f"service account UID ({uid}) does not match claim ({account.get('uid')})"
            )
        self._check_bound(namespace, private)
        extra = {"authentication.kubernetes.io/credential-id": [f"JTI={claims.get('jti')}"]}
        for kind in ("node", "pod"):
            for part in ("name", "uid"):
                if value := (private.get(kind) or {}).get(part):
                    extra[f"authentication.kubernetes.io/{kind}-{part}"] = [value]
        groups = (
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        )
        return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)

    def _check_bound(self, namespace: str, private: Object) -> None:
        for kind, resource in _BOUND.items():
            claim = private.get(kind.lower())
            if not claim or (kind == "Node" and "pod" in private):
                continue  # a pod's token does not die with the node's object
            scope = namespace if resource.namespaced else ""
            found = self._store.find(resource, scope, claim["name"])
            if found is None:
                raise TokenRefusedError("service account token has been invalidated")
            uid = found["metadata"]["uid"]
            if uid != claim["uid"]:
                what = kind.lower()
                raise TokenRefusedError(
                    f"{what} UID ({uid}) does not match service account {what} ref claim "
                    f"({claim['uid']})"
                )


def quoted(values: list[str]) -> str:
    """Go's %q of a list of strings."""
    return "[" + " ".join(json.dumps(value) for value in values) + "]"
