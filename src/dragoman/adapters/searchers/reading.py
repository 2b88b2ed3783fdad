"""Reading results out of what providers send."""

import html
import re
from collections.abc import Mapping

from dragoman.domain.tools.ports import WebHit
from dragoman.kit.jsontypes import JsonObject, JsonValue

# Marks for found words only: `List<String>` in a text about programs stays.
_TAG = re.compile(r"</?(?:b|strong|em|i|mark|span|br|p|wbr)\b[^<>]{0,200}>", re.IGNORECASE)
_LONGEST = 2000


def plain(text: JsonValue) -> str:
    """A provider's text without its marks for found words."""
    if not isinstance(text, str):
        return ""
    return " ".join(html.unescape(_TAG.sub("", text)).split())[:_LONGEST]


def hit(title: JsonValue, url: JsonValue, description: JsonValue) -> WebHit | None:
    """A result, or None where there is no address to go to."""
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return None
    return WebHit(plain(title) or url, url, plain(description))


def hits(rows: JsonValue, *, title: str, url: str, description: str) -> list[WebHit]:
    """The results in a list of objects, whose members have these names."""
    found = [
        hit(row.get(title), row.get(url), row.get(description))
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, Mapping)
    ]
    return [one for one in found if one is not None]


def inside(value: JsonObject, *path: str) -> JsonValue:
    """The value at a path, None where it does not lead on."""
    found: JsonValue = value
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
