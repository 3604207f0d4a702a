import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.cluster.agent.go_json import GoJsonError, parse
from conformance.cluster.agent.tokens import TokenRefusedError, check_dates, read_token

RECORDED = json.loads((Path(__file__).parent / "golang-jwt-5.2.2.json").read_text(encoding="utf-8"))
RECORDED_AT = 1_795_478_400.0
PARSED = "Service account token cannot be parsed: "
DATED = "Service account token failed basic claim validations: "


def verdict(raw: bytes, now: float = RECORDED_AT) -> str:
    try:
        check_dates(read_token(raw), now)
    except TokenRefusedError as error:
        return str(error).replace(PARSED, "").replace(DATED, "dates: ")
    return ""


def test_words_are_golang_jwts() -> None:
    wrong = [
        (token, expected, verdict(token.encode("latin-1")))
        for token, expected in RECORDED["cases"]
        if verdict(token.encode("latin-1")) != expected
    ]
    assert len(RECORDED["cases"]) == 700
    assert wrong == []


def test_both_dates_are_named() -> None:
    both = b"eyJhbGciOiJub25lIn0.eyJleHAiOjEwLCJuYmYiOjIwfQ."
    assert verdict(both, now=15) == "dates: token is expired, token is not valid yet"


def test_token_expires_at_the_second_it_names() -> None:
    expires_at_10 = b"eyJhbGciOiJub25lIn0.eyJleHAiOjEwfQ."
    assert verdict(expires_at_10, now=9.999) == ""
    assert verdict(expires_at_10, now=10.0) == "dates: token is expired"


def test_nesting_as_deep_as_go_goes_is_read() -> None:
    parse(b"[" * 10_000 + b"]" * 10_000)
    with pytest.raises(GoJsonError, match="exceeded max depth"):
        parse(b"[" * 10_001)


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_a_go_error(data: bytes) -> None:
    with suppress(GoJsonError):
        parse(data)
        json.loads(data.decode("utf-8", "replace"), strict=False)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_what_python_writes_is_read(value: object) -> None:
    parse(json.dumps(value).encode())
