"""A parser over one real child process for all tests of a module."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from dragoman.adapters.parsers.file import FileParser
from dragoman.adapters.parsers.limits import ParserLimits
from dragoman.domain.knowledge.document import ParsedDocument
from dragoman.kit.processes import ChildPool

Read = Callable[..., Awaitable[ParsedDocument]]

LIMITS = ParserLimits(
    timeout_seconds=60,
    pages=40,
    ocr_pages=2,
    ocr_dpi=120,
    text_characters=2_000_000,
    members=50,
    unpacked_bytes=64 << 20,
)


@pytest.fixture(scope="module")
async def pool(anyio_backend: str) -> AsyncGenerator[ChildPool]:
    """The parsers' processes."""
    children = ChildPool(size=1, memory_mb=2048, idle_seconds=60, name="parse", env=None)
    yield children
    await children.close()


@pytest.fixture
def read(pool: ChildPool, tmp_path: Path) -> Read:
    """``await read(data, name)``: the document in some bytes."""

    async def parse(
        data: bytes, name: str, media_type: str | None = None, limits: ParserLimits = LIMITS
    ) -> ParsedDocument:
        path = tmp_path / "content"
        path.write_bytes(data)
        return await FileParser(limits, pool).parse(path, name=name, media_type=media_type)

    return parse
