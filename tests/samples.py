"""Builders of real files, small enough to write by hand: each gives the bytes of one file."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "application/vnd.openxmlformats-officedocument"


def zip_of(members: Mapping[str, str | bytes], *, stored_first: bool = False) -> bytes:
    """A ZIP archive; ``stored_first`` keeps the first member uncompressed, as EPUB and ODF want it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for position, (name, content) in enumerate(members.items()):
            method = zipfile.ZIP_STORED if stored_first and position == 0 else zipfile.ZIP_DEFLATED
            archive.writestr(name, content, compress_type=method)
    return out.getvalue()


def _types(overrides: Mapping[str, str]) -> str:
    parts = "".join(f'<Override PartName="{part}" ContentType="{kind}"/>' for part, kind in overrides.items())
    return (
        f'<?xml version="1.0"?><Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{parts}</Types>'
    )


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    rows = "".join(
        f'<Relationship Id="{key}" Type="{_REL}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<?xml version="1.0"?><Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def docx(
    blocks: Sequence[tuple[str, str]], *, prologue: str = "", table: Sequence[Sequence[str]] = ()
) -> bytes:
    """A Word document; a block is (style, text), the style "" or "Heading1" and so on."""
    body = "".join(
        "<w:p>"
        + (f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else "")
        + f"<w:r><w:t>{text if prologue else escape(text)}</w:t></w:r></w:p>"
        for style, text in blocks
    )
    cells = "".join(
        "<w:tr>"
        + "".join(f"<w:tc><w:p><w:r><w:t>{escape(cell)}</w:t></w:r></w:p></w:tc>" for cell in row)
        + "</w:tr>"
        for row in table
    )
    grid = f"<w:tbl>{cells}</w:tbl>" if table else ""
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/></w:style>'
        for level in range(1, 7)
    )
    main = f"{_OFFICE}.wordprocessingml"
    return zip_of(
        {
            "[Content_Types].xml": _types(
                {"/word/document.xml": f"{main}.document.main+xml", "/word/styles.xml": f"{main}.styles+xml"}
            ),
            "_rels/.rels": _relations({"r1": ("officeDocument", "word/document.xml")}),
            "word/_rels/document.xml.rels": _relations({"r1": ("styles", "styles.xml")}),
            "word/styles.xml": f'<?xml version="1.0"?><w:styles {_WORD}>{styles}</w:styles>',
            "word/document.xml": f'<?xml version="1.0"?>{prologue}<w:document {_WORD}><w:body>{body}{grid}'
            "</w:body></w:document>",
        }
    )


def pptx(slides: Sequence[tuple[str, str, str]]) -> bytes:
    """A presentation; a slide is (title, body, speaker's notes or "")."""
    names = (
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
        f'xmlns:r="{_REL}"'
    )

    def shape(kind: str, text: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="2" name="{kind}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/>'
            f"</p:nvPr></p:nvSpPr><p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def tree(root: str, shapes: str) -> str:
        inner = f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld>"
        return f'<?xml version="1.0"?><p:{root} {names}>{inner}</p:{root}>'

    kind = f"{_OFFICE}.presentationml"
    types = {"/ppt/presentation.xml": f"{kind}.presentation.main+xml"}
    members: dict[str, str | bytes] = {
        "_rels/.rels": _relations({"r1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/_rels/presentation.xml.rels": _relations(
            {f"s{number}": ("slide", f"slides/slide{number}.xml") for number in range(1, len(slides) + 1)}
        ),
        "ppt/presentation.xml": f'<?xml version="1.0"?><p:presentation {names}><p:sldIdLst>'
        + "".join(f'<p:sldId id="{255 + number}" r:id="s{number}"/>' for number in range(1, len(slides) + 1))
        + "</p:sldIdLst></p:presentation>",
    }
    for number, (title, body, notes) in enumerate(slides, 1):
        types[f"/ppt/slides/slide{number}.xml"] = f"{kind}.slide+xml"
        members[f"ppt/slides/slide{number}.xml"] = tree("sld", shape("title", title) + shape("body", body))
        if notes:
            types[f"/ppt/notesSlides/notesSlide{number}.xml"] = f"{kind}.notesSlide+xml"
            members[f"ppt/notesSlides/notesSlide{number}.xml"] = tree("notes", shape("body", notes))
            members[f"ppt/slides/_rels/slide{number}.xml.rels"] = _relations(
                {"n1": ("notesSlide", f"../notesSlides/notesSlide{number}.xml")}
            )
    return zip_of({"[Content_Types].xml": _types(types), **members})


def xlsx(sheets: Mapping[str, Sequence[Sequence[str | float]]]) -> bytes:
    """A workbook of named sheets of rows."""
    kind = f"{_OFFICE}.spreadsheetml"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    types = {"/xl/workbook.xml": f"{kind}.sheet.main+xml"}
    members: dict[str, str | bytes] = {
        "_rels/.rels": _relations({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/_rels/workbook.xml.rels": _relations(
            {
                f"s{number}": ("worksheet", f"worksheets/sheet{number}.xml")
                for number in range(1, len(sheets) + 1)
            }
        ),
        "xl/workbook.xml": f'<?xml version="1.0"?><workbook xmlns="{main}" xmlns:r="{_REL}"><sheets>'
        + "".join(
            f'<sheet name="{escape(name)}" sheetId="{number}" r:id="s{number}"/>'
            for number, name in enumerate(sheets, 1)
        )
        + "</sheets></workbook>",
    }
    for number, rows in enumerate(sheets.values(), 1):
        types[f"/xl/worksheets/sheet{number}.xml"] = f"{kind}.worksheet+xml"
        lines = "".join(
            f'<row r="{line}">'
            + "".join(_cell(line, column, value) for column, value in enumerate(row))
            + "</row>"
            for line, row in enumerate(rows, 1)
        )
        members[f"xl/worksheets/sheet{number}.xml"] = (
            f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'
        )
    return zip_of({"[Content_Types].xml": _types(types), **members})


def _cell(line: int, column: int, value: str | float) -> str:
    place = f"{chr(ord('A') + column)}{line}"
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def odt(blocks: Sequence[tuple[int, str]]) -> bytes:
    """An OpenDocument text; a block is (heading level or 0, text)."""
    body = "".join(
        f'<text:h text:outline-level="{level}">{escape(text)}</text:h>'
        if level
        else f"<text:p>{escape(text)}</text:p>"
        for level, text in blocks
    )
    names = (
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    )
    manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
    kind = "application/vnd.oasis.opendocument.text"
    return zip_of(
        {
            "mimetype": kind,
            "content.xml": f'<?xml version="1.0"?><office:document-content {names} office:version="1.2">'
            f"<office:body><office:text>{body}</office:text></office:body></office:document-content>",
            "META-INF/manifest.xml": f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="{manifest}">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>',
        },
        stored_first=True,
    )


def epub(chapters: Sequence[tuple[str, str]]) -> bytes:
    """A book of (title, text) chapters."""
    items = "".join(
        f'<item id="c{number}" href="c{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(1, len(chapters) + 1)
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(1, len(chapters) + 1))
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<?xml version="1.0"?><container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="book.opf" '
        'media-type="application/oebps-package+xml"/></rootfiles></container>',
        "book.opf": '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" '
        'unique-identifier="id"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<dc:identifier id="id">1</dc:identifier><dc:title>The Book</dc:title>'
        "<dc:language>en</dc:language></metadata>"
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>",
    }
    for number, (title, text) in enumerate(chapters, 1):
        members[f"c{number}.xhtml"] = (
            '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head>'
            f"<body><h1>{escape(title)}</h1><p>{escape(text)}</p></body></html>"
        )
    return zip_of(members, stored_first=True)


def rtf(paragraphs: Sequence[str]) -> bytes:
    """A Rich Text document."""
    return ("{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}\\f0 " + "\\par ".join(paragraphs) + "\\par}").encode(
        "ascii"
    )


def eml(
    *, subject: str, text: str, attachments: Mapping[str, tuple[str, bytes]], html: str | None = None
) -> bytes:
    """A message with attachments: name to (media type, bytes)."""
    message = EmailMessage()
    message["From"] = "Ada Lovelace <ada@example.org>"
    message["To"] = "Charles Babbage <charles@example.org>"
    message["Date"] = "Thu, 08 May 2025 21:42:04 +0000"
    message["Subject"] = subject
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    for name, (media_type, content) in attachments.items():
        main, _, sub = media_type.partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return message.as_bytes()


def pdf(pages: Sequence[str], *, encrypted: bool = False, ruled: Sequence[Sequence[str]] = ()) -> bytes:
    """A PDF with one text a page, lines with ``# `` large; ``ruled`` is a table on the first."""
    contents = [
        _pdf_text(text) + (_pdf_table(ruled) if ruled and number == 0 else b"")
        for number, text in enumerate(pages)
    ]
    objects = [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    for content in contents:
        packed = zlib.compress(content)
        objects.append(
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)
        )
    return _pdf_file(
        objects, [(number + 2, b"/Font << /F1 1 0 R >>") for number in range(len(contents))], encrypted
    )


def scanned_pdf(images: Sequence[bytes]) -> bytes:
    """A PDF whose pages are JPEG pictures only."""
    objects: list[bytes] = []
    pages: list[tuple[int, bytes]] = []
    for image in images:
        width, height = Image.open(io.BytesIO(image)).size
        objects.append(
            b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB "
            b"/BitsPerComponent 8 /Filter /DCTDecode /Length %d >>\nstream\n%s\nendstream"
            % (width, height, len(image), image)
        )
        picture = len(objects)
        draw = b"q 595 0 0 842 0 0 cm /I Do Q"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(draw), draw))
        pages.append((len(objects), b"/XObject << /I %d 0 R >>" % picture))
    return _pdf_file(objects, pages, encrypted=False)


def _pdf_text(text: str) -> bytes:
    lines = [line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in text.splitlines()]
    shown = b" T* ".join(
        b"/F1 %d Tf (%s) Tj" % (22 if line.startswith("# ") else 12, line.removeprefix("# ").encode("cp1252"))
        for line in lines
    )
    return b"BT 16 TL 60 780 Td " + shown + b" ET "


def _pdf_table(rows: Sequence[Sequence[str]]) -> bytes:
    out: list[bytes] = []
    for line, row in enumerate(rows):
        for column, cell in enumerate(row):
            x, y = 60 + column * 150, 500 - line * 24
            out.append(
                b"%d %d 150 24 re S BT /F1 12 Tf %d %d Td (%s) Tj ET"
                % (x, y, x + 4, y + 7, cell.encode("cp1252"))
            )
    return b"\n".join(out)


def _pdf_file(objects: Sequence[bytes], pages: Sequence[tuple[int, bytes]], encrypted: bool) -> bytes:
    first_page = len(objects) + 1
    tree = first_page + len(pages)
    everything = list(objects)
    for content, resources in pages:
        everything.append(
            b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Resources << %s >> /Contents %d 0 R >>"
            % (tree, resources, content)
        )
    kids = b" ".join(b"%d 0 R" % (first_page + number) for number in range(len(pages)))
    everything.append(b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)))
    everything.append(b"<< /Type /Catalog /Pages %d 0 R >>" % tree)
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    offsets: list[int] = []
    for number, content in enumerate(everything, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(everything) + 1))
    out.writelines(b"%010d 00000 n \n" % offset for offset in offsets)
    # A password nobody knows: the hashes belong to no password.
    lock = b" /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00> <00>]" % (
        b"5a" * 32,
        b"a5" * 32,
    )
    out.write(
        b"trailer\n<< /Size %d /Root %d 0 R%s >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(everything) + 1, len(everything), lock if encrypted else b"", start)
    )
    return out.getvalue()


def picture(text: str, *, kind: str = "PNG", width: int = 1000, height: int = 300) -> bytes:
    """An image of black text on white."""
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).multiline_text(
        (40, 60), text, fill="black", font=ImageFont.load_default(size=44), spacing=24
    )
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def encrypted_office() -> bytes:
    """What Word writes for a document with a password: an OLE container with an EncryptedPackage stream."""
    return ole({"EncryptionInfo": b"\x04\x00\x04\x00" + b"\x00" * 4092, "EncryptedPackage": b"\x5a" * 4096})


def ole(streams: Mapping[str, bytes]) -> bytes:
    """An OLE container (the old Office format) of streams, each at least 4096 bytes long."""
    sector = 512
    body, entries, fat = (
        b"",
        [_ole_entry("Root Entry", 5, child=1, start=0xFFFFFFFE, size=0)],
        [0xFFFFFFFD, 0xFFFFFFFE],
    )
    for position, (name, content) in enumerate(streams.items(), 1):
        padded = content + b"\x00" * (-len(content) % sector)
        start = len(fat)
        count = len(padded) // sector
        fat += [*range(start + 1, start + count), 0xFFFFFFFE]
        following = position + 1 if position < len(streams) else 0xFFFFFFFF
        entries.append(_ole_entry(name, 2, right=following, start=start, size=len(content)))
        body += padded
    directory = b"".join(entries).ljust(sector, b"\x00")
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(sector, b"\xff")
    header = struct.pack(
        "<8s16sHHHHH6xIIIIIIIIII",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"\x00" * 16, 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096,
        0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0,
    )  # fmt: skip
    return header.ljust(sector, b"\xff") + table + directory + body


def _ole_entry(
    name: str, kind: int, *, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF, start: int, size: int
) -> bytes:
    encoded = (name + "\x00").encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII16sIQQIQ",
        encoded,
        len(encoded),
        kind,
        1,
        0xFFFFFFFF,
        right,
        child,
        b"\x00" * 16,
        0,
        0,
        0,
        start,
        size,
    )
