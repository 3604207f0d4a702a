import pytest

from conformance.emulator import borrowed
from conformance.errors import HarnessError


def test_every_name_of_ministack_is_there() -> None:
    borrowed.check()


def test_missing_name_is_named() -> None:
    with pytest.raises(HarnessError, match=r"ministack\.services\.iam\._no_such_store is gone"):
        borrowed.check({"services.iam": ("_roles", "_no_such_store")})


def test_start_fails_with_the_missing_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack.services import sts  # noqa: PLC0415 -- after prepare

    monkeypatch.delattr(sts, "_sessions")
    with pytest.raises(HarnessError, match="_sessions") as error:
        borrowed.check()
    assert "ministack 1." in error.value.saw
