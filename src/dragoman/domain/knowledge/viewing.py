"""Documents to look at: pictures of their pages with a passage marked."""

import tempfile
from pathlib import Path

from anyio import to_thread

from dragoman.domain.knowledge.model import Document
from dragoman.domain.knowledge.ports import BlobStore, PageDrawer
from dragoman.kit.errors import NotFound, QuotaExceeded

_MOST_WAITING = 16
_MOST_BYTES = 100 * 1024 * 1024


class DocumentViewer:
    """Draws pages of documents that were found for a caller.

    Args:
        drawer: draws pages; None where nothing is installed that can.
        scratch: a folder for files that are gone at the end.
    """

    def __init__(self, *, blobs: BlobStore, drawer: PageDrawer | None, scratch: Path) -> None:
        self._blobs = blobs
        self._drawer = drawer
        self._scratch = scratch
        self._waiting = 0

    def is_drawn(self, document: Document) -> bool:
        """Whether there are pictures of the document's pages."""
        return (
            self._drawer is not None
            and document.blob_key is not None
            and document.size <= _MOST_BYTES
            and document.media_type in self._drawer.media_types
        )

    async def picture(self, document: Document, page: int, *, marked: str) -> bytes:
        """A page, counted from 1, as PNG; what stands on it of the marked text is made to stand out.

        Raises:
            NotFound: there is no picture of this page.
            QuotaExceeded: too many pages are waited for already.
        """
        drawer = self._drawer
        if drawer is None or document.blob_key is None or not self.is_drawn(document):
            raise NotFound("There is no picture of this page.", code="page_picture_not_found")
        if self._waiting >= _MOST_WAITING:
            raise QuotaExceeded(
                "Too many pages are being drawn.", code="pages_being_drawn", retry_after_seconds=2
            )
        self._waiting += 1
        try:
            folder = await to_thread.run_sync(
                lambda: tempfile.TemporaryDirectory(prefix="page-", dir=self._scratch)
            )
            try:
                path = Path(folder.name) / "content"
                await self._blobs.fetch_to(document.blob_key, path)
                return await drawer.draw(path, page, marked=marked)
            finally:
                await to_thread.run_sync(folder.cleanup)
        finally:
            self._waiting -= 1
