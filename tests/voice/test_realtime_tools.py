"""Realtime sessions whose client carries out tools, cuts what was said, and asks for responses of its own kind."""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from openai import AsyncOpenAI
from tests.e2e.server import API_KEY, Server
from voice_services import LONG, Services

from dragoman.kit import pcm

TOOL = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
async def official(plain_server: Server, anyio_backend: str) -> AsyncGenerator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{plain_server.base}/v1", api_key=API_KEY, max_retries=0) as made:
        yield made


async def until(connection: Any, kind: str, seen: list[Any] | None = None) -> Any:
    """The next event of a kind; all on the way are noted."""
    with anyio.fail_after(60):
        while True:
            event = await connection.recv()
            if seen is not None:
                seen.append(event)
            assert event.type != "error" or kind == "error", event
            if event.type == kind:
                return event


async def update(connection: Any, **session: Any) -> Any:
    await connection.session.update(session={"type": "realtime", **session})
    return (await until(connection, "session.updated")).session


async def write(connection: Any, text: str) -> Any:
    content = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    return (await until(connection, "conversation.item.done")).item


async def listen(connection: Any, seconds: float) -> None:
    """Until so much of the agent's sound has come."""
    size = 0
    while size < seconds * 48_000:
        size += len(base64.b64decode((await until(connection, "response.output_audio.delta")).delta))


async def speak(connection: Any, sound: bytes) -> None:
    for start in range(0, len(sound), 4800):
        data = base64.b64encode(sound[start : start + 4800]).decode()
        await connection.input_audio_buffer.append(audio=data)


@pytest.fixture
def question(sentences: dict[str, bytes]) -> bytes:
    return pcm.resampled(
        pcm.silence(0.5, 16_000) + sentences["office"] + pcm.silence(1.5, 16_000), 16_000, 24_000
    )


@pytest.mark.parametrize("modality", ["text", "audio"])
async def test_a_tool_is_called_by_the_client_and_the_answer_goes_on(
    official: AsyncOpenAI, services: Services, modality: str
) -> None:
    seen: list[Any] = []
    async with official.realtime.connect(model="caller") as connection:
        shown = await update(connection, output_modalities=[modality], tools=[TOOL], tool_choice="auto")
        assert shown.tools[0].name == "weather"
        await write(connection, "How is the weather in Lviv?")
        await connection.response.create()
        done = await until(connection, "response.done", seen)
        kinds = [event.type for event in seen]
        assert kinds == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
        call = done.response.output[0]
        assert (call.type, call.name, json.loads(call.arguments)) == (
            "function_call",
            "weather",
            {"city": "Lviv"},
        )
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        await connection.conversation.item.create(item=output)  # pyright: ignore[reportArgumentType]
        await connection.response.create()
        done = await until(connection, "response.done")
        part = done.response.output[0].content[0]
        assert (part.transcript or part.text).strip() == "In Lviv it is sunny."
    messages = services.asked[-1]["messages"]
    assert [message["role"] for message in messages][-3:] == ["user", "assistant", "tool"]
    assert messages[-1]["tool_call_id"] == messages[-2]["tool_calls"][0]["id"] == call.call_id


async def test_a_spoken_question_may_call_a_tool(
    official: AsyncOpenAI, question: bytes, services: Services
) -> None:
    async with official.realtime.connect(model="caller") as connection:
        await update(connection, tools=[TOOL])
        await speak(connection, question)
        done = await until(connection, "response.done")
        call = done.response.output[0]
        assert call.name == "weather"
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "rainy"}
        await connection.conversation.item.create(item=output)  # pyright: ignore[reportArgumentType]
        await connection.response.create()
        seen: list[Any] = []
        done = await until(connection, "response.done", seen)
        assert done.response.output[0].content[0].transcript.strip() == "In Lviv it is rainy."
        assert any(event.type == "response.output_audio.delta" for event in seen)
    assert services.hears in str(services.asked[-1]["messages"])


async def test_times_of_speech_count_the_sound_that_was_sent(official: AsyncOpenAI, question: bytes) -> None:
    seen: list[Any] = []
    async with official.realtime.connect(model="plain") as connection:
        detection = {
            "type": "server_vad",
            "silence_duration_ms": 400,
            "prefix_padding_ms": 200,
            "create_response": False,
        }
        await update(connection, audio={"input": {"turn_detection": detection}})
        await speak(connection, question)
        await until(connection, "conversation.item.input_audio_transcription.completed", seen)
        times = {event.type: event for event in seen}
        began = times["input_audio_buffer.speech_started"]
        ended = times["input_audio_buffer.speech_stopped"]
        length = len(question) / 48
        # Speech begins after half a second, less the padding, and its end is known 400 ms after it.
        assert abs(began.audio_start_ms - 300) < 200
        assert abs(ended.audio_end_ms - (length - 1500 + 400)) < 250
        committed = times["input_audio_buffer.committed"]
        assert began.item_id == ended.item_id == committed.item_id
        assert not [event for event in seen if event.type.startswith("response.")]
        # The answer is only given when it is asked for.
        await connection.response.create()
        done = await until(connection, "response.done")
        assert "office" in done.response.output[0].content[0].transcript


async def test_what_is_cut_off_is_forgotten(official: AsyncOpenAI, services: Services) -> None:
    async with official.realtime.connect(model="plain") as connection:
        await until(connection, "session.created")
        await write(connection, "one two three four five six seven eight")
        await connection.response.create()
        done = await until(connection, "response.done")
        item = done.response.output[0]
        words = item.content[0].transcript.split()
        assert len(words) == 10
        await connection.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=90_000)
        assert (await until(connection, "error")).error.param == "audio_end_ms"
        await connection.conversation.item.truncate(item_id=item.id, content_index=0, audio_end_ms=1000)
        assert (await until(connection, "conversation.item.truncated")).audio_end_ms == 1000
        await connection.conversation.item.retrieve(item_id=item.id)
        kept = (await until(connection, "conversation.item.retrieved")).item.content[0].transcript
        assert kept.split() == words[:5]
        await write(connection, "And now?")
        await connection.response.create()
        await until(connection, "response.done")
    assert services.asked[-1]["messages"][-2] == {"role": "assistant", "content": kept}


async def test_an_answer_that_is_cancelled_keeps_what_was_heard(
    official: AsyncOpenAI, services: Services
) -> None:
    async with official.realtime.connect(model="long") as connection:
        await until(connection, "session.created")
        await write(connection, "Tell me everything.")
        await connection.response.create()
        await listen(connection, 1.0)
        await connection.response.cancel()
        done = await until(connection, "response.done")
        assert done.response.status == "cancelled"
        assert done.response.status_details.reason == "client_cancelled"
        kept = done.response.output[0].content[0].transcript
        assert kept
        assert LONG.startswith(kept)
        assert len(kept) < 400
        # The session goes on.
        await write(connection, "Go on.")
        await connection.response.create(response={"output_modalities": ["text"]})
        assert (await until(connection, "response.done")).response.status == "completed"
    assert {"role": "assistant", "content": kept} in services.asked[-1]["messages"]


async def test_speech_interrupts_the_agent(
    official: AsyncOpenAI, question: bytes, services: Services
) -> None:
    async with official.realtime.connect(model="long") as connection:
        await until(connection, "session.created")
        await speak(connection, question)
        await listen(connection, 1.0)
        await speak(connection, question)
        done = await until(connection, "response.done")
        assert done.response.status == "cancelled"
        assert done.response.status_details.reason == "turn_detected"
        await until(connection, "response.output_audio.delta")
    roles = [message["role"] for message in services.asked[-1]["messages"]]
    assert roles[-3:] == ["user", "assistant", "user"]


async def test_sound_may_be_answered_in_writing(official: AsyncOpenAI, question: bytes) -> None:
    seen: list[Any] = []
    async with official.realtime.connect(model="plain") as connection:
        await update(connection, output_modalities=["text"])
        await speak(connection, question)
        done = await until(connection, "response.done", seen)
    assert "office" in done.response.output[0].content[0].text
    assert not [event for event in seen if "audio.delta" in event.type]


async def test_a_response_beside_the_conversation_leaves_no_trace(
    official: AsyncOpenAI, services: Services
) -> None:
    async with official.realtime.connect(model="plain") as connection:
        await update(connection, output_modalities=["text"])
        first = await write(connection, "Remember the number seven.")
        await connection.response.create(
            response={
                "conversation": "none",
                "metadata": {"topic": "summary"},
                "instructions": "Sum it up.",
                "input": [
                    {"type": "item_reference", "id": first.id},  # pyright: ignore[reportArgumentType]
                    {
                        "type": "message",
                        "role": "user",
                        "content": [{"type": "input_text", "text": "Shortly."}],
                    },
                ],
            }
        )
        seen: list[Any] = []
        done = await until(connection, "response.done", seen)
        assert done.response.metadata == {"topic": "summary"}
        assert not [event for event in seen if event.type.startswith("conversation.item")]
        contents = [message["content"] for message in services.asked[-1]["messages"]]
        assert contents[-2:] == ["Remember the number seven.", "Shortly."]
        assert "Sum it up." in str(contents[0])
        await write(connection, "Hello?")
        await connection.response.create()
        usage = (await until(connection, "response.done")).response.usage
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    assert "Shortly." not in str(services.asked[-1])


async def test_items_are_put_where_they_belong_and_taken_out(
    official: AsyncOpenAI, services: Services
) -> None:
    async with official.realtime.connect(model="plain") as connection:
        await update(connection, output_modalities=["text"], instructions="Be kind.")
        first = await write(connection, "first")
        last = await write(connection, "last")
        content = [{"type": "input_text", "text": "middle"}]
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": content},  # pyright: ignore[reportArgumentType]
            previous_item_id=first.id,
        )
        added = await until(connection, "conversation.item.added")
        assert added.previous_item_id == first.id
        await connection.conversation.item.delete(item_id=last.id)
        await until(connection, "conversation.item.deleted")
        await connection.response.create()
        await until(connection, "response.done")
        contents = [message["content"] for message in services.asked[-1]["messages"]]
        assert contents[-2:] == ["first", "middle"]
        await connection.conversation.item.delete(item_id=last.id)
        assert (await until(connection, "error")).error.code == "item_not_found"


@pytest.mark.parametrize(
    ("session", "path"),
    [
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "session.tools.0"),
        ({"tools": [{"type": "function"}]}, "session.tools.0.name"),
        ({"tool_choice": "sometimes"}, "session.tool_choice"),
        ({"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}}, "threshold"),
        ({"audio": {"output": {"speed": 9}}}, "speed"),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"output_modalities": ["smell"]}, "output_modalities"),
    ],
)
async def test_a_setting_that_cannot_be_is_refused_with_its_path(
    official: AsyncOpenAI, session: dict[str, Any], path: str
) -> None:
    async with official.realtime.connect(model="plain") as connection:
        await until(connection, "session.created")
        await connection.session.update(session={"type": "realtime", **session})  # pyright: ignore[reportArgumentType]
        assert path in (await until(connection, "error")).error.param


async def test_a_model_that_fails_ends_the_response_and_not_the_session(official: AsyncOpenAI) -> None:
    async with official.realtime.connect(model="fails") as connection:
        await update(connection, output_modalities=["text"])
        await write(connection, "Hello?")
        await connection.response.create()
        done = await until(connection, "response.done")
        assert done.response.status == "failed"
        assert done.response.status_details.error
        await write(connection, "Still there?")
    async with official.realtime.connect(model="cut") as connection:
        await update(connection, output_modalities=["text"])
        await write(connection, "Go on.")
        await connection.response.create()
        done = await until(connection, "response.done")
        assert done.response.status == "incomplete"
        assert done.response.status_details.reason == "max_output_tokens"


async def test_a_session_may_only_listen(official: AsyncOpenAI, question: bytes, services: Services) -> None:
    async with official.realtime.connect(model="plain") as connection:
        await connection.session.update(session={"type": "transcription"})  # pyright: ignore[reportArgumentType]
        await until(connection, "session.updated")
        await speak(connection, question)
        heard = await until(connection, "conversation.item.input_audio_transcription.completed")
        assert heard.transcript == services.hears
        await connection.response.create()
        assert "transcription" in (await until(connection, "error")).error.message


async def test_many_sessions_one_after_the_other_leave_nothing(official: AsyncOpenAI) -> None:
    async def one() -> None:
        async with official.realtime.connect(model="plain") as connection:
            await update(connection, output_modalities=["text"])
            await write(connection, "Hello?")
            await connection.response.create()
            await until(connection, "response.done")

    await asyncio.gather(*(one() for _ in range(5)))
