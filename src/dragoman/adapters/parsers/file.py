"""The parser for all kinds of files: reads each in a child process, within bounds."""

import tempfile
from pathlib import Path

import structlog
from anyio import to_thread

from dragoman.adapters.parsers.limits import ParserLimits
from dragoman.adapters.parsers.reader import read_file
from dragoman.domain.knowledge.document import ParsedDocument
from dragoman.kit.errors import InvalidInput
from dragoman.kit.processes import ChildCrashed, ChildPool, ChildTimeout

log = structlog.get_logger(__name__)


class FileParser:
    """A ``Parser`` over an owned pool of processes, which the composition root closes."""

    def __init__(self, limits: ParserLimits, pool: ChildPool) -> None:
        self._limits = limits
        self._pool = pool

    async def parse(self, path: Path, *, name: str, media_type: str | None) -> ParsedDocument:
        """The document's text by page; see the port."""
        workspace = await to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="dragoman-parse-"))
        try:
            return await self._read(path, name, media_type, workspace.name)
        finally:
            await to_thread.run_sync(workspace.cleanup)

    async def _read(self, path: Path, name: str, media_type: str | None, workspace: str) -> ParsedDocument:
        limits = self._limits
        try:
            return await self._pool.call(
                read_file,
                str(path),
                name,
                media_type,
                limits,
                workspace,
                timeout_seconds=limits.timeout_seconds,
                again=True,
            )
        except ChildTimeout as error:
            raise InvalidInput(
                f"Reading the file took longer than {limits.timeout_seconds:g} seconds and was stopped.",
                code="document_timeout",
            ) from error
        except ChildCrashed as error:
            log.warning("parser.crashed", reason=error.detail)
            raise InvalidInput(
                f"Reading the file was stopped. {error.detail}", code="document_crashed"
            ) from error
