import fcntl
from pathlib import Path

import pytest

from conformance.environment import Aws, OtherAccount
from conformance.errors import HarnessError, UsageError
from conformance.terraform.sources import Embedded, Mirror, Registry, find_mirror, provider_source

REAL = Aws(region="eu-west-1", account_id="111122223333")


def test_sources_by_name(tmp_path: Path) -> None:
    assert provider_source("embedded") == Embedded()
    assert provider_source(f"mirror={tmp_path}") == Mirror(tmp_path)
    assert provider_source("registry", {"XDG_CACHE_HOME": "/c"}) == Registry(
        Path("/c/conformance/terraform-plugins")
    )


@pytest.mark.parametrize("text", ["", "mirror", "mirror=", "embeded", "registry=x"])
def test_an_unknown_source_shows_those_there_are(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        provider_source(text)
    assert caught.value.try_ == "embedded, registry or mirror=DIR"


def test_a_mirror_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="/no/such/mirror"):
        provider_source("mirror=/no/such/mirror")


def test_the_embedded_one_refuses_a_real_account() -> None:
    with pytest.raises(HarnessError, match="on an emulation only"), Embedded().serving(REAL):
        pass


def test_only_the_registry_may_be_asked_for_downloads(tmp_path: Path) -> None:
    assert "direct" in Registry(tmp_path).configuration()
    assert "direct" not in Mirror(tmp_path).configuration()
    assert "direct" not in Embedded().configuration()


def test_the_registrys_cache_is_for_one_init_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    with Registry(tmp_path / "cache").initialising() as surroundings:
        assert surroundings["HTTPS_PROXY"] == "http://proxy:1"
        with (tmp_path / "cache" / "lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_mirror_is_found_where_the_variable_says(tmp_path: Path) -> None:
    assert find_mirror({"CONFORMANCE_PROVIDER_MIRROR": str(tmp_path)}) is None
    (tmp_path / "registry.terraform.io/hashicorp/aws").mkdir(parents=True)
    assert find_mirror({"CONFORMANCE_PROVIDER_MIRROR": str(tmp_path)}) == tmp_path


def test_a_second_emulated_account_is_a_profile_as_long_as_terraform_runs(tmp_path: Path) -> None:
    other = OtherAccount(account_id="2", access_key_id="key", secret_access_key="nobodys")
    emulated = REAL.model_copy(update={"endpoint": "http://127.0.0.1:1", "other": other})

    with Mirror(tmp_path).serving(emulated, tmp_path) as surroundings:
        file = Path(surroundings["AWS_SHARED_CREDENTIALS_FILE"])
        assert file.read_text().splitlines()[0] == "[conformance-other]"
        assert file.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


def test_a_real_second_account_is_a_profile_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/home/them/.aws/credentials")
    aws = REAL.model_copy(update={"other": OtherAccount(account_id="2")})
    with Mirror(tmp_path).serving(aws, tmp_path) as surroundings:
        assert surroundings["AWS_SHARED_CREDENTIALS_FILE"] == "/home/them/.aws/credentials"
