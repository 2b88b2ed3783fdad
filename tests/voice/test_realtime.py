"""Realtime sessions, driven by the official client."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import httpx
import openai
import pytest
from openai import AsyncOpenAI
from tests.e2e.server import API_KEY, Server

from dragoman.kit import pcm


@pytest.fixture
async def official(server: Server, anyio_backend: str) -> AsyncGenerator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{server.base}/v1", api_key=API_KEY, max_retries=0) as made:
        yield made


async def until(connection: Any, kind: str, seen: list[Any], *, seconds: float = 180) -> Any:
    """The next event of a kind; all on the way are noted."""
    with anyio.fail_after(seconds):
        while True:
            event = await connection.recv()
            seen.append(event)
            assert event.type != "error" or kind == "error", event
            if event.type == kind:
                return event


def kinds(seen: list[Any]) -> list[str]:
    """The kinds in order, repeated ones once."""
    return [event.type for place, event in enumerate(seen) if not place or seen[place - 1].type != event.type]


async def test_a_written_question_is_answered_in_writing(official: AsyncOpenAI) -> None:
    seen: list[Any] = []
    async with official.realtime.connect(model="gpt-realtime") as connection:
        created = await until(connection, "session.created", seen)
        assert created.session.type == "realtime"
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await until(connection, "session.updated", seen)
        content = [{"type": "input_text", "text": "Who are you?"}]
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content}  # pyright: ignore[reportArgumentType]
        )
        await until(connection, "conversation.item.done", seen)
        await connection.response.create()
        seen.clear()
        done = await until(connection, "response.done", seen)
    assert kinds(seen) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert text
    assert done.response.status == "completed"
    assert done.response.output[0].content[0].text == text


async def test_a_spoken_question_is_answered_aloud(
    official: AsyncOpenAI, sentences: dict[str, bytes]
) -> None:
    sound = pcm.resampled(
        pcm.silence(0.3, 16_000) + sentences["office"] + pcm.silence(1.2, 16_000), 16_000, 24_000
    )
    seen: list[Any] = []
    async with official.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(
            session={
                "type": "realtime",
                "audio": {
                    "input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 300}},
                    "output": {"voice": "nova"},
                },
            }
        )
        await until(connection, "session.updated", seen)

        async def speak() -> None:
            for start in range(0, len(sound), 960):
                data = base64.b64encode(sound[start : start + 960]).decode()
                await connection.input_audio_buffer.append(audio=data)
                await asyncio.sleep(0.02)

        seen.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(speak())
            done = await until(connection, "response.done", seen)
    told = kinds(seen)
    for kind in (
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
    ):
        assert kind in told
    heard = next(event for event in seen if event.type.endswith("transcription.completed"))
    assert "office" in heard.transcript.lower()
    voice = b"".join(
        base64.b64decode(event.delta) for event in seen if event.type == "response.output_audio.delta"
    )
    assert len(voice) > 24_000
    assert done.response.output[0].content[0].transcript


async def test_sound_can_be_committed_by_hand(official: AsyncOpenAI, sentences: dict[str, bytes]) -> None:
    sound = pcm.resampled(sentences["office"], 16_000, 24_000)
    seen: list[Any] = []
    async with official.realtime.connect(model="gpt-realtime") as connection:
        await connection.session.update(
            session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}  # pyright: ignore[reportArgumentType]
        )
        await until(connection, "session.updated", seen)
        await connection.input_audio_buffer.append(audio=base64.b64encode(sound).decode())
        await connection.input_audio_buffer.commit()
        heard = await until(connection, "conversation.item.input_audio_transcription.completed", seen)
        assert "office" in heard.transcript.lower()
        await connection.response.create()
        done = await until(connection, "response.done", seen)
        assert done.response.status == "completed"


async def test_what_cannot_be_done_is_an_error_event_and_the_session_goes_on(official: AsyncOpenAI) -> None:
    seen: list[Any] = []
    async with official.realtime.connect(model="gpt-realtime") as connection:
        await until(connection, "session.created", seen)
        await connection.send({"type": "make.coffee", "event_id": "mine"})  # pyright: ignore[reportArgumentType]
        assert (await until(connection, "error", seen)).error.event_id == "mine"
        await connection.session.update(
            session={"type": "realtime", "audio": {"output": {"voice": "nobody"}}}
        )
        assert "alloy" in (await until(connection, "error", seen)).error.message
        await connection.input_audio_buffer.commit()
        assert (await until(connection, "error", seen)).error.code == "input_audio_buffer_commit_empty"
        await connection.response.cancel()
        assert (await until(connection, "error", seen)).error.code == "response_cancel_not_active"
        await connection.input_audio_buffer.clear()
        await until(connection, "input_audio_buffer.cleared", seen)


async def test_a_browser_opens_a_session_with_a_secret(official: AsyncOpenAI, server: Server) -> None:
    made = await official.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "output_modalities": ["text"], "instructions": "Be brief."},
    )
    assert made.value.startswith("ek_")
    seen: list[Any] = []
    async with (
        AsyncOpenAI(base_url=f"{server.base}/v1", api_key=made.value) as browser,
        browser.realtime.connect(model="gpt-realtime") as connection,
    ):
        created = await until(connection, "session.created", seen)
        assert created.session.instructions == "Be brief."
    with pytest.raises(openai.BadRequestError):
        await official.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 5})


async def test_an_unknown_model_or_key_gets_no_session(
    official: AsyncOpenAI, client: httpx.AsyncClient
) -> None:
    seen: list[Any] = []
    async with official.realtime.connect(model="no-such-model") as connection:
        assert (await until(connection, "error", seen)).error.code == "model_not_found"
    async with (
        AsyncOpenAI(base_url=str(official.base_url), api_key="sk-wrong") as stranger,
        stranger.realtime.connect(model="gpt-realtime") as connection,
    ):
        assert (await until(connection, "error", seen)).error.code == "invalid_api_key"
