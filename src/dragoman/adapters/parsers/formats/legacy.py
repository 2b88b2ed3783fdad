"""Files of older programs: RTF, DOC, XLS, PPT, Outlook messages."""

import re
from collections.abc import Callable

from dragoman.adapters.parsers.formats.markdown import markdown_blocks
from dragoman.adapters.parsers.reading import Format, Reading, Source, engine, register, single
from dragoman.domain.knowledge.document import Block, ParsedDocument

_IMAGE = re.compile(r"!\[[^\]\n]{0,300}\]\([^)\n]{0,300}\)")
_STRONG = re.compile(r"(?<!\\)\*\*([^*\n]{1,2000})(?<!\\)\*\*")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def _plain(block: Block) -> Block:
    """The block as it was written, without the marks that made it Markdown on the way."""
    return Block(block.kind, _ESCAPED.sub(r"\1", _STRONG.sub(r"\1", _IMAGE.sub("", block.text))), block.level)


def _reader(media_type: str) -> Callable[[Source, Reading], ParsedDocument]:
    def read(source: Source, reading: Reading) -> ParsedDocument:
        text: str = engine("kreuz").markdown(source.data, media_type)
        reading.budget.add_text(len(text))
        return single([_plain(block) for block in markdown_blocks(text)], media_type, reading)

    return read


for _title, _type, _extension in (
    ("Rich Text", "application/rtf", ".rtf"),
    ("Word 97 document", "application/msword", ".doc"),
    ("Excel 97 workbook", "application/vnd.ms-excel", ".xls"),
    ("PowerPoint 97 presentation", "application/vnd.ms-powerpoint", ".ppt"),
    ("Outlook message", "application/vnd.ms-outlook", ".msg"),
):
    register(
        Format(
            _title, (_type, "text/rtf") if _extension == ".rtf" else (_type,), (_extension,), _reader(_type)
        )
    )
