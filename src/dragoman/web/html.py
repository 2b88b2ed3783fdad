"""The pages as HTML. Whatever comes from people is escaped; nothing on a page runs but our own files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from dragoman.domain.chat.cited import CitedPassage
from dragoman.domain.chat.model import ChatMessage
from dragoman.domain.chat.uploads.model import Upload, reference_of
from dragoman.domain.chat.words import Words
from dragoman.domain.messages.parts import TextPart
from dragoman.web.markup import Markup

_SCRIPT_FREE = (
    "default-src 'none'; style-src 'self'; img-src 'self' https: data:; form-action 'self'; base-uri 'none'"
)

_MARKUP = Markup()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page's form goes and the operations of its session are found, and what may be done there."""

    form: str
    public: str
    takes_files: bool
    speaks: bool


def chat_policy(
    frame_origins: Sequence[str], *, own: bool = False, calls: bool = False, logo: str | None = None
) -> str:
    """The content security policy of a chat page, which the origins may frame; without any only this server.

    Args:
        own: whether a page of this server frames it now, as the console does; it may besides.
    """
    # Not every browser takes 'self' for the sockets of the same host.
    sockets = " ws: wss:" if calls else ""
    ancestors = " ".join((*frame_origins, "'self'") if own or not frame_origins else frame_origins)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' https: data: blob:{_plain_origin(logo)}; "
        f"connect-src 'self'{sockets}; media-src 'self' data: blob:; frame-src 'self'; base-uri 'none'; form-action 'self'; "
        f"require-trusted-types-for 'script'; trusted-types dompurify; frame-ancestors {ancestors}"
    )


def _plain_origin(address: str | None) -> str:
    """The origin of an address that is not encrypted, as one more source of pictures."""
    parts = urlsplit(address or "")
    if parts.scheme != "http" or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f" http://{host}" + (f":{parts.port}" if parts.port else "")


def scripts_policy() -> str:
    """The policy of the frame in which an operator's own scripts run: an origin of its own, no way to this server."""
    return "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' https:; connect-src https:; img-src https: data:"


def plain_policy(frame_origins: Sequence[str] = ("*",)) -> str:
    """The policy of a page without scripts; this server may frame it, and the origins."""
    ancestors = " ".join((*frame_origins, "'self'"))
    return f"{_SCRIPT_FREE}; frame-ancestors {ancestors}"


def chat_page(
    *,
    title: str,
    words: Words,
    script: str,
    style: str,
    data: Mapping[str, str],
    messages: Sequence[ChatMessage],
    place: Place,
    scripts_frame: str | None,
    greeting: str | None,
    uploads: Mapping[str, Upload],
    banners: Sequence[str] = (),
) -> str:
    """The chat page. Without scripts it is a form, and what was said so far as text."""
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    attach = encoding = ""
    if place.takes_files:
        encoding = ' enctype="multipart/form-data"'
        attach = f'<input type="file" name="file" multiple aria-label="{escape(words["attachLabel"])}">'
    said = _said(messages, words, greeting, place, uploads)
    frame = ""
    if scripts_frame is not None:
        frame = f'<iframe id="scripts" title="" hidden sandbox="allow-scripts" src="{escape(scripts_frame)}"></iframe>'
    return (
        f'<!doctype html>\n<html lang="{escape(words.language)}" dir="{words.direction}"{attributes}>\n<head>\n'
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n<title>{escape(title)}</title>\n'
        f'<link rel="stylesheet" href="{escape(style)}">\n<script src="{escape(script)}" defer></script>\n</head>\n<body>\n'
        f'<div id="chat">{_banners(banners)}<header><h1>{escape(title)}</h1></header><main>{said}</main>'
        f'<noscript><form class="composer" method="post" action="{escape(place.form)}"{encoding}>'
        f'<div class="row">{attach}'
        f'<textarea name="text" rows="3" required aria-label="{escape(words["inputPlaceholder"])}"></textarea>'
        f'<button class="send">{escape(words["sendButtonLabel"])}</button></div></form></noscript></div>\n{frame}</body>\n</html>\n'
    )


def _banners(banners: Sequence[str]) -> str:
    return "".join(f'<p class="banner">{escape(one)}</p>' for one in banners)


def _said(
    messages: Sequence[ChatMessage],
    words: Words,
    greeting: str | None,
    place: Place,
    uploads: Mapping[str, Upload],
) -> str:
    lines = [f"<p>{escape(greeting)}</p>"] if greeting and not messages else []
    for message in messages:
        text = "\n".join(part.text for part in message.parts if isinstance(part, TextPart))
        who = words["youLabel"] if message.role == "user" else words["answerLabel"]
        passages = f"{place.form}/passages/{message.id}"
        lines.append(
            f"<li><b>{escape(who)}:</b> {_written(text, message, passages)}"
            f"{_attached(message, uploads, place)}{_aloud(message, words, place)}{_sources(message, words, passages)}</li>"
        )
    return f'<noscript><ol class="plain">{"".join(lines)}</ol></noscript>'


def _written(text: str, message: ChatMessage, passages: str) -> str:
    """What was said: a question as it was typed, an answer as it is meant."""
    if message.role == "user":
        return f'<span class="typed">{escape(text)}</span>'
    return _MARKUP.answer(text, [str(one.get("number")) for one in message.citations], passages)


def _aloud(message: ChatMessage, words: Words, place: Place) -> str:
    if not place.speaks or message.role == "user" or not message.text:
        return ""
    address = f"{place.public}/messages/{message.id}/speech.mp3"
    return f'<p><a href="{escape(address)}">{escape(words["listenLabel"])}</a></p>'


def _attached(message: ChatMessage, uploads: Mapping[str, Upload], place: Place) -> str:
    known = [uploads.get(reference_of(part) or "") for part in message.parts]
    return "".join(
        f'<p><a href="{escape(place.public)}/attachments/{one.id}">{escape(one.name)}</a> {escape(one.text or "")}</p>'
        for one in known
        if one is not None
    )


def _sources(message: ChatMessage, words: Words, passages: str) -> str:
    if not message.citations:
        return ""
    entries = [
        f'<li><a href="{escape(passages)}/{one.get("number")}">[{one.get("number")}] {escape(_source(one, words))}</a></li>'
        for one in message.citations
    ]
    return f'<p>{escape(words["sourcesLabel"])}</p><ul class="sources">{"".join(entries)}</ul>'


def _source(cited: Mapping[str, object], words: Words) -> str:
    page = cited.get("page")
    name = str(cited.get("document_name") or "")
    return name if page is None else f"{name}, {words['pageLabel']} {page}"


def passage_page(found: CitedPassage, *, words: Words, style: str, back: str, picture: str) -> str:
    """A passage that an answer cites, marked in its surroundings; ``picture`` is where its page is drawn."""
    title = f"[{found.number}] {_source({'document_name': found.document_name, 'page': found.page}, words)}"
    headings = f"<p>{escape(' › '.join(found.headings))}</p>" if found.headings else ""
    drawn = f'<img class="page" src="{escape(picture)}" alt="{escape(title)}">' if found.drawn else ""
    return (
        f'<!doctype html>\n<html lang="{escape(words.language)}" dir="{words.direction}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="robots" content="noindex">\n'
        f'<title>{escape(title)}</title>\n<link rel="stylesheet" href="{escape(style)}">\n</head>\n<body><main class="passage">'
        f'<p><a href="{escape(back)}">{escape(words["conversationLabel"])}</a></p><h1>{escape(title)}</h1>{headings}'
        f'<p class="text">{escape(found.before)}<mark>{escape(found.text)}</mark>{escape(found.after)}</p>{drawn}'
        "</main></body>\n</html>\n"
    )


def notice_page(*, title: str, text: str, words: Words, style: str) -> str:
    """A page that only says something."""
    return (
        f'<!doctype html>\n<html lang="{escape(words.language)}" dir="{words.direction}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="stylesheet" href="{escape(style)}">\n</head>\n<body><main>'
        f'<h1>{escape(title)}</h1><p class="notice">{escape(text)}</p></main></body>\n</html>\n'
    )


def embed_page(*, script: str, style: str, words: Words, client_id: str, host: str, failure: str) -> str:
    """The widget's frame before its session is there: it asks for one and goes there."""
    return (
        f'<!doctype html>\n<html lang="{escape(words.language)}" dir="{words.direction}" data-client="{escape(client_id)}" '
        f'data-host="{escape(host)}" data-failure="{escape(failure)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Chat</title>\n'
        f'<link rel="stylesheet" href="{escape(style)}">\n<script src="{escape(script)}" defer></script>\n</head>\n'
        f'<body><main id="frame"><noscript><p class="notice">{escape(words["scriptsLabel"])}</p></noscript></main></body>\n'
        "</html>\n"
    )


def scripts_page(scripts: str) -> str:
    """The frame of an operator's own scripts."""
    return f'<!doctype html><meta charset="utf-8"><title>Scripts</title>\n{scripts}\n'
