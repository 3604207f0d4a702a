import asyncio
import base64
import json
import ssl
from typing import Any

import pytest

from conformance.cluster.webhook import Webhook, WebhookSettings
from conformance.faults import WEBHOOK_INJECTS_EVERYONE, WEBHOOK_MISSES
from tests.cluster.webhook.conftest import SERVICE_ACCOUNTS, Running, make_webhook, review_of


def pod(account: str = "sa", **spec: Any) -> dict[str, Any]:
    containers = spec.pop("containers", [{"name": "a", "image": "i"}])
    metadata = {"name": "p", "annotations": spec.pop("annotations", {})}
    spec |= {"containers": containers, "serviceAccountName": account}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def reviewed(webhook: Webhook, reviewed_pod: Any, version: str = "v1") -> dict[str, Any]:
    return asyncio.run(webhook.review(review_of(reviewed_pod, version)))


def patch(webhook: Webhook, reviewed_pod: Any) -> list[dict[str, Any]]:
    encoded = reviewed(webhook, reviewed_pod)["response"].get("patch")
    decoded: list[dict[str, Any]] = json.loads(base64.b64decode(encoded)) if encoded else []
    return decoded


def container(operations: list[dict[str, Any]], index: int = 0) -> dict[str, Any]:
    value = next(one["value"] for one in operations if one["path"] == "/spec/containers")
    found: dict[str, Any] = value[index]
    return found


def variables(operations: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(operations).get("env", [])}


def expiration(operations: list[dict[str, Any]]) -> int:
    volume = next(one["value"] for one in operations if one["path"] == "/spec/volumes")[0]
    seconds: int = volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"]
    return seconds


def test_region_variables_come_first() -> None:
    operations = patch(make_webhook(WebhookSettings(region="eu-west-1")), pod())
    assert list(variables(operations)) == [
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ]


EKS = WebhookSettings(region="eu-west-1", sts_regional_endpoints=True)
STS = "AWS_STS_REGIONAL_ENDPOINTS"


@pytest.mark.parametrize("account", ["sa", "irsaonly"])
def test_regional_sts_stands_before_the_region(account: str) -> None:
    found = variables(patch(make_webhook(EKS), pod(account)))
    assert list(found)[:3] == [STS, "AWS_DEFAULT_REGION", "AWS_REGION"]
    assert found[STS] == "regional"


@pytest.mark.parametrize(
    ("said", "bare", "eks"),
    [("true", True, True), ("F", False, False), ("yes", False, True), ("", False, True)],
)
def test_account_decides_on_regional_sts_if_it_says_so_as_go_does(
    monkeypatch: pytest.MonkeyPatch, said: str, bare: bool, eks: bool
) -> None:
    annotations = {"eks.amazonaws.com/sts-regional-endpoints": said}
    monkeypatch.setitem(SERVICE_ACCOUNTS, ("default", "sa"), annotations)
    asked = [patch(make_webhook(settings), pod()) for settings in (WebhookSettings(), EKS)]
    assert [STS in variables(operations) for operations in asked] == [bare, eks]


def test_account_that_is_not_known_gets_no_regional_sts() -> None:
    webhook = make_webhook(EKS)
    webhook.set_identities([("default", "later")])
    assert list(variables(patch(webhook, pod("later"))))[:1] == ["AWS_DEFAULT_REGION"]


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_either_region_variable_keeps_both_out(name: str) -> None:
    own = {"name": "a", "env": [{"name": name, "value": "mine"}]}
    operations = patch(make_webhook(WebhookSettings(region="eu-west-1")), pod(containers=[own]))
    assert [key for key in variables(operations) if "REGION" in key] == [name]


def test_container_with_every_variable_gets_no_mount() -> None:
    names = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_REGION", "AWS_STS_REGIONAL_ENDPOINTS")
    own = {"name": "a", "env": [{"name": name, "value": "x"} for name in names]}
    operations = patch(make_webhook(), pod(containers=[own]))
    assert container(operations) == {**own, "resources": {}}


def test_container_with_some_variables_gets_its_mount() -> None:
    names = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_REGION")
    own = {"name": "a", "env": [{"name": name, "value": "x"} for name in names]}
    found = container(patch(make_webhook(), pod(containers=[own])))
    assert found["env"] == own["env"]
    assert [mount["name"] for mount in found["volumeMounts"]] == ["eks-pod-identity-token"]


def test_loopback_uri_is_a_setting() -> None:
    settings = WebhookSettings(full_uri="http://127.0.0.1:8080/v1/credentials")
    found = variables(patch(make_webhook(settings), pod()))
    assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == settings.full_uri


def test_lifetimes_are_spread_over_two_hours() -> None:
    webhook = make_webhook()
    found = {expiration(patch(webhook, pod())) for _ in range(300)}
    assert len(found) > 280
    assert 79_200 <= min(found) < 79_500
    assert 86_100 < max(found) <= 86_400


@pytest.mark.parametrize(("given", "seconds"), [("7200", 7200), ("999999", 999_999), ("1", 600)])
def test_pod_annotation_sets_the_lifetime(given: str, seconds: int) -> None:
    annotated = pod("exp", annotations={"eks.amazonaws.com/token-expiration": given})
    assert expiration(patch(make_webhook(), annotated)) == seconds


def test_skipped_names_are_trimmed() -> None:
    skip = {"eks.amazonaws.com/skip-containers": " a , b"}
    operations = patch(make_webhook(), pod(annotations=skip))
    assert container(operations) == {"name": "a", "image": "i", "resources": {}}


def test_identities_replace_earlier_ones() -> None:
    webhook = make_webhook()
    webhook.set_identities([("default", "other")])
    assert patch(webhook, pod("sa")) == []
    assert variables(patch(webhook, pod("other")))


def test_same_name_in_another_namespace_is_a_stranger() -> None:
    webhook = make_webhook()
    webhook.set_identities([("prod", "sa")])
    assert patch(webhook, pod("sa")) == []


def test_version_is_echoed() -> None:
    answer = reviewed(make_webhook(), pod(), "v1beta1")
    assert (answer["kind"], answer["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1beta1")


def test_webhook_that_misses_admits_without_a_patch() -> None:
    webhook = make_webhook(faults=(WEBHOOK_MISSES.name,))
    assert reviewed(webhook, pod())["response"] == {"uid": "u1", "allowed": True}


def test_webhook_that_misses_still_serves_role_annotations() -> None:
    webhook = make_webhook(faults=(WEBHOOK_MISSES.name,))
    assert "AWS_ROLE_ARN" in variables(patch(webhook, pod("irsaonly")))


def test_webhook_that_injects_everyone_injects_strangers() -> None:
    webhook = make_webhook(faults=(WEBHOOK_INJECTS_EVERYONE.name,))
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in variables(patch(webhook, pod("other")))


@pytest.mark.parametrize(
    "broken",
    [None, 7, {"spec": 1}, {"spec": {"containers": "a"}}, {"spec": {"containers": [None]}}],
)
def test_what_is_no_pod_is_refused(broken: Any) -> None:
    webhook = make_webhook(faults=(WEBHOOK_INJECTS_EVERYONE.name,))
    response = reviewed(webhook, broken)["response"]
    assert response["allowed"] is False
    assert response["status"]["message"]


@pytest.mark.parametrize("review", [None, [], {}, {"request": None}])
def test_what_is_no_review_is_refused(review: Any) -> None:
    assert asyncio.run(make_webhook().review(review))["response"]["allowed"] is False


def test_http_surface(webhook_tls: ssl.SSLContext) -> None:
    async def ask() -> None:
        async with Running(webhook_tls) as asked:
            wrong = await asked.post(b"{}", "text/plain")
            assert wrong.status == 415
            assert wrong.text == "invalid Content-Type, expect `application/json`\n"
            empty = await asked.post(b"")
            assert (empty.status, empty.text) == (400, "empty body\n")
            garbage = await asked.post(b"not json")
            assert garbage.status == 200
            assert json.loads(garbage.text)["response"]["allowed"] is False
            good = await asked.post(json.dumps(review_of(pod())).encode())
            assert good.content_type == "text/plain; charset=utf-8"
            assert (await asked.get("/healthz")).text == "ok"

    asyncio.run(ask())


def test_deeply_nested_json_is_refused(webhook_tls: ssl.SSLContext) -> None:
    async def ask() -> None:
        async with Running(webhook_tls) as asked:
            answer = await asked.post(b'{"a":' + b"[" * 100_000)
            assert json.loads(answer.text)["response"]["allowed"] is False

    asyncio.run(ask())


def test_close_twice_is_no_error() -> None:
    async def twice() -> None:
        webhook = make_webhook()
        await webhook.close()
        await webhook.close()

    asyncio.run(twice())
