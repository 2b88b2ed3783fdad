"""Speech: recordings as text, text as recordings."""

from collections.abc import AsyncGenerator

from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.registry import FILE, plugin
from dragoman.domain.inference.speech.ports import Recording, SpeechRequest, TranscribeOptions
from dragoman.domain.knowledge.recordings import is_recording
from dragoman.domain.messages.events import TextDelta, Usage
from dragoman.kit.errors import InvalidInput, Unsupported
from dragoman.kit.jsontypes import JsonValue

_LONGEST_SPEECH = 50_000
_CHARACTERS_PER_TOKEN = 4
_TELL_SECONDS = 60.0


@plugin(
    PluginSpec(
        "transcribe_audio",
        "Transcribe Audio",
        "Audio",
        "Writes down what is said in a recording or film. Needs no language model.",
        (FILE,),
        writing="nothing",
    )
)
async def transcribe_audio(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The words, as they are understood; with their times beside them."""
    file, path = run.files["file"], run.path()
    if not is_recording(file.name, file.media_type):
        raise Unsupported(f"{file.name!r} is neither sound nor film.", param="file", code="not_a_recording")
    yield Progress("Listening.")
    segments: list[JsonValue] = []
    language, heard, told, words = "", 0.0, 0.0, 0
    recording = Recording(b"", file.name, path=str(path))
    async for part in run.parts.speech.listen(recording, TranscribeOptions()):
        language = language or part.language
        segments += [{"start": one.start, "end": one.end, "text": one.text.strip()} for one in part.segments]
        heard += part.duration_seconds
        words += len(part.text)
        if heard - told >= _TELL_SECONDS:
            told = heard
            yield Progress(f"Listened to {heard:.0f} seconds.")
        if part.text:
            yield TextDelta(part.text)
    if not words:
        raise InvalidInput("Nothing is said in the recording.", param="file", code="audio_without_speech")
    model = run.parts.speech.transcriber().name
    tokens = -(-words // _CHARACTERS_PER_TOKEN)
    await run.used("transcription", model, Usage(completion_tokens=tokens, estimated=True))
    yield Added(
        {
            "filename": file.name,
            "language": language,
            "duration_seconds": round(heard, 2),
            "segments": segments,
        }
    )


@plugin(
    PluginSpec(
        "text_to_speech",
        "Text To Speech",
        "Audio",
        "Reads a text aloud into an MP3 file. Needs no language model.",
        (
            PluginField("text", "What to say.", "textarea", required=True),
            PluginField("voice", "alloy, echo, fable, onyx, nova or shimmer."),
        ),
        writing="nothing",
    )
)
async def text_to_speech(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The address of the recording."""
    text = run.text("text").strip()
    if len(text) > _LONGEST_SPEECH:
        raise InvalidInput(f"'text' is longer than {_LONGEST_SPEECH} characters.", param="text")
    yield Progress("Speaking.")
    request = SpeechRequest(text, voice=run.text("voice").lower() or None)
    sound = b"".join([piece async for piece in run.parts.speech.speak(request, form="mp3")])
    tokens = -(-len(text) // _CHARACTERS_PER_TOKEN)
    model = run.parts.speech.synthesizer().name
    await run.used("speech", model, Usage(prompt_tokens=tokens, estimated=True))
    file = await run.host("speech.mp3", sound, "audio/mpeg")
    yield Added({"url": file["url"], "audio": file})
    yield TextDelta(f"The recording: {file['url']}")
