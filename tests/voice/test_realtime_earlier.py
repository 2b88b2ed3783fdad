"""Realtime sessions in the names that events had before, and what is no event at all."""

import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
import websockets
from openai import AsyncOpenAI
from tests.e2e.server import API_KEY, Server


@pytest.fixture
async def official(plain_server: Server, anyio_backend: str) -> AsyncGenerator[AsyncOpenAI]:
    sockets = plain_server.base.replace("http", "ws", 1)
    async with AsyncOpenAI(
        base_url=f"{plain_server.base}/v1", websocket_base_url=f"{sockets}/v1", api_key=API_KEY, max_retries=0
    ) as made:
        yield made


async def until(connection: Any, kind: str, seen: list[Any]) -> Any:
    """The next event of a kind; all on the way are noted."""
    with anyio.fail_after(60):
        while True:
            event = await connection.recv()
            seen.append(event)
            assert event.type != "error" or kind == "error", event
            if event.type == kind:
                return event


@pytest.mark.parametrize(("modalities", "part"), [(["text"], "text"), (["text", "audio"], "audio")])
async def test_a_client_that_asks_for_the_earlier_names_gets_them(
    official: AsyncOpenAI, modalities: list[Any], part: str
) -> None:
    seen: list[Any] = []
    async with official.beta.realtime.connect(model="plain") as connection:
        created = await until(connection, "session.created", seen)
        assert created.session.input_audio_format == "pcm16"
        assert created.session.turn_detection.type == "server_vad"
        assert created.session.voice == "alloy"
        await connection.session.update(
            session={
                "modalities": modalities,
                "instructions": "Be kind.",
                "output_audio_format": "g711_ulaw",
                "max_response_output_tokens": 50,
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
            }
        )
        session = (await until(connection, "session.updated", seen)).session
        assert sorted(session.modalities) == sorted(modalities)
        assert (session.output_audio_format, session.max_response_output_tokens) == ("g711_ulaw", 50)
        assert session.turn_detection.silence_duration_ms == 300
        await connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello?"}]}
        )
        assert (await until(connection, "conversation.item.created", seen)).item.role == "user"
        await connection.response.create()
        seen.clear()
        done = await until(connection, "response.done", seen)
    names = {event.type for event in seen}
    expected = {"response.text.delta", "response.text.done"}
    if part == "audio":
        expected = {"response.audio.delta", "response.audio.done", "response.audio_transcript.delta"}
    assert expected <= names
    assert not any("output_text" in name or "output_audio" in name for name in names)
    assert done.response.status == "completed"
    content = done.response.output[0].content[0]
    assert content.type == part
    assert "Hello" in (content.text or content.transcript)


@pytest.fixture
async def bare(plain_server: Server, anyio_backend: str) -> AsyncGenerator[Any]:
    address = f"ws://127.0.0.1:{plain_server.port}/v1/realtime?model=plain"
    async with websockets.connect(
        address, additional_headers={"authorization": f"Bearer {API_KEY}"}, max_size=None
    ) as socket:
        assert json.loads(await socket.recv())["type"] == "session.created"
        yield socket


@pytest.mark.parametrize(
    ("sent", "code", "param"),
    [
        (b"\x00\xff\x01", "invalid_event", None),
        ("{bad", "invalid_json", None),
        ("[]", "invalid_event", None),
        ("{}", "invalid_input", "type"),
        ({"type": "nope"}, "invalid_input", "type"),
        (
            {"type": "session.update", "session": {"output_modalities": []}},
            "invalid_value",
            "session.output_modalities",
        ),
        (
            {"type": "session.update", "session": {"max_output_tokens": -1}},
            "invalid_value",
            "session.max_output_tokens",
        ),
        ({"type": "session.update", "session": {"tools": [{}]}}, "invalid_value", "session.tools.0.name"),
        ({"type": "session.update", "session": {"tool_choice": "x"}}, "invalid_value", "session.tool_choice"),
        ({"type": "response.create", "response": 5}, "invalid_input", "response"),
        (
            {"type": "response.create", "response": {"max_output_tokens": "x"}},
            "invalid_value",
            "response.max_output_tokens",
        ),
    ],
)
async def test_what_cannot_be_is_told_with_its_path_and_the_session_goes_on(
    bare: Any, sent: Any, code: str, param: str | None
) -> None:
    await bare.send(sent if isinstance(sent, str | bytes) else json.dumps({**sent, "event_id": "mine"}))
    with anyio.fail_after(30):
        error = json.loads(await bare.recv())
        assert (error["type"], error["error"]["code"], error["error"]["param"]) == ("error", code, param)
        assert error["error"]["event_id"] == ("mine" if isinstance(sent, dict) else None)
        null = {"instructions": None, "tools": None, "audio": None}
        await bare.send(json.dumps({"type": "session.update", "session": null}))
        updated = json.loads(await bare.recv())
    assert updated["type"] == "session.updated"
    assert updated["session"]["instructions"] == ""


async def test_an_event_larger_than_any_may_be_ends_the_connection_with_its_code(bare: Any) -> None:
    # It may end while the event is still on its way.
    with contextlib.suppress(websockets.ConnectionClosed):
        await bare.send("x" * (17 << 20))
    with anyio.fail_after(30), pytest.raises(websockets.ConnectionClosed) as ended:
        await bare.recv()
    assert ended.value.rcvd is not None
    assert ended.value.rcvd.code == 1009
