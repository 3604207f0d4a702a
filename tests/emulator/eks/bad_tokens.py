"""
Tokens that nobody may get credentials for, by the thousand.

Each kind is a way that real verifiers were fooled or fell over. A token that is good
in every respect but one must be refused for that one, so most are signed by the
cluster's own key: a wrong signature would hide everything else.
"""

import base64
import json
import re
import string
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import strategies as st

AUDIENCE = "pods.eks.amazonaws.com"
Json = dict[str, Any]


def pod_claims(issuer: str, namespace: str, pod: str) -> Json:
    """As the cluster's TokenRequest makes them, for the service account `app`."""
    now = int(time.time())
    return {
        "aud": [AUDIENCE],
        "exp": now + 3600,
        "iat": now,
        "iss": issuer,
        "jti": str(uuid.uuid4()),
        "kubernetes.io": {
            "namespace": namespace,
            "node": {"name": "node-1", "uid": str(uuid.uuid4())},
            "pod": {"name": pod, "uid": "11111111-2222-3333-4444-555555555555"},
            "serviceaccount": {"name": "app", "uid": str(uuid.uuid4())},
        },
        "nbf": now,
        "sub": f"system:serviceaccount:{namespace}:app",
    }


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def segment(value: object) -> str:
    return encoded(json.dumps(value).encode())


@dataclass(frozen=True)
class Forge:
    """What a forger of the worst kind has: the cluster's own key."""

    issuer: str
    key: rsa.RSAPrivateKey
    key_id: str

    @property
    def header(self) -> Json:
        return {"alg": "RS256", "kid": self.key_id}

    def claims(self) -> Json:
        return pod_claims(self.issuer, "dev", "probe-7c9f-abcde")

    def good(self) -> str:
        """A token that is believed."""
        return self.sign(self.header, self.claims())

    def sign(self, header: Json, claims: Json, key: rsa.RSAPrivateKey | None = None) -> str:
        signed = f"{segment(header)}.{segment(claims)}"
        signature = jwt.get_algorithm_by_name("RS256").sign(signed.encode(), key or self.key)
        return f"{signed}.{encoded(signature)}"

    def public_pem(self) -> bytes:
        """What everyone can read, and so the secret of the oldest trick."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


Kind = Callable[[Forge], st.SearchStrategy[str]]
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", AUDIENCE, "RS256", "none", "key-1", 0, -1, 2**63]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
segments = st.text(string.ascii_letters + string.digits + "-_=", max_size=200)

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
# Without these there is no token of a pod; the others (jti, iat, nbf, node) may be missing.
_NEEDED = ("aud", "exp", "iss", "kubernetes.io", "sub")
_NEEDED_OF_POD = ("namespace", "pod", "serviceaccount")


def bad_tokens(forge: Forge, kinds: tuple[Kind, ...] | None = None) -> st.SearchStrategy[str]:
    """Of every kind unless told otherwise; none may be believed."""
    return st.one_of([kind(forge) for kind in kinds or KINDS])


def _flipped_bits(forge: Forge) -> st.SearchStrategy[str]:
    @st.composite
    def flipped(draw: st.DrawFn) -> str:
        parts = forge.good().split(".")
        which = draw(st.integers(0, 2))
        raw = bytearray(base64.urlsafe_b64decode(parts[which] + "=="))
        raw[draw(st.integers(0, len(raw) - 1))] ^= 1 << draw(st.integers(0, 7))
        parts[which] = encoded(bytes(raw))
        return ".".join(parts)

    return flipped()


def _other_algorithms(forge: Forge) -> st.SearchStrategy[str]:
    """`none` in every spelling, HMAC keyed with the public key, and other algorithms of the key."""
    claims, header = forge.claims(), forge.header
    body = segment(claims)

    def unsigned(spelling: str, signature: str) -> str:
        return f"{segment(header | {'alg': spelling})}.{body}.{signature}"

    def keyed(algorithm: str, named: str) -> str:
        signed = f"{segment(header | {'alg': named})}.{body}"
        hmac = jwt.get_algorithm_by_name(algorithm)
        # prepare_key refuses a public key as secret, which is what a careless verifier does not.
        return f"{signed}.{encoded(hmac.sign(signed.encode(), forge.public_pem()))}"

    def other(algorithm: str) -> str:
        signed = f"{segment(header | {'alg': algorithm})}.{body}"
        rsa_ = jwt.get_algorithm_by_name(algorithm)
        return f"{signed}.{encoded(rsa_.sign(signed.encode(), forge.key))}"

    nones = st.sampled_from(["none", "None", "NONE", "nOnE", "", "RS256 ", "rs256"])
    return (
        st.builds(unsigned, nones, segments)
        | st.builds(keyed, st.sampled_from(["HS256", "HS384", "HS512"]), st.just("RS256"))
        | st.sampled_from(["HS256", "HS384", "HS512"]).map(lambda name: keyed(name, name))
        | st.sampled_from(["RS384", "RS512", "PS256", "PS384"]).map(other)
    )


def _swapped_keys(forge: Forge) -> st.SearchStrategy[str]:
    """Well signed by somebody else, under the cluster's key id, another or one that is a path."""
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ids = st.sampled_from([forge.key_id, "key-2", "../../dev/null", "' OR 1=1", "\0"])
    return ids.map(lambda kid: forge.sign({"alg": "RS256", "kid": kid}, forge.claims(), stranger))


def _keys_in_the_header(forge: Forge) -> st.SearchStrategy[str]:
    """A header that brings its own key, or says where to find one."""
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = jwt.get_algorithm_by_name("RS256").to_jwk(stranger.public_key(), as_dict=True)
    more: st.SearchStrategy[Json] = st.sampled_from(
        [
            {"jwk": jwk},
            {"jku": "https://evil.test/jwks.json"},
            {"x5u": "https://evil.test/cert.pem"},
            {"x5c": ["MIIB"]},
            {"crit": ["b64"], "b64": False},
            {"kid": forge.key_id, "typ": "JWE", "enc": "A256GCM"},
        ]
    )
    return more.map(lambda extra: forge.sign(forge.header | extra, forge.claims(), stranger))


def _somebody_elses(forge: Forge) -> st.SearchStrategy[str]:
    """The cluster's own signature under what is not for EKS Auth, or not now."""
    now = int(time.time())  # When the strategy is made; the last token may be asked minutes later.
    changes: st.SearchStrategy[Any] = st.one_of(
        st.integers(1, 10**9).map(lambda ago: {"exp": now - ago}),
        st.integers(86_400, 10**9).map(lambda ahead: {"nbf": now + ahead}),
        st.text(max_size=20).map(lambda one: {"aud": [f"{one}.{AUDIENCE}"]}),
        st.sampled_from(
            [
                {"aud": []},
                {"aud": ["sts.amazonaws.com"]},
                {"aud": [AUDIENCE.upper()]},
                {"iss": f"{forge.issuer[:-1]}X"},
                {"iss": f"{forge.issuer}/"},
                {"iss": forge.issuer.upper()},
                {"iss": "https://kubernetes.default.svc"},
                {"sub": "system:serviceaccount:prod:app"},
                {"sub": "system:serviceaccount:dev:app:more"},
                {"sub": "system:node:node-1"},
            ]
        ),
    )
    return changes.map(lambda change: forge.sign(forge.header, forge.claims() | change))


def _other_clusters(forge: Forge) -> st.SearchStrategy[str]:
    """All as it should be, in another cluster: key, key id, issuer, and now and then the id."""
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    home, _, _ = forge.issuer.rpartition("/")
    issuers = st.from_regex("[0-9A-F]{32}", fullmatch=True).map(lambda id_: f"{home}/{id_}")
    ids = st.from_regex("[0-9a-f]{40}", fullmatch=True) | st.just(forge.key_id)

    def issued(issuer: str, key_id: str) -> str:
        return forge.sign(
            forge.header | {"kid": key_id}, forge.claims() | {"iss": issuer}, stranger
        )

    others = issuers.filter(lambda issuer: issuer != forge.issuer)
    return st.builds(issued, others, ids)


def _claims_gone(forge: Forge) -> st.SearchStrategy[str]:
    def without(claim: str, of_pod: str, both: bool) -> str:
        claims = forge.claims()
        del claims["kubernetes.io"][of_pod]
        if both:
            del claims[claim]
        return forge.sign(forge.header, claims)

    gone = st.sampled_from(_NEEDED)
    return st.builds(without, gone, st.sampled_from(_NEEDED_OF_POD), st.booleans()) | gone.map(
        lambda claim: forge.sign(
            forge.header, {k: v for k, v in forge.claims().items() if k != claim}
        )
    )


def _claims_retyped(forge: Forge) -> st.SearchStrategy[str]:
    """Some claims, and parts of the header, are something else altogether."""

    @st.composite
    def retyped(draw: st.DrawFn) -> str:
        claims, header = forge.claims(), forge.header
        of_pod = claims["kubernetes.io"]
        places = [(claims, name) for name in _NEEDED] + [(of_pod, name) for name in _NEEDED_OF_POD]
        places += [(of_pod["pod"], "uid"), (of_pod["serviceaccount"], "name"), (header, "kid")]
        for place, name in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
            value = draw(json_values)
            # A number is a good `exp` if it is late enough; a name a good one if it is the name.
            place[name] = [value] if isinstance(value, int | float | str) else value
        if AUDIENCE in json.dumps(claims["aud"]):
            # Perhaps nothing that matters has changed yet.
            claims["exp"] = draw(st.sampled_from(["tomorrow", None, [], True, -1, 1e400]))
        return forge.sign(header, claims)

    return retyped()


def _unicode(forge: Forge) -> st.SearchStrategy[str]:
    """Names that look like the right ones, and text that is no name at all."""
    alike = st.sampled_from(
        ["d\u0435v", "dev\u200b", "\uff44\uff45\uff56", "dev\0", "../dev", "dev\n", "DEV", " dev"]
    )
    names = alike | st.text(min_size=1, max_size=20).filter(lambda name: not _NAME.fullmatch(name))

    def named(name: str) -> str:
        claims = forge.claims()
        claims["kubernetes.io"]["namespace"] = name
        claims["sub"] = f"system:serviceaccount:{name}:app"
        return forge.sign(forge.header, claims)

    return names.map(named) | st.text(max_size=100)


def _huge(forge: Forge) -> st.SearchStrategy[str]:
    header = segment(forge.header)

    def padded(size: int) -> str:
        return forge.sign(forge.header | {"kid": "k" * size}, forge.claims())

    return st.one_of(
        st.integers(10_000, 60_000).map(padded),
        st.integers(10_000, 60_000).map(lambda size: f"{header}.{'A' * size}.AAAA"),
        st.integers(1_000, 60_000).map(lambda size: "." * size),
        st.integers(3, 50).map(lambda count: ".".join([header] * count)),
    )


def _nested(forge: Forge) -> st.SearchStrategy[str]:
    """JSON that is deep, or JSON in JSON."""
    deep = st.tuples(st.sampled_from([b"[", b'{"a":']), st.integers(100, 20_000))
    header, body = segment(forge.header), segment(forge.claims())
    return (
        deep.map(lambda made: f"{encoded(made[0] * made[1])}.{body}.AAAA")
        | deep.map(lambda made: f"{header}.{encoded(made[0] * made[1])}.AAAA")
        | json_values.map(lambda value: forge.sign(forge.header | {"kid": value}, {"": value}))
        | st.just(segment(forge.good()))
    )


def _not_tokens(forge: Forge) -> st.SearchStrategy[str]:
    del forge
    return (
        st.text(max_size=300)
        | st.lists(segments, max_size=5).map(".".join)
        | st.tuples(json_values, json_values, segments).map(
            lambda parts: f"{segment(parts[0])}.{segment(parts[1])}.{parts[2]}"
        )
    )


IN_THE_CLAIMS = (_somebody_elses, _other_clusters, _claims_gone, _claims_retyped, _unicode, _nested)
"""To be refused whoever signed them."""
KINDS = (
    *IN_THE_CLAIMS,
    _huge,
    _flipped_bits,
    _other_algorithms,
    _swapped_keys,
    _keys_in_the_header,
    _not_tokens,
)
