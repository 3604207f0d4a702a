import pytest

from conformance.errors import UsageError
from conformance.faults import EKS_AUTH_DOWN, FAULTS, WEBHOOK_MISSES, ActiveFaults


def test_unknown_fault_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no such fault") as refused:
        ActiveFaults(["gremlins"])

    assert all(name in refused.value.try_ for name in FAULTS)


def test_only_what_is_switched_on_is_active() -> None:
    faults = ActiveFaults(["eks-auth-down"])

    assert EKS_AUTH_DOWN in faults
    assert WEBHOOK_MISSES not in faults
