"""What Office files have in common: parts that refer to each other by relations."""

import posixpath

from dragoman.adapters.parsers.packed import Packed
from dragoman.adapters.parsers.xmlstream import elements


def relations(archive: Packed, part: str) -> dict[str, tuple[str, str]]:
    """Relation ids of a part to (kind, name of the part it leads to)."""
    folder, _, name = part.rpartition("/")
    index = f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels"
    if index not in archive:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for element, attributes in elements(archive.read(index)):
        if element == "Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/")
            found[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], target)
    return found
