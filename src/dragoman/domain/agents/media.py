"""Reading files of a conversation with the parser that reads documents."""

import tempfile
from pathlib import Path

from anyio import to_thread

from dragoman.domain.knowledge.ports import Parser


class ParserText:
    """A ``TextReader`` over the parser of documents. ``folder`` holds a file while it is read."""

    def __init__(self, parser: Parser, folder: Path) -> None:
        self._parser = parser
        self._folder = folder

    async def text(self, data: bytes, *, name: str, media_type: str | None) -> str:
        """The file's text, block after block.

        Raises:
            Unsupported, InvalidInput: it cannot be read; the message says why.
        """
        path = await to_thread.run_sync(self._stored, data)
        try:
            parsed = await self._parser.parse(path, name=name, media_type=media_type)
        finally:
            await to_thread.run_sync(lambda: path.unlink(missing_ok=True))
        return "\n\n".join(block.text for page in parsed.pages for block in page.blocks)

    def _stored(self, data: bytes) -> Path:
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix="media-", delete=False) as file:
            file.write(data)
            return Path(file.name)
