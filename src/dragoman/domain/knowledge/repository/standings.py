"""What holds of a document while a file that came in its place has not been read."""

from dataclasses import asdict, dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from dragoman.domain.knowledge.model import Document, DocumentState
from dragoman.domain.knowledge.tables import document_standings
from dragoman.kit.jsontypes import JsonValue


@dataclass(frozen=True, slots=True)
class Standing:
    """The content of a document that was found readable."""

    blob_key: str | None
    media_type: str | None
    size: int
    sha256: str
    state: DocumentState
    state_detail: str | None

    def columns(self) -> dict[str, JsonValue]:
        """The document's columns that these are the values of."""
        return asdict(self)


def standing_of(connection: Connection, document: Document) -> Standing | None:
    """What would hold if the document got content that cannot be read; None when it was never read itself."""
    kept = sa.select(document_standings).where(document_standings.c.document_key == document.key)
    row = connection.execute(kept).mappings().one_or_none()
    if row is not None:
        return Standing(**{name: row[name] for name in Standing.__slots__})
    if document.state not in ("embedding", "indexed") or not document.passage_count:
        return None
    return Standing(**{name: getattr(document, name) for name in Standing.__slots__})


def keep(connection: Connection, document_key: int, standing: Standing) -> None:
    """Stores what holds until the new content is read."""
    drop(connection, document_key)
    values = {"document_key": document_key, **standing.columns()}
    connection.execute(sa.insert(document_standings).values(**values))


def take(connection: Connection, document: Document) -> Standing | None:
    """What was kept for the document, which is forgotten; None when nothing was."""
    found = standing_of(connection, document)
    return found if found is not None and drop(connection, document.key) else None


def drop(connection: Connection, document_key: int) -> bool:
    """Forgets what was kept; tells whether there was something."""
    gone = sa.delete(document_standings).where(document_standings.c.document_key == document_key)
    return bool(connection.execute(gone).rowcount)
