from pathlib import Path

from conformance.environment import Aws
from conformance.terraform.surroundings import aws_environment, child_environment

AMBIENT = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "TF_VAR_spec": "x",
    "TF_CLI_CONFIG_FILE": "/mine",
    "AWS_PROFILE": "production",
    "AWS_CA_BUNDLE": "/bundle",
    "HTTPS_PROXY": "http://proxy:1",
}
EMULATED = Aws(
    region="eu-west-1",
    account_id="111122223333",
    endpoint="http://127.0.0.1:1",
    access_key_id="key",
    secret_access_key="secret",
)


def test_nothing_of_the_users_terraform_reaches_the_child() -> None:
    made = child_environment(Path("/w"), Path("/w/rc"), AMBIENT)

    assert made["TF_CLI_CONFIG_FILE"] == "/w/rc"
    assert made["HOME"] == "/w"
    assert made["PATH"] == "/bin"
    assert not {name for name in made if name.startswith(("TF_VAR", "AWS_"))}


def test_an_emulation_gets_its_own_keys_and_no_others() -> None:
    made = aws_environment(EMULATED, AMBIENT)

    assert made["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert (made["AWS_ACCESS_KEY_ID"], made["AWS_SECRET_ACCESS_KEY"]) == ("key", "secret")
    assert not {"AWS_PROFILE", "AWS_CA_BUNDLE", "HTTPS_PROXY", "HOME"} & set(made)


def test_a_real_account_gets_the_ambient_credentials() -> None:
    made = aws_environment(Aws(region="eu-west-1", account_id="1"), AMBIENT)

    assert made["AWS_PROFILE"] == "production"
    assert made["AWS_REGION"] == "eu-west-1"
    assert made["HOME"] == "/home/me"
    assert made["HTTPS_PROXY"] == "http://proxy:1"
    assert not {name for name in made if name.startswith("TF_")}
