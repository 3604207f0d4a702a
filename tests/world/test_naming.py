import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract import Contract, RealAssociation
from conformance.errors import UsageError
from conformance.spec import Association, Role, Spec
from conformance.world.naming import Names, namespaces_of_others


def test_worlds_of_one_run_never_share_a_name() -> None:
    one, other = Names("r7", "scenarios/test_a.py"), Names("r7", "scenarios/test_b.py")

    assert one.prefix != other.prefix
    assert one.namespace("dev") != other.namespace("dev")


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True))
def test_real_namespaces_fit(symbolic: str) -> None:
    assert len(Names("r7k2xa", "key").namespace(symbolic)) <= 63


def test_longest_names_of_a_spec_fit_a_bucket() -> None:
    assert len(f"{Names('r7k2xa', 'key').prefix}-{'b' * 31}") <= 63


def test_pods_of_one_name_differ() -> None:
    names = Names("r7", "key")

    assert names.pod("reader") != names.pod("reader")
    assert names.pod("reader").startswith("reader-")


TWO = Spec(
    roles=(Role(name="app"),),
    associations=tuple(
        Association(namespace="shop", service_account=name, role="app") for name in ("web", "job")
    ),
)


def read(**namespaces: str) -> Contract:
    """What a stack says of the associations of TWO, by service account."""
    return Contract.model_construct(
        associations={
            f"shop/{name}": RealAssociation.model_construct(namespace=namespace)
            for name, namespace in namespaces.items()
        }
    )


def test_namespace_of_others_is_that_of_its_associations() -> None:
    own = {"shop": "shop-r7-1234"}

    assert namespaces_of_others(own, TWO, read(web="backend", job="backend")) == {"shop": "backend"}
    assert namespaces_of_others(own, TWO, read(web="shop-r7-1234", job="shop-r7-1234")) == {}


def test_one_namespace_is_not_two() -> None:
    with pytest.raises(UsageError, match="shop: its associations are in two namespaces"):
        namespaces_of_others({"shop": "own"}, TWO, read(web="backend", job="frontend"))
