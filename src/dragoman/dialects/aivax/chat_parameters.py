"""The parameters of a web chat client: what each may be, what holds when it is not given, and where the domain has it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from dragoman.dialects.aivax.colors import Color
from dragoman.dialects.aivax.fields import (
    INT32,
    Choice,
    Field,
    Items,
    Member,
    Record,
    Switch,
    Text,
    Uuid,
    Whole,
    wrong,
)
from dragoman.dialects.aivax.timespans import Span, TimeSpan
from dragoman.dialects.aivax.translate import Each, Place, Same, Shape, Words, put_all, take_all
from dragoman.domain.chat.spec import ChatClientSpec
from dragoman.kit.egress import parse_url
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

SPEECH_SOURCES = {
    "None": "none",
    "Gpt4oTts": "gpt4o_tts",
    "ElevenMultilingualV2": "eleven_multilingual_v2",
    "ElevenV3": "eleven_v3",
}
INPUT_MODES = {"Image": "image", "Document": "document", "Audio": "audio"}
_YEAR_MS = 366 * 86_400_000
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port; nothing else may stand in a list of those who may frame the page."""

    def read(self, value: object, path: str) -> JsonValue:
        text = value.strip().rstrip("/") if isinstance(value, str) else ""
        if len(text) > 300 or not _ORIGIN.fullmatch(text):
            raise wrong(path, "must be an origin such as https://shop.example.com")
        return text.lower()

    def schema(self) -> dict[str, JsonValue]:
        return {"type": "string", "pattern": f"^{_ORIGIN.pattern}$"}


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) URL, or null."""

    def read(self, value: object, path: str) -> JsonValue:
        if value is None or value == "":
            return None
        text = Text(1, 4000).read(value, path)
        try:
            parse_url(str(text))
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error.detail}", param=path, code=error.code) from error
        return text

    def schema(self) -> dict[str, JsonValue]:
        return {"type": ["string", "null"], "format": "uri"}


def _with(field: Field, default: JsonValue) -> Member:
    return Member(field, default=default)


_LABEL = Text(0, 1000, nullable=True)
_CODE = Text(0, 200_000, nullable=True)
_SUGGESTION = Record(
    {"label": Member(Text(1, 200), required=True), "prompt": Member(Text(1, 20_000), required=True)}
)
_LANGUAGE = Text(2, 35, nullable=True, pattern=r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_DEFAULTS = ChatClientSpec()

PARAMETERS = Record(
    {
        "languageCode": _with(_LANGUAGE, None),
        "suggestionButtons": _with(Items(_SUGGESTION, maximum=50), []),
        "customScripts": _with(_CODE, None),
        "customStyles": _with(_CODE, None),
        "inputModes": _with(Items(Choice(tuple(INPUT_MODES)), unique=True), []),
        "primaryColor": _with(Color(), _DEFAULTS.primary_color),
        "pageTitle": _with(Text(0, 200), ""),
        "helloLabel": _with(_LABEL, None),
        "helloSubLabel": _with(_LABEL, None),
        "textAreaPlaceholder": _with(_LABEL, None),
        "logoImageUrl": _with(Address(), None),
        "debug": _with(Switch(), False),
        "showToolCalls": _with(Switch(), False),
        "allowedFrameOrigins": _with(Items(Origin(), maximum=50, unique=True), []),
        "voiceCallsEnabled": _with(Switch(), False),
        "audioSynthesisSource": _with(Choice(tuple(SPEECH_SOURCES)), "None"),
        "audioSynthesisVoice": _with(Text(0, 200, nullable=True), None),
        "audioSynthesisInstruction": _with(Text(0, 20_000, nullable=True), None),
        "summarizeTextBeforeAudioSynthesis": _with(Switch(), False),
        "uploadUnsupportedFiles": _with(Switch(), False),
        "allowScheduledContinuations": _with(Switch(), False),
        "splitAnswerIntoMessageChunks": _with(Switch(), False),
        "maxScheduledIgnoredZone": _with(TimeSpan(0, _YEAR_MS), None),
        "messageDebounceInterval": _with(TimeSpan(0, 3_600_000), None),
    }
)
_SUGGESTIONS = Each(Shape({"label": Place("label", Same()), "prompt": Place("prompt", Same())}))
PLACES: dict[str, Place] = {
    "languageCode": Place("language"),
    "suggestionButtons": Place("suggestions", _SUGGESTIONS),
    "customScripts": Place("scripts"),
    "customStyles": Place("styles"),
    "inputModes": Place("input_modes", Each(Words(INPUT_MODES))),
    "primaryColor": Place("primary_color"),
    "pageTitle": Place("page_title"),
    "helloLabel": Place("greeting"),
    "helloSubLabel": Place("subgreeting"),
    "textAreaPlaceholder": Place("placeholder"),
    "logoImageUrl": Place("logo_url"),
    "debug": Place("debug"),
    "showToolCalls": Place("show_tool_calls"),
    "allowedFrameOrigins": Place("frame_origins"),
    "voiceCallsEnabled": Place("voice_calls"),
    "audioSynthesisSource": Place("speech.source", Words(SPEECH_SOURCES)),
    "audioSynthesisVoice": Place("speech.voice"),
    "audioSynthesisInstruction": Place("speech.instruction"),
    "summarizeTextBeforeAudioSynthesis": Place("speech.summarize"),
    "uploadUnsupportedFiles": Place("keep_unreadable_files"),
    "allowScheduledContinuations": Place("scheduled_continuations"),
    "splitAnswerIntoMessageChunks": Place("split_answers"),
    "maxScheduledIgnoredZone": Place("ignored_after_ms", Span()),
    "messageDebounceInterval": Place("debounce_ms", Span()),
}

# Not among the published ones.
_OWN = frozenset({"voiceCallsEnabled"})

_LIMIT = Whole(-INT32 - 1, INT32)
_LIMITS = {"messagesPerHour": Member(_LIMIT), "maxMessages": Member(_LIMIT)}
# What a change gives is checked by itself; what it leaves out stays.
_GIVEN = Record({name: Member(member.field) for name, member in PARAMETERS.members.items()})


@dataclass(frozen=True, slots=True)
class GatewayId:
    """A gateway's UUID, or null for none."""

    def read(self, value: object, path: str) -> JsonValue:
        return None if value is None else Uuid().read(value, path)

    def schema(self) -> dict[str, JsonValue]:
        return {"type": ["string", "null"], "format": "uuid"}


_BODY = {
    "aiGatewayId": Member(GatewayId()),
    "limitingParameters": Member(Record(_LIMITS), default={}),
    "clientParameters": Member(_GIVEN, default={}),
}
CREATE = Record({"name": Member(Text(1, 200), required=True), **_BODY})
CHANGE = Record({"name": Member(Text(1, 200)), **_BODY})


def to_spec(given: JsonObject, *, title: str) -> ChatClientSpec:
    """The domain's settings of a new client; ``title`` is the page's unless another is given."""
    complete = {name: member.default for name, member in PARAMETERS.members.items()}
    return ChatClientSpec.model_validate(put_all({**complete, "pageTitle": title, **given}, PLACES))  # pyright: ignore[reportArgumentType]


def changed_spec(before: ChatClientSpec, given: JsonObject) -> ChatClientSpec:
    """The domain's settings with the given parameters in place of what they were, each as a whole."""
    own: dict[str, JsonValue] = before.model_dump(mode="json")
    for name, value in put_all(given, PLACES).items():
        old = own[name]
        nested = isinstance(value, Mapping) and isinstance(old, Mapping)
        own[name] = {**old, **value} if nested else value  # pyright: ignore[reportGeneralTypeIssues]
    return ChatClientSpec.model_validate(own)


def from_spec(spec: ChatClientSpec) -> dict[str, JsonValue]:
    """The published parameters, all of them in the published order, and this server's own where they are in use."""
    shown = take_all(spec.model_dump(mode="json"), PLACES)
    return {name: value for name, value in shown.items() if name not in _OWN or value}
