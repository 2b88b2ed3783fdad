"""A house with two providers, one inside and one outside, and a collection whose text must stay."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import API_KEY
from tests.scripted_server import Exchange, ScriptedServer

from dragoman.domain.accounts.caller import Caller

SECRET = "The notice period for managers is exactly 4711 days and nobody outside may learn it."
QUESTION = "What is the notice period for managers?"
# Nothing listens there.
_DEAD = {"base_url": "http://127.0.0.1:9/v1", "models": ["broken"], "outside": False}
ANSWER = "It is 4711 days [1]."


@dataclass
class Provider:
    """Speaks the OpenAI protocol: says its turns, then always the same; keeps what it was sent."""

    turns: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    server: ScriptedServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = ScriptedServer(self._answer)

    @property
    def seen(self) -> str:
        """Every byte that came."""
        return "\n".join(
            (exchange.head + exchange.body).decode(errors="replace") for exchange in self.server.exchanges
        )

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What it was asked."""
        return [json.loads(exchange.body) for exchange in self.server.exchanges if exchange.body]

    async def _answer(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body) if exchange.body else {}
        if "input" in body:
            count = len(body["input"]) if isinstance(body["input"], list) else 1
            data = [{"index": place, "embedding": [1.0] + [0.0] * 7} for place in range(count)]
            await exchange.json({"data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})
            return
        message: dict[str, Any] = self.turns.pop(0) if self.turns else {"content": ANSWER}
        usage = {"prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28}
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        if not body.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
            await exchange.json({"id": "c1", "model": "m", "choices": [choice], "usage": usage})
            return
        await exchange.begin_stream()
        wishes: list[dict[str, Any]] = message.get("tool_calls") or []
        calls = [{"index": place, **call} for place, call in enumerate(wishes)]
        delta = {**message, **({"tool_calls": calls} if calls else {})}
        for choice in (
            {"index": 0, "delta": delta, "finish_reason": None},
            {"index": 0, "delta": {}, "finish_reason": reason},
        ):
            await exchange.chunk(b"data: " + json.dumps({"id": "c1", "choices": [choice]}).encode() + b"\n\n")
        last = {"id": "c1", "choices": [], "usage": usage}
        await exchange.chunk(b"data: " + json.dumps(last).encode() + b"\n\ndata: [DONE]\n\n")
        await exchange.chunk(b"")


def calls(name: str, **arguments: Any) -> dict[str, Any]:
    """A turn that calls one tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"content": "", "tool_calls": [{"id": f"call_{name}", "type": "function", "function": function}]}


@dataclass
class House:
    """``handbook`` is the collection; ``inside`` and ``outside`` have a model each, ``house`` and ``cloud``."""

    app: InProcess
    inside: Provider
    outside: Provider
    handbook: str

    @property
    def client(self) -> httpx.AsyncClient:
        """Its owner."""
        return self.app.client

    def caller(self) -> Caller:
        """Its owner, as the core knows them."""
        return self.app.running.services.accounts.keys.authenticate(API_KEY)

    async def label(self, label: str | None) -> None:
        """Puts the collection under the label."""
        await self.app.running.services.collections.set_label(self.caller(), self.handbook, label)

    async def gateway(self, model: str, **parameters: Any) -> str:
        """An agent that looks into the collection."""
        given = {
            "baseAddress": "@integrated",
            "modelName": model,
            "knowledgeBaseMinimumScore": 0.0,
            **parameters,
        }
        given.setdefault("knowledgeCollections", [self.handbook])
        name = f"{model} {len(given)} {len(self.inside.server.exchanges)} {sorted(parameters)}"
        made = await self.client.post("/api/v1/ai-gateways", json={"name": name[:60], "parameters": given})
        assert made.status_code == 200, made.text
        return str(made.json()["aiGatewayId"])

    async def ask(self, model: str, *said: str, stream: bool = False, **more: Any) -> httpx.Response:
        """An answer over the OpenAI dialect to turns of user and assistant."""
        roles = ("user", "assistant")
        messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(said)]
        body = {"model": model, "messages": messages, "stream": stream, **more}
        return await self.client.post("/v1/chat/completions", json=body)

    async def audited(self) -> list[dict[str, Any]]:
        """What the audit log says of refusals."""
        events = await self.app.running.services.accounts.audit.tail(None, 200)
        found = [json.loads(event.content or "{}") for event in events if event.action == "label.refused"]
        return [event["details"] for event in found]


@asynccontextmanager
async def house(
    folder: Path,
    *,
    forbids: Sequence[str] = ("outside", "web", "public"),
    embeds: bool = False,
    fallbacks: Mapping[str, Sequence[str]] | None = None,
    **groups: Any,
) -> AsyncGenerator[House]:
    """The application with a label ``SECRET`` beside the usual ones, and the labelled collection.

    With ``fallbacks`` there is a model ``broken`` inside, whose provider never answers.
    """
    inside, outside = Provider(), Provider()
    async with AsyncExitStack() as stack:
        for one in (inside, outside):
            await stack.enter_async_context(one.server)
        labels = {"SECRET": {"forbids": list(forbids), "banner": "SECRET: stays in the house"}}
        settings = settings_in(
            folder / "data",
            egress={"allow": ["127.0.0.1"]},
            labels={"policies": labels},
            models={
                "default": "house",
                "extractive_for_grounded": "never",
                "local": {"enabled": False},
                "providers": {
                    "ours": {"base_url": f"{inside.server.url}/v1", "models": ["house"], "outside": False},
                    "theirs": {"base_url": f"{outside.server.url}/v1", "models": ["cloud"]},
                    **({"dead": _DEAD} if fallbacks else {}),
                },
                "fallbacks": dict(fallbacks or {}),
            },
            **(
                {
                    "embedding": {
                        "provider": "openai",
                        "base_url": f"{outside.server.url}/v1",
                        "model": "e",
                        "dimensions": 8,
                    }
                }
                if embeds
                else {}
            ),
            **groups,
        )
        app = await stack.enter_async_context(in_process(settings))
        made = await app.client.post("/api/v1/collections", json={"collectionName": "Handbook"})
        assert made.status_code == 200, made.text
        here = House(app, inside, outside, str(made.json()["collectionId"]))
        await here.label("secret")
        line = json.dumps({"docid": "notice", "text": SECRET})
        stored = await app.client.post(
            f"/api/v1/collections/{here.handbook}/documents", files={"documents": ("d.jsonl", line.encode())}
        )
        assert stored.status_code == 200, stored.text
        await app.settled(here.handbook)
        yield here
