import pytest
from botocore.exceptions import ClientError

from conformance.terraform.provider.connection import (
    Connection,
    NotInTimeError,
    Settings,
    found,
    unique_name,
)

SOMEWHERE = Settings("eu-west-1", "http://127.0.0.1:1", "key", "secret")


def test_the_environment_of_this_process_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/no/such/file")
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/bundle")
    monkeypatch.setenv("AWS_ENDPOINT_URL_EKS", "https://eks.eu-west-1.amazonaws.com")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:2")
    settings = SOMEWHERE.overlaid(endpoint="http://127.0.0.1:3")
    client = Connection(settings).client("eks")

    assert client.meta.endpoint_url == "http://127.0.0.1:3"
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.config.proxies == {}


def test_a_client_is_made_once() -> None:
    assert Connection(SOMEWHERE).client("sts") is Connection(SOMEWHERE).client("sts")


def test_a_plugin_takes_its_settings_from_the_environment_it_is_given() -> None:
    settings = Settings.from_environment(
        {"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b", "AWS_ENDPOINT_URL": "http://e", "HOME": "/"}
    )

    assert (settings.region, settings.endpoint, settings.access_key_id) == ("a", "http://e", None)


def test_regions_have_the_names_that_aws_gives_them() -> None:
    assert Connection(SOMEWHERE).describe_region("eu-west-1") == "Europe (Ireland)"
    with pytest.raises(ValueError, match="'mars-1'"):
        Connection(SOMEWHERE).describe_region("mars-1")


def test_tags_of_the_provider_are_not_the_resources_own() -> None:
    connection = Connection(SOMEWHERE, {"a": "1", "b": "2"})

    assert connection.user_tags({"a": "1", "b": "3", "c": "4"}, {"tags": None}) == {
        "b": "3",
        "c": "4",
    }
    assert connection.user_tags({"a": "1"}, {"tags": {"a": "1"}}) == {"a": "1"}


def test_absence_is_none_and_any_other_error_is_raised() -> None:
    def refuse(code: str) -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetRole")

    assert found(("NoSuchEntity",), refuse, code="NoSuchEntity") is None
    with pytest.raises(ClientError):
        found(("NoSuchEntity",), refuse, code="AccessDenied")


def test_a_wait_says_what_it_waited_for_and_what_it_saw_last() -> None:
    with pytest.raises(NotInTimeError, match=r"node group a ACTIVE .* 0.1 s, it is 'C"):
        Connection(SOMEWHERE).wait("node group a ACTIVE", lambda: "CREATING", lambda _: False, 0.1)


def test_a_wait_ends_when_terraform_is_asked_to_stop() -> None:
    connection = Connection(SOMEWHERE)
    connection.stopping.set()

    with pytest.raises(NotInTimeError, match="interrupted while waiting for node group a ACTIVE"):
        connection.wait("node group a ACTIVE", lambda: "CREATING", lambda _: False, 60)


def test_unique_names_are_unique() -> None:
    assert unique_name("x-").startswith("x-")
    assert unique_name(None) != unique_name(None)
