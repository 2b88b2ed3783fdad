"""Visitors of a web chat call its agent: what is said is in the session, answered with its knowledge, and kept as it was heard."""

import json
import wave
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import numpy as np
import pytest
import websockets
from tests.browser.chromium import Page, chromium
from tests.e2e.server import Server
from tests.fake_web import FakeWeb
from voice_people import HZ, quiet
from voice_services import LONG, Services
from websockets.asyncio.client import ClientConnection

from dragoman.kit import pcm

CALLS = "/api/v1/playground/chat-calls"
CLIENTS = "/api/v1/web-chat-client"
START = {"type": "start", "formats": {"input": "pcm16@16000", "output": "pcm16@24000"}}


async def gateway(caller: httpx.AsyncClient, services: Services, model: str) -> str:
    given = {
        "baseAddress": services.base_url,
        "apiKey": "sk-fake",
        "modelName": model,
        "systemInstruction": "You are the shop.",
    }
    made = await caller.post("/api/v1/ai-gateways", json={"name": f"shop-{model}", "parameters": given})
    assert made.status_code == 200, made.text
    return str(made.json()["aiGatewayId"])


async def chat_client(
    caller: httpx.AsyncClient, services: Services, *, model: str = "plain", **parameters: Any
) -> str:
    """The id of a new client."""
    body = {
        "name": "Shop",
        "aiGatewayId": await gateway(caller, services, model),
        "limitingParameters": {"messagesPerHour": 0, "maxMessages": 0},
        "clientParameters": {"languageCode": "en", **parameters},
    }
    made = await caller.post(CLIENTS, json=body)
    assert made.status_code == 200, made.text
    return str(made.json()["id"])


async def chat(
    caller: httpx.AsyncClient, services: Services, *, model: str = "plain", **parameters: Any
) -> str:
    """The access key of a session of a new client."""
    client = await chat_client(caller, services, model=model, **parameters)
    opened = await caller.post(f"{CLIENTS}/{client}/sessions", json={"expires": 3600})
    assert opened.status_code == 200, opened.text
    return str(opened.json()["accessKey"])


async def said(caller: httpx.AsyncClient, key: str) -> list[dict[str, Any]]:
    answer = await caller.get(f"/api/v1/public/chat-clients/{key}")
    return answer.json()["messages"]


async def message(socket: ClientConnection, kind: str, **like: object) -> dict[str, Any]:
    """The next message of a kind and like that."""
    with anyio.fail_after(150):
        while True:
            received = await socket.recv()
            if isinstance(received, bytes):
                continue
            told = json.loads(received)
            if told["type"] == kind and like.items() <= told.items():
                return told


@pytest.fixture
async def visitor(plain_server: Server, anyio_backend: str) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody who has nothing but the address of a chat."""
    async with httpx.AsyncClient(base_url=plain_server.base, timeout=60) as made:
        yield made


async def room(visitor: httpx.AsyncClient, key: str) -> str:
    got = await visitor.post(CALLS, json={"access_key": key})
    assert got.status_code == 200, got.text
    told = got.json()
    assert "agent_config" not in told
    assert "agent_id" not in told
    assert key not in got.text
    return f"{told['transports'][0]['url']}?token={told['token']}"


async def test_what_is_said_in_a_call_is_in_the_chat(
    caller: httpx.AsyncClient, visitor: httpx.AsyncClient, services: Services
) -> None:
    key = await chat(caller, services, voiceCallsEnabled=True, helloLabel="Shop here, hello.")
    async with websockets.connect(await room(visitor, key), proxy=None) as socket:
        await socket.send(json.dumps(START))
        assert (await message(socket, "agent_said"))["text"] == "Shop here, hello."
        await socket.send(json.dumps({"type": "text", "text": "Do you sell lamps?"}))
        answer = await message(socket, "agent_said")
        assert answer["text"].startswith("You said:")
    written = await visitor.post(
        f"/api/v1/public/chat-clients/{key}/prompt",
        json={"prompt": {"role": "user", "content": "And chairs?"}},
    )
    assert written.status_code == 200, written.text
    told = [(one["role"], one["content"]) for one in await said(visitor, key)]
    assert [role for role, _ in told] == ["user", "assistant", "user", "assistant"]
    assert told[0] == ("user", "Do you sell lamps?")
    asked = services.asked[-1]["messages"]
    assert "You are the shop." in str(asked[0])
    assert [one["role"] for one in asked if one["role"] != "system"] == ["user", "assistant", "user"]
    found = (await caller.get("/api/v1/web-chat-client/search", params={"text": "sell lamps"})).json()
    assert any("lamps" in one["snippet"] for one in found), found
    # Only what is spoken is asked to be short.
    assert "on the telephone" not in str(asked)
    assert "on the telephone" in str(services.asked[-2]["messages"][0])


async def test_an_answer_that_is_cut_off_stays_as_it_was_heard(
    caller: httpx.AsyncClient, visitor: httpx.AsyncClient, services: Services
) -> None:
    key = await chat(caller, services, model="long", voiceCallsEnabled=True)
    async with websockets.connect(await room(visitor, key), proxy=None) as socket:
        await socket.send(json.dumps(START))
        await message(socket, "ready")
        await socket.send(json.dumps({"type": "text", "text": "Tell me all."}))
        await message(socket, "state", state="speaking")
        sound = 0
        with anyio.fail_after(60):
            while sound < 24_000 * 2 * 4:
                received = await socket.recv()
                sound += len(received) if isinstance(received, bytes) else 0
        await socket.send(json.dumps({"type": "interrupt"}))
        heard = (await message(socket, "agent_said", interrupted=True))["text"]
        with anyio.fail_after(20):
            while (kept := (await said(visitor, key))[-1])["content"] != heard:
                await anyio.lowlevel.checkpoint()
    assert 0 < len(heard) < len(LONG) / 2
    assert kept["cancelled"] is True


async def test_only_a_chat_that_takes_calls_can_be_called(
    caller: httpx.AsyncClient, visitor: httpx.AsyncClient, services: Services
) -> None:
    key = await chat(caller, services)
    refused = await visitor.post(CALLS, json={"access_key": key})
    assert (refused.status_code, refused.json()["code"]) == (403, "calls_off")
    shown = (await visitor.get(f"/api/v1/public/chat-clients/{key}")).json()["client"]
    assert "voiceCallsEnabled" not in shown
    assert (await visitor.post(CALLS, json={"access_key": "nobody"})).status_code == 422
    for body in ({}, {"access_key": 7}, {"access_key": key, "language": "much too odd"}):
        answer = await visitor.post(CALLS, json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][1] in ("access_key", "language")


async def test_the_setting_is_kept_shown_and_can_be_taken_back(
    caller: httpx.AsyncClient, services: Services
) -> None:
    body = {"name": "Shop", "aiGatewayId": await gateway(caller, services, "plain")}
    made = await caller.post(CLIENTS, json={**body, "clientParameters": {"voiceCallsEnabled": True}})
    address = f"{CLIENTS}/{made.json()['id']}"

    async def shown() -> dict[str, Any]:
        return (await caller.get(address)).json()["clientParameters"]

    assert (await shown())["voiceCallsEnabled"] is True
    await caller.put(address, json={**body, "clientParameters": {"pageTitle": "Other"}})
    assert (await shown())["voiceCallsEnabled"] is True
    await caller.put(address, json={**body, "clientParameters": {"voiceCallsEnabled": False}})
    assert "voiceCallsEnabled" not in await shown()


async def test_calls_and_the_stages_of_their_turns_are_counted(
    caller: httpx.AsyncClient, visitor: httpx.AsyncClient, services: Services
) -> None:
    key = await chat(caller, services, voiceCallsEnabled=True)
    async with websockets.connect(await room(visitor, key), proxy=None) as socket:
        await socket.send(json.dumps(START))
        await message(socket, "ready")
        await socket.send(json.dumps({"type": "text", "text": "Hello?"}))
        await message(socket, "agent_said")
        await socket.send(json.dumps({"type": "stop"}))
        await message(socket, "ended")
    wanted = (
        'dragoman_voice_calls_ended_total{reason="stopped"}',
        'dragoman_voice_turn_seconds_count{stage="e2e"}',
    )
    with anyio.fail_after(20):
        text = ""
        while not all(name in text for name in wanted):
            text = (await visitor.get("/metrics")).text


def speaker(folder: Path, sound: bytes) -> Path:
    """A file that a browser takes for a microphone."""
    file = folder / "speaker.wav"
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48_000)
        out.writeframes(np.clip(pcm.samples(pcm.resampled(sound, HZ, 48_000)), -32768, 32767).tobytes())
    return file


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")
async def test_a_visitor_calls_from_the_page_and_reads_what_was_said(
    tmp_path: Path,
    caller: httpx.AsyncClient,
    services: Services,
    plain_server: Server,
    sentences: dict[str, bytes],
) -> None:
    key = await chat(caller, services, voiceCallsEnabled=True)
    sound = (quiet(3) + sentences["office"] + quiet(3)) * 6
    async with Page(tmp_path / "browser", speaker(tmp_path, sound)) as page:
        await page.open(f"{plain_server.base}/chat/{key}")
        await page.until("document.querySelector('.call-us')")
        await page.run("document.querySelector('.call-us').click(); 0")
        await page.until("document.querySelector('.log .theirs .answer')?.textContent.includes('You said')")
        shown = await page.run("document.querySelector('.log .mine .said').textContent")
        assert services.hears in shown
        assert await page.run("document.querySelector('.call .how').textContent.length > 0")
        await page.run("document.querySelector('.hang-up').click(); 0")
        await page.until("!document.querySelector('.call') && document.querySelector('.call-us')")
        assert await page.complaints() == []


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")
async def test_a_visitor_calls_out_of_the_widget_on_a_page_of_another_origin(
    tmp_path: Path,
    caller: httpx.AsyncClient,
    services: Services,
    plain_server: Server,
    sentences: dict[str, bytes],
) -> None:
    sound = (quiet(3) + sentences["office"] + quiet(3)) * 6
    with FakeWeb() as shop:
        client = await chat_client(
            caller, services, voiceCallsEnabled=True, allowedFrameOrigins=[shop.origin]
        )
        head = '<!doctype html><html lang="en"><title>Shop</title><body>'
        shop.page("/", f'{head}<script src="{plain_server.base}/embed.js" data-client="{client}"></script>')
        # A page that lends the frame no microphone.
        address = f"{plain_server.base}/embed/{client}?host={shop.origin}"
        shop.page("/mean", f'{head}<iframe src="{address}"></iframe>')
        async with Page(tmp_path / "browser", speaker(tmp_path, sound)) as page:
            await page.open(f"{shop.origin}/")
            await page.until("window.dragoman !== undefined")
            await page.run("dragoman.open(); 0")
            frame = await page.world("/chat/")
            await page.until("document.querySelector('.call-us') !== null", world=frame)
            await page.run("document.querySelector('.call-us').click(); 0", world=frame)
            await page.until(
                "document.querySelector('.log .theirs .answer')?.textContent.includes('You said')",
                world=frame,
            )
            await page.run("document.querySelector('.hang-up').click(); 0", world=frame)
            await page.until("document.querySelector('.call-us') !== null", world=frame)
            assert await page.complaints() == []
            await page.open(f"{shop.origin}/mean")
            frame = await page.world("/chat/")
            await page.until("document.querySelector('.call-us') !== null", world=frame)
            await page.run("document.querySelector('.call-us').click(); 0", world=frame)
            told = await page.until("document.querySelector('[role=alert]')?.textContent", world=frame)
            assert told == "The microphone cannot be used."


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")
async def test_without_a_microphone_the_page_says_so_and_one_can_write(
    tmp_path: Path, caller: httpx.AsyncClient, services: Services, plain_server: Server
) -> None:
    key = await chat(caller, services, voiceCallsEnabled=True)
    async with Page(tmp_path / "browser") as page:
        await page.open(f"{plain_server.base}/chat/{key}")
        await page.until("document.querySelector('.call-us')")
        await page.run(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError')); 0"
        )
        await page.run("document.querySelector('.call-us').click(); 0")
        told = await page.until("document.querySelector('[role=alert]')?.textContent")
        assert told == "The microphone cannot be used."
        assert await page.run(
            "!document.querySelector('.call') && !document.querySelector('textarea').disabled"
        )
