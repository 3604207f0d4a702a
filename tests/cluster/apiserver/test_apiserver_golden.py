"""
The recorded conversation with kube-apiserver 1.37, held again with ours.

Names, uids, versions and times differ from run to run, so they are learned on the way:
where the recording names a uid, ours is sent. Where we answer otherwise, and why, is in
`differences.toml`.
"""

import json
import re
import socket
import tomllib
from collections.abc import Callable, Container, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from conformance.cluster.apiserver import reading, webhooks
from tests.cluster.apiserver.conversation import (
    ACCOUNTS,
    BEFORE,
    CM,
    COMPACTED_BEFORE,
    ENTRIES,
    FIRST_PAGE,
    HANGING,
    HELD_UNTIL,
    PODS,
    RECORDED,
    SETUP,
    configmap,
    namespace,
    pod,
)

BY_NAME = {entry["name"]: entry for entry in ENTRIES}

_KNOWN = tomllib.loads(Path(__file__).with_name("differences.toml").read_text())
LEFT_OUT: dict[str, str] = _KNOWN["left_out"]
DIFFERENCES: dict[str, str] = _KNOWN["differences"]
FIELDS: dict[str, str] = _KNOWN["fields"]
TIMELINE = "namespace termination timeline (held configmap + scheduled pod without kubelet)"


class Replay:
    """Holds the conversation; `learned` maps what the recording says to what ours says."""

    def __init__(self, running: Any, hanging: str) -> None:
        self.running = running
        self.hanging = hanging
        self.versions: dict[str, str] = {}
        self.held_until = ""
        self.client = running.client
        self.learned: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.answers: dict[str, Any] = {}

    def hold(self) -> None:
        for entry in ENTRIES:
            for method, path, body in BEFORE.get(entry["name"], ()):
                self.prepare(method, path, body)
            if entry["name"] == FIRST_PAGE:
                self.begin_to_page(entry)
            if not self.held_until:
                self.running.settle()
            if entry["name"] in HELD_UNTIL:
                self.held_until = HELD_UNTIL[entry["name"]]
                self.running.hold()
            if entry["name"] in COMPACTED_BEFORE:
                self.running.server.compact()
            self.running.server.behave(**SETUP.get(entry["name"], {}))
            self.ask(entry)
            if entry["name"] == self.held_until:
                self.held_until = ""
                self.running.resume()

    def begin_to_page(self, entry: dict[str, Any]) -> None:
        """Five objects, a first page of them, and then a change of each."""
        path = CM.format("gold4")
        for number in range(5):
            self.prepare(*configmap(f"c{number}", "gold4"))
        page = self.client("GET", path, query={"limit": "2"}).body["metadata"]
        self.learned[entry["request"]["query"]["continue"]] = page["continue"]
        listed_at = entry["response"]["body"]["metadata"]["resourceVersion"]
        self.versions[listed_at] = page["resourceVersion"]
        for number in range(5):
            self.prepare("PATCH", f"{path}/c{number}", {"data": {"x": "y"}})

    def prepare(self, method: str, path: str, body: Any) -> None:
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        if body is not None:
            body = json.loads(json.dumps(body).replace(HANGING, self.hanging))
        answer = self.client(method, path, body, content_type=content)
        assert answer.status < 300, (method, path, answer.body)

    def ask(self, entry: dict[str, Any]) -> None:
        request = entry["request"]
        self.clock(entry["name"])
        self.learn_pods(entry)
        body = request.get("body")
        if "rawBody" in request:
            body = request["rawBody"].encode()
        elif body is not None:
            body = json.loads(self.ours(json.dumps(body)))
            spec = body.get("spec") or {} if isinstance(body, dict) else {}
            if spec.get("token") == "<token>":
                spec["token"] = self.reviewed(entry)
            elif spec.get("token", "").startswith("admintoken"):
                spec["token"] = self.running.server.user_token(
                    "lab-admin", ("system:masters",), "1001"
                )
        query = {key: self.ours(value) for key, value in request.get("query", {}).items()}
        if query.get("resourceVersion") in self.versions:
            query["resourceVersion"] = self.versions[query["resourceVersion"]]
        if "timeoutSeconds" in query:
            query["timeoutSeconds"] = "0.1"
        answer = self.user(request.get("auth"), entry["name"])(
            request["method"],
            request["path"],
            body,
            query=query,
            headers=request.get("headers"),
            content_type=request.get("contentType", "application/json"),
        )
        self.answers[entry["name"]] = answer
        self.learn(entry["response"].get("body"), answer.body)
        given = answer.body.get("status") if isinstance(answer.body, dict) else None
        if isinstance(given, dict) and "token" in given:
            self.tokens[entry["name"]] = given["token"]

    def user(self, auth: str | None, name: str) -> Any:
        server = self.running.server
        if auth is None:
            return self.client
        if auth == "none":
            return self.client.as_user(None)
        if auth == "bearer <jwt>":
            source = "token: audience, default expiry" if "(401)" in name else KUBE_STYLE
            return self.client.as_user(self.tokens[source])
        users = {
            "bearer plaintoken0123456789": server.user_token("plain-user"),
            "bearer nodetoken0123456789": server.node_token("node1"),
            "bearer bogus": "bogus",
        }
        return self.client.as_user(users[auth])

    def clock(self, name: str) -> None:
        """A reviewed token is remembered for ten seconds: those seconds pass at once."""
        if name in {"TokenReview: pod deleted, ~11s after", "TokenReview: serviceaccount deleted"}:
            self.running.ahead += timedelta(seconds=11)

    def reviewed(self, entry: dict[str, Any]) -> str:
        """The token of a TokenReview: one that was issued here, or one with claims altered."""
        server, name = self.running.server, entry["name"]
        source, change = REVIEWED.get(name, (ISSUED, None))
        if entry["part"] == 3:
            claims = self.claims(*source.split("/"))
        else:
            claims = jwt.decode(self.tokens[source], options={"verify_signature": False})
            if change is None:
                return self.tokens[source]
        if change == "tampered":
            head, payload, signature = self.tokens[source].split(".")
            return f"{head}.{payload}.{signature[:-8]}AAAAAAAA"
        now = int(self.running.now().timestamp())
        for path, value in (change or {}).items():
            holder = claims
            for part in path.split("/")[:-1]:
                holder = holder[part]
            holder[path.split("/")[-1]] = now + value if isinstance(value, int) else value
        return str(server.sign(claims))

    def claims(self, account: str, pod_name: str = "") -> dict[str, Any]:
        spec: dict[str, Any] = {"audiences": ["pods.eks.amazonaws.com"]}
        if pod_name:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod_name}
        path = f"{ACCOUNTS.format('gold3')}/{account}"
        answer = self.client("POST", f"{path}/token", {"spec": spec})
        for kind, victim in (("pods", "q1"), ("pods", "q2"), ("serviceaccounts", "sa9")):
            if victim in {account, pod_name}:
                self.client("DELETE", f"/api/v1/namespaces/gold3/{kind}/{victim}")
        token = answer.body["status"]["token"]
        return dict(jwt.decode(token, options={"verify_signature": False}))

    def learn_pods(self, entry: dict[str, Any]) -> None:
        body = entry["request"].get("body")
        spec = body.get("spec") or {} if isinstance(body, dict) else {}
        bound = spec.get("boundObjectRef") or {}
        if "uid" in bound:
            where = entry["request"]["path"].split("/")[4]
            found = self.client("GET", f"{PODS.format(where)}/{bound['name']}")
            self.learned[bound["uid"]] = found.body["metadata"]["uid"]

    def learn(self, recorded: Any, ours: Any) -> None:
        if not isinstance(recorded, dict) or not isinstance(ours, dict):
            return
        theirs, mine = recorded.get("metadata") or {}, ours.get("metadata") or {}
        for field in ("uid", "continue"):
            if field in theirs and field in mine:
                self.learned[theirs[field]] = mine[field]
        if "resourceVersion" in theirs and "resourceVersion" in mine:
            self.versions[theirs["resourceVersion"]] = mine["resourceVersion"]
        if "resourceVersion" in theirs and "uid" in theirs:
            version = f'"resourceVersion": "{theirs["resourceVersion"]}"'
            self.learned[version] = f'"resourceVersion": "{mine.get("resourceVersion")}"'

    def ours(self, text: str) -> str:
        for theirs, mine in self.learned.items():
            text = text.replace(theirs, mine)
        return text


ISSUED = "token: audience, default expiry"
BOUND = "token: bound to scheduled pod (+uid)"
KUBE_STYLE = "token: kube-style (api audience 3607, bound pod)"
# TokenReview -> the token that was issued, and what was changed in it. Numbers are seconds from
# now; in part 3 the source is an account and perhaps a pod.
REVIEWED: dict[str, tuple[str, Any]] = {
    "TokenReview: good, bound pod": (BOUND, None),
    "TokenReview: kube token, no audiences": (KUBE_STYLE, None),
    "TokenReview: tampered signature": (ISSUED, "tampered"),
    "TokenReview: expired (signed with SA key, exp 1 h ago)": (ISSUED, {"exp": -3600}),
    "TokenReview: not yet valid (nbf +1h)": (ISSUED, {"nbf": 3600, "exp": 7200}),
    "TokenReview: expired 5 s ago (leeway?)": (ISSUED, {"exp": -5}),
    "TokenReview: wrong issuer": (ISSUED, {"iss": "https://other.example"}),
    "TokenReview: sa uid mismatch": (
        ISSUED,
        {"kubernetes.io/serviceaccount/uid": "11111111-1111-1111-1111-111111111111"},
    ),
    "TokenReview: pod terminating (deletionTimestamp set)": (BOUND, None),
    "TokenReview: pod deleted, ~0s after": (BOUND, None),
    "TokenReview: pod deleted, ~1s after": (BOUND, None),
    "TokenReview: pod deleted, ~5s after": (BOUND, None),
    "TokenReview: pod deleted, ~11s after": (BOUND, None),
    "TokenReview: pod re-created with same name (uid differs)": (BOUND, None),
    "TokenReview: expired 50 s ago": ("sa1", {"exp": -50}),
    "TokenReview: expired 58 s ago": ("sa1", {"exp": -58}),
    "TokenReview: expired 62 s ago": ("sa1", {"exp": -62}),
    "TokenReview: expired 70 s ago": ("sa1", {"exp": -70}),
    "TokenReview: nbf 50 s in the future": ("sa1", {"nbf": 50}),
    "TokenReview: nbf 70 s in the future": ("sa1", {"nbf": 70}),
    "TokenReview: pod deleted, token never reviewed before (uncached)": ("sa1/q1", None),
    "TokenReview: pod terminating (grace 30), uncached": ("sa1/q2", None),
    "TokenReview: SA deleted, uncached": ("sa9", None),
}

_VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "<time>"),
    (re.compile(r"\b(kube-api-access|gp|gen|ds)-[a-z0-9]{5}\b"), r"\1-<random>"),
    (re.compile(r"g{58}[a-z0-9]{5}"), "g<random>"),
    (re.compile(r"current: \d+"), "current: <version>"),
    (re.compile(r"too old resource version: \d+ \(\d+\)"), "too old resource version"),
    (re.compile(r"in record \(\d+\)"), "in record (<version>)"),
    (re.compile(r"https://127\.0\.0\.1:\d{3,}|https://10\.0\.0\.1:16443"), "<endpoint>"),
    (re.compile(r"\bds\.[0-9a-z]{10,}"), "ds.<random>"),
)
_VARYING_FIELDS = {
    "resourceVersion",
    "continue",
    "token",
    "ca.crt",
    "kid",
    "n",
    "controller-revision-hash",
}


def normal(value: Any, without: Container[str] = FIELDS) -> Any:
    """What must be equal: without what differs from run to run, and without known fields."""
    if isinstance(value, dict):
        return {
            key: "<varies>" if key in _VARYING_FIELDS else normal(inner, without)
            for key, inner in value.items()
            if key not in without
        }
    if isinstance(value, list):
        return [normal(inner, without) for inner in value]
    if isinstance(value, str):
        if value.startswith('{"type"'):
            lines = value.replace("<pem>\n", "<pem>").splitlines()
            return [normal(json.loads(line), without) for line in lines]
        for pattern, instead in _VARYING:
            value = pattern.sub(instead, value)
        return re.sub(r"^\d+s$", "<age>", value)
    return value


def said(status: int, headers: dict[str, str], body: Any) -> dict[str, Any]:
    shown = normal(body)
    if isinstance(shown, dict) and set(shown) == {"type", "object"}:
        shown = [shown]  # a watch with one event was recorded decoded
    named = ("content-type", "retry-after", "warning")
    told = {name: headers[name] for name in named if name in headers}
    return {"status": status, "headers": told, "body": shown}


def token_said(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Both in their order; times are counted from `iat`, and of a key's id only its length."""
    began = claims["iat"]
    private = dict(claims["kubernetes.io"])
    if "warnafter" in private:
        private["warnafter"] -= began
    counted = {name: claims[name] - began for name in ("exp", "nbf")}
    told = claims | counted | {"iat": "<time>", "kubernetes.io": private}
    return json.dumps([header | {"kid": len(header["kid"])}, normal(told)])


@pytest.fixture(scope="module")
def replay(start_server: Callable[..., Any]) -> Iterator[Replay]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_PATIENCE", 0.02)
        patch.setattr(webhooks, "SECOND", 0.02)
        with socket.create_server(("127.0.0.1", 0)) as hanging:
            address = f"https://127.0.0.1:{hanging.getsockname()[1]}"
            held = Replay(start_server("https://kubernetes.default.svc", scheduler=False), address)
            held.hold()
            yield held


@pytest.mark.parametrize("name", BY_NAME)
def test_answers_as_recorded(replay: Replay, name: str) -> None:
    recorded, ours = BY_NAME[name]["response"], replay.answers[name]
    theirs = said(recorded["status"], recorded["headers"], recorded["body"])
    mine = said(ours.status, ours.headers, ours.body)
    if name in DIFFERENCES:
        assert mine != theirs, f"equal by now, and no difference: {DIFFERENCES[name]}"
        return
    assert mine == theirs


@pytest.mark.parametrize("name", [name for name, entry in BY_NAME.items() if "jwt" in entry])
def test_token_says_what_the_recorded_one_says(replay: Replay, name: str) -> None:
    recorded, ours = BY_NAME[name]["jwt"], replay.tokens[name]
    claims = jwt.decode(ours, options={"verify_signature": False})
    mine = token_said(jwt.get_unverified_header(ours), claims)
    assert mine == token_said(recorded["header"], recorded["claims"])


@pytest.mark.parametrize("field", FIELDS)
def test_field_that_is_not_compared_does_differ(replay: Replay, field: str) -> None:
    others = set(FIELDS) - {field}
    assert any(
        normal(BY_NAME[name]["response"]["body"], others) != normal(ours.body, others)
        for name, ours in replay.answers.items()
        if name not in DIFFERENCES
    ), f"equal by now, and no difference: {FIELDS[field]}"


def test_namespace_that_waits_for_a_pod_is_as_recorded(replay: Replay) -> None:
    recorded = next(one for one in RECORDED if one["name"] == TIMELINE)["timeline"][-1]
    held = configmap("hold", "ending", finalizers=["x.io/y"])
    waits = pod("p", "ending", nodeName="node1")
    for step in (namespace("ending"), held, configmap("plain", "ending"), waits):
        replay.prepare(*step)
    replay.running.settle()
    replay.prepare("DELETE", "/api/v1/namespaces/ending", None)
    replay.running.settle()
    ours = replay.client("GET", "/api/v1/namespaces/ending").body
    left = replay.client("GET", CM.format("ending")).body["items"]
    assert normal(ours["status"]) == normal(recorded["status"])
    assert [one["metadata"]["name"] for one in left] == recorded["configmaps"]


def test_lists_name_only_what_was_recorded() -> None:
    named = {*DIFFERENCES, *BEFORE, *SETUP, *HELD_UNTIL, *COMPACTED_BEFORE}
    assert {*named, *HELD_UNTIL.values(), FIRST_PAGE} <= set(BY_NAME)


def test_what_is_not_asked_again_is_listed() -> None:
    assert {one["name"] for one in RECORDED if "request" not in one} == set(LEFT_OUT)
