"""What to search for: from a conversation to the questions that retrieval asks."""

from collections.abc import Sequence

import structlog

from dragoman.domain.agents.spec import KnowledgeSpec
from dragoman.domain.inference.asking import Ask
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.messages.parts import Message
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

_MAXIMUM_QUERIES = 4
REWRITE_SECONDS = 20.0
_REWRITE = (
    "Rewrite the user's latest request as search queries that can be understood without the conversation. "
    "Write one query a line, at most four lines, and nothing else."
)


def last_user_text(conversation: Sequence[Message]) -> str:
    """The text of the last user turn, empty when there is none."""
    return next((message.text for message in reversed(conversation) if message.role == "user"), "")


async def search_terms(
    knowledge: KnowledgeSpec, conversation: Sequence[Message], ask: Ask | None
) -> tuple[str, ...]:
    """The questions to search for, by the agent's strategy.

    ``ask`` is the model that rewrites; where it is None or fails, the last user text is searched for.
    """
    plain = (last_user_text(conversation),)
    users = [message.text for message in conversation if message.role == "user"]
    match knowledge.strategy:
        case "concatenate":
            return ("\n".join(users[-knowledge.concatenate_window :]),)
        case "user_rewrite":
            return await _rewritten(ask, users[-knowledge.rewrite_window :]) or plain
        case "full_rewrite":
            turns = [message for message in conversation if message.role in ("user", "assistant")]
            window = turns[-2 * knowledge.rewrite_window :]
            return await _rewritten(ask, [f"{turn.role}: {turn.text}" for turn in window]) or plain
        case "plain" | "query_function":
            return plain


async def _rewritten(ask: Ask | None, window: Sequence[str]) -> tuple[str, ...]:
    if ask is None:
        return ()
    request = ChatRequest(
        messages=(Message.of_text("system", _REWRITE), Message.of_text("user", "\n\n".join(window))),
        sampling=Sampling(temperature=0, max_tokens=200),
    )
    try:
        answer = await ask(request)
    except DragomanError as error:
        # Retrieval with the plain text is better than no answer at all.
        log.warning("queries.rewrite_failed", reason=error.detail)
        return ()
    lines = [line.strip(" -*•\t") for line in answer.text.splitlines()]
    return tuple(line for line in lines if line)[:_MAXIMUM_QUERIES]
