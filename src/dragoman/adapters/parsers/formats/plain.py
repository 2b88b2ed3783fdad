"""Plain text and source code."""

import re

from dragoman.adapters.parsers.decoding import decode
from dragoman.adapters.parsers.reading import Format, Reading, Source, register, single
from dragoman.domain.knowledge.document import Block, ParsedDocument

_BLANK = re.compile(r"\n[ \t]*\n\s*")
_CODE = (
    ".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".scala", ".c", ".h",
    ".cc", ".cpp", ".hpp", ".cs", ".go", ".rs", ".rb", ".php", ".swift", ".m", ".lua", ".pl", ".r",
    ".jl", ".hs", ".ml", ".ex", ".erl", ".clj", ".sh", ".bash", ".zsh", ".ps1", ".bat", ".sql", ".css",
    ".scss", ".less", ".vue", ".svelte", ".dart", ".groovy", ".gradle", ".tf", ".proto", ".graphql",
    ".toml", ".ini", ".cfg", ".conf", ".properties", ".dockerfile", ".cmake", ".mk", ".tex", ".bib",
    ".asm", ".vb", ".f90", ".diff", ".patch",
)  # fmt: skip


def _text(source: Source, reading: Reading) -> ParsedDocument:
    text = decode(source.data, reading).replace("\r\n", "\n").replace("\r", "\n")
    reading.budget.add_text(len(text))
    paragraphs = [Block("paragraph", part) for part in _BLANK.split(text) if part.strip()]
    return single(paragraphs, "text/plain", reading)


def _code(source: Source, reading: Reading) -> ParsedDocument:
    text = decode(source.data, reading)
    reading.budget.add_text(len(text))
    return single([Block("code", text)] if text.strip() else [], "text/x-source", reading)


register(
    Format(
        "plain text", ("text/plain",), (".txt", ".text", ".log", ".srt", ".vtt", ".rst", ".org"), _text, True
    )
)
register(Format("source code", ("text/x-source",), _CODE, _code, True))
