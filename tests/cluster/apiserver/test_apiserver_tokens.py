import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
PODS = "/api/v1/namespaces/default/pods"
AUDIENCE = "pods.eks.amazonaws.com"


def request_token(running: Any, user: Any = None, **spec: Any) -> Any:
    return (user or running.client)("POST", f"{ACCOUNT}/token", {"spec": spec})


def make_pod(running: Any, name: str, node: str = "", audience: str = AUDIENCE) -> str:
    source = {"serviceAccountToken": {"path": "t", "audience": audience}}
    spec: dict[str, Any] = {
        "containers": [{"name": "m", "image": "i"}],
        "volumes": [{"name": "t", "projected": {"sources": [source]}}],
    }
    if node:
        spec["nodeName"] = node
        running.client("POST", "/api/v1/nodes", {"metadata": {"name": node}})
    answer = running.client("POST", PODS, {"metadata": {"name": name}, "spec": spec})
    assert answer.status == 201, answer.body
    return str(answer.body["metadata"]["uid"])


def bound(name: str, uid: str) -> dict[str, str]:
    return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}


def test_published_key_verifies_a_token(running: Any) -> None:
    token = request_token(running, audiences=[AUDIENCE]).body["status"]["token"]
    own = request_token(running).body["status"]["token"]
    keys = running.client.as_user(own)("GET", "/openid/v1/jwks").body
    assert keys == running.server.jwks()
    claims = jwt.decode(
        token,
        jwt.PyJWK(keys["keys"][0]).key,
        algorithms=["RS256"],
        audience=AUDIENCE,
        issuer="https://issuer.test/id/1",
    )
    assert claims["sub"] == "system:serviceaccount:default:default"


def test_header_holds_only_algorithm_and_key(running: Any) -> None:
    token = request_token(running).body["status"]["token"]
    head = token.split(".")[0]
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {
        "alg": "RS256",
        "kid": running.server.jwks()["keys"][0]["kid"],
    }


def test_key_id_is_the_hash_of_the_public_key(running: Any) -> None:
    published = running.server.jwks()["keys"][0]
    key = jwt.PyJWK(published).key
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=")
    assert published["kid"] == digest.decode()


def test_claims_of_a_bound_token_name_pod_and_node(running: Any) -> None:
    uid = make_pod(running, "claimed", "claims-node")
    answer = request_token(running, audiences=[AUDIENCE], boundObjectRef=bound("claimed", uid))
    claims = jwt.decode(answer.body["status"]["token"], options={"verify_signature": False})
    assert list(claims) == ["aud", "exp", "iat", "iss", "jti", "kubernetes.io", "nbf", "sub"]
    assert claims["aud"] == [AUDIENCE]
    assert claims["iat"] == claims["nbf"] == claims["exp"] - 3600
    private = claims["kubernetes.io"]
    assert list(private) == ["namespace", "node", "pod", "serviceaccount"]
    assert private["pod"] == {"name": "claimed", "uid": uid}
    assert private["node"]["name"] == "claims-node"


def test_uid_of_another_pod_of_that_name_is_a_conflict(running: Any) -> None:
    make_pod(running, "renewed")
    answer = request_token(running, boundObjectRef=bound("renewed", "1111"))
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")


def test_node_mints_only_for_its_own_pods(running: Any) -> None:
    mine, other = make_pod(running, "mine", "node-a"), make_pod(running, "other", "node-b")
    node = running.client.as_user(running.server.node_token("node-a"))
    good = request_token(running, node, audiences=[AUDIENCE], boundObjectRef=bound("mine", mine))
    assert good.status == 201, good.body
    refused: dict[str, dict[str, Any]] = {
        "unbound": {"audiences": [AUDIENCE]},
        "other node": {"audiences": [AUDIENCE], "boundObjectRef": bound("other", other)},
        "other audience": {"audiences": ["x"], "boundObjectRef": bound("mine", mine)},
    }
    for why, spec in refused.items():
        assert request_token(running, node, **spec).status == 403, why


def test_node_reads_secrets_of_its_own_pods_only(running: Any) -> None:
    secrets = "/api/v1/namespaces/default/secrets"
    for name in ("used", "unused"):
        running.client("POST", secrets, {"metadata": {"name": name}})
    volume = {"name": "s", "secret": {"secretName": "used"}}
    spec = {
        "containers": [{"name": "m", "image": "i"}],
        "volumes": [volume],
        "nodeName": "node-s",
    }
    running.client("POST", "/api/v1/nodes", {"metadata": {"name": "node-s"}})
    running.client("POST", PODS, {"metadata": {"name": "reader"}, "spec": spec})
    node = running.client.as_user(running.server.node_token("node-s"))
    assert node("GET", f"{secrets}/used").status == 200
    assert node("GET", f"{secrets}/unused").status == 403
    assert node("GET", secrets).status == 403


def test_revoked_token_is_unknown(running: Any) -> None:
    token = running.server.user_token("guest", ("system:masters",))
    assert running.client.as_user(token)("GET", PODS).status == 200
    running.server.revoke(token)
    assert running.client.as_user(token)("GET", PODS).status == 401


def test_service_account_may_nothing_until_it_is_bound(running: Any) -> None:
    token = request_token(running).body["status"]["token"]
    account = running.client.as_user(token)
    assert account("GET", PODS).status == 403
    assert account("GET", "/apis").status == 200
    role = {
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    }
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    assert running.client("POST", f"{rbac}/roles", role).status == 201
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    binding = {"metadata": {"name": "reader"}, "subjects": [subject], "roleRef": reference}
    assert running.client("POST", f"{rbac}/rolebindings", binding).status == 201
    assert account("GET", PODS).status == 200
    assert account("GET", f"{PODS}/x").status == 403
    assert account("GET", "/api/v1/pods").status == 403


@pytest.fixture(scope="module")
def hasty(start_server: Callable[..., Any]) -> Any:
    return start_server(max_token_seconds=30, min_token_seconds=5)


def test_longer_life_is_shortened_with_a_warning(hasty: Any) -> None:
    answer = request_token(hasty, audiences=[AUDIENCE], expirationSeconds=86400)
    assert answer.body["spec"]["expirationSeconds"] == 30
    assert "shortened to 30 seconds" in answer.headers["warning"]
    claims = jwt.decode(answer.body["status"]["token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 30


def test_life_below_the_environments_minimum_is_refused(hasty: Any) -> None:
    assert request_token(hasty, expirationSeconds=5).status == 201
    assert request_token(hasty, expirationSeconds=4).status == 422


def test_expired_token_is_refused_by_the_api(hasty: Any) -> None:
    token = request_token(hasty, expirationSeconds=5).body["status"]["token"]
    user = hasty.client.as_user(token)
    assert user("GET", "/apis").status == 200
    hasty.ahead += timedelta(seconds=70)
    assert user("GET", "/apis").status == 401


def test_answers_never_hold_the_token_that_was_refused(running: Any) -> None:
    token = request_token(running, audiences=["x"]).body["status"]["token"]
    answer = running.client.as_user(token)("GET", PODS)
    assert answer.status == 401
    assert token[-20:] not in json.dumps(answer.body)
