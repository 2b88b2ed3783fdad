"""Finding what was said: words in the conversations of a caller's clients, by client and by how a conversation stands."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.chat.model import ChatMessage, ChatSession
from dragoman.domain.chat.repository import clients, found
from dragoman.domain.chat.uploads import attached
from dragoman.domain.chat.wording import searchable
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput

Standing = Literal["open", "held", "over"]

_MOST_WORDS = 10
_LONGEST = 500
_SNIPPET = 200


@dataclass(frozen=True, slots=True)
class FoundConversation:
    """A conversation with the latest message in it that has the words; ``snippet`` is what stands around them."""

    session: ChatSession
    client_name: str
    message: ChatMessage
    snippet: str
    standing: Standing


class ConversationSearch:
    """Searches what was said in all sessions of a caller's clients, expired ones that are kept as well."""

    def __init__(self, database: Database, *, clock_ms: Callable[[], int] = now_ms) -> None:
        self._database = database
        self._clock_ms = clock_ms

    async def find(
        self,
        caller: Caller,
        text: str,
        *,
        client_id: str | None = None,
        standing: Standing | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> list[FoundConversation]:
        """The conversations in which a message has all the words, each once, the latest first; without words all of them.

        Case and accents do not count; a word is found inside longer ones.

        Raises:
            NotFound: the caller has no such client.
            InvalidInput: more words than are looked for at once.
        """
        words = list(dict.fromkeys(searchable(text).split()))
        if len(words) > _MOST_WORDS or len(text) > _LONGEST:
            raise InvalidInput(
                f"A search has at most {_MOST_WORDS} words and {_LONGEST} characters.", param="text"
            )
        now = self._clock_ms()

        def load(connection: Connection) -> list[tuple[found.Row, str]]:
            if client_id is not None:
                clients.get(connection, caller, client_id)
            rows = found.select(
                connection,
                caller,
                words,
                now,
                client_id=client_id,
                standing=standing,
                limit=limit,
                offset=offset,
            )
            return [(row, _whole(connection, *row)) for row in rows]

        rows = await self._database.read(load)
        return [
            FoundConversation(session, name, message, snippet_of(text, words), _standing(session, now))
            for (session, name, message), text in rows
        ]


def _whole(connection: Connection, session: ChatSession, name: str, message: ChatMessage) -> str:
    """What was said, with what stands in recordings."""
    beside = attached.words(connection, session.key, message.parts)
    return "\n".join(text for text in (message.text, beside) if text)


def _standing(session: ChatSession, now: int) -> Standing:
    if session.expires_at <= now:
        return "over"
    return "held" if session.is_held(now) else "open"


def snippet_of(text: str, words: list[str]) -> str:
    """What stands around the first of the words in a text."""
    # Letter by letter, so that places in what is searched are places in the text.
    plain = "".join((searchable(unicodedata.normalize("NFC", letter)) or letter)[:1] for letter in text)
    places = [place for word in words if (place := plain.find(word)) >= 0]
    start = max(0, min(places, default=0) - _SNIPPET // 3)
    end = start + _SNIPPET
    shown = " ".join(text[start:end].split())
    return f"{'… ' if start else ''}{shown}{' …' if end < len(text) else ''}"
