"""Media as text, for models that read text only: pictures, files and sound of a conversation."""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, Protocol, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

import structlog

from dragoman.domain.inference.asking import Ask
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.messages.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    VideoPart,
)
from dragoman.kit.errors import DragomanError, InvalidInput, ProviderError, Unsupported
from dragoman.kit.fetch import Fetcher

log = structlog.get_logger(__name__)

MediaKind: TypeAlias = Literal["image", "audio", "video", "file", "other", "all"]

_LONGEST_TEXT = 200_000
_CACHED_CHARACTERS = 32_000_000
_NO_TEXT = "(no readable text)"
_DESCRIBE = (
    "Describe the picture so that somebody who cannot see it can answer questions about it, and write down "
    "all text in it word for word. Answer with the description only."
)


class TextReader(Protocol):
    """Reads the text of a file."""

    async def text(self, data: bytes, *, name: str, media_type: str | None) -> str:
        """The file's text.

        Raises:
            Unsupported, InvalidInput: it cannot be read; the message says why.
        """
        ...


class Transcriber(Protocol):
    """Turns speech into text."""

    async def text(self, data: bytes, *, format: str) -> str:
        """What is said.

        Raises:
            DragomanError: the recording cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Media:
    data: bytes
    name: str
    media_type: str | None

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class _Texts:
    """The latest texts by what they were made from, within a bound on characters."""

    def __init__(self) -> None:
        self._texts: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[str, str]) -> str | None:
        text = self._texts.get(key)
        if text is not None:
            self._texts.move_to_end(key)
        return text

    def put(self, key: tuple[str, str], text: str) -> None:
        if key in self._texts:
            return
        self._texts[key] = text
        self._size += len(text) + 200
        while self._size > _CACHED_CHARACTERS:
            self._size -= len(self._texts.popitem(last=False)[1]) + 200


def media_kinds(part: Part) -> frozenset[MediaKind]:
    """The kinds under which a part may be asked to become text; none for text."""
    match part:
        case ImagePart():
            return frozenset({"image", "all"})
        case AudioPart():
            return frozenset({"audio", "all"})
        case VideoPart():
            return frozenset({"video", "all"})
        case FilePart():
            is_pdf = (part.filename or "").lower().endswith(".pdf") or part.data.startswith(
                "data:application/pdf"
            )
            return frozenset({"file", "all"} if is_pdf else {"file", "other", "all"})
        case TextPart():
            return frozenset()


class MediaReader:
    """Turns media into text, each content once.

    Args:
        fetcher: for media given by address.
        reader: reads files, and the text in pictures.
        transcriber: None when there is none; sound is refused then.
    """

    def __init__(
        self, fetcher: Fetcher, reader: TextReader | None, transcriber: Transcriber | None = None
    ) -> None:
        self._fetcher = fetcher
        self._reader = reader
        self._transcriber = transcriber
        self._texts = _Texts()

    async def as_text(
        self, conversation: Sequence[Message], kinds: Sequence[MediaKind], *, describe: Ask | None = None
    ) -> tuple[Message, ...]:
        """The conversation with its media of these kinds as text.

        ``describe`` is a model that sees; without it pictures give the text that stands in them.

        Raises:
            InvalidInput: something cannot become text here; the message says what to do.
        """
        wanted = frozenset(kinds)
        turns: list[Message] = []
        for number, message in enumerate(conversation):
            parts: list[Part] = []
            for place, part in enumerate(message.parts):
                if wanted & media_kinds(part):
                    parts.append(await self._part(part, describe, f"messages[{number}].content[{place}]"))
                else:
                    parts.append(part)
            turns.append(replace(message, parts=tuple(parts)) if parts else message)
        return tuple(turns)

    async def _part(self, part: Part, describe: Ask | None, where: str) -> TextPart:
        try:
            if isinstance(part, ImagePart):
                return TextPart(await self._image(part, describe))
            if isinstance(part, FilePart):
                return TextPart(await self._file(part))
            if isinstance(part, AudioPart):
                return TextPart(await self._audio(part))
        except Unsupported as error:
            raise InvalidInput(f"{where}: {error.detail}", param=where, code=error.code) from error
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error.detail}", param=where, code=error.code) from error
        raise InvalidInput(
            f"{where}: video cannot be turned into text here; leave it out or send it as pictures.",
            param=where,
            code="video_not_readable",
        )

    async def _image(self, part: ImagePart, describe: Ask | None) -> str:
        media = await self._load(part.url, "picture")
        if describe is not None:
            text = await self._described(media, part, describe)
        else:
            text = await self._read(media)
        return f"[Picture {media.name}]\n{text or _NO_TEXT}"

    async def _described(self, media: _Media, part: ImagePart, describe: Ask) -> str:
        key = (media.digest, "description")
        text = self._texts.get(key)
        if text is None:
            kind = media.media_type or "image/png"
            url = f"data:{kind};base64,{base64.b64encode(media.data).decode()}"
            request = ChatRequest(
                messages=(Message("user", (TextPart(_DESCRIBE), ImagePart(url, part.detail))),),
                sampling=Sampling(temperature=0, max_tokens=1000),
            )
            text = (await describe(request)).text.strip()
            self._texts.put(key, text)
        return text

    async def _file(self, part: FilePart) -> str:
        media = await self._load(part.data, part.filename or "file")
        return f"[File {media.name}]\n{await self._read(media) or _NO_TEXT}"

    async def _audio(self, part: AudioPart) -> str:
        if self._transcriber is None:
            raise InvalidInput(
                "sound cannot be turned into text here, since no transcriber is configured on this server; its "
                "operator can set up a model for transcription.",
                code="transcriber_missing",
            )
        data = _decoded(part.data)
        key = (hashlib.sha256(data).hexdigest(), "transcript")
        text = self._texts.get(key)
        if text is None:
            text = await self._transcriber.text(data, format=part.format)
            self._texts.put(key, text)
        return f"[Recording]\n{text or _NO_TEXT}"

    async def _read(self, media: _Media) -> str:
        # The name decides how some formats are read, so it belongs to the key.
        key = (media.digest, f"text:{PurePosixPath(media.name).suffix.lower()}")
        text = self._texts.get(key)
        if text is None:
            if self._reader is None:
                raise InvalidInput("no file reader is configured on this server.", code="reader_missing")
            read = await self._reader.text(media.data, name=media.name, media_type=media.media_type)
            text = read.strip()[:_LONGEST_TEXT]
            self._texts.put(key, text)
        return text

    async def _load(self, address: str, name: str) -> _Media:
        """The bytes behind an address or in a ``data:`` URL."""
        if address[:5].lower() == "data:":
            return _from_data_url(address, name)
        try:
            fetched = await self._fetcher.get(address)
        except ProviderError as error:
            raise InvalidInput(f"the media could not be fetched. {error.detail}", code=error.code) from error
        except InvalidInput:
            raise
        except DragomanError as error:
            raise InvalidInput(f"the media could not be fetched. {error.detail}", code=error.code) from error
        last = PurePosixPath(urlsplit(address).path).name
        return _Media(fetched.data, name if "." in name else last or name, fetched.media_type)


def _from_data_url(address: str, name: str) -> _Media:
    head, comma, body = address[5:].partition(",")
    if not comma:
        raise InvalidInput("a data: URL needs a comma before its data.", code="invalid_url")
    kind = head.split(";")[0].strip().lower() or None
    data = _decoded(body) if head.lower().rstrip().endswith(";base64") else unquote_to_bytes(body)
    if not data:
        raise InvalidInput("the media is empty.")
    return _Media(data, name, kind)


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("the data is not valid base64.") from error
