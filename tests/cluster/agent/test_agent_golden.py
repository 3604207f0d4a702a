"""Every answer of AWS's agent that was recorded, against ours or `--agent PATH`."""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.agent.conftest import (
    HastyClock,
    Reply,
    Served,
    StandIn,
    make_token,
    serve,
    serve_binary,
)

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "agent-0.1.37.json").read_text(encoding="utf-8")
)
CASES = {case["name"]: case for case in GOLDEN["cases"]}

BODY_ENDS_DIFFERENTLY = {
    "EKS Auth: Empty": (
        "&{",
        "what follows is a Go struct printed with its memory addresses, different in each process",
    ),
}
"""Bodies that cannot be equal: where the difference begins, and why. Strict both ways."""

_MASKS = [
    (re.compile(r"ASIA[0-9A-F]{12}"), "ASIA............"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"), "....-..-..T..:..:.."),
    (re.compile(r"\.\d{1,3}Z"), ".fZ"),
    (re.compile(r"within the next (-?)\d+\.\d\d"), r"within the next \1N.NN"),
]


@dataclass
class Seen:
    reply: Reply
    upstream_calls: int


def _tokens(case: dict[str, Any], made: dict[str, str], stand_in: StandIn) -> None:
    for name, differs in case["tokens"].items():
        if name in made:
            continue
        claims = {claim: _claim(value) for claim, value in differs["claims"].items()}
        made[name] = make_token(
            drop=tuple(differs["drop"]),
            header=differs.get("header"),
            signature=differs.get("signature"),
            **claims,
        )
        stand_in.behaviour[made[name]] = differs["upstream"] or {}


def _claim(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if relative := re.fullmatch(r"now([+-][\d.]+) s", value):
        seconds = float(relative[1])
        # A whole number stays one: the agent's parser takes both, and both were recorded.
        return int(HastyClock().time()) + (int(seconds) if seconds.is_integer() else seconds)
    return _repeated(value)


def _repeated(text: str) -> str:
    if many := re.fullmatch(r"(\d+) x '?(\w)'?", text):
        return many[2] * int(many[1])
    return text


def _raw(request: dict[str, Any], made: dict[str, str]) -> bytes:
    if "raw" in request:
        text = str(request["raw"])
    else:
        lines = [f"{request['method']} {request['path']} HTTP/1.1"]
        lines += [] if request["host"] is None else [f"Host: {request['host']}"]
        lines += [f"Authorization: {_repeated(value)}" for value in request["authorization"]]
        text = "\r\n".join([*lines, *request["extra_headers"], "\r\n"])
    for name, token in made.items():
        text = text.replace(name, token)
    return text.encode()


async def _ask_all(served: Served) -> dict[str, Seen]:
    """In the order of the recording: some answers come from the cache of earlier ones."""
    made: dict[str, str] = {}
    seen: dict[str, Seen] = {}
    for name, case in CASES.items():
        _tokens(case, made, served.stand_in)
        before = len(served.stand_in.calls)
        to_head = case["request"].get("method") == "HEAD"
        reply = await served.raw(_raw(case["request"], made), to_head=to_head)
        assert reply is not None, f"{name}: no answer"
        seen[name] = Seen(reply, len(served.stand_in.calls) - before)
    return seen


async def _ask(binary: str | None) -> dict[str, Seen]:
    if binary is not None:
        async with serve_binary(binary, StandIn()) as served:
            return await _ask_all(served)
    # The two slow cases, at a quarter of the time, for an agent with 0.3 s of patience.
    async with serve(request_seconds=0.3, stand_in=StandIn(slowness=0.25)) as served:
        return await _ask_all(served)


@pytest.fixture(scope="module")
def answers(agent_binary: str | None) -> dict[str, Seen]:
    return asyncio.run(_ask(agent_binary))


def _masked(body: str) -> str:
    for pattern, mask in _MASKS:
        body = pattern.sub(mask, body)
    return body


def test_all_recorded_cases_are_there() -> None:
    assert len(CASES) == len(GOLDEN["cases"]) == 83
    assert set(BODY_ENDS_DIFFERENTLY) <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_answer_is_the_recorded_one(name: str, answers: dict[str, Seen]) -> None:
    recorded = CASES[name]["answer"]
    reply = answers[name].reply
    headers = {key: reply.headers.get(key) for key in recorded["headers"]}
    body, expected = _masked(reply.text), _masked(recorded["body"])
    if name in BODY_ENDS_DIFFERENTLY:
        assert body != expected, f"equal now, take {name} off the list"
        begins = BODY_ENDS_DIFFERENTLY[name][0]
        body, expected = body.split(begins)[0], expected.split(begins)[0]
    if "Content-Length" in headers and CASES[name]["request"].get("method") != "HEAD":
        assert headers.pop("Content-Length") == str(len(reply.body))
    assert reply.status == recorded["status"]
    assert headers == {key: recorded["headers"][key] for key in headers}
    assert body == expected
    assert answers[name].upstream_calls == recorded["upstream_calls"]
