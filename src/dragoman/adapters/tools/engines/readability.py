"""The readable text of HTML, by Trafilatura."""

import trafilatura
from trafilatura.utils import load_html

_LONGEST = 2_000_000
# With less than this the page is something else than an article: a list, a form, a shop.
_ARTICLE_CHARACTERS = 200


def readable(data: bytes, url: str, charset: str | None) -> tuple[str, str]:
    """Title and text of a page."""
    document: bytes | str = data
    if charset is not None:
        try:
            document = data.decode(charset, "replace")
        except LookupError:
            document = data
    text = trafilatura.extract(
        document, url=url, output_format="markdown", include_comments=False, favor_recall=True
    )
    if text is None or len(text) < _ARTICLE_CHARACTERS:
        everything = trafilatura.html2txt(document)
        text = everything if len(everything) > 2 * len(text or "") else text
    return _title(document), (text or "")[:_LONGEST]


def _title(document: bytes | str) -> str:
    tree = load_html(document)
    found = None if tree is None else tree.findtext(".//title")
    return " ".join(found.split())[:300] if found else ""
