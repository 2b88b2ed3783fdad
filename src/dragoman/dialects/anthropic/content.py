"""Content blocks of this dialect's messages, and the domain's parts for them."""

from collections.abc import Sequence
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from dragoman.domain.messages.parts import FilePart, ImagePart, Message, Part, TextPart, ToolCall
from dragoman.kit.errors import InvalidInput


class Wire(BaseModel):
    """Strict about what is known, silent about what is not."""

    model_config = ConfigDict(extra="ignore", strict=True, defer_build=True)


class Text(Wire):
    """A text block."""

    type: Literal["text"]
    text: str


class _Base64(Wire):
    type: Literal["base64"]
    media_type: str
    data: str


class _Url(Wire):
    type: Literal["url"]
    url: str


class _PlainText(Wire):
    type: Literal["text"]
    data: str


class _Blocks(Wire):
    type: Literal["content"]
    content: "str | list[Block]"


class _Uploaded(Wire):
    type: Literal["file"]
    file_id: str


class _Image(Wire):
    type: Literal["image"]
    source: Annotated[_Base64 | _Url | _Uploaded, Field(discriminator="type")]


class _Document(Wire):
    type: Literal["document"]
    source: Annotated[_Base64 | _Url | _PlainText | _Blocks | _Uploaded, Field(discriminator="type")]
    title: str | None = None
    context: str | None = None


class _SearchResult(Wire):
    type: Literal["search_result"]
    source: str
    title: str
    content: list[Text]


class _ToolUse(Wire):
    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: dict[str, JsonValue]


class _ToolResult(Wire):
    type: Literal["tool_result"]
    tool_use_id: str = Field(min_length=1)
    content: "str | list[Block] | None" = None
    is_error: bool | None = None


class _Thinking(Wire):
    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class _Redacted(Wire):
    type: Literal["redacted_thinking"]
    data: str


Block = Annotated[
    Text | _Image | _Document | _SearchResult | _ToolUse | _ToolResult | _Thinking | _Redacted,
    Field(discriminator="type"),
]
for _model in (_Blocks, _Document, _ToolResult):
    _model.model_rebuild()


class MessageIn(Wire):
    """One turn of the request."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


def turns(item: MessageIn, where: str) -> list[Message]:
    """The turn in the domain's words: results of tools first, each a message of its own, then the rest.

    Raises:
        InvalidInput: a block that cannot stand here, or that this server cannot read.
    """
    if isinstance(item.content, str):
        return [Message.of_text(item.role, item.content)]
    results: list[Message] = []
    parts: list[Part] = []
    calls: list[ToolCall] = []
    thoughts: list[str] = []
    for number, block in enumerate(item.content):
        place = f"{where}.content[{number}]"
        if isinstance(block, _ToolResult):
            if item.role != "user":
                raise InvalidInput(f"{place}: a tool_result belongs into a user turn.", param=place)
            results.append(_result(block, place))
        elif isinstance(block, _ToolUse):
            if item.role != "assistant":
                raise InvalidInput(f"{place}: a tool_use belongs into an assistant turn.", param=place)
            calls.append(ToolCall(block.id, block.name, orjson.dumps(block.input).decode()))
        elif isinstance(block, _Thinking):
            thoughts.append(block.thinking)
        elif not isinstance(block, _Redacted):
            parts += _parts(block, place)
    if parts or calls or not results:
        told = Message(
            item.role, tuple(parts), tool_calls=tuple(calls), reasoning="\n".join(thoughts) or None
        )
        results.append(told)
    return results


def _result(block: _ToolResult, where: str) -> Message:
    content = block.content
    if content is None or isinstance(content, str):
        parts: list[Part] = [TextPart(content or "")]
    else:
        parts = [
            part
            for number, inner in enumerate(content)
            for part in _parts(inner, f"{where}.content[{number}]")
        ]
    if block.is_error:
        parts = [TextPart("The tool failed."), *parts]
    return Message("tool", tuple(parts), tool_call_id=block.tool_use_id)


def _parts(block: object, where: str) -> Sequence[Part]:
    match block:
        case Text(text=text):
            return [TextPart(text)]
        case _Image(source=source):
            return [ImagePart(_address(source, where))]
        case _Document():
            return _document(block, where)
        case _SearchResult(source=source, title=title, content=content):
            told = "\n".join(text.text for text in content)
            return [TextPart(f"{title} ({source})\n{told}")]
        case _:
            raise InvalidInput(f"{where}: this block cannot stand here.", param=where)


def _document(block: _Document, where: str) -> Sequence[Part]:
    head = "\n".join(text for text in (block.title, block.context) if text)
    match block.source:
        case _PlainText(data=data):
            return [TextPart(f"{head}\n{data}" if head else data)]
        case _Blocks(content=content):
            inner: Sequence[Part] = (
                [TextPart(content)]
                if isinstance(content, str)
                else [part for item in content for part in _parts(item, f"{where}.source.content")]
            )
            return [TextPart(head), *inner] if head else inner
        case source:
            return [FilePart(_address(source, where), block.title)]


def _address(source: _Base64 | _Url | _Uploaded, where: str) -> str:
    match source:
        case _Base64(media_type=media_type, data=data):
            return f"data:{media_type};base64,{data}"
        case _Url(url=url):
            return url
        case _Uploaded():
            raise InvalidInput(
                f"{where}.source: files cannot be uploaded here; send the data or an address.",
                param=f"{where}.source",
            )
