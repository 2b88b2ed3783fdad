"""``dragoman ingest``: files into a collection, with progress until every one is indexed or has failed."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from dragoman.bootstrap.services import open_services
from dragoman.cli.files import FoundFile, find_files
from dragoman.cli.options import add_common, add_json, read_settings
from dragoman.cli.progress import IngestProgress, ingest_progress
from dragoman.cli.whose import add_email, caller_for, collection_for
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.knowledge.model import Collection, Document, DocumentDraft
from dragoman.domain.knowledge.repository.documents import DocumentFilter
from dragoman.domain.services import Services
from dragoman.kit.errors import DragomanError
from dragoman.settings import Settings

_POLL_SECONDS = 0.2
_SETTLED = ("indexed", "failed", "cancelled")


@dataclass(slots=True)
class IngestResult:
    """How many files came to what end."""

    indexed: int = 0
    unchanged: int = 0
    failed: int = 0


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the paths and ``--collection``."""
    add_common(parser)
    add_json(parser)
    add_email(parser)
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with all below it"
    )
    parser.add_argument(
        "--collection", required=True, metavar="NAME", help="name or id; made when it is not there"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    return asyncio.run(_ingest(settings, arguments))


async def _ingest(settings: Settings, arguments: argparse.Namespace) -> int:
    async with open_services(settings, work=True) as services:
        caller = await caller_for(services, arguments.email)
        collection = await collection_for(services, caller, arguments.collection, create=True)
        progress = ingest_progress(json=arguments.json)
        try:
            result = await Ingest(services, caller, collection, progress).run(arguments.paths)
        finally:
            progress.close()
    if not arguments.json:
        print(f"{result.indexed} indexed, {result.unchanged} unchanged, {result.failed} failed")
    return 1 if result.failed else 0


class Ingest:
    """One run of the command."""

    def __init__(
        self, services: Services, caller: Caller, collection: Collection, progress: IngestProgress
    ) -> None:
        self._services = services
        self._caller = caller
        self._collection = collection
        self._progress = progress
        self._result = IngestResult()

    async def run(self, roots: Sequence[Path]) -> IngestResult:
        """Stores every file, then waits for the indexing.

        Raises:
            InvalidInput: a path does not exist or holds nothing to read.
        """
        files = await to_thread.run_sync(find_files, list(roots))
        waiting: dict[str, str] = {}
        for file in files:
            document = await self._accept(file)
            if document is not None:
                waiting[document.id] = file.name
        await self._wait(waiting)
        return self._result

    async def _accept(self, file: FoundFile) -> Document | None:
        draft = DocumentDraft(file.name, file.name, metadata={"filename": file.path.name})
        try:
            stored = await self._services.knowledge.put_file(
                self._caller, self._collection.id, draft, file.path, media_type=None
            )
        except DragomanError as error:
            if error.status >= 500:
                raise
            self._result.failed += 1
            self._progress.accepted(file.name, "refused")
            self._progress.ended(file.name, "failed", error.detail, 0)
            return None
        self._progress.accepted(file.name, stored.outcome)
        if stored.outcome == "unmodified" and stored.document.state in _SETTLED:
            self._result.unchanged += 1
            return None
        return stored.document

    async def _wait(self, waiting: dict[str, str]) -> None:
        total = len(waiting)
        pending = dict(waiting)
        while pending:
            documents = await self._documents(waiting)
            for document in documents:
                if document.id in pending and document.state in _SETTLED:
                    self._end(document, pending.pop(document.id))
            gone = set(pending) - {document.id for document in documents}
            for document_id in gone:
                self._progress.ended(pending.pop(document_id), "deleted", "removed meanwhile", 0)
            self._progress.moved(
                done=total - len(pending) - self._result.failed,
                failed=self._result.failed,
                total=total,
                passages=sum(document.passage_count for document in documents),
                embedded=sum(document.embedded_count for document in documents),
            )
            if pending:
                await asyncio.sleep(_POLL_SECONDS)

    async def _documents(self, waiting: dict[str, str]) -> list[Document]:
        everything = await self._services.knowledge.documents(
            self._caller, self._collection.id, DocumentFilter(limit=1_000_000)
        )
        return [document for document in everything if document.id in waiting]

    def _end(self, document: Document, name: str) -> None:
        if document.state == "indexed":
            self._result.indexed += 1
        else:
            self._result.failed += 1
        self._progress.ended(name, document.state, document.state_detail, document.passage_count)
