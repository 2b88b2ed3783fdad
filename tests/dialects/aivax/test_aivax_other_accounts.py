"""On every operation another account's ids are answered exactly as ids that do not exist."""

import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aivax_server import Dialect
from chat_steps import CLIENTS, UNKNOWN, new_chat

from dragoman.dialects.aivax.manifest import OPERATIONS, Operation
from dragoman.domain.memories.service import MemoryDraft
from dragoman.domain.schedules.model import Recipient
from dragoman.domain.schedules.service import TaskPlan

_WITH_ID = [one for one in OPERATIONS if "{" in one.path and "{access-key}" not in one.path]


_LATER = 1_900_000_000_000
_BODIES: dict[str, Any] = {
    "PATCH /api/v1/ai-gateways/{id}": {"name": "mine now"},
    "PUT /api/v1/collections/{collection-id}": {"collectionName": "mine now"},
    "PUT /api/v1/collections/{collection-id}/documents": {"name": "a", "contents": "mine now"},
    "PUT /api/v1/skills/{skill-id}": {"slug": "mine", "instructions": "mine now", "options": {}},
    "PUT /api/v1/web-chat-client/{id}": {"name": "mine now"},
    "PUT /api/v1/web-chat-client/{id}/integrations": {
        "integrationType": "Telegram",
        "integrations": {"telegramIntegration": {"botToken": "1:x"}},
    },
    "POST /api/v1/web-chat-client/{chat-client-id}/sessions": {"expires": 600},
}


@dataclass
class Things:
    """What Ana has, by the parameter of the path that names it; ``of`` chooses by the operation."""

    dialect: Dialect
    ids: dict[str, str]

    def path(self, operation: Operation, *, unknown: bool) -> str:
        def chosen(match: re.Match[str]) -> str:
            name = match[1]
            if name == "name":
                return "Telegram"
            if unknown:
                return UNKNOWN
            before = operation.path[: match.start()].rstrip("/").rpartition("/")[2]
            return self.ids.get(f"{before}:{name}") or self.ids[name]

        return re.sub(r"\{([^}]+)\}", chosen, operation.path)


@pytest.fixture
async def things(dialect: Dialect) -> Things:
    client = dialect.client
    chat = await new_chat(dialect)
    session = await chat.session()
    collection = (await client.post("/api/v1/collections", json={"collectionName": "Hers"})).json()
    put = await client.put(
        f"/api/v1/collections/{collection['collectionId']}/documents", json={"name": "a", "contents": "b"}
    )
    skill = await client.post("/api/v1/skills", json={"slug": "hers", "instructions": "x", "options": {}})
    key = (await client.get("/api/v1/accounts/api-key")).json()["apiKeys"][0]["id"]
    memory = await dialect.services.memories.save(dialect.caller, MemoryDraft("u@1", "likes tea"))
    somebody = Recipient("ana@s1", "telegram", "4711")
    schedules = dialect.services.schedules
    once = await schedules.plan(dialect.caller, chat.id, somebody, at=_LATER, reason="r", context="{}")
    weekly = TaskPlan("0 9 * * 1", "Ask how it went", _LATER, 10)
    again = await schedules.repeat(dialect.caller, chat.id, somebody, weekly)
    integration = _BODIES["PUT /api/v1/web-chat-client/{id}/integrations"]
    (await client.put(f"{CLIENTS}/{chat.id}/integrations", json=integration)).raise_for_status()
    return Things(
        dialect,
        {
            "chat-client-id": chat.id,
            "session-id": session["sessionId"],
            "collection-id": collection["collectionId"],
            "document-id": put.json()["documentId"],
            "skill-id": skill.json()["id"],
            "key-id": key,
            "web-chat-id": chat.id,
            "web-chat-client:id": chat.id,
            "schedules:id": once.id,
            "recurring:id": again.id,
            "ai-gateways:id": chat.gateway,
            "memories:id": memory.id,
        },
    )


async def _asked(client: httpx.AsyncClient, operation: Operation, path: str) -> tuple[int, str]:
    line = f"{operation.verb} {operation.path}"
    more: dict[str, Any] = {}
    if line == "POST /api/v1/collections/{collection-id}/documents":
        more["files"] = {"documents": ("a.jsonl", b'{"docid": "a", "text": "mine now"}\n')}
    elif line in _BODIES:
        more["json"] = _BODIES[line]
    answer = await client.request(operation.verb, path, **more)
    return answer.status_code, answer.text


@pytest.mark.parametrize("operation", _WITH_ID, ids=lambda one: f"{one.verb} {one.path}")
async def test_another_accounts_id_is_an_unknown_id(things: Things, operation: Operation) -> None:
    dialect = things.dialect
    foreign, unknown = (things.path(operation, unknown=flag) for flag in (False, True))
    assert foreign != unknown
    seen = await _asked(dialect.stranger, operation, foreign)
    assert seen == await _asked(dialect.stranger, operation, unknown)
    assert seen[0] == (400 if "api-key" in operation.path else 404)
    owned = await _asked(dialect.client, operation, foreign)
    assert owned[0] == 200, owned[1]


async def test_ids_in_bodies_and_queries_of_another_account_are_unknown_too(things: Things) -> None:
    stranger = things.dialect.stranger
    for mine, theirs in ((things.ids["collection-id"], UNKNOWN),):
        answers = [
            (await stranger.post("/api/v1/query", json={"term": "x", "collections": [one]})).text
            for one in (mine, theirs)
        ]
        assert answers[0].replace(mine, "") == answers[1].replace(theirs, "")
    for one in (things.ids["ai-gateways:id"], UNKNOWN):
        made = await stranger.post("/api/v1/web-chat-client", json={"name": "x", "aiGatewayId": one})
        assert made.status_code == 404
    memory = things.ids["memories:id"]
    answers = [
        (await stranger.delete("/api/v1/memories", params={"id": one})).text for one in (memory, UNKNOWN)
    ]
    assert answers[0] == answers[1]
    assert (await things.dialect.client.get(f"/api/v1/memories/{memory}")).status_code == 200
