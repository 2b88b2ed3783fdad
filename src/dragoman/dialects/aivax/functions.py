"""Functions of a gateway: those called at an address, and those that search a collection by an address of this dialect's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

from dragoman.dialects.aivax.fields import wrong
from dragoman.dialects.aivax.translate import Shape
from dragoman.kit.ids import is_uuid
from dragoman.kit.jsontypes import JsonValue

SCHEME = "aivax://"
_SEARCH = "query-collection"


@dataclass(frozen=True, slots=True)
class Function:
    """A function; an address of the own scheme becomes a search, and is written in one form when it is shown."""

    shape: Shape

    def inward(self, value: JsonValue) -> JsonValue:
        own = self.shape.inward(value)
        assert isinstance(own, Mapping)
        url = own["url"]
        if not isinstance(url, str) or not is_own(url):
            return own
        return {**own, "url": "", "search": read_search(url, "callbackUrl")}

    def outward(self, value: JsonValue) -> JsonValue:
        assert isinstance(value, Mapping)
        search = value.get("search")
        if isinstance(search, Mapping):
            value = {**value, "url": _written(search)}
        return self.shape.outward(value)


def is_own(url: str) -> bool:
    """Whether the address is one of this dialect's own."""
    return url.lower().startswith(SCHEME)


def read_search(url: str, path: str) -> dict[str, JsonValue]:
    """The search that an address of the own scheme stands for.

    Raises:
        InvalidInput: it stands for none; ``path`` is named.
    """
    parts = urlsplit(url)
    if parts.netloc.lower() != _SEARCH:
        raise wrong(path, f"must begin with {SCHEME}{_SEARCH}?, or be an http(s) URL")
    given = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    collection = given.get("collection-id", "")
    if not is_uuid(collection):
        raise wrong(path, "must have a collection-id that is a UUID")
    return {
        "collection_id": collection.lower(),
        "maximum": _whole(given.get("top"), path),
        "minimum_score": _share(given.get("min"), path),
        "references": "refs" in given and given["refs"].lower() not in ("false", "0"),
    }


def _whole(text: str | None, path: str) -> int | None:
    if text is None or not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 128:
        raise wrong(path, "must have a top from 1 to 128")
    return int(text)


def _share(text: str | None, path: str) -> float | None:
    if text is None or not text:
        return None
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise wrong(path, "must have a min from 0 to 1")
    return share


def _written(search: Mapping[str, JsonValue]) -> str:
    members = {"collection-id": search["collection_id"]}
    if search.get("maximum") is not None:
        members["top"] = search["maximum"]
    if search.get("minimum_score") is not None:
        members["min"] = search["minimum_score"]
    return f"{SCHEME}{_SEARCH}?{urlencode(members)}" + ("&refs" if search.get("references") else "")
