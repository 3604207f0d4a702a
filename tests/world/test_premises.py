import json

import pytest

from conformance.errors import HarnessError
from conformance.world.naming import Names
from conformance.world.premises import NOWHERE, Premises
from conformance.world.settling import WEBHOOK, registration
from tests.world.stand_in import StandIn, pod

NAMES = Names("r1", "test_premises")


def premises(kube: StandIn) -> Premises:
    return Premises(kube, NAMES, image="an-image")


def test_namespace_and_service_account_are_made_once() -> None:
    kube = StandIn()
    made = premises(kube)
    for _ in range(2):
        made.service_account("shop", "app")

    paths = [path for path, _, _ in kube.created]
    real = NAMES.namespace("shop")
    assert paths == ["/api/v1/namespaces", f"/api/v1/namespaces/{real}/serviceaccounts"]


def test_default_service_account_is_the_clusters_to_make() -> None:
    kube = StandIn()
    premises(kube).service_account("shop", "default")

    assert [path for path, _, _ in kube.created] == ["/api/v1/namespaces"]


def test_tried_pod_is_not_stored_and_carries_what_was_asked() -> None:
    kube = StandIn()
    premises(kube).tried(
        "shop", "app", metadata={"labels": {"tier": "web"}}, spec={"hostNetwork": True}
    )
    _, body, query = kube.created[-1]

    assert query == {"dryRun": "All"}
    assert body["metadata"]["labels"]["tier"] == "web"
    assert body["metadata"]["labels"]["conformance/run"] == "r1"
    assert body["spec"]["hostNetwork"] is True
    assert [container["name"] for container in body["spec"]["containers"]] == ["app"]


def test_stand_in_fits_on_no_node() -> None:
    kube = StandIn(tried=[{}, {}, pod("Pending")])
    premises(kube).stand_in("shop", "app", metadata={}, spec={})

    assert kube.created[-1][1]["spec"]["nodeSelector"] == NOWHERE


def test_token_is_bound_to_its_pod_unless_it_shall_not_be() -> None:
    kube = StandIn(tried=[{}, {}, pod("Pending"), *[{"status": {"token": "t"}}] * 2])
    made = premises(kube)
    stand_in = made.stand_in("shop", "app", metadata={}, spec={})
    made.token(stand_in)
    made.token(stand_in, bound=False)
    bound, unbound = (body["spec"] for _, body, _ in kube.created[-2:])

    assert bound["boundObjectRef"]["uid"] == "u"
    assert "boundObjectRef" not in unbound


def test_webhook_is_found_by_its_name() -> None:
    kube = StandIn(pods=[{"webhooks": [{"name": "other"}, {"name": WEBHOOK, "rules": []}]}])

    assert registration(kube)["rules"] == []


def test_nothing_here_holds_a_key() -> None:
    kube = StandIn()
    premises(kube).tried("shop", "app", metadata={}, spec={})

    assert "AWS_" not in json.dumps(kube.created)


def test_namespace_of_others_is_neither_made_nor_deleted() -> None:
    kube = StandIn(pods=[{"metadata": {"name": "ours"}}])
    made = premises(kube)
    made.move_into({"shop": "backend"})
    made.service_account("shop", "app")
    made.close()

    assert [path for path, _, _ in kube.created] == ["/api/v1/namespaces/backend/serviceaccounts"]
    assert kube.deleted == [
        "/api/v1/namespaces/backend/pods/ours",
        "/api/v1/namespaces/backend/serviceaccounts/ours",
    ]


def test_service_account_of_others_is_not_changed() -> None:
    made = premises(StandIn())
    made.move_into({"shop": "backend"})

    with pytest.raises(HarnessError, match="backend/app is somebody else's"):
        made.service_account_again("shop", "app")
