"""Text from speech: transcriptions, and translations into English."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.dialects.openai.errors import error_body
from dragoman.dialects.openai.transcripts import srt, usage_of, verbose, vtt
from dragoman.domain.inference.speech.languages import is_language
from dragoman.domain.inference.speech.ports import Recording, TranscribeOptions, Transcript
from dragoman.domain.inference.speech.service import joined
from dragoman.domain.messages.events import Usage
from dragoman.domain.services import Services
from dragoman.domain.usage.budgets.limiter import Hold
from dragoman.domain.usage.meter import UsageContext
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError, InvalidInput, TooLarge, Unsupported

router = APIRouter()

_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
_GRANULARITIES = ("word", "segment")
_PLAIN: dict[str, Callable[[Transcript], str]] = {
    "text": lambda transcript: transcript.text.strip() + "\n",
    "srt": srt,
    "vtt": vtt,
}
_MOST_FIELDS = 50
_FIELD_BYTES = 1 << 20
_TRUE = {"true": True, "1": True, "false": False, "0": False, "": False}
# Models that count sound in tokens take ten a second.
_TOKENS_A_SECOND = 10


@dataclass(frozen=True, slots=True)
class _Wanted:
    model: str
    recording: Recording
    options: TranscribeOptions
    form: str
    granularities: tuple[str, ...]
    stream: bool
    task: str


@router.post("/audio/transcriptions")
async def transcriptions(request: Request) -> Response:
    """What is said in a recording.

    Source: OpenAI API, "Create transcription".
    """
    return await _answer(request, "transcribe")


@router.post("/audio/translations")
async def translations(request: Request) -> Response:
    """What is said in a recording, in English.

    Source: OpenAI API, "Create translation".
    """
    return await _answer(request, "translate")


async def _answer(request: Request, task: str) -> Response:
    caller = await caller_of(request)
    services = services_of(request)
    started = now_ms()
    try:
        wanted = await _wanted(request, task, services)
    finally:
        await request.close()
    parts = _readable(services.speech.listen(wanted.recording, wanted.options, model=wanted.model))
    context = UsageContext(caller=caller, dialect="openai", kind="transcription", started_at=started)
    # How long a recording is shows when it is heard.
    hold = await services.meter.reserve(context, model=wanted.model, usage=Usage(prompt_tokens=1))
    notes = _Notes(services, context, wanted.model, hold)
    try:
        if wanted.stream:
            first = await anext(parts, None)
            told = _events(notes, first, parts)
            return StreamingResponse(told, media_type="text/event-stream")
        transcript = joined([part async for part in parts])
    except BaseException:
        services.meter.release(hold)
        raise
    notes.record(transcript)
    if wanted.form in _PLAIN:
        return PlainTextResponse(_PLAIN[wanted.form](transcript))
    if wanted.form == "verbose_json":
        return JSONResponse(verbose(transcript, wanted.task, wanted.granularities))
    return JSONResponse({"text": transcript.text.strip(), "usage": usage_of(transcript)})


async def _readable(parts: AsyncIterator[Transcript]) -> AsyncIterator[Transcript]:
    """The parts; a recording in an unknown format is told of as this API does."""
    try:
        async for part in parts:
            yield part
    except Unsupported as error:
        raise InvalidInput(error.detail, param="file", code=error.code) from error


async def _wanted(request: Request, task: str, services: Services) -> _Wanted:
    form = await _form(request)
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise InvalidInput("file: a recording is needed, as a part of a form.", param="file")
    limit = services.speech.longest_bytes
    data = await upload.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(f"file: the recording is larger than {limit} bytes.", param="file")
    shape = _choice(form, "response_format", _FORMATS, "json")
    granularities = _granularities(form)
    if granularities and shape != "verbose_json":
        raise InvalidInput(
            "timestamp_granularities: only for response_format verbose_json.", param="timestamp_granularities"
        )
    stream = _switch(form, "stream")
    if stream and shape not in ("json", "text"):
        raise InvalidInput("stream: only for response_format json or text.", param="stream")
    options = TranscribeOptions(
        language=_language(form) if task == "transcribe" else None,
        prompt=_text(form, "prompt"),
        temperature=_temperature(form),
        words="word" in granularities,
        translate=task == "translate",
    )
    return _Wanted(
        model=_text(form, "model") or _missing("model"),
        recording=Recording(data, upload.filename or "audio"),
        options=options,
        form=shape,
        granularities=granularities or ("segment",),
        stream=stream,
        task=task,
    )


async def _form(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise InvalidInput("The body must be multipart/form-data with the recording as 'file'.")
    try:
        return await request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_FIELD_BYTES)
    except HTTPException as error:
        # Starlette reports a broken multipart body this way.
        raise InvalidInput(f"The form could not be read: {error.detail}") from error


def _missing(name: str) -> str:
    raise InvalidInput(f"{name}: is required.", param=name)


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) and value else None


def _choice(form: FormData, name: str, known: tuple[str, ...], usual: str) -> str:
    value = _text(form, name) or usual
    if value not in known:
        raise InvalidInput(f"{name}: must be one of {', '.join(known)}.", param=name)
    return value


def _granularities(form: FormData) -> tuple[str, ...]:
    found = [*form.getlist("timestamp_granularities[]"), *form.getlist("timestamp_granularities")]
    if any(value not in _GRANULARITIES for value in found):
        raise InvalidInput("timestamp_granularities: word or segment.", param="timestamp_granularities")
    return tuple(dict.fromkeys(map(str, found)))


def _switch(form: FormData, name: str) -> bool:
    value = (_text(form, name) or "").lower()
    if value not in _TRUE:
        raise InvalidInput(f"{name}: must be true or false.", param=name)
    return _TRUE[value]


def _language(form: FormData) -> str | None:
    value = _text(form, "language")
    if value is not None and not is_language(value):
        raise InvalidInput("language: an ISO-639-1 code such as en.", param="language")
    return value


def _temperature(form: FormData) -> float | None:
    value = _text(form, "temperature")
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise InvalidInput("temperature: a number from 0 to 1.", param="temperature")
    return number


async def _events(
    notes: "_Notes",
    first: Transcript | None,
    rest: AsyncIterator[Transcript],
) -> AsyncIterator[bytes]:
    parts = [] if first is None else [first]
    try:
        if first is not None and first.text:
            yield _event({"type": "transcript.text.delta", "delta": first.text.lstrip()})
        async for part in rest:
            parts.append(part)
            if part.text:
                yield _event({"type": "transcript.text.delta", "delta": part.text})
    except DragomanError as error:
        yield _event({"type": "error", **error_body(error)})
        return
    finally:
        # What was heard is charged, also when it failed or nobody waits for it any more.
        notes.record(joined(parts))
    transcript = joined(parts)
    done = {"type": "transcript.text.done", "text": transcript.text.strip(), "usage": usage_of(transcript)}
    yield _event(done)


def _event(told: dict[str, object]) -> bytes:
    return b"data: " + orjson.dumps(told) + b"\n\n"


@dataclass(frozen=True, slots=True)
class _Notes:
    """For whom something is transcribed, and what was reserved for it."""

    services: Services
    context: UsageContext
    model: str
    hold: Hold | None

    def record(self, transcript: Transcript) -> None:
        """Keeps what was heard and written."""
        written = self.services.tokens.count(transcript.text, self.model)
        usage = Usage(
            prompt_tokens=round(transcript.duration_seconds * _TOKENS_A_SECOND),
            completion_tokens=written.tokens,
            estimated=True,
        )
        self.services.meter.record(self.context, model=self.model, usage=usage, status=200, hold=self.hold)
