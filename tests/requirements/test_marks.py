from conformance.environment import Capability
from conformance.requirements import catalogue
from conformance.requirements.marks import proves

FIRST, SECOND = list(catalogue().values())[:2]


def test_mark_carries_requirements_and_needs() -> None:
    mark = proves(FIRST, SECOND, needs={Capability.RECORDS}, gaps={"sts.regions"}).mark

    assert mark.name == "proves"
    assert mark.args == (FIRST, SECOND)
    assert mark.kwargs == {
        "needs": frozenset({Capability.RECORDS}),
        "gaps": frozenset({"sts.regions"}),
    }
