from typing import Any

import pytest

from conformance.cluster.apiserver import patching
from conformance.cluster.apiserver.apply import Ownership
from conformance.cluster.apiserver.status import ApiError

POD: dict[str, Any] = {
    "metadata": {"name": "p", "labels": {"a": "1"}},
    "spec": {
        "containers": [{"name": "m", "image": "i", "env": [{"name": "A", "value": "1"}]}],
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
}


def test_json_patch_inserts_before_an_element() -> None:
    changed = patching.json_patch(
        POD, [{"op": "add", "path": "/spec/volumes/0", "value": {"name": "first"}}]
    )
    assert [volume["name"] for volume in changed["spec"]["volumes"]] == ["first", "v"]
    assert len(POD["spec"]["volumes"]) == 1


def test_json_patch_reads_escaped_slashes() -> None:
    path = "/metadata/labels/eks.amazonaws.com~1pod-identity"
    changed = patching.json_patch(POD, [{"op": "add", "path": path, "value": "enabled"}])
    assert changed["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] == "enabled"


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/spec/volumes/9", "value": {}},
        {"op": "add", "path": "/absent/below", "value": 1},
        {"op": "replace", "path": "/spec/absent", "value": 1},
        {"op": "remove", "path": "/spec/absent"},
        {"op": "remove", "path": "no-slash"},
        {"op": "leap", "path": "/spec"},
        {"path": "/spec"},
    ],
)
def test_json_patch_that_does_not_apply_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(patching.PatchMalformedError):
        patching.json_patch(POD, [operation])


def test_json_patch_moves_and_copies() -> None:
    changed = patching.json_patch(
        {"a": {"b": 1}},
        [
            {"op": "copy", "from": "/a/b", "path": "/c"},
            {"op": "move", "from": "/a", "path": "/d"},
            {"op": "test", "path": "/d/b", "value": 1},
        ],
    )
    assert changed == {"c": 1, "d": {"b": 1}}


def test_json_patch_test_that_fails_stops_the_patch() -> None:
    with pytest.raises(patching.PatchTestError):
        patching.json_patch(POD, [{"op": "test", "path": "/metadata/name", "value": "q"}])


def test_merge_patch_removes_with_null_and_replaces_lists() -> None:
    patch = {"metadata": {"labels": None}, "spec": {"volumes": []}}
    changed = patching.json_merge(POD, patch)
    assert changed["metadata"] == {"name": "p"}
    assert changed["spec"]["volumes"] == []
    assert changed["spec"]["containers"] == POD["spec"]["containers"]


def test_strategic_patch_merges_containers_and_variables_by_name() -> None:
    env = [{"name": "B", "value": "2"}]
    patch = {"spec": {"containers": [{"name": "m", "env": env}, {"name": "n", "image": "j"}]}}
    containers = patching.strategic_merge(POD, patch)["spec"]["containers"]
    assert containers == [
        {"name": "m", "image": "i", "env": [{"name": "A", "value": "1"}, *env]},
        {"name": "n", "image": "j"},
    ]


def test_strategic_patch_obeys_its_directives() -> None:
    patch = {
        "metadata": {"finalizers": ["x/y"], "$deleteFromPrimitiveList/finalizers": ["x/z"]},
        "spec": {
            "$setElementOrder/containers": [{"name": "n"}, {"name": "m"}],
            "containers": [{"name": "n", "image": "j"}],
            "volumes": [{"name": "v", "$patch": "delete"}],
        },
    }
    old = POD | {"metadata": {"name": "p", "finalizers": ["x/z"]}}
    changed = patching.strategic_merge(old, patch)
    assert [one["name"] for one in changed["spec"]["containers"]] == ["n", "m"]
    assert changed["spec"]["volumes"] == []
    assert changed["metadata"]["finalizers"] == ["x/y"]


def test_strategic_patch_without_merge_key_is_refused() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        patching.strategic_merge(POD, {"spec": {"containers": [{"image": "j"}]}})


def applied(
    owners: Ownership, current: dict[str, Any], manager: str, force: bool = False, **data: str
) -> dict[str, Any]:
    wanted = {"metadata": {"name": "c"}, "data": data}
    result = owners.applied(current, wanted, manager, force=force)
    owners.record(result, wanted, manager)
    return result


EMPTY: dict[str, Any] = {"metadata": {"name": "c", "uid": "1"}}


def test_field_that_is_applied_no_more_goes_away() -> None:
    owners = Ownership()
    first = applied(owners, EMPTY, "a", x="1", y="2")
    assert applied(owners, first, "a", x="1")["data"] == {"x": "1"}


def test_field_of_another_manager_stays() -> None:
    owners = Ownership()
    first = applied(owners, EMPTY, "a", x="1")
    second = applied(owners, first, "b", y="2")
    assert applied(owners, second, "a", z="3")["data"] == {"y": "2", "z": "3"}


def test_conflict_names_every_field_and_force_takes_them() -> None:
    owners = Ownership()
    first = applied(owners, EMPTY, "a", x="1", y="1")
    with pytest.raises(ApiError, match="Apply failed with 2 conflicts") as refused:
        applied(owners, first, "b", x="2", y="2")
    fields = [cause["field"] for cause in (refused.value.details or {})["causes"]]
    assert fields == [".data.x", ".data.y"]
    taken = applied(owners, first, "b", force=True, x="2", y="2")
    assert taken["data"] == {"x": "2", "y": "2"}
    with pytest.raises(ApiError, match='conflict with "b"'):
        applied(owners, taken, "a", x="1")
