from pathlib import Path

from conformance.requirements import catalogue
from conformance.requirements.page import page

PAGE = Path(__file__).parents[2] / "docs" / "requirements.md"


def test_page_in_docs_is_the_catalogue() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(catalogue().values()), (
        "conformance requirements --markdown > docs/requirements.md"
    )


def test_page_counts_by_level() -> None:
    listed = list(catalogue().values())[:2]

    assert "2 in all: 2 core." in page(listed)
