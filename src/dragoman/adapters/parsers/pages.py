"""Draws pages of documents in a child process, within bounds."""

import importlib.util
from pathlib import Path

import structlog

from dragoman.adapters.parsers.reading import engine
from dragoman.kit.errors import NotFound
from dragoman.kit.processes import ChildCrashed, ChildPool, ChildTimeout

log = structlog.get_logger(__name__)

_NEEDED = ("pypdfium2", "PIL")


def can_draw() -> bool:
    """Whether what draws pages is installed."""
    return all(importlib.util.find_spec(name) is not None for name in _NEEDED)


class PdfPages:
    """A ``PageDrawer`` over an owned pool of processes, which the composition root closes."""

    media_types = frozenset({"application/pdf"})

    def __init__(self, pool: ChildPool, *, timeout_seconds: float) -> None:
        self._pool = pool
        self._timeout_seconds = timeout_seconds

    async def draw(self, path: Path, page: int, *, marked: str) -> bytes:
        """A page as PNG; see the port."""
        try:
            return await self._pool.call(
                draw_page, str(path), page, marked, timeout_seconds=self._timeout_seconds
            )
        except (ChildTimeout, ChildCrashed) as error:
            log.warning("pages.not_drawn", reason=error.detail)
            raise NotFound("This page cannot be drawn.", code="page_picture_not_found") from error


def draw_page(path: str, page: int, marked: str) -> bytes:
    """The page as PNG, inside the child process."""
    return engine("pages").draw_page(Path(path).read_bytes(), page, marked)
