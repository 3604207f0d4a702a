import pickle

from conformance.errors import HarnessError, SpecError


def test_error_says_wanted_saw_and_try() -> None:
    error = HarnessError("a node", saw="none", try_="kubectl get nodes")

    assert str(error) == "a node\n  saw: none\n  try: kubectl get nodes"


def test_error_survives_the_way_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(SpecError("a role", saw="'x'", try_="y")))  # noqa: S301 - our own bytes

    assert isinstance(error, SpecError)
    assert (error.wanted, error.saw, error.try_) == ("a role", "'x'", "y")
