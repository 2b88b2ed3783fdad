"""A server with a chat client, its scripted provider and a collection, for tests in a browser."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests import samples
from tests.dialects.openai.gateway_server import DIMENSIONS, KEY, MODELS, Provider, World
from tests.e2e.server import API_KEY, Server

CLIENTS = "/api/v1/web-chat-client"
NOTICE = "The notice period for managers is three months."
PARKING = "Visitors leave their bicycles in the courtyard behind the library."
HANDBOOK = samples.pdf(
    [
        "# Welcome\nThis handbook tells where things are.",
        f"# Arriving\nThe gate opens at seven.\n{PARKING}\nThe porter has spare keys.",
    ]
)
_WAIT_SECONDS = 60


@dataclass
class Site:
    """The world of the gateways with one chat client in it."""

    world: World
    client_id: str
    client: dict[str, Any]

    @property
    def provider(self) -> Provider:
        return self.world.provider

    @property
    def base(self) -> str:
        return self.world.server.base

    def dress(self, **looks: Any) -> None:
        """Changes how the client looks; what is not named is as it was made."""
        body = {**self.client, "clientParameters": {**self.client["clientParameters"], **looks}}
        changed = self.world.client.put(f"{CLIENTS}/{self.client_id}", json=body)
        assert changed.status_code == 200, changed.text

    def session(self) -> str:
        """The access key of a new session."""
        made = self.world.client.post(f"{CLIENTS}/{self.client_id}/sessions", json={"expires": 3600})
        assert made.status_code == 200, made.text
        return str(made.json()["accessKey"])

    def said(self, key: str) -> list[dict[str, Any]]:
        """What was said in a session."""
        with httpx.Client(base_url=self.base, trust_env=False) as visitor:
            return list(visitor.get(f"/api/v1/public/chat-clients/{key}").json()["messages"])


@contextmanager
def running_site(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Site]:
    """The site, for as long as the context lasts."""
    provider = Provider()
    config = f"""
[models]
default = "house"
[models.local]
enabled = false
[models.providers.theirs]
base_url = "{provider.origin}/v1"
api_key = "{KEY}"
models = {json.dumps(MODELS)}
[egress]
allow = ["127.0.0.1"]
[embedding]
provider = "openai"
base_url = "{provider.origin}/v1"
model = "words"
dimensions = {DIMENSIONS}
"""
    with Server(folder / "data", settings, config) as server, server.client() as client:
        world = World(server, provider, client)
        looks = {
            "languageCode": None,
            "pageTitle": "Shop help",
            "helloLabel": "Hello!",
            "helloSubLabel": "What can we do for you?",
            "primaryColor": "#ffd54a",
            "allowedFrameOrigins": [provider.origin],
            "suggestionButtons": [{"label": "Opening hours", "prompt": "When do you open?"}],
            "inputModes": ["image", "document", "audio"],
            "showToolCalls": True,
        }
        gateway = world.gateway(
            knowledgeCollections=[_collection(client), _handbook(client)],
            knowledgeBaseMinimumScore=0.3,
            knowledgeBaseMaximumResults=1,
        )
        body = {
            "name": "Shop",
            "aiGatewayId": gateway,
            "limitingParameters": {"messagesPerHour": 0, "maxMessages": 0},
            "clientParameters": looks,
        }
        made = client.post(CLIENTS, json=body)
        assert made.status_code == 200, made.text
        yield Site(world, str(made.json()["id"]), body)
    provider.close()


def _collection(client: httpx.Client) -> str:
    collection = str(
        client.post("/api/v1/collections", json={"collectionName": "rules"}).json()["collectionId"]
    )
    line = json.dumps({"docid": "notice", "text": NOTICE})
    files = {"documents": ("d.jsonl", line.encode())}
    sent = client.post(f"/api/v1/collections/{collection}/documents", files=files)
    assert sent.status_code == 200, sent.text
    return _taken_in(client, collection)


def _handbook(client: httpx.Client) -> str:
    headers = {"x-access-tokens": API_KEY}
    made = client.post("/server/add-dataset", json={"dataset": "handbook"}, headers=headers)
    assert made.status_code == 200, made.text
    sent = client.post(
        "/server/train-with-file",
        files={"file": ("handbook.pdf", HANDBOOK)},
        data={"dataset": "handbook"},
        headers=headers,
    )
    assert sent.status_code == 200, sent.text
    listed = client.get("/api/v1/collections").json()
    return _taken_in(client, next(str(one["id"]) for one in listed if "handbook" in one["name"]))


def _taken_in(client: httpx.Client, collection: str) -> str:
    """The collection, once all its documents can be found."""
    pause = threading.Event()
    for _ in range(_WAIT_SECONDS * 10):
        if not client.get(f"/api/v1/collections/{collection}").json()["state"]["queued"]:
            return collection
        pause.wait(0.1)
    raise AssertionError("the document was not taken in")


class Wire:
    """A network between a browser and a server that can be cut; an async context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._down = False

    @property
    def base(self) -> str:
        """Where the server is found over this wire."""
        assert self._server is not None
        name: tuple[str, int] = self._server.sockets[0].getsockname()
        return f"http://127.0.0.1:{name[1]}"

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, family=socket.AF_INET)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Ends every connection in the middle, and every one that is tried from now on."""
        self._down = True
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Lets connections be made again."""
        self._down = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._down:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        both = {writer, back}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, back))
                pumps.create_task(_pump(there, writer))
        finally:
            self._writers -= both
            for one in both:
                one.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
