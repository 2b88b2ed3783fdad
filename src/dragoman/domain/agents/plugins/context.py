"""What a plugin has in its hands while it works."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.plugins.links import LinkChecker
from dragoman.domain.agents.plugins.model import PluginFile
from dragoman.domain.agents.plugins.taught import Teacher
from dragoman.domain.agents.plugins.writer import Writer
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.knowledge.attached.service import AttachedFile, AttachedFiles
from dragoman.domain.knowledge.collections import CollectionsService
from dragoman.domain.knowledge.model import Collection
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.messages.events import Usage
from dragoman.domain.tools.charts import ChartDrawer
from dragoman.domain.tools.hosted.service import HostedFiles
from dragoman.domain.tools.pages import PageReader
from dragoman.domain.tools.patterns import PatternTrial
from dragoman.domain.tools.tables import TableEngine
from dragoman.domain.usage.meter import Meter, UsageContext, UsageKind
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonValue

_INLINE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class PluginParts:
    """The server's parts that plugins work with."""

    attached: AttachedFiles
    collections: CollectionsService
    knowledge: KnowledgeService
    retriever: Retriever
    teacher: Teacher
    pages: PageReader
    links: LinkChecker
    tables: TableEngine
    charts: ChartDrawer
    patterns: PatternTrial
    hosted: HostedFiles
    speech: SpeechService
    meter: Meter


@dataclass(frozen=True, slots=True)
class PluginRun:
    """One call of a plugin: on whose behalf, with what, by which model."""

    caller: Caller
    values: Mapping[str, str]
    files: Mapping[str, PluginFile]
    writer: Writer
    parts: PluginParts

    def text(self, name: str) -> str:
        """A field's value, empty when it was not given."""
        return self.values.get(name, "")

    async def read(self, name: str = "file") -> AttachedFile:
        """The text of a file.

        Raises:
            Unsupported: no reader for this kind of file.
            InvalidInput: it cannot be read, or holds no text.
        """
        return await read_file(self.parts.attached, self.files[name])

    def path(self, name: str = "file") -> Path:
        """Where a file lies.

        Raises:
            InvalidInput: only its text is kept.
        """
        path = self.files[name].path
        if path is None:
            raise InvalidInput(
                f"Only the text of {self.files[name].name!r} was kept: send the file itself.", param=name
            )
        return path

    async def host(self, name: str, data: bytes, media_type: str) -> dict[str, JsonValue]:
        """A file that was made, kept at an address of its own, as it is told to the caller.

        A small one comes along as a ``data:`` URL, for clients that do not fetch.

        Raises:
            TooLarge: the caller's files would take up too much.
            Unavailable: it could not be stored.
        """
        url = await self.parts.hosted.store(self.caller, data, kind="media", name=name, media_type=media_type)
        told: dict[str, JsonValue] = {
            "url": url,
            "filename": name,
            "media_type": media_type,
            "size": len(data),
        }
        if len(data) <= _INLINE_BYTES:
            told["data_url"] = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        return told

    async def used(self, kind: UsageKind, model: str, usage: Usage) -> None:
        """Notes what an engine beside the language model was used for."""
        origin = self.writer.origin
        context = UsageContext(
            caller=self.caller,
            dialect=origin.dialect,
            application=origin.application,
            kind=kind,
            started_at=now_ms(),
        )
        await to_thread.run_sync(
            lambda: self.parts.meter.record(context, model=model, usage=usage, status=200)
        )

    async def collection(self, name: str) -> Collection | None:
        """The visible collection that a field names by id or name, the caller's own first; None when it is empty.

        Raises:
            InvalidInput: there is none for this caller.
        """
        wanted = self.text(name)
        if not wanted:
            return None
        visible = await self.parts.collections.visible(self.caller)
        own = [found for found in visible if found.owner_id == self.caller.user_id]
        for found in (*own, *visible):
            if wanted in (found.id, found.name):
                return found
        raise InvalidInput(f"There is no {name} {wanted[:200]!r}.", param=name, code="collection_not_found")

    async def own_collection(self, name: str) -> Collection:
        """The caller's own collection that a field names.

        Raises:
            InvalidInput: there is none, or it is another's.
        """
        found = await self.collection(name)
        if found is None or found.owner_id != self.caller.user_id:
            raise InvalidInput(f"Only its owner may add to {self.text(name)[:200]!r}.", param=name)
        return found


async def read_file(attached: AttachedFiles, file: PluginFile) -> AttachedFile:
    """The text of a file, read now or before.

    Raises:
        Unsupported: no reader for this kind of file.
        InvalidInput: it cannot be read, or holds no text.
    """
    if file.text is not None:
        return file.text
    assert file.path is not None
    return await attached.read(file.path, name=file.name, media_type=file.media_type)
