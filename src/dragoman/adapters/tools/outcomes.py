"""What came of a program, in words for a model."""

from dragoman.domain.sandbox.ports import Ending, Outcome

_SHOWN = 4096
_ROOM_FOR_NOTE = 64
_REASONS: dict[Ending, str] = {
    "exited": "",
    "time": "it took too long",
    "memory": "it needed more memory than it may have",
    "output": "it wrote far too much",
    "workspace": "the workspace is full; delete something first",
}


def shortened(text: str, *, cut: bool = False) -> str:
    """At most 4,096 characters of the text, saying how many there were more. ``cut``: not all was kept in the first place."""
    if len(text) <= _SHOWN and not cut:
        return text
    kept = text[: _SHOWN - _ROOM_FOR_NOTE]
    return f"{kept}\n[output cut: {len(text) - len(kept)}{' or more' if cut else ''} characters are left out]"


def in_words(outcome: Outcome) -> str:
    """The output, shortened, and how the program ended when that was not well."""
    text = shortened(outcome.output, cut=outcome.cut)
    notes: list[str] = []
    if outcome.ending != "exited":
        notes.append(f"[stopped: {_REASONS[outcome.ending]}]")
    elif outcome.exit_code != 0:
        notes.append(f"[exit code {outcome.exit_code}]")
    elif not text.strip():
        notes.append("[no output]")
    return "\n".join([*([text.rstrip("\n")] if text.strip() else []), *notes])
