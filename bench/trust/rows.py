"""What a promise was measured at, as rows of one table."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. ``held`` None: this machine cannot tell, and ``measured`` says why."""

    part: str
    promise: str
    measured: str
    bound: str
    held: bool | None


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    words = {True: "yes", False: "**no**", None: "not judged"}
    lines = ["| part | promise | measured | bound | held |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.part} | {row.promise} | {row.measured} | {row.bound} | {words[row.held]} |" for row in rows
    ]
    return "\n".join(lines)
