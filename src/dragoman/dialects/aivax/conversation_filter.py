"""The query language of conversation lists: ``--gateway id --model name --user id --api-key id "bare text"``."""

import shlex

from dragoman.domain.usage.conversations.model import ConversationFilter
from dragoman.kit.errors import InvalidInput

_FLAGS = {
    "--gateway": "agent_id",
    "--model": "model",
    "--user": "end_user",
    "--api-key": "api_key_id",
}


def conversation_filter(text: str) -> ConversationFilter:
    """Which conversations are asked for; all conditions must hold.

    Raises:
        InvalidInput: an unknown flag, one without its value or given twice, an open quotation.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidInput("filter: a quotation mark is open.", param="filter") from error
    conditions: dict[str, str] = {}
    bare: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("--"):
            bare.append(word)
            continue
        name = _FLAGS.get(word.lower())
        if name is None:
            raise InvalidInput(f"filter: {word} is none of {', '.join(_FLAGS)}.", param="filter")
        if name in conditions:
            raise InvalidInput(f"filter: {word} is given twice.", param="filter")
        if position == len(words):
            raise InvalidInput(f"filter: {word} needs a value after it.", param="filter")
        conditions[name] = words[position]
        position += 1
    if phrase := " ".join(bare).strip():
        conditions["text"] = phrase
    return ConversationFilter(
        text=conditions.get("text"),
        agent_id=conditions.get("agent_id"),
        model=conditions.get("model"),
        end_user=conditions.get("end_user"),
        api_key_id=conditions.get("api_key_id"),
    )
