import pytest

from conformance.errors import UsageError
from conformance.requirements import Level, catalogue
from conformance.requirements.profiles import ALL, PROFILES, profile_of, theme_of, themes_of


def test_all_is_the_catalogue() -> None:
    assert profile_of(ALL, catalogue()) == list(catalogue())


def test_core_is_a_level() -> None:
    core = profile_of("core", catalogue())

    assert core
    assert {catalogue()[id_].level for id_ in core} == {Level.CORE}


@pytest.mark.parametrize("profile", PROFILES)
def test_profile_is_made_of_themes_that_there_are(profile: str) -> None:
    assert set(PROFILES[profile]) <= set(themes_of(catalogue()))
    assert {theme_of(id_) for id_ in profile_of(profile, catalogue())} == set(PROFILES[profile])


@pytest.mark.parametrize("theme", themes_of(catalogue()))
def test_theme_is_a_profile(theme: str) -> None:
    assert {theme_of(id_) for id_ in profile_of(theme, catalogue())} >= {theme}


def test_profile_that_matches_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nope") as refused:
        profile_of("nope", catalogue())

    assert "application" in refused.value.try_
