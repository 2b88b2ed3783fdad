"""What a tool of a server answered, as a result for the model."""

import base64
import binascii

import orjson
from mcp_types import AudioContent, CallToolResult, ContentBlock, ImageContent, TextContent

from dragoman.domain.messages.parts import AudioPart, ImagePart, Part
from dragoman.domain.tools.model import ToolResult
from dragoman.kit.errors import ProviderError

_MOST_CHARACTERS = 200_000
_MOST_PARTS = 16
_AUDIO_FORMATS = {
    "mpeg": "mp3",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "x-m4a": "m4a",
    "mp4": "m4a",
}


def result_of(answer: CallToolResult) -> ToolResult:
    """Text as text; pictures and sound as parts that the text counts; the rest is said to be unsupported.

    Raises:
        ProviderError: the tool says that it failed; its own words are the sentence.
    """
    parts: list[Part] = []
    texts = [_text(block, parts) for block in answer.content]
    text = "\n".join(texts)
    if not text and answer.structured_content is not None:
        text = orjson.dumps(answer.structured_content).decode()
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[:_MOST_CHARACTERS]}\n[{len(text) - _MOST_CHARACTERS} further characters were left out]"
    if answer.is_error:
        raise ProviderError(text or "The tool failed without saying why.", code="tool_failed")
    return ToolResult(text or "The tool answered nothing.", parts=tuple(parts))


def _text(block: ContentBlock, parts: list[Part]) -> str:
    if isinstance(block, TextContent):
        return block.text
    if not isinstance(block, ImageContent | AudioContent):
        return f"[unsupported content of type {block.type!r}]"
    kind, _, subtype = block.mime_type.partition(";")[0].strip().lower().partition("/")
    if kind != block.type or not subtype or not _is_base64(block.data):
        return f"[unsupported {block.type}: its data or media type is broken]"
    if len(parts) >= _MOST_PARTS:
        return f"[unsupported {block.type}: there are more than {_MOST_PARTS} attachments]"
    if isinstance(block, ImageContent):
        parts.append(ImagePart(f"data:{kind}/{subtype};base64,{block.data}"))
    else:
        parts.append(AudioPart(block.data, _AUDIO_FORMATS.get(subtype, subtype)))
    return f"[{block.type} {len(parts)} is attached]"


def _is_base64(data: str) -> bool:
    try:
        return bool(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        return False
