from typing import Any

from conformance.terraform.provider.catalogue import RESOURCES
from conformance.terraform.provider.overlay import schemas
from conformance.terraform.provider.planning import Plan, plan
from conformance.terraform.provider.values import UNKNOWN, Values, complete

TRUST = '{"Statement": []}'


def planned(name: str, prior: Values | None, config: Values | None, **default_tags: str) -> Plan:
    """What comes of a configuration, with Terraform's own proposal in between."""
    block = schemas().resources[name].block
    before = None if prior is None else complete(block, prior)
    written = None if config is None else complete(block, config)
    proposed: Any = None
    if written is not None:
        computed = {n for n, a in block.attributes.items() if a.computed}
        kept = {n: v for n, v in (before or {}).items() if n in computed and written[n] is None}
        proposed = written | kept
    return plan(
        RESOURCES[name],
        block,
        default_tags,
        prior=before,
        proposed=proposed,
        config=written,
    )


ROLE = {
    "arn": "arn:aws:iam::1:role/r",
    "assume_role_policy": TRUST,
    "force_detach_policies": False,
    "id": "r",
    "max_session_duration": 3600,
    "name": "r",
    "path": "/",
    "tags_all": {},
}
ROLE_CONFIG = {"name": "r", "assume_role_policy": TRUST}


def test_what_aws_chooses_is_unknown_and_what_it_assumes_is_not() -> None:
    new = planned("aws_iam_role", None, ROLE_CONFIG).planned

    assert new is not None
    assert new["arn"] is UNKNOWN
    assert new["max_session_duration"] == 3600
    assert new["path"] == "/"
    assert new["tags"] is None


def test_an_unchanged_configuration_plans_exactly_the_state() -> None:
    same = planned("aws_iam_role", ROLE, ROLE_CONFIG)

    assert same.planned == complete(schemas().resources["aws_iam_role"].block, ROLE)


def test_a_policy_spelled_differently_is_no_change() -> None:
    config = ROLE_CONFIG | {"assume_role_policy": '{"Statement":[]}'}
    same = planned("aws_iam_role", ROLE, config)

    assert same.planned is not None
    assert same.planned["assume_role_policy"] == TRUST


def test_empty_tags_are_no_tags() -> None:
    same = planned("aws_iam_role", ROLE, ROLE_CONFIG | {"tags": {}})

    assert same.planned is not None
    assert same.planned["tags"] is None


def test_tags_of_the_provider_are_tags_of_all() -> None:
    new = planned("aws_iam_role", None, ROLE_CONFIG | {"tags": {"a": "own"}}, a="all", b="all")

    assert new.planned is not None
    assert new.planned["tags_all"] == {"a": "own", "b": "all"}


def test_tags_that_are_not_known_yet_make_all_tags_unknown() -> None:
    new = planned("aws_iam_role", None, ROLE_CONFIG | {"tags": {"a": UNKNOWN}})

    assert new.planned is not None
    assert new.planned["tags_all"] is UNKNOWN


def test_a_name_needs_a_new_role_and_a_description_does_not() -> None:
    assert planned("aws_iam_role", ROLE, ROLE_CONFIG | {"name": "s"}).replace == ("name",)
    assert planned("aws_iam_role", ROLE, ROLE_CONFIG | {"description": "d"}).replace == ()


def test_a_value_that_is_not_known_yet_may_need_a_new_one() -> None:
    state = {"cluster_name": "c", "namespace": "n", "service_account": "s", "role_arn": "r"}
    change = planned("aws_eks_pod_identity_association", state, state | {"cluster_name": UNKNOWN})

    assert change.replace == ("cluster_name",)


def test_new_content_has_a_new_etag() -> None:
    state = {"bucket": "b", "key": "k", "content": "old", "etag": "1", "force_destroy": False}
    config = {"bucket": "b", "key": "k", "content": "new"}
    change = planned("aws_s3_object", state, config).planned

    assert change is not None
    assert change["etag"] is UNKNOWN


def test_a_block_that_aws_fills_is_kept_when_the_configuration_is_silent() -> None:
    mode = {
        "authentication_mode": "API",
        "bootstrap_cluster_creator_admin_permissions": None,
    }
    vpc = {"subnet_ids": ["a"], "endpoint_private_access": False, "endpoint_public_access": True}
    config = {"name": "c", "role_arn": "r", "vpc_config": [vpc]}
    state = config | {"access_config": [mode], "bootstrap_self_managed_addons": True}

    assert planned("aws_eks_cluster", None, config).planned is not None
    same = planned("aws_eks_cluster", state, config).planned
    assert same is not None
    assert same["access_config"] == [mode]


def test_the_inside_of_a_block_can_need_a_new_cluster() -> None:
    vpc = {"subnet_ids": ["a"], "endpoint_private_access": False, "endpoint_public_access": True}
    state = {
        "name": "c",
        "role_arn": "r",
        "bootstrap_self_managed_addons": True,
        "vpc_config": [vpc],
        "kubernetes_network_config": [{"ip_family": "ipv4"}],
    }
    change = planned(
        "aws_eks_cluster", state, state | {"kubernetes_network_config": [{"ip_family": "ipv6"}]}
    )

    assert change.replace == ("kubernetes_network_config.ip_family",)


def test_defaults_reach_into_blocks() -> None:
    config = {"name": "c", "role_arn": "r", "vpc_config": [{"subnet_ids": ["a"]}]}
    new = planned("aws_eks_cluster", None, config).planned

    assert new is not None
    assert new["vpc_config"][0]["endpoint_public_access"] is True
    assert new["vpc_config"][0]["vpc_id"] is UNKNOWN


def test_the_end_of_a_resource_is_null() -> None:
    assert planned("aws_iam_role", ROLE, None) == Plan(None)
