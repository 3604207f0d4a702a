"""
Tokens and rights, one fact a test, on ours or on any other cluster; see any_cluster.py.
"""

import base64
import json
from typing import Any

import jwt
import pytest

from tests.cluster.apiserver.any_cluster import Ask, made, pod

AUDIENCE = "pods.eks.amazonaws.com"


def token_of(ask: Ask, accounts: str, name: str = "default", **spec: Any) -> Any:
    return made(ask("POST", f"{accounts}/{name}/token", {"spec": spec}))["status"]


def claims_of(token: str) -> Any:
    return jwt.decode(token, options={"verify_signature": False})


def test_a_token_has_the_audience_and_life_that_were_asked_for(ask: Ask, accounts: str) -> None:
    given = token_of(ask, accounts, audiences=[AUDIENCE], expirationSeconds=1200)
    claims = claims_of(given["token"])
    assert (claims["aud"], claims["exp"] - claims["iat"]) == ([AUDIENCE], 1200)
    header = given["token"].split(".")[0]
    assert set(json.loads(base64.urlsafe_b64decode(header + "=="))) == {"alg", "kid"}


def test_a_token_is_bound_to_its_pod(ask: Ask, accounts: str, pods: str, namespace: str) -> None:
    uid = made(ask("POST", pods, pod("holder")))["metadata"]["uid"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "holder", "uid": uid}
    claims = claims_of(token_of(ask, accounts, boundObjectRef=bound)["token"])
    private = claims["kubernetes.io"]
    assert (private["namespace"], private["pod"]) == (namespace, {"name": "holder", "uid": uid})
    assert private["serviceaccount"]["name"] == "default"


@pytest.mark.parametrize("seconds", [0, 599, 2**32 + 1])
def test_impossible_lives_are_refused(ask: Ask, accounts: str, seconds: int) -> None:
    refused = ask("POST", f"{accounts}/default/token", {"spec": {"expirationSeconds": seconds}})
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")


def test_a_token_for_another_pod_of_that_name_is_a_conflict(
    ask: Ask, accounts: str, pods: str
) -> None:
    made(ask("POST", pods, pod("again")))
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "again", "uid": "other"}
    refused = ask("POST", f"{accounts}/default/token", {"spec": {"boundObjectRef": bound}})
    assert refused.status == 409


def review(ask: Ask, token: str, **spec: Any) -> Any:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    return made(ask("POST", path, body | {"spec": {"token": token, **spec}}))["status"]


def test_a_review_tells_whose_token_it_is(ask: Ask, accounts: str, namespace: str) -> None:
    given = token_of(ask, accounts, audiences=[AUDIENCE])["token"]
    told = review(ask, given, audiences=[AUDIENCE])
    assert (told["authenticated"], told["audiences"]) == (True, [AUDIENCE])
    assert told["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    assert f"system:serviceaccounts:{namespace}" in told["user"]["groups"]


def test_a_review_for_another_audience_fails(ask: Ask, accounts: str) -> None:
    told = review(ask, token_of(ask, accounts, audiences=[AUDIENCE])["token"])
    assert "authenticated" not in told
    assert "token audiences" in told["error"]


def test_a_token_dies_with_its_pod(ask: Ask, accounts: str, pods: str) -> None:
    made(ask("POST", pods, pod("mortal")))
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "mortal"}
    given = token_of(ask, accounts, boundObjectRef=bound)["token"]
    made(ask("DELETE", f"{pods}/mortal", {"gracePeriodSeconds": 0}))
    assert "authenticated" not in review(ask, given)


def test_published_keys_verify_tokens(ask: Ask, accounts: str) -> None:
    given = token_of(ask, accounts, audiences=[AUDIENCE])["token"]
    keys = json.loads(ask("GET", "/openid/v1/jwks").text)["keys"]
    kid = jwt.get_unverified_header(given)["kid"]
    (key,) = [one for one in keys if one["kid"] == kid]
    discovery = json.loads(ask("GET", "/.well-known/openid-configuration").text)
    claims = jwt.decode(given, jwt.PyJWK(key).key, algorithms=["RS256"], audience=AUDIENCE)
    assert claims["iss"] == discovery["issuer"]


def test_an_unknown_token_is_unauthorized(ask: Ask, maps: str) -> None:
    assert ask("GET", maps, token="nobody").status == 401


@pytest.fixture(scope="module")
def reader(ask: Ask, accounts: str, namespace: str) -> str:
    """The token of an account that may get and list pods of its namespace, and one map."""
    made(ask("POST", accounts, {"metadata": {"name": "reader"}}))
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["kube-root-ca.crt"],
            "verbs": ["get"],
        },
    ]
    made(ask("POST", f"{rbac}/roles", {"metadata": {"name": "reads"}, "rules": rules}))
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads"}
    subjects = [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}]
    binding = {"metadata": {"name": "reads"}, "roleRef": reference, "subjects": subjects}
    made(ask("POST", f"{rbac}/rolebindings", binding))
    given: str = token_of(ask, accounts, "reader")["token"]
    return given


def test_an_unbound_account_may_only_look_around(ask: Ask, accounts: str, pods: str) -> None:
    token = token_of(ask, accounts)["token"]
    assert ask("GET", pods, token=token).status == 403
    assert ask("GET", "/api/v1/nodes", token=token).status == 403
    assert ask("GET", "/api/v1", token=token).status == 200
    assert ask("GET", "/version", token=token).status == 200


def test_a_bound_account_may_what_its_role_says(ask: Ask, reader: str, pods: str) -> None:
    assert ask("GET", pods, token=reader).status == 200
    refused = ask("DELETE", f"{pods}/any", token=reader)
    assert (refused.status, "cannot delete resource" in refused.text) == (403, True)


def test_a_role_may_name_single_objects(ask: Ask, reader: str, maps: str) -> None:
    assert ask("GET", f"{maps}/kube-root-ca.crt", token=reader).status == 200
    assert ask("GET", f"{maps}/born", token=reader).status == 403
    assert ask("GET", maps, token=reader).status == 403


def test_a_role_of_pods_gives_no_logs(ask: Ask, reader: str, pods: str) -> None:
    made(ask("POST", pods, pod("private")))
    assert ask("GET", f"{pods}/private/log", token=reader).status == 403


def test_a_role_ends_at_its_namespace(ask: Ask, reader: str) -> None:
    assert ask("GET", "/api/v1/namespaces/default/pods", token=reader).status == 403
    assert ask("GET", "/api/v1/pods", token=reader).status == 403


def test_accounts_may_ask_what_they_may(ask: Ask, reader: str, namespace: str) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("list", True), ("delete", False)):
        wanted = {"namespace": namespace, "verb": verb, "resource": "pods"}
        told = made(ask("POST", path, {"spec": {"resourceAttributes": wanted}}, token=reader))
        assert told["status"]["allowed"] is allowed


def test_an_administrator_may_act_as_an_account(ask: Ask, namespace: str, pods: str) -> None:
    name = f"system:serviceaccount:{namespace}:nobody"
    assert ask("GET", pods, Impersonate_User=name).status == 403
    whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    told = made(ask("POST", whoami, {}, Impersonate_User=name))["status"]["userInfo"]
    assert told["username"] == name
    assert {"system:serviceaccounts", "system:authenticated"} <= set(told["groups"])


def test_only_who_may_impersonate_does(ask: Ask, reader: str, pods: str) -> None:
    refused = ask("GET", pods, token=reader, Impersonate_User="somebody")
    assert (refused.status, "impersonate" in refused.text) == (403, True)


def test_a_node_may_what_a_kubelet_may(ask: Ask, pods: str) -> None:
    node = {"Impersonate_User": "system:node:test-node", "Impersonate_Group": "system:nodes"}
    mine = "/api/v1/pods?fieldSelector=spec.nodeName=test-node"
    assert ask("GET", mine, **node).status == 200
    assert ask("GET", pods, **node).status == 403
    assert ask("GET", f"{pods}/any", **node).status in (403, 404)
    assert ask("GET", "/api/v1/secrets", **node).status == 403
    secret = pods.replace("pods", "secrets/any")
    assert ask("GET", secret, **node).status == 403
    assert ask("POST", pods, pod("by-a-node"), **node).status == 403
    assert ask("DELETE", "/api/v1/nodes/other-node", **node).status == 403
