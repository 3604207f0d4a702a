from typing import Any

import pytest

from conformance.terraform.provider import protocol
from conformance.terraform.provider.connection import Settings
from conformance.terraform.provider.overlay import schemas
from conformance.terraform.provider.service import DEFAULT_SECONDS, Provider, _within
from conformance.terraform.provider.values import complete, pack, unpack

SOMEWHERE = Settings("eu-west-1", "http://127.0.0.1:1", "key", "secret")


def call(provider: Provider, name: str, **fields: Any) -> Any:
    return provider.handlers()[name](protocol.new(f"{name}.Request", **fields))


def value(block: Any, given: dict[str, Any]) -> Any:
    return protocol.new("DynamicValue", msgpack=pack(complete(block, given)))


def configure(settings: Settings, **config: Any) -> list[str]:
    block = schemas().provider.block
    answer = call(Provider(settings), "ConfigureProvider", config=value(block, config))
    return [diagnostic.summary for diagnostic in answer.diagnostics]


def test_settings_may_come_from_the_block_or_from_behind_it() -> None:
    assert configure(SOMEWHERE) == []
    assert (
        configure(
            Settings(),
            region="eu-west-1",
            access_key="key",
            secret_key="secret",
            endpoints=[{"sts": "http://127.0.0.1:1"}],
        )
        == []
    )


def test_what_is_missing_is_named() -> None:
    assert configure(Settings(region="eu-west-1")) == [
        "embedded provider: no endpoint, access_key_id, secret_access_key"
    ]


@pytest.mark.parametrize("host", ["eks.eu-west-1.amazonaws.com", "iam.global.api.aws"])
def test_aws_itself_is_refused(host: str) -> None:
    (summary,) = configure(SOMEWHERE.overlaid(endpoint=f"https://{host}"))

    assert summary == f"embedded provider: {host} is AWS itself"


def test_secrets_are_in_no_repr() -> None:
    assert "secret" not in repr(SOMEWHERE).replace("secret_access_key", "")
    assert "secret" not in repr(Provider(SOMEWHERE)).replace("secret_access_key", "")


def test_an_argument_that_is_not_served_is_refused_by_name() -> None:
    block = schemas().resources["aws_s3_bucket"].block
    config = value(block, {"bucket": "b", "acl": "public-read"})
    answer = call(
        Provider(SOMEWHERE), "ValidateResourceConfig", type_name="aws_s3_bucket", config=config
    )

    (diagnostic,) = answer.diagnostics
    assert diagnostic.summary == "aws_s3_bucket.acl is not served by the embedded provider"
    assert diagnostic.attribute.steps[0].attribute_name == "acl"
    assert "force_destroy" in diagnostic.detail


def test_a_provider_argument_that_is_not_served_is_refused_too() -> None:
    config = value(schemas().provider.block, {"sts_region": "eu-west-1"})
    answer = call(Provider(SOMEWHERE), "ValidateProviderConfig", config=config)

    assert [d.attribute.steps[0].attribute_name for d in answer.diagnostics] == ["sts_region"]


def test_a_profile_that_nobody_handed_over_is_refused() -> None:
    config = value(schemas().provider.block, {"profile": "production"})
    answer = call(Provider(SOMEWHERE), "ConfigureProvider", config=config)

    assert "no profile is named 'production'" in answer.diagnostics[0].summary


def test_states_of_other_schemas_are_read() -> None:
    answer = call(
        Provider(SOMEWHERE),
        "UpgradeResourceState",
        type_name="aws_iam_role_policy_attachment",
        raw_state=protocol.new("RawState", json=b'{"role": "r", "gone": 1}'),
    )

    assert unpack(answer.upgraded_state.msgpack) == {"role": "r", "id": None, "policy_arn": None}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("aws_eks_pod_identity_association", "junk"),
        ("aws_eks_addon", "cluster"),
        ("aws_iam_role_policy", ":policy"),
        ("aws_s3_object", "s3://bucket"),
    ],
)
def test_an_import_id_of_the_wrong_form_shows_the_right_one(name: str, given: str) -> None:
    answer = call(Provider(SOMEWHERE), "ImportResourceState", type_name=name, id=given)

    assert "unexpected format for ID" in answer.diagnostics[0].summary
    assert not answer.imported_resources


def test_a_defect_of_ours_is_a_diagnostic_and_keeps_the_state() -> None:
    block = schemas().resources["aws_iam_role"].block
    state = value(block, {"id": "r", "name": "r"})
    unconfigured = Provider(SOMEWHERE)
    answer = call(unconfigured, "ReadResource", type_name="aws_iam_role", current_state=state)

    assert answer.new_state == state
    assert "has not been configured" in answer.diagnostics[0].summary


def test_timeouts_of_the_configuration_count() -> None:
    assert _within({"timeouts": {"create": "1h30m"}}, "create") == 5400
    assert _within({"timeouts": {"create": None}}, "create") == DEFAULT_SECONDS
    assert _within({}, "delete") == DEFAULT_SECONDS
    with pytest.raises(ValueError, match="is not a duration"):
        _within({"timeouts": {"delete": "soon"}}, "delete")


def test_every_call_of_the_protocol_has_a_method() -> None:
    assert set(Provider(SOMEWHERE).handlers()) == set(protocol.METHODS)
    assert len(protocol.METHODS) == 14
