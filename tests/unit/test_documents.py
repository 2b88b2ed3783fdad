"""Committed reference documents are what the program itself says."""

import json
from pathlib import Path

import pytest

from dragoman.bootstrap.documents import OPENAPI_DIALECTS, openapi_document
from dragoman.settings.reference import reference

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("dialect", sorted(OPENAPI_DIALECTS))
def test_a_dialects_openapi_document_is_the_committed_one(dialect: str) -> None:
    committed = json.loads((DOCS / "openapi" / f"{dialect}.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(openapi_document(dialect))), (
        f"write it anew with: dragoman openapi {dialect} > docs/openapi/{dialect}.json"
    )


def test_the_settings_page_names_every_setting_as_the_program_does() -> None:
    committed = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    assert committed.strip() == reference().strip(), "write it anew with: dragoman config reference"


def test_the_index_of_the_documentation_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.glob("*/*.md")]
    assert [page for page in pages if f"({page})" not in index] == []
