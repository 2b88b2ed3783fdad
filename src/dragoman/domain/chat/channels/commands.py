"""Words that somebody on a messaging service can say to the session itself."""

from typing import Literal, TypeAlias

Command: TypeAlias = Literal["reset", "usage"]


def command_of(text: str, *, debug: bool) -> Command | None:
    """The command that the text is; what a session used is told only with ``debug``."""
    word = text.strip().casefold()
    if word == "/reset":
        return "reset"
    return "usage" if word == "/usage" and debug else None


def usage_text(tokens: int, messages: int) -> str:
    """What the session used so far."""
    return f"{tokens} tokens, {messages} messages in this session."
