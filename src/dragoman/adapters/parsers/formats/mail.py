"""E-mail: who, to whom, when, about what, the message, and what is attached."""

from email import policy
from email.errors import MessageError
from email.message import EmailMessage, Message, MIMEPart
from email.parser import BytesParser

from dragoman.adapters.parsers.decoding import decode
from dragoman.adapters.parsers.formats.markup import html_blocks
from dragoman.adapters.parsers.reading import Format, Reading, Source, register
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument
from dragoman.kit.errors import InvalidInput

_SHOWN = ("From", "To", "Cc", "Date", "Subject")


def _read(source: Source, reading: Reading) -> ParsedDocument:
    try:
        message = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(source.data)
    except (MessageError, RecursionError) as error:
        raise InvalidInput(
            "The message cannot be read: its parts are damaged or nested too deeply."
        ) from error
    headers = {name: _header(message, name) for name in _SHOWN}
    head = "\n".join(f"{name}: {value}" for name, value in headers.items() if value)
    blocks = [Block("paragraph", head)] if head else []
    if headers["Subject"]:
        blocks.insert(0, Block("heading", headers["Subject"], 1))
    blocks += _body(message, reading)
    pages = [Page(None, tuple(blocks))]
    for part in message.iter_attachments():
        pages += _attachment(part, reading)
    known = {name.lower(): value for name, value in headers.items() if value}
    return ParsedDocument(
        tuple(pages), "message/rfc822", headers["Subject"] or None, known, tuple(reading.warnings)
    )


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = message.get(name)
    except (ValueError, IndexError, AttributeError):
        # The parser of structured headers fails on some malformed ones.
        return ""
    return " ".join(str(value).split()) if value is not None else ""


def _body(message: EmailMessage, reading: Reading) -> list[Block]:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return []
    text = decode(_payload(part), reading, declared=part.get_content_charset())
    reading.budget.add_text(len(text))
    if part.get_content_subtype() == "html":
        return html_blocks(text)[0]
    return [Block("paragraph", text)] if text.strip() else []


def _attachment(part: MIMEPart, reading: Reading) -> tuple[Page, ...]:
    name = part.get_filename() or "attachment"
    if part.get_content_maintype() == "message":
        inner = part.get_payload()
        message = inner[0] if isinstance(inner, list) and inner else None
        content = message.as_bytes() if isinstance(message, Message) else b""
        name = part.get_filename() or "attached message.eml"
    else:
        content = _payload(part)
    return reading.inner(Source(content, name, part.get_content_type()))


def _payload(part: MIMEPart) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


register(Format("e-mail", ("message/rfc822",), (".eml", ".mht", ".mhtml"), _read, True))
