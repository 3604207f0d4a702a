"""Lists and watches over a log that is short, so that its end can be reached."""

import json
from collections.abc import Callable
from typing import Any

import pytest

CM = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def running(start_server: Callable[..., Any]) -> Any:
    return start_server(window=20)


def create(running: Any, name: str, **labels: str) -> dict[str, Any]:
    answer = running.client("POST", CM, {"metadata": {"name": name, "labels": labels}})
    assert answer.status == 201, answer.body
    return dict(answer.body)


def label(running: Any, name: str, **labels: str | None) -> dict[str, Any]:
    body = {"metadata": {"labels": labels}}
    answer = running.client("PATCH", f"{CM}/{name}", body, content_type=MERGE)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def version(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["resourceVersion"])


def watch(running: Any, since: str, **query: str) -> list[dict[str, Any]]:
    asked = {"watch": "1", "resourceVersion": since, "timeoutSeconds": "0.1"} | query
    answer = running.client("GET", CM, query=asked)
    assert answer.status == 200, answer.body
    if isinstance(answer.body, dict):
        return [answer.body]
    return [json.loads(line) for line in answer.body.splitlines()]


def seen(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


def forget_everything(running: Any) -> None:
    for number in range(25):
        label(running, "churn", turn=str(number))


@pytest.fixture(scope="module", autouse=True)
def _churn(running: Any) -> None:
    create(running, "churn")


def test_watch_replays_every_change_after_a_revision(running: Any) -> None:
    first = create(running, "replayed")
    label(running, "replayed", a="1")
    running.client("DELETE", f"{CM}/replayed")
    events = watch(running, version(first))
    assert seen(events) == [("MODIFIED", "replayed"), ("DELETED", "replayed")]
    deleted, modified = events[1]["object"], events[0]["object"]
    assert int(version(deleted)) > int(version(modified))


def test_object_that_begins_to_match_is_added_and_one_that_ceases_is_deleted(running: Any) -> None:
    first = create(running, "chosen")
    label(running, "chosen", team="a")
    label(running, "chosen", team="a", more="b")
    label(running, "chosen", team=None)
    events = watch(running, version(first), labelSelector="team=a")
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert events[2]["object"]["metadata"]["labels"]["team"] == "a"


def test_watch_of_a_forgotten_revision_is_one_expired_event(running: Any) -> None:
    first = create(running, "old")
    forget_everything(running)
    events = watch(running, version(first))
    assert [event["type"] for event in events] == ["ERROR"]
    told = events[0]["object"]
    assert (told["code"], told["reason"]) == (410, "Expired")
    assert told["message"].startswith(f"too old resource version: {version(first)} (")


def test_page_of_a_forgotten_revision_is_gone_with_a_token_to_go_on(running: Any) -> None:
    for name in ("p1", "p2", "p3"):
        create(running, name)
    page = running.client("GET", CM, query={"limit": "1"})
    forget_everything(running)
    token = page.body["metadata"]["continue"]
    gone = running.client("GET", CM, query={"limit": "1", "continue": token})
    assert (gone.status, gone.body["reason"]) == (410, "Expired")
    again = {"limit": "100", "continue": gone.body["metadata"]["continue"]}
    rest = running.client("GET", CM, query=again)
    assert rest.status == 200
    assert page.body["items"][0] not in rest.body["items"]


def test_pages_show_one_revision_whatever_happens_between(running: Any) -> None:
    for name in ("z1", "z2"):
        create(running, name)
    page = running.client("GET", CM, query={"limit": "1"})
    create(running, "zz-late")
    names = [item["metadata"]["name"] for item in page.body["items"]]
    while token := page.body["metadata"].get("continue"):
        page = running.client("GET", CM, query={"limit": "3", "continue": token})
        names += [item["metadata"]["name"] for item in page.body["items"]]
    assert "zz-late" not in names
    assert len(names) == len(set(names))


def test_exact_list_shows_the_past(running: Any) -> None:
    before = create(running, "past")
    running.client("DELETE", f"{CM}/past")
    query = {"resourceVersion": version(before), "resourceVersionMatch": "Exact"}
    answer = running.client("GET", CM, query=query)
    assert "past" in [item["metadata"]["name"] for item in answer.body["items"]]
    assert answer.body["metadata"]["resourceVersion"] == version(before)


def test_initial_events_end_with_a_bookmark(running: Any) -> None:
    query = {
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    events = watch(running, "", **query)
    assert [event["type"] for event in events[:-1]] == ["ADDED"] * (len(events) - 1)
    annotations = events[-1]["object"]["metadata"]["annotations"]
    assert (events[-1]["type"], annotations) == (
        "BOOKMARK",
        {"k8s.io/initial-events-end": "true"},
    )


def test_watch_ends_when_the_server_closes(start_server: Callable[..., Any]) -> None:
    running = start_server()
    pool = running.client._pool
    url = f"{running.server.endpoint}{CM}?watch=1"
    headers = {"Authorization": f"Bearer {running.server.admin_token}"}
    response = pool.request("GET", url, headers=headers, preload_content=False, timeout=20)
    running.run(running.server.close())
    assert response.read().count(b"\n") == 1  # kube-root-ca.crt, and then the end
