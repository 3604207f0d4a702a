"""Webhooks are really called: a TLS server of our own answers, late or wrongly if told to."""

import asyncio
import base64
import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from conformance.cluster.apiserver.certificates import CertificateAuthority

HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
VALIDATING = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
PODS = "/api/v1/namespaces/default/pods"
RULE = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["pods"],
}
LABEL = [{"op": "add", "path": "/metadata/labels", "value": {"seen": "yes"}}]


class Hook:
    """A webhook server; `answer` makes the response of a review, `asked` keeps the requests."""

    def __init__(self) -> None:
        self.authority = CertificateAuthority("webhook-ca")
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Any] = lambda request: patched(request, LABEL)
        self.hang = False
        self.url = ""

    async def start(self) -> None:
        context = self.authority.server_context("webhook", ["127.0.0.1"])
        self._runner = web.ServerRunner(web.Server(self._handle, handler_cancellation=True))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}/mutate"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, http: web.BaseRequest) -> web.Response:
        review = json.loads(await http.read())
        self.asked.append(review)
        if self.hang:
            await asyncio.Event().wait()
        answer = self.answer(review["request"])
        if isinstance(answer, dict):
            return web.json_response({k: review[k] for k in ("kind", "apiVersion")} | answer)
        return web.Response(status=500, text=str(answer))

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.authority.pem.encode()).decode()


def patched(request: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    patch = {"patch": encoded, "patchType": "JSONPatch"}
    return {"response": {"uid": request["uid"], "allowed": True} | patch}


@pytest.fixture(scope="module")
def server_hook(running: Any) -> Iterator[Hook]:
    hook = Hook()
    running.run(hook.start())
    yield hook
    running.run(hook.stop())


@pytest.fixture
def hook(running: Any, server_hook: Hook) -> Iterator[Hook]:
    server_hook.asked.clear()
    server_hook.hang = False
    server_hook.answer = lambda request: patched(request, LABEL)
    yield server_hook
    for path in (HOOKS, VALIDATING):
        running.client("DELETE", path)


def configure(running: Any, hook: Hook, path: str = HOOKS, **settings: Any) -> None:
    name = settings.pop("name", "hook.example.com")
    webhook = {
        "name": name,
        "clientConfig": {"url": hook.url, "caBundle": hook.bundle},
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    body = {"metadata": {"name": name}, "webhooks": [webhook | settings]}
    answer = running.client("POST", path, body)
    assert answer.status == 201, answer.body


def make_pod(running: Any, **meta: Any) -> Any:
    spec = {"containers": [{"name": "m", "image": "i"}]}
    return running.client("POST", PODS, {"metadata": {"generateName": "w-"} | meta, "spec": spec})


def labels(answer: Any) -> dict[str, str]:
    assert answer.status == 201, answer.body
    return dict(answer.body["metadata"].get("labels") or {})


def test_patch_is_applied_and_defaulted(running: Any, hook: Hook) -> None:
    source = {"serviceAccountToken": {"path": "t", "audience": "a"}}
    volume = {"name": "t", "projected": {"sources": [source]}}
    operations = [{"op": "add", "path": "/spec/volumes/0", "value": volume}]
    hook.answer = lambda request: patched(request, operations)
    configure(running, hook)
    first = make_pod(running).body["spec"]["volumes"][0]
    assert first["projected"]["defaultMode"] == 420
    assert first["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600


def test_review_shows_the_pod_with_its_account_and_without_a_name(running: Any, hook: Hook) -> None:
    configure(running, hook)
    make_pod(running)
    review = hook.asked[0]
    request = review["request"]
    assert review["apiVersion"] == "admission.k8s.io/v1"
    assert request["object"]["spec"]["serviceAccountName"] == "default"
    assert "name" not in request
    assert "name" not in request["object"]["metadata"]
    assert "uid" not in request["object"]["metadata"]
    assert request["namespace"] == request["object"]["metadata"]["namespace"] == "default"
    assert request["userInfo"]["username"] == "kubernetes-admin"
    assert (request["operation"], request["oldObject"]) == ("CREATE", None)


def test_old_review_version_is_spoken_when_only_that_is_listed(running: Any, hook: Hook) -> None:
    configure(running, hook, admissionReviewVersions=["v1beta1"])
    assert labels(make_pod(running)) == {"seen": "yes"}
    assert hook.asked[0]["apiVersion"] == "admission.k8s.io/v1beta1"


def test_selectors_and_rules_decide_who_is_asked(running: Any, hook: Hook) -> None:
    skip = {"key": "skip", "operator": "DoesNotExist"}
    here = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["default"]}
    configure(
        running,
        hook,
        objectSelector={"matchExpressions": [skip]},
        namespaceSelector={"matchExpressions": [here]},
    )
    assert labels(make_pod(running)) == {"seen": "yes"}
    assert labels(make_pod(running, labels={"skip": "1"})) == {"skip": "1"}
    elsewhere = running.client(
        "POST",
        PODS.replace("default", "kube-system"),
        {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "m", "image": "i"}]}},
    )
    assert labels(elsewhere) == {}
    account = {"metadata": {"name": "not-a-pod"}}
    running.client("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    assert len(hook.asked) == 1


def test_earlier_webhook_is_asked_again_if_needed(running: Any, hook: Hook) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        count = len((request["object"]["metadata"].get("labels") or {}).keys())
        done = [{"op": "add", "path": f"/metadata/labels/n{count}", "value": "1"}]
        return patched(request, LABEL if count == 0 else done)

    hook.answer = answer
    configure(running, hook, name="a.example.com", reinvocationPolicy="IfNeeded")
    configure(running, hook, name="b.example.com")
    assert labels(make_pod(running)) == {"seen": "yes", "n1": "1", "n2": "1"}
    assert len(hook.asked) == 3


@pytest.mark.parametrize("policy", ["Ignore", "Fail"])
def test_hanging_webhook_costs_its_timeout(running: Any, hook: Hook, policy: str) -> None:
    hook.hang = True
    configure(running, hook, failurePolicy=policy)
    answer = make_pod(running)
    if policy == "Ignore":
        assert labels(answer) == {}
        return
    assert (answer.status, answer.body["reason"]) == (500, "InternalError")
    assert answer.body["message"] == (
        'Internal error occurred: failed calling webhook "hook.example.com": failed to call '
        f'webhook: Post "{hook.url}?timeout=1s": context deadline exceeded'
    )


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an error": lambda _: "broken",
    "no response": lambda _: {},
    "another uid": lambda request: patched(request | {"uid": "other"}, LABEL),
    "another version": lambda request: {"apiVersion": "v2"} | patched(request, LABEL),
}


@pytest.mark.parametrize("why", BROKEN)
def test_unusable_answer_counts_as_failure(running: Any, hook: Hook, why: str) -> None:
    hook.answer = BROKEN[why]
    configure(running, hook, failurePolicy="Fail")
    answer = make_pod(running)
    assert (answer.status, answer.body["reason"]) == (500, "InternalError")
    assert 'failed calling webhook "hook.example.com"' in answer.body["message"]


def test_webhook_of_another_authority_is_not_believed(running: Any, hook: Hook) -> None:
    other = base64.b64encode(CertificateAuthority("other").pem.encode()).decode()
    client = {"url": hook.url, "caBundle": other}
    configure(running, hook, clientConfig=client, failurePolicy="Ignore")
    assert labels(make_pod(running)) == {}
    assert hook.asked == []


@pytest.mark.parametrize("path", [HOOKS, VALIDATING])
def test_denied_request_says_who_denied_it(running: Any, hook: Hook, path: str) -> None:
    told = {"message": "not here", "code": 418}
    hook.answer = lambda request: {
        "response": {"uid": request["uid"], "allowed": False, "status": told}
    }
    configure(running, hook, path)
    answer = make_pod(running)
    said = 'admission webhook "hook.example.com" denied the request: not here'
    assert (answer.status, answer.body["message"]) == (418, said)


def test_pod_of_a_controller_meets_the_webhook_too(running: Any, hook: Hook) -> None:
    configure(running, hook)
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "i"}]}}
    path = "/apis/batch/v1/namespaces/default/jobs"
    body = {"metadata": {"name": "job"}, "spec": {"template": template}}
    assert running.client("POST", path, body).status == 201
    running.settle()
    found = running.client("GET", PODS, query={"labelSelector": "seen=yes"}).body["items"]
    owners = [pod["metadata"].get("ownerReferences", [{}])[0].get("name") for pod in found]
    assert owners.count("job") == 1
    assert hook.asked[0]["request"]["userInfo"]["username"] == "system:kube-controller-manager"


def test_client_without_the_authority_does_not_reach_the_api(running: Any) -> None:
    with pytest.raises(Exception, match="certificate verify failed"):
        running.client._pool.__class__(
            ssl_context=ssl.create_default_context(), retries=False
        ).request("GET", running.server.endpoint)
