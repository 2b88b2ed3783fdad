"""Steps that tests of web chat share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
from aivax_server import Dialect

CLIENTS = "/api/v1/web-chat-client"
UNKNOWN = "01986000-0000-7000-8000-000000000000"


@dataclass
class Chat:
    """A chat client with its gateway."""

    dialect: Dialect
    gateway: str
    id: str

    async def session(self, **body: Any) -> dict[str, str]:
        """What opening a session gives."""
        made = await self.dialect.client.post(f"{CLIENTS}/{self.id}/sessions", json=body)
        assert made.status_code == 200, made.text
        return made.json()

    async def key(self, **body: Any) -> str:
        """The access key of a new session."""
        return (await self.session(**body))["accessKey"]

    async def change(self, **body: Any) -> None:
        """Edits the client."""
        changed = await self.dialect.client.put(f"{CLIENTS}/{self.id}", json=body)
        assert changed.status_code == 200, changed.text


async def new_gateway(dialect: Dialect, **parameters: Any) -> str:
    """The id of a gateway whose model says what ``SCRIPT`` tells."""
    body = {
        "name": "Helper",
        "parameters": {"baseAddress": "@integrated", "modelName": "echo", **parameters},
    }
    made = await dialect.client.post("/api/v1/ai-gateways", json=body)
    assert made.status_code == 200, made.text
    return made.json()["aiGatewayId"]


async def new_chat(dialect: Dialect, **body: Any) -> Chat:
    """A chat client with a gateway of its own."""
    gateway = await new_gateway(dialect, systemInstruction="Be brief.")
    made = await dialect.client.post(CLIENTS, json={"name": "Shop", "aiGatewayId": gateway, **body})
    assert made.status_code == 200, made.text
    return Chat(dialect, gateway, made.json()["id"])


def public(key: str, action: str = "") -> str:
    """A path of the public part."""
    return f"/api/v1/public/chat-clients/{key}{action}"


async def ask(dialect: Dialect, key: str, text: str | None, **more: Any) -> httpx.Response:
    """Sends a prompt as somebody without a key; without a text what was said last is to be answered."""
    body = {} if text is None else {"prompt": {"role": "user", "content": text}}
    return await dialect.visitor.post(public(key, "/prompt"), json=body, **more)


async def said(dialect: Dialect, key: str) -> list[tuple[str, Any]]:
    """Roles and contents of what was said."""
    info = await dialect.visitor.get(public(key))
    assert info.status_code == 200, info.text
    return [(message["role"], message["content"]) for message in info.json()["messages"]]


async def until(condition: Callable[[], bool], *, within_seconds: float = 5) -> None:
    """Waits for something that a task of the server brings about."""
    with anyio.fail_after(within_seconds):
        while True:
            if condition():
                return
            await anyio.sleep(0.01)
