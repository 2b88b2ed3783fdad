"""The names that realtime sessions had before they became general, for clients that ask for those."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from dragoman.dialects.openai.realtime_events import Event

_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_OLD_FORMATS = {new: old for old, new in _FORMATS.items()}
# Members of a session that moved, with the way to them.
_MOVED = {
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
}
_SOUND = {
    "input_audio_format": ("audio", "input", "format"),
    "output_audio_format": ("audio", "output", "format"),
}
_RENAMED = {"max_response_output_tokens": "max_output_tokens"}
_EVENTS = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_UNHEARD_OF = frozenset({"conversation.item.done"})
_PARTS = {"output_text": "text", "output_audio": "audio"}
_OLD_PARTS = {old: new for new, old in _PARTS.items()}
_BOTH = ["audio", "text"]


def wanted_beta(headers: Mapping[str, str], subprotocols: list[str]) -> bool:
    """Whether a client asks for the earlier names."""
    asked = headers.get("openai-beta", "").replace(" ", "")
    return "realtime=v1" in asked or "openai-beta.realtime-v1" in subprotocols


def from_beta(message: dict[str, Any]) -> dict[str, Any]:
    """A client's event in the names of today."""
    result = dict(message)
    for name in ("session", "response"):
        if isinstance(result.get(name), dict):
            result[name] = _settings(result[name])
    if isinstance(result.get("item"), dict):
        result["item"] = _with_parts(result["item"], _OLD_PARTS)
    return result


def to_beta(told: Event) -> Event | None:
    """A server's event in the earlier names; None where there was none."""
    kind = told["type"]
    if kind in _UNHEARD_OF:
        return None
    result = {**told, "type": _EVENTS.get(kind, kind)}
    changes: dict[str, Callable[[Event], Event]] = {
        "session": _old_session,
        "response": _old_response,
        "item": _old_item,
        "part": _old_part,
    }
    for name, change in changes.items():
        if isinstance(result.get(name), dict):
            result[name] = change(result[name])
    return result


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in given.items():
        if name in _MOVED:
            _put(result, _MOVED[name], value)
        elif name in _SOUND:
            _put(result, _SOUND[name], {"type": _FORMATS.get(value, value)})
        elif name == "modalities":
            result["output_modalities"] = ["audio"] if isinstance(value, list) and "audio" in value else value
        else:
            result[_RENAMED.get(name, name)] = value
    if isinstance(result.get("input"), list):
        result["input"] = [_with_parts(item, _OLD_PARTS) for item in result["input"]]
    return result


def _put(target: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for step in path[:-1]:
        inner = target.get(step)
        if not isinstance(inner, dict):
            inner = target[step] = {}
        target = cast("dict[str, Any]", inner)
    target[path[-1]] = value


def _with_parts(item: Any, names: Mapping[str, str]) -> Any:
    content = item.get("content") if isinstance(item, dict) else None
    if not isinstance(content, list):
        return item
    return {**item, "content": [_part(part, names) for part in cast("list[Any]", content)]}


def _part(part: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return part
    return {**part, "type": names.get(part["type"], part["type"])}


def _old_item(item: Event) -> Event:
    return _with_parts(item, _PARTS)


def _old_part(part: Event) -> Event:
    return _part(part, _PARTS)


def _old_response(response: Event) -> Event:
    old = {name: value for name, value in response.items() if name != "output_modalities"}
    spoken = "audio" in response.get("output_modalities", [])
    output = [_old_item(item) for item in response.get("output", [])]
    return {**old, "output": output, "modalities": _BOTH if spoken else ["text"]}


def _old_session(session: Event) -> Event:
    old = {
        name: value for name, value in session.items() if name not in ("type", "audio", "output_modalities")
    }
    old["modalities"] = _BOTH if "audio" in session["output_modalities"] else ["text"]
    old["max_response_output_tokens"] = old.pop("max_output_tokens")
    for name, (_, side, member) in _MOVED.items():
        old[name] = session["audio"][side][member]
    for name, (_, side, member) in _SOUND.items():
        old[name] = _OLD_FORMATS[session["audio"][side][member]["type"]]
    return old
