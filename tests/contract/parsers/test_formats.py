"""Every format gives its text with pages, headings and tables where it has them."""

import json
from collections.abc import Awaitable, Callable

import pytest

import samples
from dragoman.domain.knowledge.document import Block, ParsedDocument
from dragoman.kit.errors import InvalidInput

Read = Callable[..., Awaitable[ParsedDocument]]

_RUNNING = (
    "A longer line of running text that fills the page from its left to its right margin,\nand goes on.\n"
)


def shape(parsed: ParsedDocument, page: int = 0) -> list[tuple[str, int, str]]:
    return [(block.kind, block.level, block.text) for block in parsed.pages[page].blocks]


def text_of(parsed: ParsedDocument) -> str:
    return "\n".join(block.text for page in parsed.pages for block in page.blocks)


async def test_docx_keeps_headings_by_style_lists_and_tables(read: Read) -> None:
    data = samples.docx(
        [("Heading1", "Report"), ("", "Profit & loss < 5."), ("Heading2", "Detail"), ("", "Fine print.")],
        table=[["Name", "Age"], ["Ann", "33"]],
    )
    parsed = await read(data, "report.docx")
    assert parsed.title == "Report"
    assert shape(parsed) == [
        ("heading", 1, "Report"),
        ("paragraph", 0, "Profit & loss < 5."),
        ("heading", 2, "Detail"),
        ("paragraph", 0, "Fine print."),
        ("table", 0, "| Name | Age |\n| Ann | 33 |"),
    ]


async def test_pptx_has_a_numbered_page_a_slide_with_its_notes(read: Read) -> None:
    parsed = await read(
        samples.pptx([("First", "body & more", "say hello"), ("Second", "end", "")]), "talk.pptx"
    )
    assert [page.number for page in parsed.pages] == [1, 2]
    assert shape(parsed) == [
        ("heading", 1, "First"),
        ("paragraph", 0, "body & more"),
        ("caption", 0, "Notes: say hello"),
    ]


async def test_xlsx_has_a_labelled_page_a_sheet_and_rows_that_name_their_values(read: Read) -> None:
    sheets = {
        "People": [["Name", "Age"], ["Ann", 33], ["Bob|x", 4.5]],
        "Empty": [],
        "Plain": [[1, 2], [3, 4]],
    }
    parsed = await read(samples.xlsx(sheets), "book.xlsx")
    assert [(page.number, page.label) for page in parsed.pages] == [(1, "People"), (2, "Empty"), (3, "Plain")]
    assert text_of(parsed) == "Name: Ann; Age: 33\nName: Bob|x; Age: 4.5\n1; 2\n3; 4"


async def test_odt_keeps_heading_levels(read: Read) -> None:
    parsed = await read(samples.odt([(1, "Head"), (0, "Para & co"), (2, "Sub"), (0, "End")]), "text.odt")
    assert shape(parsed) == [
        ("heading", 1, "Head"),
        ("paragraph", 0, "Para & co"),
        ("heading", 2, "Sub"),
        ("paragraph", 0, "End"),
    ]


async def test_epub_gives_its_chapters_in_order_under_its_title(read: Read) -> None:
    parsed = await read(samples.epub([("One", "First text."), ("Two", "Second & last.")]), "novel.epub")
    assert parsed.title == "The Book"
    assert [shape(parsed, page)[0] for page in range(2)] == [("heading", 1, "One"), ("heading", 1, "Two")]
    assert "Second & last." in text_of(parsed)


async def test_rtf_gives_its_paragraphs_as_written(read: Read) -> None:
    parsed = await read(samples.rtf(["AT&T <tag> caf\\'e9", "second \\b bold\\b0  text"]), "old.rtf")
    assert shape(parsed) == [("paragraph", 0, "AT&T <tag> café"), ("paragraph", 0, "second bold text")]


async def test_pdf_has_pages_from_one_headings_by_size_and_mended_paragraphs(read: Read) -> None:
    parsed = await read(samples.pdf(["# Large Title\n" + _RUNNING, "Second page of the file."]), "paper.pdf")
    assert [page.number for page in parsed.pages] == [1, 2]
    kinds = [(kind, text) for kind, _, text in shape(parsed)]
    assert kinds == [("heading", "Large Title"), ("paragraph", _RUNNING.strip().replace("\n", " "))]
    assert shape(parsed, 1) == [("paragraph", 0, "Second page of the file.")]


async def test_a_ruled_table_in_a_pdf_keeps_its_rows_and_columns_and_stands_once(read: Read) -> None:
    rows = [["Name", "Age"], ["Ann", "33"], ["Bob", "44"]]
    parsed = await read(samples.pdf([_RUNNING], ruled=rows), "table.pdf")
    assert ("table", 0, "| Name | Age |\n| Ann | 33 |\n| Bob | 44 |") in shape(parsed)
    assert text_of(parsed).count("Bob") == 1


async def test_a_scanned_page_is_read_by_ocr_within_a_number_of_pages(read: Read) -> None:
    scan = samples.picture("Invoice number 4711", kind="JPEG", width=620, height=877)
    parsed = await read(samples.scanned_pdf([scan, scan, scan]), "scan.pdf")
    texts = [" ".join(block.text for block in page.blocks) for page in parsed.pages]
    assert ["4711" in text for text in texts] == [True, True, False]
    assert parsed.warnings == ("Pages that are pictures were read up to the first 2 only.",)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
async def test_pictures_of_text_are_read(read: Read, kind: str) -> None:
    parsed = await read(
        samples.picture("Invoice 4711", kind=kind, width=420, height=160), f"picture.{kind.lower()}"
    )
    assert "4711" in text_of(parsed)


async def test_html_keeps_content_and_drops_what_surrounds_it(read: Read) -> None:
    data = (
        b"<html><head><title>Title</title><style>p{}</style></head><body><nav>MENU</nav><h1>Head</h1>"
        b"<p>A <b>bold</b> &amp; a_b\nline</p><table><tr><th>A<th>B<tr><td>1<td>2</table>"
        b"<ul><li>x<li>y</ul><pre>code\n  indented</pre><footer>IMPRINT</footer><script>js()</script>"
    )
    parsed = await read(data, "page.html")
    assert parsed.title == "Title"
    assert shape(parsed) == [
        ("heading", 1, "Head"),
        ("paragraph", 0, "A bold & a_b\nline"),
        ("table", 0, "| A | B |\n| 1 | 2 |"),
        ("list", 0, "- x\n- y"),
        ("code", 0, "code\n  indented"),
    ]


async def test_a_page_that_is_all_navigation_is_not_lost(read: Read) -> None:
    assert "only this" in text_of(await read(b"<html><body><nav>only this</body></html>", "page.html"))


async def test_html_is_decoded_as_it_says(read: Read) -> None:
    data = "<html><head><meta charset='windows-1251'></head><body><p>Привет</p></body></html>".encode(
        "cp1251"
    )
    assert text_of(await read(data, "page.html")) == "Привет"


async def test_markdown_keeps_headings_code_tables_and_lists(read: Read) -> None:
    data = (
        "---\ntitle: Notes\n---\n# One\n\npara\nmore\n\nTwo\n---\n\n- a\n- b\n\n"
        "| x | y |\n|---|---|\n| 1 | a\\|b |\n\n```py\n# no heading\n```\n"
    )
    parsed = await read(data.encode(), "notes.md")
    assert parsed.title == "Notes"
    assert shape(parsed) == [
        ("heading", 1, "One"),
        ("paragraph", 0, "para\nmore"),
        ("heading", 2, "Two"),
        ("list", 0, "- a\n- b"),
        ("table", 0, "| x | y |\n| 1 | a|b |"),
        ("code", 0, "# no heading"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_csv_rows_name_their_values_whatever_the_delimiter(read: Read, delimiter: str) -> None:
    rows = [["Name", "City"], ["Ann", "Ulm"], ["Bob", '"Bonn\nBeuel"']]
    data = "\r\n".join(delimiter.join(row) for row in rows).encode()
    assert text_of(await read(data, "people.csv")) == "Name: Ann; City: Ulm\nName: Bob; City: Bonn Beuel"


async def test_csv_without_names_of_columns_keeps_its_first_row(read: Read) -> None:
    assert text_of(await read(b"1,2\n3,4\n", "numbers.csv")) == "1; 2\n3; 4"


async def test_json_gives_a_block_a_record_with_paths_to_values(read: Read) -> None:
    data = json.dumps([{"name": "Ann", "tags": {"of": [1, True]}}, {"name": "Bob", "gone": None}]).encode()
    parsed = await read(data, "people.json")
    assert [block.text for block in parsed.pages[0].blocks] == [
        "name: Ann\ntags.of[0]: 1\ntags.of[1]: true",
        "name: Bob",
    ]


async def test_json_lines_leave_out_a_broken_line_and_say_so(read: Read) -> None:
    parsed = await read(b'{"a": 1}\n{"a": \n{"a": 3}\n', "rows.jsonl")
    assert text_of(parsed) == "a: 1\na: 3"
    assert parsed.warnings == ("Line 2 is not valid JSON and was left out.",)


async def test_xml_yaml_and_code_are_read(read: Read) -> None:
    assert text_of(await read(b'<r><x k="v">a &amp; b</x></r>', "data.xml")) == "x.k: v\nx: a & b"
    assert text_of(await read(b"a: 1\n", "data.yaml")) == "a: 1\n"
    parsed = await read(b"def f():\n    return 1\n", "code.py")
    assert parsed.pages[0].blocks == (Block("code", "def f():\n    return 1\n"),)


async def test_a_message_gives_headers_body_and_what_is_attached(read: Read) -> None:
    inner = samples.eml(subject="Forwarded", text="inner body", attachments={})
    data = samples.eml(
        subject="Grüße",
        text="the body",
        html="<p>the <b>other</b> body</p>",
        attachments={
            "note.docx": ("application/octet-stream", samples.docx([("", "attached text")])),
            "blob.bin": ("application/octet-stream", bytes(range(256)) * 4),
            "mail.eml": ("application/octet-stream", inner),
        },
    )
    parsed = await read(data, "mail.eml")
    assert parsed.title == "Grüße"
    assert parsed.metadata["from"] == "Ada Lovelace <ada@example.org>"
    head = shape(parsed)[1][2]
    assert "To: Charles Babbage <charles@example.org>" in head
    assert "Date: Thu, 08 May 2025 21:42:04 +0000" in head
    assert [page.label for page in parsed.pages] == [None, "note.docx", "mail.eml"]
    assert "the body" in text_of(parsed)
    assert "attached text" in text_of(parsed)
    assert "inner body" in text_of(parsed)
    assert any(warning.startswith("blob.bin was left out") for warning in parsed.warnings)


async def test_a_message_with_html_only_is_read_without_its_tags(read: Read) -> None:
    data = b"From: a@b\r\nSubject: s\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>only <b>html</b></p>"
    assert "only html" in text_of(await read(data, "mail.eml"))


async def test_a_zip_gives_a_labelled_page_for_each_file_in_it(read: Read) -> None:
    data = samples.zip_of(
        {
            "a/people.csv": "N,A\nAnn,3\n",
            "b.docx": samples.docx([("", "inner doc")]),
            "c.zip": samples.zip_of({"deep.txt": "deep text"}),
            "../../etc/evil.txt": "harmless",
            "__MACOSX/x": "junk",
            "empty.txt": "",
        }
    )
    parsed = await read(data, "all.zip")
    assert [(page.label, page.blocks[0].text) for page in parsed.pages] == [
        ("a/people.csv", "N: Ann; A: 3"),
        ("b.docx", "inner doc"),
        ("c.zip / deep.txt", "deep text"),
        ("../../etc/evil.txt", "harmless"),
    ]
    assert parsed.warnings == ("empty.txt was left out: The file is empty.",)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Größe über Maß", "utf-8-sig"),
        ("Größe über Maß", "utf-16"),
        ("plain words here", "utf-16-le"),
        ("日本語", "utf-8"),
    ],
)
async def test_text_is_decoded_by_mark_or_by_its_bytes(read: Read, text: str, encoding: str) -> None:
    parsed = await read(text.encode(encoding), "note.txt")
    assert text_of(parsed) == text
    assert parsed.warnings == ()


async def test_text_in_an_unstated_encoding_is_read_with_a_warning(read: Read) -> None:
    parsed = await read("Größe und Maß unter den Bäumen über dem Fluß".encode("latin-1"), "note.txt")
    assert text_of(parsed) == "Größe und Maß unter den Bäumen über dem Fluß"
    assert parsed.warnings == ("The text's encoding is not stated; it was read as cp1252.",)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (samples.pdf(["text of a page"]), "application/pdf"),
        (b"<!DOCTYPE html><html><body><p>x</p></body></html>", "text/html"),
        (b'{"a": 1}', "application/json"),
        (b"# Title\n\ntext\n", "text/markdown"),
        (b"a,b\n1,2\n3,4\n", "text/csv"),
        (b"Just two sentences, with a comma. And more, of it.\n", "text/plain"),
    ],
)
async def test_a_file_without_a_telling_name_is_known_by_its_content(
    read: Read, data: bytes, media_type: str
) -> None:
    assert (await read(data, "upload", "application/octet-stream")).media_type == media_type


async def test_a_declared_type_helps_where_the_name_does_not(read: Read) -> None:
    assert text_of(await read(b"a;b\n1;x\n", "upload", "text/csv; charset=utf-8")) == "a: 1; b: x"


@pytest.mark.parametrize(
    "ending", ["pdf", "doc", "docx", "ppt", "pptx", "xls", "xlsx", "msg", "odt", "epub", "rtf", "png", "zip"]
)
@pytest.mark.parametrize("data", [b"junk", b"# Junk\n\n- one\n- two\n", "žluťoučký kůň".encode()])
async def test_mere_text_under_the_name_of_another_format_is_refused(
    read: Read, ending: str, data: bytes
) -> None:
    with pytest.raises(InvalidInput, match=rf"report\.{ending} is no .* nothing but text"):
        await read(data, f"report.{ending}", "text/plain")


async def test_what_programs_save_under_the_names_of_their_documents_is_read(read: Read) -> None:
    page = await read(
        b"<html><body><table><tr><td>Sum</td><td>7</td></tr></table></body></html>", "report.xls"
    )
    assert "7" in text_of(page)
    table = await read(b"name\tage\nAnn\t33\nBo\t44\n", "report.xls")
    assert "age: 33" in text_of(table)


async def test_a_misnamed_file_is_read_as_what_it_is_with_a_warning(read: Read) -> None:
    parsed = await read(samples.docx([("", "really Word")]), "report.pdf")
    assert text_of(parsed) == "really Word"
    assert parsed.warnings == ("report.pdf is named like PDF but holds Word document; it was read as that.",)
    with pytest.raises(InvalidInput, match="damaged"):
        await read(b"PK\x03\x04 no archive", "report.docx")
