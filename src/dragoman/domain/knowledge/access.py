"""Restricting single documents of a collection to some of those who may search it."""

from collections.abc import Sequence
from typing import get_args

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit import record as audit
from dragoman.domain.accounts.caller import Caller, Role
from dragoman.domain.accounts.roles import require
from dragoman.domain.knowledge.repository import access, documents
from dragoman.domain.knowledge.repository.access import DocumentAccess as DocumentAccess
from dragoman.domain.knowledge.repository.access import Readers
from dragoman.domain.knowledge.sharing import colleague_of, group_of, shareable
from dragoman.kit.errors import Conflict, InvalidInput

ROLES: tuple[str, ...] = get_args(Role)


class DocumentAccessService:
    """Who may read which document; for who owns or administers its collection, who read all of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, caller: Caller, collection_id: str, document_id: str) -> DocumentAccess:
        """Who may read a document.

        Raises:
            NotFound: no such collection or document for this caller.
            Forbidden: the caller may not share the collection.
        """

        def load(connection: Connection) -> DocumentAccess:
            found = shareable(connection, caller, collection_id)
            document = documents.get(connection, caller, found.key, document_id)
            return access.of_document(connection, document.key)

        return await self._database.read(load)

    async def put(
        self, caller: Caller, collection_id: str, document_id: str, wanted: DocumentAccess
    ) -> DocumentAccess:
        """Restricts a document to these users (e-mails), groups (names or ids) and roles, or opens it.

        It holds at the next search. Nobody gets what they may not read through the collection.

        Raises:
            NotFound: no such collection, document, user or group for this caller.
            Forbidden: the caller may not share the collection.
            InvalidInput: readers of a document that is not restricted, or an unknown role.
        """
        require(caller, "create")
        _check(wanted)

        def store(connection: Connection) -> DocumentAccess:
            found = shareable(connection, caller, collection_id)
            document = documents.get(connection, caller, found.key, document_id)
            readers = Readers(
                tuple(colleague_of(connection, caller, email) for email in wanted.users),
                tuple(group_of(connection, caller, name) for name in wanted.groups),
                wanted.roles,
            )
            access.put(connection, document.key, readers if wanted.restricted else None)
            audit.record(
                connection,
                caller,
                "document.access_set",
                document.id,
                collection=found.id,
                restricted=wanted.restricted,
                users=list(readers.user_ids),
                groups=list(readers.group_ids),
                roles=list(readers.roles),
            )
            return access.of_document(connection, document.key)

        return await self._database.write(store)


def check_free(
    connection: Connection, caller: Caller, collection_key: int, external_ids: Sequence[str]
) -> None:
    """Returns when none of these names is that of a document which the caller may not see, and so not replace.

    Raises:
        Conflict: one is.
    """
    if access.taken(connection, caller, collection_key, external_ids):
        raise Conflict("A document of this name cannot be replaced by you.", code="document_not_yours")


def _check(wanted: DocumentAccess) -> None:
    if not wanted.restricted and (wanted.users or wanted.groups or wanted.roles):
        raise InvalidInput(
            "A document that is not restricted has no list of readers: set restricted, or leave them out.",
            param="restricted",
        )
    for role in wanted.roles:
        if role not in ROLES:
            raise InvalidInput(f"{role!r} is no role: {', '.join(ROLES)}.", param="roles")
