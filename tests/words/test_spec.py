import re
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.errors import SpecError
from conformance.spec import (
    Association,
    Bucket,
    Condition,
    Queue,
    ResourceStatement,
    Role,
    Spec,
    Statement,
    Table,
    Trust,
)

ROLE = Role(name="reader")
READER = Association(namespace="shop", service_account="reader", role="reader")


def reads(resource: str) -> Role:
    return Role(
        name="reader", statements=(Statement(actions=("s3:GetObject",), resources=(resource,)),)
    )


def realised(spec: Spec, **namespaces: str) -> dict[str, object]:
    return spec.variables(run="r", prefix="p", cluster="c", namespaces=namespaces)


def test_unknown_role_is_named_with_its_field() -> None:
    with pytest.raises(SpecError) as refused:
        Spec(associations=(READER,))

    assert refused.value.wanted == "Spec.associations[0].role: no role is named 'reader'"


def test_bucket_named_twice_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Spec\.buckets: 'data' is there twice"):
        Spec(buckets=(Bucket(name="data"), Bucket(name="data")))


def test_service_account_associated_twice_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Spec\.associations: 'shop/reader' is there twice"):
        Spec(roles=(ROLE,), associations=(READER, READER))


@pytest.mark.parametrize("namespace", ["Shop", "shop_1", "-shop", "", "s" * 64])
def test_invalid_namespace_is_shown(namespace: str) -> None:
    with pytest.raises(SpecError) as refused:
        Association(namespace=namespace, service_account="reader", role="reader")

    assert "Association.namespace" in refused.value.wanted
    assert refused.value.saw == repr(namespace)


def test_unknown_field_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Role\.polcies"):
        Role.model_validate({"name": "reader", "polcies": ()})


@pytest.mark.parametrize("resource", ["bucket:other/*", "table:orders", "data", "cluster:name"])
def test_resource_that_points_nowhere_is_refused(resource: str) -> None:
    with pytest.raises(SpecError, match="reader"):
        Spec(roles=(reads(resource),), buckets=(Bucket(name="data"),))


@pytest.mark.parametrize(
    "resource", ["bucket:data", "bucket:data/a/*", "cluster:arn", "*", "arn:aws:s3:::x"]
)
def test_resource_that_points_somewhere_is_taken(resource: str) -> None:
    Spec(roles=(reads(resource),), buckets=(Bucket(name="data"),))


def test_namespace_references_become_real_names() -> None:
    condition = Condition(test="StringEquals", variable="aws:x", values=("{namespace:shop}",))
    statement = Statement(actions=("s3:*",), resources=("*",), conditions=(condition,))
    spec = Spec(
        roles=(Role(name="reader", statements=(statement,)),),
        buckets=(Bucket(name="data", objects={"{namespace:shop}/a": "1"}),),
        associations=(READER,),
    )

    variables = realised(spec, shop="shop-7")

    buckets: Any = variables["buckets"]
    assert buckets["data"]["objects"] == {"shop-7/a": "1"}
    assert "shop-7" in str(variables["roles"])


def test_reference_to_a_namespace_nobody_named_is_refused() -> None:
    spec = Spec(buckets=(Bucket(name="data", objects={"{namespace:dev}/a": "1"}),))

    with pytest.raises(SpecError, match="no namespace is named 'dev'"):
        realised(spec)


def test_without_association_leaves_the_rest() -> None:
    spec = Spec(roles=(ROLE,), associations=(READER,))

    left = spec.without_association("shop", "reader")

    assert left.associations == ()
    assert left.roles == spec.roles


def test_without_association_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpecError, match="none is for shop/writer"):
        Spec(roles=(ROLE,), associations=(READER,)).without_association("shop", "writer")


def test_policy_variables_reach_iam_as_they_are() -> None:
    spec = Spec(
        roles=(reads("bucket:data/${aws:PrincipalTag/kubernetes-namespace}/*"),),
        buckets=(Bucket(name="data"),),
    )

    assert "${aws:PrincipalTag/kubernetes-namespace}" in str(realised(spec)["roles"])


@pytest.mark.parametrize("path", ["", "teams", "/teams", "//x y/", f"/{'t' * 511}/"])
def test_path_that_iam_would_refuse_is_shown(path: str) -> None:
    with pytest.raises(SpecError, match=r"Role\.path"):
        Role(name="reader", path=path)


ROLES = (Role(name="first"), Role(name="second", trust=(Trust(roles=("first",)),)))


def test_a_trust_in_roles_is_no_trust_in_a_service() -> None:
    assert Trust(roles=("first",)).services == ()
    assert Trust().services == ("pods.eks.amazonaws.com",)


def test_a_role_that_trusts_roles_cannot_be_trusted_by_one() -> None:
    with pytest.raises(SpecError, match="one that trusts roles itself"):
        Spec(roles=(*ROLES, Role(name="third", trust=(Trust(roles=("second",)),))))


def test_an_association_wants_a_role_of_the_clusters_account() -> None:
    with pytest.raises(SpecError, match="not in the cluster's account"):
        Spec(roles=(Role(name="reader", account="other"),), associations=(READER,))
    far = Association(namespace="a", service_account="b", role="reader", target_role="far")
    Spec(roles=(ROLE, Role(name="far", account="other")), associations=(far,))


def test_a_policy_of_an_association_needs_session_tags_disabled() -> None:
    policy = (Statement(actions=("s3:*",), resources=("*",)),)
    wanted = {"namespace": "a", "service_account": "b", "role": "reader", "policy": policy}

    with pytest.raises(SpecError, match="needs disable_session_tags"):
        Association(**wanted)
    Association(**wanted, disable_session_tags=True)


@pytest.mark.parametrize("field", ["target_role", "role"])
def test_an_association_with_an_unknown_role_is_refused(field: str) -> None:
    given: Any = {"namespace": "a", "service_account": "b", "role": "reader", field: "nobody"}

    with pytest.raises(SpecError, match=f"{field}: no role is named 'nobody'"):
        Spec(roles=(ROLE,), associations=(Association(**given),))


@pytest.mark.parametrize(
    "resource", ["table:items", "table:items/index/by-owner", "queue:jobs", "role:reader"]
)
def test_tables_queues_and_roles_are_resources(resource: str) -> None:
    Spec(roles=(reads(resource),), tables=(Table(name="items"),), queues=(Queue(name="jobs"),))


@pytest.mark.parametrize("resource", ["table:items/x", "queue:jobs/x", "external-id:a/b"])
def test_parts_that_a_thing_has_not_are_no_resources(resource: str) -> None:
    with pytest.raises(SpecError):
        Spec(roles=(reads(resource),), tables=(Table(name="items"),), queues=(Queue(name="jobs"),))


@pytest.mark.parametrize("value", ["role:nobody", "external-id:shop/nobody", "account:third"])
def test_a_condition_on_what_is_not_there_is_refused(value: str) -> None:
    condition = Condition(test="StringEquals", variable="aws:x", values=(value,))

    with pytest.raises(SpecError, match=r"roles\[1\] \(far\)\.conditions"):
        Spec(
            roles=(ROLE, Role(name="far", trust=(Trust(conditions=(condition,)),))),
            associations=(READER,),
        )


def test_a_resource_policy_says_who_may() -> None:
    with pytest.raises(SpecError, match="says not who may"):
        ResourceStatement(actions=("s3:GetObject",))
    nobody = ResourceStatement(actions=("s3:GetObject",), roles=("nobody",))
    with pytest.raises(SpecError, match="no role is named 'nobody'"):
        Spec(buckets=(Bucket(name="data", statements=(nobody,)),))


def test_a_resource_policy_is_about_the_whole_thing() -> None:
    open_ = ResourceStatement(actions=("s3:*",), anyone=True)
    spec = Spec(buckets=(Bucket(name="data", statements=(open_,)),))
    buckets: Any = realised(spec)["buckets"]

    assert buckets["data"]["statements"][0]["resources"] == ["bucket:data", "bucket:data/*"]


@pytest.mark.parametrize(
    "tags",
    [
        {"conformance:run": "mine"},
        {"aws:x": "1"},
        {"": "1"},
        {"k" * 129: "1"},
        {"k": "v" * 257},
        {"k": "<v>"},
        {str(n): "1" for n in range(50)},
    ],
)
def test_tags_that_aws_would_refuse_are_refused(tags: dict[str, str]) -> None:
    with pytest.raises(SpecError, match=r"Role\.tags"):
        Role(name="reader", tags=tags)


def test_tags_of_any_script_are_taken() -> None:
    Role(name="reader", tags={"größe": "東京 +=._:/@-", "empty": ""})


def test_a_spec_knows_what_its_stack_must_be_able_to_do() -> None:
    assert Spec(roles=(ROLE,), associations=(READER,)).needs == frozenset()
    wide = Spec(
        roles=(ROLE, Role(name="far", account="other", tags={"a": "b"})),
        tables=(Table(name="items"),),
        associations=(
            Association(namespace="a", service_account="b", role="reader", target_role="far"),
        ),
    )

    assert wide.needs == {"other_account", "tables", "tags", "target_role"}


@pytest.mark.parametrize(
    "trust",
    [
        Trust(accounts=("other",)),
        Trust(
            conditions=(
                Condition(
                    test="StringEquals", variable="aws:SourceAccount", values=("account:other",)
                ),
            )
        ),
    ],
)
def test_whoever_is_named_by_the_second_account_needs_it(trust: Trust) -> None:
    assert Spec(roles=(Role(name="reader", trust=(trust,)),)).needs == {"other_account", "trust"}


def test_having_replaces_by_name_and_adds() -> None:
    spec = Spec(roles=(ROLE,), associations=(READER,))
    tagged = Role(name="reader", tags={"a": "b"})
    changed = spec.having(tagged, Bucket(name="data"))

    assert changed.roles == (tagged,)
    assert [bucket.name for bucket in changed.buckets] == ["data"]
    assert changed.associations == spec.associations
    with pytest.raises(SpecError, match="no role is named 'nobody'"):
        spec.having(READER.model_copy(update={"role": "nobody"}))


@given(st.text(max_size=70))
def test_any_namespace_is_taken_or_refused_as_a_spec_error(namespace: str) -> None:
    acceptable = re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", namespace)
    expectation: Any = nullcontext() if acceptable else pytest.raises(SpecError)

    with expectation:
        Association(namespace=namespace, service_account="reader", role="reader")
