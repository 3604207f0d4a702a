import pytest

from conformance.emulator.__main__ import behaviour, options
from conformance.emulator.behaviour import Behaviour
from conformance.emulator.launch import Launched, command_line
from conformance.errors import HarnessError, UsageError


def test_defaults_are_what_eks_does() -> None:
    default = Behaviour()
    assert (default.token_seconds, default.credential_seconds) == (86400, 21600)
    assert default.associations_per_cluster == 1000
    assert default.propagation_longest == 0
    assert default.eks_auth_calls_per_second is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"token_seconds": 0}, "token_seconds"),
        ({"credential_seconds": 43201}, "credential_seconds"),
        ({"eks_auth_calls_per_second": 0}, "eks_auth_calls_per_second"),
        ({"eks_auth_calls_per_second": "nan"}, "eks_auth_calls_per_second"),
        ({"propagation_shortest": 2}, "propagation_shortest is more than propagation_longest"),
        ({"no_such_setting": 1}, "no_such_setting"),
    ],
)
def test_setting_that_cannot_be_is_named(changes: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        Behaviour().changed(changes)


def test_what_was_launched_with_is_what_the_process_reads() -> None:
    wanted = Behaviour(
        token_seconds=60, propagation_shortest=0.5, propagation_longest=2.5, propagation_seed=-3
    )
    given = options(["--dir", "/nowhere", *command_line(wanted)])
    assert behaviour(given) == wanted
    assert command_line(Behaviour()) == []


def test_settings_change_while_it_runs(launched: Launched) -> None:
    admin = launched.admin
    before = admin.settings()
    assert before == Behaviour()
    try:
        assert admin.set_settings(credential_seconds=5).credential_seconds == 5
        changed = admin.set_settings(eks_auth_calls_per_second=2.5)
        assert (changed.credential_seconds, changed.eks_auth_calls_per_second) == (5, 2.5)
        assert admin.settings() == changed
        with pytest.raises(HarnessError, match="credential_seconds"):
            admin.set_settings(credential_seconds=-1)
        assert admin.settings() == changed
    finally:
        assert admin.set_settings(**before.model_dump()) == before
