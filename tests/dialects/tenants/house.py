"""A house with three people: Ana, who has one of everything, a colleague of hers, and a stranger; and their keys."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.dialects.asksage.asksage_scripted import scripted_app
from tests.e2e.in_process import InProcess
from tests.e2e.server import EMAIL

from dragoman.adapters.models.scripted import Rule, Script
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.agents.approvals.service import Wish
from dragoman.domain.chat.channels.repository import contact_of
from dragoman.domain.memories.service import MemoryDraft
from dragoman.domain.schedules.model import Recipient
from dragoman.domain.schedules.service import TaskPlan
from dragoman.domain.usage.budgets.service import NewLimit
from dragoman.domain.usage.conversations.model import Asked

MARKER = "zanzibar"
UNKNOWN = "01986000-0000-7000-8000-000000000000"
_UNKNOWN_NUMBER = 987_654_321
_LATER = 1_900_000_000_000
_GATEWAY = {"baseAddress": "@integrated", "modelName": "scripted", "systemInstruction": MARKER}


@dataclass
class Person:
    """Somebody's client, and the ids of what is theirs by what they are called in requests."""

    client: httpx.AsyncClient
    key: str
    email: str
    things: dict[str, Any] = field(default_factory=dict)

    async def at_the_console(self) -> "Person":
        """The same person with a session of the console, whose own things they have."""
        headers = {"x-console-token": "-"}
        transport = self.client._transport
        client = httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers, timeout=30)
        signed = await client.post("/console/api/session", json={"key": self.key})
        assert signed.status_code == 200, signed.text
        client.headers["x-console-token"] = signed.json()["token"]
        session = next(one for one in (await client.get("/console/api/sessions")).json())
        return Person(client, self.key, self.email, {**self.things, "console_session": session["id"]})


@dataclass
class House:
    """``colleague`` is an editor of Ana's organisation, ``stranger`` the owner of another."""

    app: InProcess
    ana: Person
    colleague: Person
    stranger: Person

    def person(self, name: str) -> Person:
        """The intruder of that name."""
        return self.colleague if name == "colleague" else self.stranger


def unknown(value: Any) -> Any:
    """An id of the same shape that nothing has."""
    if isinstance(value, int):
        return _UNKNOWN_NUMBER
    text = str(value)
    if text.isdigit():
        return str(_UNKNOWN_NUMBER)
    if len(text) == len(UNKNOWN) and text.count("-") == 4:
        return UNKNOWN
    return (
        f"{text[:-12]}{'0' * 12}" if text.startswith(("resp_", "rtc_")) else text.replace(MARKER, "nowhere")
    )


async def _made(client: httpx.AsyncClient, verb: str, path: str, body: Any = None) -> Any:
    answer = await client.request(verb, path, json=body)
    assert answer.is_success, f"{verb} {path}: {answer.text}"
    return answer.json()


async def _knowledge(person: Person, mark: str) -> dict[str, Any]:
    client = person.client
    await _made(client, "POST", "/user/add-dataset", {"dataset": mark})
    taught = {"data": [f"The {mark} costs ten."], "dataset": mark, "filename": f"{mark}.txt"}
    await _made(client, "POST", "/server/train-with-array", taught)
    dataset = next(
        one for one in (await _made(client, "GET", "/server/get-datasets"))["response"] if mark in one
    )
    collection = next(one for one in await _made(client, "GET", "/api/v1/collections") if one["name"] == mark)
    documents = f"/api/v1/collections/{collection['id']}/documents"
    put = await _made(client, "PUT", documents, {"name": f"{mark}-doc", "contents": f"{mark} is blue."})
    return {
        "dataset": dataset,
        "filename": f"{mark}.txt",
        "collection_id": collection["id"],
        "document_id": put["documentId"],
    }


async def _agents(person: Person, mark: str) -> dict[str, Any]:
    client = person.client
    gateway = {"name": mark, "parameters": _GATEWAY}
    gateway_id = (await _made(client, "POST", "/api/v1/ai-gateways", gateway))["aiGatewayId"]
    skill = {"slug": mark, "instructions": mark, "options": {}}
    persona = {"name": mark, "description": mark, "prompt": mark}
    tools = {"server_name": mark, "server_url": f"https://{mark}.example.org/mcp"}
    voice = {"name": mark, "agent_config": {"llm": {"system_prompt": mark}}}
    deep = {"message": mark, "mode": "deep_agent", "dataset": "none"}
    return {
        "gateway": gateway_id,
        "skill_id": (await _made(client, "POST", "/api/v1/skills", skill))["id"],
        "persona": (await _made(client, "POST", "/user/add-persona", persona))["id"],
        "server_id": (await _made(client, "POST", "/server/add-mcp-server", tools))["server_id"],
        "voice_agent": (await _made(client, "POST", "/api/v1/playground/agents", voice))["id"],
        "deep_agent_id": (await _made(client, "POST", "/server/query", deep))["deep_agent_id"],
    }


async def _chats(app: InProcess, person: Person, mark: str, gateway: str) -> dict[str, Any]:
    client, services = person.client, app.running.services
    caller = await services.accounts.admin.caller(person.email)
    chat = (await _made(client, "POST", "/api/v1/web-chat-client", {"name": mark, "aiGatewayId": gateway}))[
        "id"
    ]
    path = f"/api/v1/web-chat-client/{chat}"
    telegram = {
        "integrationType": "Telegram",
        "integrations": {"telegramIntegration": {"botToken": f"1:{mark}"}},
    }
    await _made(client, "PUT", f"{path}/integrations", telegram)
    session = await _made(client, "POST", f"{path}/sessions", {"tag": mark})
    somebody = Recipient(f"{mark}@s1", "telegram", "4711")
    once = await services.schedules.plan(caller, chat, somebody, at=_LATER, reason=mark, context="{}")
    weekly = TaskPlan("0 9 * * 1", mark, _LATER, 10)
    again = await services.schedules.repeat(caller, chat, somebody, weekly)
    memory = await services.memories.save(caller, MemoryDraft(f"{mark}@1", mark))
    title = {"title": mark}
    contact = await app.running.database.write(contact_of, chat, "telegram", mark, mark, _LATER)
    return {
        "contact_id": contact.id,
        "client_id": chat,
        "web_session": session["sessionId"],
        "schedule_once": once.id,
        "schedule_again": again.id,
        "memory_id": memory.id,
        "session_id": (await _made(client, "POST", "/user/create-chat-session", title))["session_id"],
    }


async def _asked(app: InProcess, person: Person, mark: str, gateway: str) -> dict[str, Any]:
    client, services = person.client, app.running.services
    caller = await services.accounts.admin.caller(person.email)
    asked = {"model": gateway, "messages": [{"role": "user", "content": mark}]}
    answered = await client.post("/v1/chat/completions", json=asked)
    limit = NewLimit("end_user", "requests", "month", 1_000_000, hard=False, subject=mark)
    answer = await _made(client, "POST", "/server/query", {"message": mark, "dataset": "none"})
    response = await _made(client, "POST", "/v1/responses", {"model": gateway, "input": mark})
    runs = await _made(client, "GET", "/api/v1/runs")
    await _made(client, "POST", "/user/set-secret", {"name": f"{mark}-vault", "value": mark})
    key = (await _made(client, "POST", "/user/user-api-key", {"name": mark}))["response"]["id"]
    kept = await services.conversations.keep(caller, Asked(mark, (), mark), None, mark)
    run = runs[0]["id"]
    wish = Wish(run, None, mark, None, None, mark, "writes", {"what": mark})
    return {
        "run_id": run,
        "receipt_id": answered.headers["x-dragoman-receipt"],
        "limit_id": (await services.budgets.set_for(caller.organisation_id, limit)).id,
        "conversation_id": kept,
        "approval_id": (await services.approvals.ask(caller, wish)).id,
        "uuid": answer["uuid"],
        "response_id": response["id"],
        "key_id": key,
        "secret": f"{mark}-vault",
    }


async def _filled(app: InProcess, person: Person, mark: str) -> None:
    person.things |= await _knowledge(person, mark)
    person.things |= await _agents(person, mark)
    gateway = person.things["gateway"]
    person.things |= await _chats(app, person, mark, gateway)
    person.things |= await _asked(app, person, mark, gateway)


@asynccontextmanager
async def house(folder: Path, patch: Any, **settings: Any) -> AsyncGenerator[House]:
    """The house, with one of everything for each of the three."""
    script = Script(rules=(Rule(match="", text="So it is."),))
    async with scripted_app(folder, patch, script, **settings) as scripted, AsyncExitStack() as stack:
        app, accounts = scripted.app, scripted.app.running.services.accounts
        admin, groups = accounts.admin, accounts.groups

        async def person(email: str, organisation: str | None) -> Person:
            if organisation != "":
                await admin.create_user(NewUser(email, organisation))
            _, key = await admin.create_key(email, "walk")
            transport = httpx.ASGITransport(app.application, client=("127.0.0.1", 1))  # pyright: ignore[reportArgumentType]
            headers = {"authorization": f"Bearer {key}"}
            client = httpx.AsyncClient(
                transport=transport, base_url="http://here", headers=headers, timeout=30
            )
            caller = await admin.caller(email)
            group = await groups.create(
                Steward(caller.organisation_id), f"those of {email.partition(chr(64))[0]}"
            )
            things = {
                "user_id": caller.user_id,
                "organisation_id": caller.organisation_id,
                "group_id": group.id,
            }
            return Person(await stack.enter_async_context(client), key, email, things)

        made = House(
            app,
            await person(EMAIL, ""),
            await person("cole@example.org", EMAIL),
            await person("sten@elsewhere.example", None),
        )
        await _filled(app, made.ana, MARKER)
        await _filled(app, made.colleague, "colleaguish")
        await _filled(app, made.stranger, "strangely")
        yield made


def masked(text: str, values: Mapping[str, Any]) -> str:
    """The text without what was sent and without what differs from answer to answer."""
    for value in sorted({json.dumps(str(one))[1:-1] for one in values.values()}, key=len, reverse=True):
        text = text.replace(value, "<sent>")
    return text
