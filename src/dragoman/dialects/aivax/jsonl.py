"""Collections as JSON lines: checked whole before anything is stored, and written for export."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from dragoman.dialects.aivax.fields import Mapped, Member, Record, Text
from dragoman.dialects.aivax.tags import Tags
from dragoman.domain.knowledge.model import Document, DocumentDraft
from dragoman.kit.errors import InvalidInput, TooLarge
from dragoman.kit.jsontypes import JsonValue

_MARK = b"\xef\xbb\xbf"
_LONGEST_TEXT = 100_000_000
# ``__name`` is this server's own: the name of a document whose id is not its name.
_LINE = Record(
    {
        "docid": Member(Text(1, 256), required=True),
        "text": Member(Text(0, _LONGEST_TEXT), required=True),
        "__ref": Member(Text(0, 64, nullable=True)),
        "__tags": Member(Tags()),
        "__meta": Member(Mapped(maximum=1000, nullable=True)),
        "__name": Member(Text(1, 512, nullable=True)),
    }
)


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """A checked file: for each document id the line that counts, its last, and the number of others."""

    path: Path
    lines: dict[str, int]
    repeated: int

    def items(self) -> Iterator[tuple[DocumentDraft, str]]:
        """The documents in the order of the file; blocks while it reads."""
        for number, line in numbered(self.path):
            draft, text = _read_line(number, line)
            if self.lines[draft.external_id] == number:
                yield draft, text


def check_import(path: Path, *, maximum_lines: int) -> ImportPlan:
    """The plan of a file whose every line is in order; blocks while it reads.

    Raises:
        InvalidInput: a line is not; the message names line and reason.
        TooLarge: more lines than allowed.
    """
    lines: dict[str, int] = {}
    count = 0
    for number, line in numbered(path):
        count += 1
        if count > maximum_lines:
            raise TooLarge(f"The file has more than {maximum_lines} documents.", param="documents")
        draft, _ = _read_line(number, line)
        lines[draft.external_id] = number
    return ImportPlan(path, lines, count - len(lines))


def numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, numbered from 1; blocks while it reads."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            text = line.removeprefix(_MARK) if number == 1 else line
            if text.strip():
                yield number, text


def read_line(number: int, line: bytes, shape: Record) -> dict[str, Any]:
    """The line's JSON object, checked against its description.

    Raises:
        InvalidInput: it is none or does not fit; the message names line and reason.
    """
    try:
        return shape.read_object(orjson.loads(line), "")
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"Line {number} is not valid JSON: {error}.", param=f"line {number}") from error
    except InvalidInput as error:
        place = f"line {number}" + (f".{error.param}" if error.param else "")
        raise InvalidInput(f"Line {number}: {error.detail}", param=place) from error


def _read_line(number: int, line: bytes) -> tuple[DocumentDraft, str]:
    values = read_line(number, line, _LINE)
    draft = DocumentDraft(
        values["docid"],
        values.get("__name") or values["docid"],
        reference=values.get("__ref") or None,
        tags=tuple(values.get("__tags") or ()),
        metadata=values.get("__meta") or {},
    )
    return draft, values["text"]


def export_line(document: Document, text: str) -> bytes:
    """A document as one line that the import takes."""
    line: dict[str, JsonValue] = {"docid": document.external_id, "text": text}
    if document.name != document.external_id:
        line["__name"] = document.name
    if document.reference:
        line["__ref"] = document.reference
    if document.tags:
        line["__tags"] = list(document.tags)
    if document.metadata:
        line["__meta"] = dict(document.metadata)
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
