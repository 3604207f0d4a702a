"""What a pod may ask the Kubernetes API, with the token that it was given."""

import json
from typing import Any

import pytest

Json = dict[str, Any]
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
ASK = """
import json, os, pathlib, ssl, sys, urllib.error, urllib.request
given = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
trusted = ssl.create_default_context(cafile=str(given / "ca.crt"))
bearer = {"Authorization": "Bearer " + (given / "token").read_text()}
said = {}
for path in sys.argv[1:]:
    request = urllib.request.Request(f"https://{host}:{port}{path}", headers=bearer)
    try:
        said[path] = urllib.request.urlopen(request, context=trusted, timeout=5).status
    except urllib.error.HTTPError as error:
        said[path] = error.code
print(json.dumps(said))
"""
PODS, SECRETS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/secrets"
ELSEWHERE = "/api/v1/namespaces/kube-system/pods"


def ask(cluster: Any, name: str, account: str, *paths: str, **spec: Any) -> Json:
    container = {"image": "python", "command": ["python", "-c", ASK, *paths]}
    spec |= {"serviceAccountName": account, "automountServiceAccountToken": True}
    return dict(json.loads(cluster.run(name, "", container=container, **spec)))


@pytest.fixture(scope="module")
def accounts(cluster: Any) -> Any:
    """`bound` may read pods of its namespace; `free` may nothing."""
    for name in ("bound", "free"):
        metadata = {"metadata": {"name": name}}
        cluster.api("POST", "/api/v1/namespaces/default/serviceaccounts", metadata)
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]
    cluster.api("POST", f"{RBAC}/roles", {"metadata": {"name": "reads"}, "rules": rules})
    binding = {
        "metadata": {"name": "reads"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads"},
        "subjects": [{"kind": "ServiceAccount", "name": "bound", "namespace": "default"}],
    }
    cluster.api("POST", f"{RBAC}/rolebindings", binding)
    return cluster


def test_an_account_without_a_binding_may_nothing_but_look_around(accounts: Any) -> None:
    seen = ask(accounts, "free", "free", PODS, SECRETS, "/api/v1/nodes", "/apis", "/version")
    assert seen == {PODS: 403, SECRETS: 403, "/api/v1/nodes": 403, "/apis": 200, "/version": 200}


def test_a_binding_gives_what_its_role_says_where_it_is(accounts: Any) -> None:
    assert ask(accounts, "bound", "bound", PODS, SECRETS, ELSEWHERE) == {
        PODS: 200,
        SECRETS: 403,
        ELSEWHERE: 403,
    }


def test_a_pod_in_the_nodes_network_reaches_the_api_as_well(accounts: Any) -> None:
    assert ask(accounts, "host-bound", "bound", PODS, hostNetwork=True) == {PODS: 200}


def test_the_service_kubernetes_is_where_pods_are_sent(accounts: Any, own_networks: Any) -> None:
    spec = accounts.api("GET", "/api/v1/namespaces/default/services/kubernetes")["spec"]
    said = accounts.run("where", "echo $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT")
    assert said == f"{spec['clusterIP']}:{spec['ports'][0]['port']}\n"
