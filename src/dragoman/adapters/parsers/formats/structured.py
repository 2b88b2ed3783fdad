"""JSON, JSON lines, XML and YAML: every value with the path that leads to it."""

import json
from collections.abc import Iterator, Mapping

from dragoman.adapters.parsers.decoding import decode
from dragoman.adapters.parsers.reading import Format, Reading, Source, register, single
from dragoman.adapters.parsers.xmlstream import XmlEvents
from dragoman.domain.knowledge.document import Block, ParsedDocument
from dragoman.kit.jsontypes import JsonValue

_PATH_CHARACTERS = 200
_BLOCK_LINES = 200


def _json(source: Source, reading: Reading) -> ParsedDocument:
    text = decode(source.data, reading)
    reading.budget.add_text(len(text))
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ValueError) and (blocks := _json_lines(text, reading)):
            return single(blocks, "application/json", reading)
        reading.warn("The file is not valid JSON or is nested too deeply; it was read as plain text.")
        return single([Block("code", text)], "application/json", reading)
    return single(_records(value, reading), "application/json", reading)


def _jsonl(source: Source, reading: Reading) -> ParsedDocument:
    text = decode(source.data, reading)
    reading.budget.add_text(len(text))
    blocks = _json_lines(text, reading)
    if not blocks:
        reading.warn("The file is not valid JSON lines; it was read as plain text.")
        blocks = [Block("code", text)]
    return single(blocks, "application/jsonl", reading)


def _json_lines(text: str, reading: Reading) -> list[Block]:
    """A block a line; nothing when the first lines are no JSON."""
    blocks: list[Block] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value: JsonValue = json.loads(line)
        except (ValueError, RecursionError):
            if not blocks:
                return []
            reading.warn(f"Line {number} is not valid JSON and was left out.")
            continue
        blocks.append(_block(_lines(value), reading))
    return blocks


def _records(value: JsonValue, reading: Reading) -> list[Block]:
    if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        return [_block(_lines(entry), reading) for entry in value if entry]
    lines = list(_lines(value))
    return [_block(lines[at : at + _BLOCK_LINES], reading) for at in range(0, len(lines), _BLOCK_LINES)]


def _block(lines: "Iterator[str] | list[str]", reading: Reading) -> Block:
    text = "\n".join(lines)
    reading.budget.add_text(len(text))
    return Block("list", text)


def _lines(value: JsonValue) -> Iterator[str]:
    """``path.to.value: it``, depth first, without recursion."""
    waiting: list[tuple[str, JsonValue]] = [("", value)]
    while waiting:
        path, current = waiting.pop()
        if isinstance(current, Mapping):
            below = [(_under(path, str(key)), inner) for key, inner in current.items()]
            waiting += reversed(below)
        elif isinstance(current, list):
            below = [
                (f"{path}[{position}]"[-_PATH_CHARACTERS:], inner) for position, inner in enumerate(current)
            ]
            waiting += reversed(below)
        elif current is not None:
            shown = current if isinstance(current, str) else json.dumps(current)
            yield f"{path}: {shown}" if path else shown


def _under(path: str, key: str) -> str:
    return f"{path}.{key}"[-_PATH_CHARACTERS:] if path else key[:_PATH_CHARACTERS]


class _XmlText(XmlEvents):
    """The text of each element after its name, attributes as ``name.attribute``."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: list[str] = []
        self._pieces: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._emit()
        self._names.append(name)
        self.lines += [f"{name}.{key}: {value}" for key, value in attributes.items() if value.strip()]

    def end(self, name: str) -> None:
        self._emit()
        self._names.pop()

    def text(self, data: str) -> None:
        self._pieces.append(data)

    def _emit(self) -> None:
        text = " ".join("".join(self._pieces).split())
        self._pieces.clear()
        if text:
            self.lines.append(f"{self._names[-1]}: {text}")


def _xml(source: Source, reading: Reading) -> ParsedDocument:
    reader = _XmlText()
    reader.feed(source.data)
    lines = reader.lines
    blocks = [_block(lines[at : at + _BLOCK_LINES], reading) for at in range(0, len(lines), _BLOCK_LINES)]
    return single(blocks, "application/xml", reading)


def _yaml(source: Source, reading: Reading) -> ParsedDocument:
    text = decode(source.data, reading)
    reading.budget.add_text(len(text))
    return single([Block("code", text)] if text.strip() else [], "application/yaml", reading)


register(Format("JSON", ("application/json", "text/json"), (".json", ".geojson", ".ipynb"), _json, True))
register(
    Format(
        "JSON lines",
        ("application/jsonl", "application/x-ndjson", "application/json-lines"),
        (".jsonl", ".ndjson"),
        _jsonl,
        True,
    )
)
register(
    Format("XML", ("application/xml", "text/xml"), (".xml", ".rss", ".atom", ".xsd", ".opml"), _xml, True)
)
register(
    Format("YAML", ("application/yaml", "text/yaml", "application/x-yaml"), (".yaml", ".yml"), _yaml, True)
)
