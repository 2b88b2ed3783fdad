"""Speech and transcripts, asked for with the official client."""

import asyncio
import io
import re
import wave
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from test_openai_errors import error_of
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import API_KEY

SENTENCES = (
    "Hello there, how are you doing today?",
    "Please book a table for four people on Friday evening.",
    "The weather will be cold and rainy tomorrow.",
    "I would like to know more about your return policy.",
    "Our office opens at nine in the morning and closes at six.",
)
_FORMATS = {
    "mp3": (b"\xff", b"ID3"),
    "opus": (b"OggS",),
    "aac": (b"\xff\xf1", b"\xff\xf9"),
    "flac": (b"fLaC",),
    "wav": (b"RIFF",),
}


@pytest.fixture(scope="module")
async def speaking(
    tmp_path_factory: pytest.TempPathFactory, weights_dir: Path, anyio_backend: str
) -> AsyncGenerator[InProcess]:
    settings = settings_in(tmp_path_factory.mktemp("audio") / "data", weights={"dir": weights_dir})
    async with in_process(settings) as running:
        yield running


@pytest.fixture(scope="module")
async def client(speaking: InProcess, anyio_backend: str) -> AsyncGenerator[AsyncOpenAI]:
    # The client's own HTTP library is a fork of this one with the same interface.
    inner: Any = httpx.AsyncClient(transport=speaking.client._transport, timeout=120)
    async with AsyncOpenAI(
        base_url="http://here/v1", api_key=API_KEY, http_client=inner, max_retries=0
    ) as made:
        yield made


async def spoken(client: AsyncOpenAI, text: str, **more: Any) -> bytes:
    return (await client.audio.speech.create(model="tts-1", voice="alloy", input=text, **more)).content


def words(text: str) -> list[str]:
    numbered = re.sub(r"\b9\b", "nine", re.sub(r"\b6\b", "six", text.lower()))
    return re.findall(r"[a-z']+", numbered)


def wrong_words(said: list[str], heard: list[str]) -> int:
    """The edit distance in words."""
    row = list(range(len(heard) + 1))
    for place, word in enumerate(said, 1):
        corner, row[0] = row[0], place
        for other, found in enumerate(heard, 1):
            corner, row[other] = row[other], min(row[other] + 1, row[other - 1] + 1, corner + (word != found))
    return row[-1]


async def test_what_is_spoken_is_understood_again(client: AsyncOpenAI) -> None:
    wrong = total = 0
    for sentence in SENTENCES:
        sound = await spoken(client, sentence)
        heard = await client.audio.transcriptions.create(model="whisper-1", file=("said.mp3", sound))
        said = words(sentence)
        wrong += wrong_words(said, words(heard.text))
        total += len(said)
    assert wrong / total <= 0.08


@pytest.mark.parametrize("form", sorted(_FORMATS))
async def test_speech_comes_in_every_format_and_each_can_be_read_again(
    client: AsyncOpenAI, form: str
) -> None:
    sound = await spoken(client, "Good morning, my friends.", response_format=form)
    assert sound.startswith(_FORMATS[form])
    heard = await client.audio.transcriptions.create(model="whisper-1", file=(f"said.{form}", sound))
    assert "good morning" in heard.text.lower()


@pytest.mark.parametrize("form", sorted(_FORMATS))
async def test_a_text_without_words_is_a_moment_of_silence(client: AsyncOpenAI, form: str) -> None:
    sound = await spoken(client, "...", response_format=form)
    heard = await client.audio.transcriptions.create(model="whisper-1", file=(f"said.{form}", sound))
    assert heard.text == ""


async def test_bare_samples_are_24_khz_and_speed_shortens_them(client: AsyncOpenAI) -> None:
    text = "One two three four five six seven eight."
    usual = await spoken(client, text, response_format="pcm")
    quick = await spoken(client, text, response_format="pcm", speed=2.0)
    assert len(usual) % 2 == 0
    assert 1.5 < len(usual) / 48_000 < 6
    assert 0.35 < len(quick) / len(usual) < 0.7


async def test_speech_can_come_as_events(speaking: InProcess, client: AsyncOpenAI) -> None:
    body = {
        "model": "tts-1",
        "voice": "nova",
        "input": "Hi. Bye.",
        "stream_format": "sse",
        "response_format": "pcm",
    }
    answer = await speaking.client.post("/v1/audio/speech", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line for line in answer.text.split("\n\n") if line]
    assert '"type":"speech.audio.delta"' in events[0]
    assert '"type":"speech.audio.done"' in events[-1]
    assert '"total_tokens"' in events[-1]


async def test_a_transcript_has_times_of_segments_and_words(client: AsyncOpenAI) -> None:
    sound = await spoken(client, SENTENCES[1], response_format="wav")
    heard = await client.audio.transcriptions.create(
        model="whisper-1",
        file=("said.wav", sound),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert heard.language == "english"
    assert heard.segments
    assert heard.words
    assert heard.words[0].word.lower().startswith("please")
    assert 0 <= heard.words[0].start < heard.words[-1].end <= float(heard.duration) + 0.1


async def test_a_transcript_comes_as_text_and_as_subtitles(client: AsyncOpenAI) -> None:
    sound = await spoken(client, SENTENCES[0])

    async def heard(form: Any) -> str:
        got = await client.audio.transcriptions.create(
            model="whisper-1", file=("said.mp3", sound), response_format=form
        )
        return str(got)

    assert "hello there" in (await heard("text")).lower()
    assert re.match(r"1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\n", await heard("srt"))
    assert re.match(r"WEBVTT\n\n00:00:00\.\d{3} --> 00:00:0\d\.\d{3}\n", await heard("vtt"))


async def test_a_transcript_can_come_as_events(client: AsyncOpenAI) -> None:
    sound = await spoken(client, SENTENCES[0])
    stream = await client.audio.transcriptions.create(
        model="gpt-4o-mini-transcribe", file=("said.mp3", sound), stream=True
    )
    events = [event async for event in stream]
    deltas = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == deltas.strip()


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_english_is_translated_into_itself(client: AsyncOpenAI) -> None:
    sound = await spoken(client, SENTENCES[0])
    heard = await client.audio.translations.create(model="whisper-1", file=("said.mp3", sound))
    assert "hello there" in heard.text.lower()


async def test_speech_models_are_listed(client: AsyncOpenAI) -> None:
    names = {model.id async for model in client.models.list()}
    assert {"piper", "espeak", "whisper-tiny.en"} <= names
    assert (await client.models.retrieve("piper")).id == "piper"


@pytest.mark.parametrize(
    ("changed", "param", "status"),
    [
        ({"voice": "nobody"}, "voice", 400),
        ({"model": "gpt-9"}, "model", 404),
        ({"input": ""}, "input", 400),
        ({"input": " \n\t "}, "input", 400),
        ({"input": "x" * 4097}, "input", 400),
        ({"speed": 5}, "speed", 400),
        ({"response_format": "midi"}, "response_format", 400),
        ({"stream_format": "smoke"}, "stream_format", 400),
    ],
)
async def test_a_wrong_speech_request_is_refused(
    speaking: InProcess, changed: dict[str, Any], param: str, status: int
) -> None:
    body = {"model": "tts-1", "input": "Hi.", "voice": "alloy", **changed}
    error = error_of(await speaking.client.post("/v1/audio/speech", json=body), status)
    assert error["param"] == param
    if param == "voice":
        assert "alloy" in error["message"]


def _silent_wav() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "form", "status"),
    [
        (b"", {}, 400),
        (b"not a sound at all, only text", {}, 400),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", {}, 400),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", {}, 400),
        (b"\xff\xfb\x90\x00" + b"\x00" * 40, {}, 400),
        (_silent_wav(), {"model": "gpt-9"}, 404),
        (_silent_wav(), {"response_format": "pdf"}, 400),
        (_silent_wav(), {"temperature": "hot"}, 400),
        (_silent_wav(), {"language": "english please"}, 400),
        (_silent_wav(), {"language": "de"}, 400),
        (_silent_wav(), {"timestamp_granularities[]": "word"}, 400),
        (_silent_wav(), {"stream": "true", "response_format": "srt"}, 400),
    ],
)
async def test_a_wrong_recording_or_field_is_refused(
    speaking: InProcess, data: bytes, form: dict[str, str], status: int
) -> None:
    answer = await speaking.client.post(
        "/v1/audio/transcriptions", data={"model": "whisper-1", **form}, files={"file": ("a.bin", data)}
    )
    error_of(answer, status)


async def test_silence_gives_an_empty_transcript(client: AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", _silent_wav()))
    assert heard.text == ""


async def test_other_bodies_are_refused(speaking: InProcess) -> None:
    error_of(await speaking.client.post("/v1/audio/transcriptions", json={"model": "whisper-1"}), 400)
    missing = await speaking.client.post("/v1/audio/transcriptions", files={"file": ("a.wav", _silent_wav())})
    assert error_of(missing, 400)["param"] == "model"
    bare = await speaking.client.post(
        "/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"x": b"y"}
    )
    assert error_of(bare, 400)["param"] == "file"
    error_of(await speaking.nobody.post("/v1/audio/speech", json={}), 401)


async def test_many_at_once_share_the_processes(client: AsyncOpenAI) -> None:
    sounds = await asyncio.gather(*(spoken(client, "Yes, of course.") for _ in range(4)))
    assert all(sounds)


async def test_a_recording_of_a_conversation_is_read(speaking: InProcess, client: AsyncOpenAI) -> None:
    sound = await spoken(client, "The capital of France is Paris.")
    read = await speaking.running.services.speech.text(sound, format="mp3")
    assert "paris" in read.lower()


async def test_without_engines_the_error_says_what_to_do(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data", speech={"synthesizer": "none", "transcriber": "none"})
    async with in_process(settings) as running:
        said = await running.client.post("/v1/audio/speech", json={"model": "tts-1", "input": "Hi"})
        assert "speech.synthesizer is none" in error_of(said, 503)["message"]
        form = {"data": {"model": "whisper-1"}, "files": {"file": ("a.wav", _silent_wav())}}
        heard = await running.client.post("/v1/audio/transcriptions", **form)
        assert "speech.transcriber is none" in error_of(heard, 503)["message"]


async def test_the_client_sees_its_own_error_classes(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        await spoken(client, "Hi.", speed=9)
