"""The passages that the answers of a session cite, for whoever has its access key."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.chat.model import LiveSession
from dragoman.domain.chat.repository import messages
from dragoman.domain.chat.service import ChatService
from dragoman.domain.knowledge.model import Document
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.knowledge.viewing import DocumentViewer
from dragoman.kit.errors import NotFound
from dragoman.kit.jsontypes import JsonObject

_AROUND_CHARACTERS = 700
_ID = re.compile("[0-9a-f-]{36}")


@dataclass(frozen=True, slots=True)
class CitedPassage:
    """A passage with what stands around it in its document. ``drawn``: there is a picture of its page.

    ``before`` and ``after`` are empty where the document is gone or was changed since it was cited.
    """

    number: int
    document_id: str
    document_name: str
    page: int | None
    page_count: int | None
    headings: tuple[str, ...]
    before: str
    text: str
    after: str
    drawn: bool


class CitedPassages:
    """Shows passages, and of documents nothing that no answer of the very session cites."""

    def __init__(
        self, database: Database, chat: ChatService, knowledge: KnowledgeService, viewer: DocumentViewer
    ) -> None:
        self._database = database
        self._chat = chat
        self._knowledge = knowledge
        self._viewer = viewer

    async def passage(self, access_key: str, message_id: str, number: int) -> CitedPassage:
        """The passage behind the mark of that number in an answer.

        Raises:
            ChatUnavailable: the session is none that can be talked in.
            NotFound: no answer of that id in this session, or it cites nothing of that number.
        """
        live, cited = await self._cited(access_key, message_id, number)
        document, text = await self._document(live, cited)
        before, passage, after = _in_place(text, cited)
        page = _whole(cited.get("page"))
        headings = cited.get("headings")
        return CitedPassage(
            number=number,
            document_id=str(cited.get("document_id") or ""),
            document_name=str(cited.get("document_name") or ""),
            page=page,
            page_count=None if document is None else document.page_count,
            headings=tuple(str(one) for one in headings) if isinstance(headings, (list, tuple)) else (),
            before=before,
            text=passage,
            after=after,
            drawn=page is not None and document is not None and self._viewer.is_drawn(document),
        )

    async def picture(self, access_key: str, message_id: str, number: int) -> bytes:
        """The page on which such a passage stands, as PNG with the passage marked.

        Raises:
            ChatUnavailable: as ``passage``.
            NotFound: as ``passage``, or there is no picture of the page.
            QuotaExceeded: too many pages are waited for already.
        """
        live, cited = await self._cited(access_key, message_id, number)
        document, text = await self._document(live, cited)
        page = _whole(cited.get("page"))
        if document is None or page is None:
            raise NotFound("There is no picture of this page.", code="page_picture_not_found")
        return await self._viewer.picture(document, page, marked=_in_place(text, cited)[1])

    async def _cited(self, access_key: str, message_id: str, number: int) -> tuple[LiveSession, JsonObject]:
        live = await self._chat.find(access_key)

        def load(connection: Connection) -> JsonObject | None:
            message = messages.by_id(connection, live.session.key, message_id)
            citations = () if message is None else message.citations
            return next((one for one in citations if one.get("number") == number), None)

        cited = await self._database.read(load) if _ID.fullmatch(message_id) else None
        if cited is None:
            raise NotFound("No answer of this session cites such a passage.", code="passage_not_cited")
        return live, cited

    async def _document(self, live: LiveSession, cited: JsonObject) -> tuple[Document | None, str]:
        collection_id, document_id = cited.get("collection_id"), cited.get("document_id")
        if not collection_id or not document_id:
            return None, ""
        try:
            return await self._knowledge.document(live.owner, str(collection_id), str(document_id))
        except NotFound:
            return None, ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _in_place(text: str, cited: JsonObject) -> tuple[str, str, str]:
    """What stands before the cited text in its document, the text, and what stands after it."""
    kept = str(cited.get("text") or "")
    start, end = _whole(cited.get("char_start")), _whole(cited.get("char_end"))
    if start is None or end is None or not text.startswith(kept, start):
        start = text.find(kept) if kept else -1
        end = start + len(kept)
    if not kept or start < 0:
        return "", kept, ""
    before = text[max(0, start - _AROUND_CHARACTERS) : start]
    after = text[end : end + _AROUND_CHARACTERS]
    if start > len(before):
        before = _from_a_word(before)
    if end + len(after) < len(text):
        after = _from_a_word(after[::-1])[::-1]
    return before.lstrip(), text[start:end], after.rstrip()


def _from_a_word(text: str) -> str:
    """The text without the piece of a word at its beginning, and with a mark that it goes on there."""
    head, space, rest = text.partition(" ")
    return f"… {rest}" if space else f"…{head}"
