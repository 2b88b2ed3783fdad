"""References of a finished text: only what is cited, numbered in the order in which the text cites it."""

import re
from collections.abc import Sequence

from dragoman.domain.agents.deep.model import Source
from dragoman.domain.messages.citations import Citation

_MARK = re.compile(r"\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\]")


def cited(text: str, sources: Sequence[Source]) -> tuple[str, tuple[Citation, ...]]:
    """The text with its marks numbered from 1, and the sources they stand for; marks of nothing are taken out.

    A text without any mark keeps all sources as its references.
    """
    by_number = {source.number: source for source in sources}
    order: dict[int, int] = {}

    def renumbered(mark: re.Match[str]) -> str:
        numbers = [int(one) for one in mark.group(1).split(",")]
        known = [number for number in numbers if number in by_number]
        return "".join(f"[{order.setdefault(number, len(order) + 1)}]" for number in known)

    written = _MARK.sub(renumbered, text)
    if written != text:
        # A mark that was taken out leaves its space behind.
        written = re.sub(r" +([.,;:])", r"\1", written)
    if not order:
        return written.strip(), tuple(source.citation(place) for place, source in enumerate(sources, 1))
    return written.strip(), tuple(by_number[number].citation(place) for number, place in order.items())
