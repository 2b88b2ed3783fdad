"""The readable text of HTML, by Trafilatura."""

import re

import trafilatura
from trafilatura.utils import decode_file, load_html

_LONGEST = 2_000_000
# With less than this the page is something else than an article: a list, a form, a shop.
_ARTICLE_CHARACTERS = 200
_TITLE = re.compile(r"<title\b[^>]{0,200}>[^<]{0,2000}</title\s*>", re.IGNORECASE)


def readable(data: bytes, url: str, charset: str | None) -> tuple[str, str]:
    """Title and text of a page."""
    document = _decoded(data, charset)
    if "<body" not in document.lower():
        # Without one the parser takes the first element for all there is.
        title = _TITLE.search(document)
        head = title.group() if title else ""
        document = f"<html><head>{head}</head><body>{_TITLE.sub('', document)}</body></html>"
    text = trafilatura.extract(
        document, url=url, output_format="markdown", include_comments=False, favor_recall=True
    )
    if text is None or len(text) < _ARTICLE_CHARACTERS:
        everything = trafilatura.html2txt(document)
        text = everything if len(everything) > 2 * len(text or "") else text
    return _title(document), (text or "")[:_LONGEST]


def _decoded(data: bytes, charset: str | None) -> str:
    try:
        return decode_file(data) if charset is None else data.decode(charset, "replace")
    except LookupError:
        return decode_file(data)


def _title(document: str) -> str:
    tree = load_html(document)
    found = None if tree is None else tree.findtext(".//title")
    return " ".join(found.split())[:300] if found else ""
