"""Written text as it is said."""

import re

_REFERENCE = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
_MARKS = re.compile(r"(\*\*|__|`+|^#+\s*|^\s*[-*]\s+|^>\s*)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def spoken(text: str) -> str:
    """The text as it is said: without numbers of references, marks of layout and addresses of links."""
    return " ".join(_MARKS.sub("", _LINK.sub(r"\1", _REFERENCE.sub("", text))).split())
