"""Conversations in which a part stalls, fails or floods, and clients that behave oddly or go."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
import websockets
from voice_people import quiet
from voice_services import WORD_BYTES, Services
from websockets.asyncio.client import ClientConnection

APOLOGY = "Sorry, I cannot answer that just now."
START = {"type": "start", "formats": {"input": "pcm16@16000", "output": "pcm16@24000"}}


class Guest:
    """Somebody in a room, who notes what comes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.told: list[dict[str, Any]] = []
        self.sound = 0

    async def until(self, kind: str, **like: object) -> dict[str, Any]:
        with anyio.fail_after(60):
            while True:
                received = await self.socket.recv()
                if isinstance(received, bytes):
                    self.sound += len(received)
                    continue
                told = json.loads(received)
                self.told.append(told)
                if told["type"] == kind and like.items() <= told.items():
                    return told

    async def listen(self, words: int) -> None:
        """Until so many words more have come."""
        enough = self.sound + WORD_BYTES * words
        with anyio.fail_after(60):
            while self.sound < enough:
                received = await self.socket.recv()
                self.sound += len(received) if isinstance(received, bytes) else 0

    async def say(self, sound: bytes) -> None:
        for start in range(0, len(sound), 3200):
            await self.socket.send(sound[start : start + 3200])

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))


async def token(client: httpx.AsyncClient, **config: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/playground/tokens", json={"agent_config": config})
    assert answer.status_code == 200, answer.text
    return answer.json()


@asynccontextmanager
async def room(client: httpx.AsyncClient, **config: Any) -> AsyncGenerator[Guest]:
    got = await token(client, **config)
    async with websockets.connect(
        f"{got['transports'][0]['url']}?token={got['token']}", proxy=None
    ) as socket:
        guest = Guest(socket)
        await guest.send(**START)
        await guest.until("ready")
        yield guest


def engine(services: Services, model: str) -> dict[str, Any]:
    return {"model": {"provider": "other", "model": model, "base_url": services.base_url, "api_key": "sk-x"}}


@pytest.mark.parametrize("model", ["stalls", "fails", "empty"])
async def test_a_model_without_an_answer_is_apologised_for(caller: httpx.AsyncClient, model: str) -> None:
    async with room(caller, llm={"model": {"model": model}}) as guest:
        await guest.send(type="text", text="Hello?")
        assert (await guest.until("error"))["code"] == "llm_failed"
        assert (await guest.until("agent_said"))["text"] == APOLOGY
        assert guest.sound >= WORD_BYTES * 6
        await guest.send(type="stop")
        assert (await guest.until("ended"))["reason"] == "stopped"


async def test_a_model_that_does_not_stop_is_cut_and_the_conversation_goes_on(
    caller: httpx.AsyncClient,
) -> None:
    async with room(caller, llm={"model": {"model": "floods"}, "max_tokens": 4096}) as guest:
        await guest.send(type="text", text="Tell me all.")
        await guest.until("agent_text", final=True)
        text = "".join(told["delta"] for told in guest.told if told["type"] == "agent_text")
        assert 10_000 < len(text) <= 20_000
        assert len([told for told in guest.told if told["type"] == "agent_text"]) < 2000
        await guest.listen(words=10)
        await guest.send(type="interrupt")
        assert (await guest.until("agent_said"))["interrupted"] is True
        await guest.send(type="text", text="Hello?")
        await guest.until("agent_text")


@pytest.mark.parametrize("model", ["stalls", "fails"])
async def test_an_answer_that_cannot_be_spoken_is_shown(
    caller: httpx.AsyncClient, services: Services, model: str
) -> None:
    async with room(caller, tts=engine(services, model)) as guest:
        await guest.send(type="text", text="Hello?")
        assert (await guest.until("error"))["code"] == "tts_failed"
        if not any(told["type"] == "agent_text" and told["final"] for told in guest.told):
            await guest.until("agent_text", final=True)
        text = "".join(told["delta"] for told in guest.told if told["type"] == "agent_text")
        assert text.strip() == "You said: Hello?"
        await guest.until("state", state="listening")


async def test_speech_without_an_end_is_cut_off(caller: httpx.AsyncClient, services: Services) -> None:
    async with room(caller, tts=engine(services, "floods")) as guest:
        await guest.send(type="text", text="Hello?")
        assert (await guest.until("error"))["message"] == "The speech does not end."
        await guest.send(type="interrupt")
        await guest.until("state", state="listening")
        await guest.send(type="stop")
        await guest.until("ended")


@pytest.mark.parametrize("model", ["stalls", "fails"])
async def test_who_cannot_be_heard_is_asked_again(
    caller: httpx.AsyncClient, services: Services, sentences: dict[str, bytes], model: str
) -> None:
    async with room(caller, stt=engine(services, model)) as guest:
        await guest.say(quiet(0.5) + sentences["office"] + quiet(1.5))
        assert (await guest.until("error"))["code"] == "stt_failed"
        said = await guest.until("agent_said")
        assert said["text"] == "Sorry, I could not hear that. Please say it again."
        assert guest.sound > 0


async def test_a_flood_of_words_heard_is_answered_once(
    caller: httpx.AsyncClient, services: Services, sentences: dict[str, bytes]
) -> None:
    async with room(caller, stt=engine(services, "floods"), llm={"model": {"model": "cut"}}) as guest:
        await guest.say(quiet(0.5) + sentences["office"] + quiet(1.5))
        assert (await guest.until("agent_said"))["text"] == "This is as far as"


async def test_odd_clients_do_no_harm(caller: httpx.AsyncClient) -> None:
    async with room(caller) as guest:
        for data in (b"", b"\x00", b"\x01\x02\x03", bytes(999), b"\xff" * 100_001, bytes(2 << 20)):
            await guest.socket.send(data)
        for message in (
            {"type": "playback"},
            {"type": "playback", "ms": -1},
            {"type": "playback", "ms": "x"},
        ):
            await guest.send(**message)
            assert (await guest.until("error"))["code"] == "invalid_input"
        await guest.send(type="text", text=7)
        assert (await guest.until("error"))["code"] == "invalid_input"
        await guest.send(type="text", text="Still there?")
        await guest.until("agent_said")


async def test_who_vanishes_leaves_the_room_free(caller: httpx.AsyncClient) -> None:
    got = await token(caller, agent={"welcome_text": "Hello."})
    address = f"{got['transports'][0]['url']}?token={got['token']}"
    async with websockets.connect(address, proxy=None) as socket:
        await socket.send(json.dumps(START))
        await Guest(socket).until("state", state="speaking")
        # Without a goodbye, as a cable is pulled.
        socket.transport.abort()
    with anyio.fail_after(30):
        while True:
            async with websockets.connect(address, proxy=None) as socket:
                await socket.send(json.dumps(START))
                if json.loads(await socket.recv())["type"] == "ready":
                    return
            await asyncio.sleep(0.1)


async def test_history_keeps_only_what_the_client_says_it_played(
    caller: httpx.AsyncClient, services: Services
) -> None:
    async with room(caller, llm={"model": {"model": "long"}}) as guest:
        await guest.send(type="text", text="Tell me everything.")
        await guest.until("state", state="speaking")
        await guest.listen(words=12)
        # Twelve words were sent, and the client has been late: it has played hardly two of them.
        await guest.send(type="playback", ms=450)
        await guest.send(type="interrupt")
        said = await guest.until("agent_said")
        assert said["text"].split()[:2] == ["Sentence", "number"]
        assert len(said["text"].split()) <= 4
