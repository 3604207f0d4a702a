"""Every patch of AWS's webhook that was recorded, against ours or `--webhook URL`."""

import asyncio
import base64
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.webhook.conftest import IDENTITIES, Asked, Running, review_of

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "webhook.json").read_text(encoding="utf-8")
)
CASES = {case["name"]: case for case in GOLDEN["cases"]}
FIXED_EXPIRATIONS = {600, 3600}


async def _ask_all(asked: Asked) -> dict[str, dict[str, Any]]:
    answers = {}
    for name, case in CASES.items():
        answer = await asked.post(json.dumps(review_of(case["pod"])).encode())
        assert answer.status == 200
        answers[name] = json.loads(answer.text)["response"]
    return answers


async def _ask(url: str | None, tls: ssl.SSLContext) -> dict[str, dict[str, Any]]:
    if url is not None:
        return await _ask_all(Asked(url))
    async with Running(tls) as asked:
        return await _ask_all(asked)


@pytest.fixture(scope="module")
def responses(webhook_url: str | None, webhook_tls: ssl.SSLContext) -> dict[str, dict[str, Any]]:
    return asyncio.run(_ask(webhook_url, webhook_tls))


def _unspread(patch: list[dict[str, Any]] | None) -> tuple[Any, set[int]]:
    """The patch with random lifetimes taken out, and those lifetimes."""
    spread: set[int] = set()

    def without(value: Any) -> Any:
        if isinstance(value, dict) and "expirationSeconds" in value:
            seconds = value["expirationSeconds"]
            fixed = seconds in FIXED_EXPIRATIONS or value["audience"] == "sts.amazonaws.com"
            if not fixed:
                spread.add(seconds)
            return {**value, "expirationSeconds": seconds if fixed else "spread"}
        if isinstance(value, dict):
            return {key: without(inner) for key, inner in value.items()}
        return [without(inner) for inner in value] if isinstance(value, list) else value

    return without(patch), spread


def test_all_recorded_pods_are_there() -> None:
    assert len(CASES) == len(GOLDEN["cases"]) == 20
    listed = [(one["namespace"], one["serviceAccount"]) for one in GOLDEN["config"]["identities"]]
    assert listed == IDENTITIES


@pytest.mark.parametrize("name", CASES)
def test_response_and_patch_are_the_recorded_ones(
    name: str, responses: dict[str, dict[str, Any]]
) -> None:
    response = dict(responses[name])
    encoded = response.pop("patch", None)
    patch = json.loads(base64.b64decode(encoded)) if encoded else None
    assert response == CASES[name]["response"]
    seen, spread = _unspread(patch)
    assert seen == _unspread(CASES[name]["patch"])[0]
    assert all(79_200 <= seconds <= 86_400 for seconds in spread)
