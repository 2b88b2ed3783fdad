"""What came of a program, in words for a model."""

from dragoman.domain.sandbox.ports import Ending, Outcome

_SHOWN = 4096
_REASONS: dict[Ending, str] = {
    "exited": "",
    "time": "it took too long",
    "memory": "it needed more memory than it may have",
    "output": "it wrote far too much",
    "workspace": "the workspace is full; delete something first",
}


def shortened(text: str, more: str = "") -> str:
    """At most 4,096 characters of the text, saying how many there were more."""
    if len(text) <= _SHOWN and not more:
        return text
    note = f"\n[output cut: {max(0, len(text) - _SHOWN)} more characters{more}]"
    return text[: _SHOWN - len(note)] + note if len(text) > _SHOWN - len(note) else text + note


def in_words(outcome: Outcome) -> str:
    """The output, shortened, and how the program ended when that was not well."""
    text = shortened(outcome.output, " and others that were not kept" if outcome.cut else "")
    notes: list[str] = []
    if outcome.ending != "exited":
        notes.append(f"[stopped: {_REASONS[outcome.ending]}]")
    elif outcome.exit_code != 0:
        notes.append(f"[exit code {outcome.exit_code}]")
    elif not text.strip():
        notes.append("[no output]")
    return "\n".join([*([text.rstrip("\n")] if text.strip() else []), *notes])
