"""Broken and hostile files end in a plain sentence or in text within the bounds; the parser goes on."""

import importlib
import os
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import samples
from dragoman.adapters.parsers.file import FileParser
from dragoman.adapters.parsers.limits import ParserLimits
from dragoman.adapters.parsers.reader import read_source
from dragoman.adapters.parsers.reading import Budget, Encrypted, OverBound, Reading, Source
from dragoman.domain.knowledge.document import ParsedDocument
from dragoman.kit.errors import InvalidInput, TooLarge, Unsupported
from dragoman.kit.processes import ChildPool

Read = Callable[..., Awaitable[ParsedDocument]]

LIMITS = ParserLimits(
    timeout_seconds=60, pages=40, text_characters=2_000_000, members=50, unpacked_bytes=32 << 20
)


async def outcome_is_fair(read: Read, data: bytes, name: str) -> bool:
    """Whether the file gave text of a plausible length or was refused with a whole sentence."""
    try:
        parsed = await read(data, name)
    except (InvalidInput, Unsupported) as error:
        return error.detail[0].isupper() and error.detail.endswith((".", ")"))
    return sum(len(block.text) for page in parsed.pages for block in page.blocks) <= 2 * len(data) + 1000


_FILES = {
    "report.docx": samples.docx([("Heading1", "Head"), ("", "text " * 200)]),
    "talk.pptx": samples.pptx([("Title", "body " * 100, "notes")]),
    "book.xlsx": samples.xlsx({"S": [["a", "b"], *[[str(number), number] for number in range(50)]]}),
    "text.odt": samples.odt([(1, "Head"), (0, "text " * 200)]),
    "novel.epub": samples.epub([("One", "text " * 100)]),
    "old.rtf": samples.rtf(["text " * 50] * 5),
    "paper.pdf": samples.pdf(["text of the page " * 4] * 5),
    "picture.png": samples.picture("4711", width=200, height=80),
    "mail.eml": samples.eml(subject="s", text="b", attachments={"a.txt": ("text/plain", b"attached")}),
    "all.zip": samples.zip_of({"a.txt": "text " * 100, "b.txt": "more"}),
}


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
async def test_a_truncated_file_gives_text_or_a_sentence(read: Read, name: str, part: float) -> None:
    data = _FILES[name][: int(len(_FILES[name]) * part)]
    assert await outcome_is_fair(read, data, name)


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n", b"\x00" * 100])
@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.txt", "a"])
async def test_an_empty_file_is_called_empty(read: Read, data: bytes, name: str) -> None:
    with pytest.raises(InvalidInput, match="The file is empty"):
        await read(data, name)


@pytest.mark.parametrize(
    ("data", "name"),
    [(samples.pdf(["secret"], encrypted=True), "a.pdf"), (samples.encrypted_office(), "a.docx")],
)
async def test_a_file_with_a_password_is_said_to_have_one(read: Read, data: bytes, name: str) -> None:
    with pytest.raises(Encrypted, match="protected with a password"):
        await read(data, name)


async def test_an_archive_with_a_password_is_said_to_have_one(read: Read) -> None:
    data = bytearray(samples.zip_of({"a.txt": "x"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Encrypted):
        await read(bytes(data), "a.zip")


async def test_a_zip_that_unpacks_to_far_more_than_its_size_is_refused(read: Read) -> None:
    with pytest.raises(OverBound, match="unpacks to more than"):
        await read(samples.zip_of({"zeros.txt": b"0" * (60 << 20)}), "bomb.zip")


async def test_a_zip_bomb_hidden_in_zips_is_refused(read: Read) -> None:
    inner = samples.zip_of({"zeros.txt": b"0" * (20 << 20)})
    with pytest.raises(OverBound):
        await read(samples.zip_of({f"{number}.zip": inner for number in range(8)}), "bomb.zip")


async def test_an_office_file_that_is_a_zip_bomb_is_refused(read: Read) -> None:
    text = "a" * (40 << 20)
    with pytest.raises(OverBound):
        await read(samples.docx([("", text)]), "bomb.docx")


async def test_archives_in_archives_are_read_to_a_depth_and_no_deeper(read: Read) -> None:
    data = samples.zip_of({"deep.txt": "too deep"})
    for level in range(5):
        data = samples.zip_of({f"{level}.zip": data, f"{level}.txt": f"level {level}"})
    parsed = await read(data, "nested.zip")
    text = " ".join(block.text for page in parsed.pages for block in page.blocks)
    assert "level 4" in text
    assert "too deep" not in text
    assert any("archives deep" in warning for warning in parsed.warnings)


async def test_an_archive_of_too_many_files_is_refused(read: Read) -> None:
    with pytest.raises(OverBound, match="more than 50 files"):
        await read(samples.zip_of({f"{number}.txt": "x" for number in range(51)}), "many.zip")


async def test_a_document_of_too_many_pages_is_refused(read: Read) -> None:
    with pytest.raises(OverBound, match="more than 40 pages"):
        await read(samples.pdf(["page"] * 41), "long.pdf")


async def test_a_document_of_too_much_text_is_refused(read: Read) -> None:
    with pytest.raises(OverBound, match="characters of text"):
        await read(b"word " * 500_000, "long.txt")


async def test_a_file_above_the_size_limit_is_refused_unread(read: Read) -> None:
    with pytest.raises(TooLarge):
        await read(b"word " * 100, "long.txt", None, replace(LIMITS, input_bytes=100))


_ENTITIES = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (f'<?xml version="1.0"?>{_ENTITIES}<r>&c;</r>'.encode(), "bomb.xml"),
        (samples.docx([("", "&c;")], prologue=_ENTITIES), "bomb.docx"),
        (b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>', "outside.xml"),
    ],
)
async def test_xml_entities_are_refused(read: Read, data: bytes, name: str) -> None:
    with pytest.raises(InvalidInput, match="entities"):
        await read(data, name)


@pytest.mark.parametrize(
    ("data", "name", "kept"),
    [
        (b"<div>" * 10_000 + b"deep" + b"</div>" * 10_000, "deep.html", "deep"),
        (b"<table><tr><td>" * 10_000 + b"deep", "tables.html", "deep"),
        (b"<ul><li>" * 10_000 + b"deep", "lists.html", "deep"),
        (b"<a>" * 10_000 + b"deep" + b"</a>" * 10_000, "deep.xml", "deep"),
        (b"[" * 10_000 + b"1" + b"]" * 10_000, "deep.json", "[[["),
        (b"> " * 10_000 + b"deep", "deep.md", "deep"),
        (b"- " * 10_000 + b"deep", "list.md", "deep"),
    ],
)
async def test_ten_thousand_levels_of_nesting_are_read(read: Read, data: bytes, name: str, kept: str) -> None:
    parsed = await read(data, name)
    assert kept in " ".join(block.text for page in parsed.pages for block in page.blocks)


async def test_a_message_of_ten_thousand_nested_parts_ends(read: Read) -> None:
    data = b"From: a@b\nSubject: s\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (level, level) for level in range(10_000)
    )
    assert await outcome_is_fair(read, data, "nested.eml")


@pytest.mark.parametrize(
    "name", ["a.pdf", "a.docx", "a.xlsx", "a.png", "a.doc", "a.msg", "a.txt", "a.csv", "a"]
)
async def test_random_bytes_are_not_taken_for_a_document(read: Read, name: str) -> None:
    with pytest.raises((InvalidInput, Unsupported)):
        await read(random.Random(name).randbytes(5000), name)


_HEADS = [
    (b"%PDF-1.7\n", "a.pdf"),
    (b"PK\x03\x04", "a.docx"),
    (b"\x89PNG\r\n\x1a\n", "a.png"),
    (b"II*\x00", "a.tiff"),
    (b"{\\rtf1 ", "a.rtf"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le") + b"\x00\x00", "a.doc"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "Workbook".encode("utf-16-le") + b"\x00\x00", "a.xls"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "PowerPoint Document".encode("utf-16-le") + b"\x00\x00", "a.ppt"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "__properties_version1.0".encode("utf-16-le") + b"\x00\x00",
        "a.msg",
    ),
]


@pytest.mark.parametrize(("head", "name"), _HEADS)
async def test_a_right_beginning_with_rubbish_behind_it_gives_text_or_a_sentence(
    read: Read, head: bytes, name: str
) -> None:
    assert await outcome_is_fair(read, head + random.Random(name).randbytes(20_000), name)


_TEXT_NAMES = ["a.txt", "a.md", "a.csv", "a.json", "a.jsonl", "a.xml", "a.html", "a.eml", "a.yaml", "a.py"]
_TEXT_PIECES = [
    "<",
    "<p>",
    "</",
    "&#x0;",
    '"',
    ",",
    "\n",
    "|",
    "#",
    "```",
    "{",
    "[",
    ":",
    "a",
    "\x00",
    "é",
    "From: x\n",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(_TEXT_NAMES),
    st.one_of(
        st.lists(st.sampled_from(_TEXT_PIECES), max_size=80).map(lambda pieces: "".join(pieces).encode()),
        st.binary(max_size=300),
    ),
)
def test_any_bytes_named_as_text_give_text_or_a_sentence(name: str, data: bytes) -> None:
    reading = Reading(Budget(LIMITS), read_source)
    with suppress(InvalidInput, Unsupported):
        parsed = read_source(Source(data, name), reading)
        assert all(isinstance(block.text, str) for page in parsed.pages for block in page.blocks)


async def test_a_file_that_takes_too_long_is_stopped_and_the_next_one_is_read(
    pool: ChildPool, tmp_path: Path
) -> None:
    slow = tmp_path / "slow.html"
    slow.write_bytes(b"<![CDATA[" * 400_000)
    quick = tmp_path / "quick.txt"
    quick.write_text("quick")
    parser = FileParser(replace(LIMITS, timeout_seconds=0.3, text_characters=1 << 30), pool)
    with pytest.raises(InvalidInput, match=r"took longer than 0\.3 seconds") as caught:
        await parser.parse(slow, name="slow.html", media_type=None)
    assert caught.value.code == "document_timeout"
    parsed = await FileParser(LIMITS, pool).parse(quick, name="quick.txt", media_type=None)
    assert parsed.pages[0].blocks[0].text == "quick"


async def test_a_file_that_needs_too_much_memory_is_stopped_and_the_next_one_is_read(tmp_path: Path) -> None:
    pool = ChildPool(size=1, memory_mb=96, idle_seconds=60, name="parse", env=None)
    parser = FileParser(ParserLimits(timeout_seconds=60), pool)
    large = tmp_path / "large.json"
    large.write_bytes(b"[" + b"[1,2],[]," * 1_500_000 + b"0]")
    small = tmp_path / "small.json"
    small.write_text('{"a": 1}')
    with pytest.raises(InvalidInput, match="memory") as caught:
        await parser.parse(large, name="large.json", media_type=None)
    assert caught.value.code == "document_crashed"
    assert (await parser.parse(small, name="small.json", media_type=None)).pages[0].blocks[0].text == "a: 1"
    await pool.close()


async def test_reading_leaves_no_file_behind(
    pool: ChildPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    for name, data in _FILES.items():
        path = tmp_path / "content"
        path.write_bytes(data)
        await FileParser(LIMITS, pool).parse(path, name=name, media_type=None)
    assert sorted(os.listdir(temporary)) == []
    assert sorted(os.listdir(tmp_path)) == ["content", "temporary"]


@pytest.mark.parametrize(
    ("name", "data", "package", "module"),
    [
        ("old.rtf", samples.rtf(["x"]), "kreuzberg", "kreuz"),
        ("a.pdf", samples.pdf(["x"]), "pypdfium2", "pdfium"),
        ("a.png", samples.picture("x", width=60, height=60), "ocrust", "ocr"),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, package: str, module: str
) -> None:
    monkeypatch.delitem(sys.modules, f"dragoman.adapters.parsers.engines.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Unsupported, match=r"dragoman\[documents\]"):
        read_source(Source(data, name), Reading(Budget(LIMITS), read_source))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", b"text"),
        ("a.md", b"# text"),
        ("a.csv", b"text,b\n1,2\n"),
        ("a.html", b"<p>text</p>"),
        ("a.json", b'{"text": 1}'),
        ("a.eml", samples.eml(subject="text", text="b", attachments={})),
        ("a.py", b"text = 1"),
        ("a.docx", samples.docx([("", "text")])),
        ("a", b"some text and nothing else"),
    ],
)
def test_text_mail_and_office_files_are_read_without_any_extra(
    monkeypatch: pytest.MonkeyPatch, name: str, data: bytes
) -> None:
    for package in ("kreuzberg", "magika", "pypdfium2", "ocrust", "pdfplumber", "charset_normalizer"):
        monkeypatch.setitem(sys.modules, package, None)
    for engine in ("kreuz", "magic", "pdfium", "ocr", "plumber"):
        monkeypatch.delitem(sys.modules, f"dragoman.adapters.parsers.engines.{engine}", raising=False)
    parsed = read_source(Source(data, name), Reading(Budget(LIMITS), read_source))
    assert "text" in " ".join(block.text for page in parsed.pages for block in page.blocks)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("kreuzberg")
