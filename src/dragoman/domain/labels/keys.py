"""The keys under which labels stay with conversations, whoever keeps them: this server or its clients."""

from collections.abc import Iterator, Sequence

from dragoman.domain.messages.parts import Message
from dragoman.kit.digest import text_digest

# A shorter answer is told from others only together with its question.
_TELLING_CHARACTERS = 80


def conversation_key(conversation_id: str) -> str:
    """The key of a conversation that is kept here."""
    return text_digest(f"conversation\0{conversation_id}")


def answer_keys(question: str, answer: str) -> list[str]:
    """The keys of an answer, however its white space comes back."""
    said = " ".join(answer.split())
    if not said:
        return []
    keys = [text_digest(f"turn\0{' '.join(question.split())}\0{said}")]
    if len(said) >= _TELLING_CHARACTERS:
        keys.append(text_digest(f"answer\0{said}"))
    return keys


def call_key(call_id: str) -> str:
    """The key of a tool call that a caller carries out."""
    return text_digest(f"call\0{call_id}")


def keys_within(conversation: Sequence[Message]) -> list[str]:
    """The keys of all answers and calls in a conversation."""
    return list(dict.fromkeys(_keys(conversation)))


def last_question(conversation: Sequence[Message]) -> str:
    """What was said last by the user."""
    return next((turn.text for turn in reversed(conversation) if turn.role == "user"), "")


def _keys(conversation: Sequence[Message]) -> Iterator[str]:
    question = ""
    for turn in conversation:
        if turn.role == "user":
            question = turn.text
        elif turn.role == "assistant":
            yield from answer_keys(question, turn.text)
            for call in turn.tool_calls:
                yield call_key(call.id)
        elif turn.role == "tool" and turn.tool_call_id:
            yield call_key(turn.tool_call_id)
