"""Texts as they are searched."""

import unicodedata

_LONGEST = 100_000


def searchable(text: str) -> str:
    """The text without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text[:_LONGEST].casefold())
    return "".join(one for one in decomposed if not unicodedata.combining(one)).replace("\0", "")
