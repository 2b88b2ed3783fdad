"""Speech from text: files, streams of sound, or events."""

import base64
from collections.abc import AsyncIterator
from typing import Literal

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.dialects.openai.body import json_body
from dragoman.dialects.openai.decode import first_problem
from dragoman.dialects.openai.errors import error_body
from dragoman.domain.inference.speech.ports import SpeechRequest
from dragoman.domain.inference.speech.service import first_then_rest
from dragoman.domain.messages.events import Usage
from dragoman.domain.usage.meter import UsageContext
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError

router = APIRouter()

LONGEST_INPUT = 4096
_MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


class _VoiceObject(BaseModel):
    id: str = Field(min_length=1, max_length=200)


class SpeechBody(BaseModel):
    """The body of a speech request."""

    model_config = ConfigDict(extra="ignore", strict=True)

    model: str = Field(min_length=1)
    input: str = Field(min_length=1, max_length=LONGEST_INPUT, pattern=r"\S")
    voice: str | _VoiceObject | None = None
    instructions: str | None = Field(default=None, max_length=LONGEST_INPUT)
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4.0)
    stream_format: Literal["audio", "sse"] = "audio"
    language: str | None = Field(default=None, max_length=35)

    @property
    def voice_name(self) -> str | None:
        """The voice by its name."""
        return self.voice.id if isinstance(self.voice, _VoiceObject) else self.voice


@router.post("/audio/speech")
async def speech(request: Request) -> Response:
    """The spoken text, sent as it is made.

    Source: OpenAI API, "Create speech".
    """
    caller = await caller_of(request)
    body = await json_body(request)
    try:
        wanted = SpeechBody.model_validate(body)
    except ValidationError as error:
        raise first_problem(error, body) from error
    services = services_of(request)
    started = now_ms()
    made = services.speech.speak(
        SpeechRequest(
            text=wanted.input,
            voice=wanted.voice_name,
            speed=wanted.speed,
            language=wanted.language,
            instructions=wanted.instructions,
        ),
        form=wanted.response_format,
        model=wanted.model,
    )
    tokens = services.tokens.count(wanted.input, wanted.model)
    context = UsageContext(caller=caller, dialect="openai", kind="speech", started_at=started)
    usage = Usage(prompt_tokens=tokens.tokens, estimated=tokens.estimated)
    async with services.meter.reserved(context, model=wanted.model, usage=usage) as hold:
        sound = await first_then_rest(made)
        # Recorded before the first byte: the work is the same whether or not the client stays to the end.
        services.meter.record(context, model=wanted.model, usage=usage, status=200, hold=hold)
    if wanted.stream_format == "sse":
        return StreamingResponse(_events(sound, usage), media_type="text/event-stream")
    return StreamingResponse(sound, media_type=_MEDIA_TYPES[wanted.response_format])


async def _events(sound: AsyncIterator[bytes], usage: Usage) -> AsyncIterator[bytes]:
    try:
        async for piece in sound:
            if piece:
                yield _event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
    except DragomanError as error:
        yield _event({"type": "error", **error_body(error)})
        return
    tokens = usage.prompt_tokens
    counted = {"input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}
    yield _event({"type": "speech.audio.done", "usage": counted})


def _event(told: dict[str, object]) -> bytes:
    return b"data: " + orjson.dumps(told) + b"\n\n"
