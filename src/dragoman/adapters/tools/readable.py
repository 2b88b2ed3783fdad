"""Finding what a person reads on a page, in a child process: pages are written by anybody."""

from dragoman.adapters.tools.engine import MISSING, engine
from dragoman.domain.tools.ports import ReadableText
from dragoman.kit.errors import DragomanError, Unsupported
from dragoman.kit.processes import ChildPool

_SECONDS = 20.0


class ReadableHtml:
    """Reads pages in a pool of children, which its owner closes."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    async def readable(self, data: bytes, *, url: str, charset: str | None) -> ReadableText:
        """The text of an HTML document, with its headings, lists and tables as Markdown.

        Raises:
            Unavailable: the package for it is not installed.
            Unsupported: the page cannot be read in time or memory.
        """
        try:
            title, text = await self._pool.call(
                readable_in_child, data, url, charset, timeout_seconds=_SECONDS
            )
        except DragomanError as error:
            if error.code == MISSING:
                raise
            raise Unsupported(
                f"The page {url} cannot be read. {error.detail}", code="page_unreadable"
            ) from error
        return ReadableText(title, text)


def readable_in_child(data: bytes, url: str, charset: str | None) -> tuple[str, str]:
    """Title and text of a page.

    Raises:
        Unavailable: the package for it is not installed.
        Unsupported: no parser gets through it.
    """
    found = engine("readability", "Web pages cannot be read")
    try:
        return found.readable(data, url, charset)
    except Exception as error:
        # Pages are broken in every way there is; whatever the parser stumbles over, the reader is told.
        raise Unsupported(f"It is no HTML that can be read ({type(error).__name__}).") from error
