"""No operation of any dialect shows or changes what is another's: the answer is that for things that do not exist."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from tests.dialects.tenants.house import MARKER, House, Person, masked, unknown
from tests.dialects.tenants.routes import console_routes

from dragoman.bootstrap.documents import openapi_document
from dragoman.db.schema import metadata

# They end the key of all other requests.
_ENDING = ("/account/salt/roll", "/accounts/roll-salt")
_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "openai": ("/v1", "/server/openai/v1", "/server/v1"),
    "aivax": ("/api/v1",),
    "asksage": ("",),
    "playground": ("/api/v1/playground",),
}
# What a name in a path, a query or a body stands for, where it is not called so in the house.
_CALLED: Mapping[str, str] = {
    "ai-gateways:name": "gateway",
    "models:name": "gateway",
    "hook-schedules/schedules:schedule_id": "schedule_once",
    "hook-schedules/recurring:schedule_id": "schedule_again",
    "sessions:session_id": "web_session",
    "memories:id": "memory_id",
    "agents:agent_id": "voice_agent",
    "tokens:agent_id": "voice_agent",
    "execute-agent:agent_id": "persona",
    "user-api-key:id": "key_id",
    "persona:id": "persona",
    "set-secret:name": "",
    "delete-secret:name": "secret",
    "force_dataset": "dataset",
    "aiGatewayId": "gateway",
    "model": "gateway",
    "dead-letters:message_id": "",
}
_BODIES: Mapping[str, Any] = {
    "PATCH /ai-gateways/{name}": {"name": "taken"},
    "POST /limits": {
        "scope": "user",
        "measure": "requests",
        "period": "month",
        "amount": 1_000_000,
        "hard": False,
    },
    "PUT /collections/{collection_id}": {"collectionName": "zanzibar"},
    "PUT /collections/{collection_id}/documents": {"name": "taken", "contents": "taken"},
    "POST /query": {"term": "what", "collections": ["{collection_id}"]},
    "PUT /skills/{skill_id}": {"slug": "taken", "instructions": "taken", "options": {}},
    "POST /web-chat-client": {"name": "taken", "aiGatewayId": "{gateway}"},
    "PUT /web-chat-client/{client_id}": {"name": "taken"},
    "PUT /web-chat-client/{client_id}/integrations": {
        "integrationType": "Telegram",
        "integrations": {"telegramIntegration": {"botToken": "1:x"}},
    },
    "POST /web-chat-client/{client_id}/sessions": {"expires": 600},
    "POST /web-chat-client/{client_id}/contacts/{contact_id}/messages": {"text": "taken"},
    "POST /web-chat-client/{client_id}/sessions/{session_id}/messages": {"text": "taken"},
    "POST /web-chat-clients/{client_id}/hook-schedules/schedules": {
        "target": "Telegram",
        "targetIdentifier": "7",
        "scheduledTime": "2040-01-01T00:00:00Z",
        "reason": "taken",
    },
    "POST /web-chat-clients/{client_id}/hook-schedules/recurring": {
        "target": "Telegram",
        "targetIdentifier": "7",
        "cronExpression": "0 9 * * 1",
        "jobDescription": "taken",
    },
    "POST /approvals/{approval_id}/approve": {},
    "POST /approvals/{approval_id}/reject": {},
    "POST /chat/completions": {"model": "{gateway}", "messages": [{"role": "user", "content": "what"}]},
    "POST /embeddings": {"model": "{gateway}", "input": "what"},
    "POST /audio/speech": {"model": "{gateway}", "input": "what", "voice": "alloy"},
    "POST /responses": {"model": "scripted", "input": "what", "previous_response_id": "{response_id}"},
    "POST /realtime/client_secrets": {"session": {"type": "realtime", "model": "{gateway}"}},
    "POST /tokens": {"agent_id": "{voice_agent}"},
    "PATCH /agents/{agent_id}": {"name": "taken"},
    "POST /server/copy-files-dataset": {
        "dataset": "{own:dataset}",
        "files": [{"filename": "{filename}", "source_string": "{dataset}"}],
    },
    "POST /user/append-chat": {"session_id": "{session_id}", "message": "taken"},
    "POST /user/copy-chat": {"session_id": "{session_id}", "email": "cole@example.org"},
    "POST /user/update-chat-session-json": {
        "session_id": "{session_id}",
        "title": "taken",
        "json_data": [],
    },
    "POST /user/update-chat-session-title": {"session_id": "{session_id}", "new_title": "taken"},
    "POST /user/user-api-key": {"name": "taken"},
    "POST /web-chat-client/{client_id}/dead-letters/{message_id}/retry": {},
    "POST /server/query": {"message": "what", "persona": "{persona}", "dataset": "{dataset}"},
}


@dataclass
class Probe:
    """A request in which names stand for things; ``own`` are those whose place the intruder's own thing takes."""

    dialect: str
    verb: str
    path: str
    names: tuple[str, ...]
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    own: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.dialect} {self.verb} {self.path}" + "".join(f" own {one}" for one in self.own)


def thing(operation: str, before: str, name: str) -> str:
    """What of the house a name stands for."""
    for key in (f"{before}:{name}", f"{before.rpartition('/')[2]}:{name}", f"{operation}:{name}", name):
        if key in _CALLED:
            return _CALLED[key]
    if name == "id" and operation.endswith("persona"):
        return "persona"
    return name


def placed(path: str) -> str:
    """The path with what its parts stand for instead of what they are called."""

    def named(match: re.Match[str]) -> str:
        before = "/".join(path[: match.start()].strip("/").rsplit("/", 2)[-2:])
        return "{" + (thing("", before, match[1]) or match[1]) + "}"

    return re.sub(r"\{(\w+)\}", named, path)


def schema(document: Any, operation: Any) -> Any:
    """The body that an operation takes."""
    content = operation.get("requestBody", {}).get("content", {})
    found = next((one["schema"] for kind, one in content.items() if "json" in kind or "multi" in kind), {})
    reference = found.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][reference] if reference else found


def _described_body(document: Any, path: str, operation: Any, known: frozenset[str]) -> Any:
    wanted, last = schema(document, operation), path.rpartition("/")[2]
    usual = {"string": "x", "integer": 1, "number": 0, "boolean": True, "array": ["x"], "object": {}}
    body: dict[str, Any] = {}
    for name, described in wanted.get("properties", {}).items():
        meant = thing(last, "", name)
        if meant in known:
            body[name] = f"{{{meant}}}"
        elif name in wanted.get("required", []):
            body[name] = usual.get(described.get("type", "string"), "x")
    return body


def _names(value: Any) -> list[str]:
    return re.findall(r"\{(\w+)\}", str(value))


KNOWN = frozenset(
    ("dataset", "filename", "collection_id", "document_id", "gateway", "skill_id", "persona", "server_id", "voice_agent",
     "deep_agent_id", "client_id", "web_session", "schedule_once", "schedule_again", "memory_id", "session_id",
     "contact_id", "uuid", "response_id", "key_id", "secret", "run_id", "conversation_id", "approval_id",
     "limit_id", "receipt_id")
)  # fmt: skip


def _probes(dialect: str) -> list[Probe]:
    document, found = openapi_document(dialect), list[Probe]()
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            if path in _ENDING or "/public/" in path:
                continue
            line = f"{verb.upper()} {path}"
            body = _BODIES.get(line)
            if body is None and verb != "get":
                body = _described_body(document, path, operation, KNOWN)
            described = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
            if line == "DELETE /memories":
                described.add("id")
            if dialect == "asksage" and verb == "get" and "post" in item:
                described |= set(schema(document, item["post"]).get("properties", {}))
            last = path.rpartition("/")[2]
            query = {one: f"{{{thing(last, path.strip('/'), one)}}}" for one in sorted(described)}
            query = {one: value for one, value in query.items() if value[1:-1] in KNOWN}
            filled = placed(path)
            in_path = [one for one in _names(filled) if one in KNOWN]
            names = tuple(dict.fromkeys([*in_path, *_names(body), *_names(query)]))
            found.append(Probe(dialect, verb.upper(), filled, names, body, query))
            if len(in_path) > 1:
                found.append(Probe(dialect, verb.upper(), filled, names, body, query, own=(in_path[0],)))
    return found


# The console's own API: the route, and how to ask it for Ana's things.
CONSOLE: list[tuple[str, Probe]] = [
    (f"/console/api{path}", Probe("console", verb, "/console/api" + asked, tuple(_names(asked)), body))
    for path, asked, verb, body in (
        ("/sessions/{session}", "/sessions/{console_session}", "DELETE", None),
        ("/users", "/users", "GET", None),
        ("/users", "/users", "POST", {"email": "ana", "role": "viewer"}),
        ("/users/{user}", "/users/{user_id}", "PATCH", {"disabled": True}),
        ("/users/{user}/setup-link", "/users/{user_id}/setup-link", "POST", None),
        ("/keys", "/keys", "GET", None),
        ("/keys", "/keys", "POST", {"label": ""}),
        ("/users/{user}/sessions", "/users/{user_id}/sessions", "DELETE", None),
        ("/organisations", "/organisations?organisation={organisation_id}", "GET", None),
        ("/groups", "/groups", "GET", None),
        ("/groups", "/groups", "POST", {"name": ""}),
        ("/groups/{group}", "/groups/{group_id}", "DELETE", None),
        ("/groups/{group}/members", "/groups/{group_id}/members", "POST", {"email": "cole@example.org"}),
        (
            "/groups/{group}/members/{email}",
            "/groups/{group_id}/members/cole@example.org",
            "DELETE",
            None,
        ),
        ("/collections/{collection}/sharing", "/collections/{collection_id}/sharing", "GET", None),
        (
            "/collections/{collection}/sharing",
            "/collections/{collection_id}/sharing",
            "PUT",
            {"who": "cole@example.org", "kind": "user", "permission": "admin"},
        ),
        (
            "/collections/{collection}/sharing/everybody",
            "/collections/{collection_id}/sharing/everybody",
            "PUT",
            {"opened": True},
        ),
        (
            "/collections/{collection}/sharing/{kind}/{who}",
            "/collections/{collection_id}/sharing/user/cole@example.org",
            "DELETE",
            None,
        ),
        ("/keys/{key}", "/keys/{key_id}", "DELETE", None),
        ("/gateways/{id}/versions", "/gateways/{gateway}/versions", "GET", None),
        ("/gateways/{id}/versions/{number}/restore", "/gateways/{gateway}/versions/1/restore", "POST", None),
        ("/collections/{collection}/documents", "/collections/{collection_id}/documents", "GET", None),
        ("/collections/{collection}/files", "/collections/{collection_id}/files?name=taken.txt", "POST", {}),
        ("/collections/{collection}/query", "/collections/{collection_id}/query", "POST", {"text": "what"}),
        ("/collections/{collection}/embedder", "/collections/{collection_id}/embedder", "GET", None),
        ("/collections/{collection}/embedder", "/collections/{collection_id}/embedder", "PUT", {}),
        (
            "/collections/{collection}/embedder/change",
            "/collections/{collection_id}/embedder/change",
            "DELETE",
            None,
        ),
        ("/embedders", "/embedders", "GET", None),
        ("/system", "/system", "GET", None),
        ("/system/storage", "/system/storage", "GET", None),
        ("/system/checks", "/system/checks", "GET", None),
        ("/system/config", "/system/config", "GET", None),
        ("/system/log", "/system/log", "GET", None),
        (
            "/collections/{collection}/documents/{document}",
            "/collections/{collection_id}/documents/{document_id}",
            "GET",
            None,
        ),
        (
            "/collections/{collection}/documents/{document}/retry",
            "/collections/{collection_id}/documents/{document_id}/retry",
            "POST",
            None,
        ),
        ("/collections/{collection}/label", "/collections/{collection_id}/label", "PUT", {"label": None}),
    )
]
# What only tells, of nothing that is named, is asked as it stands.
CONSOLE += [
    (path, Probe("console", "GET", path, ()))
    for path, methods in console_routes().items()
    if methods <= {"GET", "HEAD"} and "{" not in path
]

PROBES = [probe for dialect in _PREFIXES for probe in _probes(dialect)]


_FURTHER = [
    *(
        Probe(dialect, "POST", path, ("gateway",), body)
        for dialect, path, body in (
            ("openai", "/api/v1/chat/completions", _BODIES["POST /chat/completions"]),
            (
                "anthropic",
                "/v1/messages",
                {"model": "{gateway}", "max_tokens": 9, "messages": [{"role": "user", "content": "what"}]},
            ),
            (
                "anthropic",
                "/server/anthropic/v1/messages/count_tokens",
                {"model": "{gateway}", "messages": [{"role": "user", "content": "what"}]},
            ),
            (
                "gemini",
                "/google/v1beta/models/{gateway}:generateContent",
                {"contents": [{"parts": [{"text": "x"}]}]},
            ),
            (
                "gemini",
                "/google/v1beta/models/{gateway}:countTokens",
                {"contents": [{"parts": [{"text": "x"}]}]},
            ),
        )
    ),
    Probe("anthropic", "GET", "/anthropic/v1/models", ()),
    Probe("anthropic", "GET", "/anthropic/v1/models/{gateway}", ("gateway",)),
    Probe("gemini", "GET", "/google/v1beta/models", ()),
    Probe("gemini", "GET", "/google/v1beta/models/{gateway}", ("gateway",)),
]


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, values) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, values) for one in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\{([\w:]+)\}", value)
    if whole and whole[1] in values:
        return values[whole[1]]
    return re.sub(r"\{([\w:]+)\}", lambda match: str(values.get(match[1], "x")), value)


_CHANGING = re.compile(
    r'"(?:request_?id|requestId|instance|created|generatedAt)": ?("[^"]*"|\d+)|\d{4}-\d\d-\d\dT[\d:.]+Z?'
)


async def _answer(person: Person, probe: Probe, values: Mapping[str, Any]) -> tuple[int, str]:
    """The answer to the probe, without what was sent and what differs from answer to answer."""
    own = {f"own:{name}": value for name, value in person.things.items()}
    values = {**own, **values, "name": "Telegram"}
    path = _filled(probe.path, values)
    given: dict[str, Any] = {"params": _filled(dict(probe.query), values)}
    body = _filled(probe.body, values)
    if probe.path.endswith("/documents") and probe.verb == "POST":
        given["files"] = {"documents": ("a.jsonl", b'{"docid": "a", "text": "taken"}\n')}
    elif isinstance(body, dict) and "file" in body:
        given["files"] = {"file": ("a.txt", b"taken", "text/plain")}
        given["data"] = {name: str(one) for name, one in body.items() if name != "file"}
    elif body is not None:
        given["json"] = body
    answer = await person.client.request(probe.verb, path, **given)
    return answer.status_code, _CHANGING.sub("", masked(answer.text, values))


def _prefixed(probe: Probe) -> list[Probe]:
    prefixes = _PREFIXES.get(probe.dialect, ("",))
    return [
        Probe(probe.dialect, probe.verb, prefix + probe.path, probe.names, probe.body, probe.query, probe.own)
        for prefix in prefixes
    ]


ALL = [probe for one in PROBES for probe in _prefixed(one)] + _FURTHER


def _theirs(house: House, person: Person, probe: Probe) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands for Ana's things, and what for things that do not exist."""
    ana = {name: house.ana.things[name] for name in probe.names}
    none = {name: unknown(value) for name, value in ana.items()}
    for name in probe.own:
        ana[name] = none[name] = person.things[name]
    return ana, none


# What anybody may be told: 501 and 503 say what this server has not been given.
_NOT_SET_UP = (501, 503)
# They make a thing under an id that the caller chooses (whose title may then be set), or tell of oneself: the answer is
# the same for all ids.
_SUCCEED = {
    "POST /user/update-chat-session-json",
    "POST /user/update-chat-session-title",
    "GET /user/get-dataset-permissions",
    "POST /user/get-dataset-permissions",
    "POST /server/tokenizer",
}
# What goes on by itself, or is written about what the intruders themselves do.
_LIVING = {
    "jobs",
    "versions",
    "api_keys",
    "audit_heads",
    "budget_counters",
    "journal_offsets",
    "deep_runs",
    "facts",
}


def _rows(connection: sa.Connection) -> set[tuple[str, str]]:
    tables = (table for table in metadata.sorted_tables if table.name not in _LIVING)
    return {(table.name, repr(row)) for table in tables for row in connection.execute(sa.select(table))}


async def _faults(house: House, person: Person, probe: Probe) -> list[str]:
    ana, none = _theirs(house, person, probe)
    status, text = await _answer(person, probe, ana)
    faults = [f"shows {text}"] if MARKER in text else []
    if status >= 500 and status not in _NOT_SET_UP:
        faults.append(f"breaks: {status} {text}")
    if probe.names:
        if (status, text) != (missing := await _answer(person, probe, none)):
            faults.append(f"{status} {text}, but {missing} for what does not exist")
        said = re.search(r'"status": ?(\d+)', text)
        refused = status >= 400 or (said is not None and int(said[1]) >= 400)
        if not refused and f"{probe.verb} {probe.path}" not in _SUCCEED:
            faults.append(f"succeeds: {status} {text}")
    return [f"{probe}: {fault}" for fault in faults]


async def _kept_rows(house: House) -> set[tuple[str, str]]:
    return {row for row in await house.app.running.database.read(_rows) if MARKER in row[1]}


@pytest.mark.parametrize("who", ["colleague", "stranger"])
async def test_no_operation_shows_or_changes_what_is_anothers(inhabited: House, who: str) -> None:
    person, before = inhabited.person(who), await _kept_rows(inhabited)
    assert len(before) >= 20
    faults = [fault for probe in ALL for fault in await _faults(inhabited, person, probe)]
    assert not faults, "\n".join(faults)
    gone = before - await _kept_rows(inhabited)
    assert not gone, "\n".join(map(str, gone))


def _ends(probe: Probe) -> bool:
    return probe.verb == "DELETE" or "delete" in probe.path or probe.path == "/server/dataset"


# Whose answer to Ana herself is the same for what is hers: the test of these is that nothing is shown or changed.
_SAME_FOR_THE_OWNER = re.compile(
    "embeddings|audio/speech|ai-gateways$|dead-letters|execute-plugin|text-to-speech|query-plugin|query-with-file"
    "|follow-up|tokenizer|add-dataset|user-api-key|/v1/models/|v1beta/models/{gateway}$|-from-group|-to-group"
    "|deassign|assign-dataset|update-permission|get-dataset-organization|update-dataset-organization|chat-session-(json|title)"
)


async def test_a_stranger_learns_of_no_account_by_its_e_mail(inhabited: House) -> None:
    stranger = inhabited.stranger
    for path, body in (
        ("/user/assign-dataset", {"dataset": stranger.things["dataset"]}),
        ("/user/update-permission-dataset", {"dataset": stranger.things["dataset"], "permissions": "edit"}),
        ("/user/copy-chat", {"session_id": stranger.things["session_id"]}),
        ("/user/get-token-with-api-key", {"api_key": "sk-guessed"}),
    ):
        answers = [
            (await stranger.client.post(path, json=body | {"email": email})).text.replace(email, "")
            for email in (inhabited.ana.email, "nobody@nowhere.example")
        ]
        assert answers[0] == answers[1], path


async def test_mcp_offers_only_what_is_ones_own(inhabited: House) -> None:
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    for who in ("colleague", "stranger"):
        client = inhabited.person(who).client
        everything = await client.post(
            "/mcp/", json=listing, headers={"accept": "application/json, text/event-stream"}
        )
        assert MARKER not in everything.text
        answers = []
        for one in (inhabited.ana.things["collection_id"], unknown(inhabited.ana.things["collection_id"])):
            headers = {"accept": "application/json, text/event-stream", "x-mcp-collection-id": one}
            answer = await client.post("/v1/mcp/collections", json=listing, headers=headers)
            answers.append((answer.status_code, answer.text.replace(one, "")))
        assert answers[0] == answers[1]
        assert MARKER not in answers[0][1]


@pytest.mark.parametrize("who", ["colleague", "stranger"])
async def test_the_console_shows_and_changes_nothing_of_anothers(inhabited: House, who: str) -> None:
    person, before = await inhabited.person(who).at_the_console(), await _kept_rows(inhabited)
    inhabited.ana.things |= (await inhabited.ana.at_the_console()).things
    faults = [fault for _, probe in CONSOLE for fault in await _faults(inhabited, person, probe)]
    assert not faults, "\n".join(faults)
    gone = before - await _kept_rows(inhabited)
    assert not gone, "\n".join(map(str, gone))


# Last, as it opens what is hers to others.
async def test_the_owners_own_requests_reach_what_is_hers(inhabited: House) -> None:
    wrong = list[str]()
    for probe in (one for one in ALL if one.names and not one.own and not _ends(one)):
        ana, none = _theirs(inhabited, inhabited.ana, probe)
        missing = await _answer(inhabited.ana, probe, none)
        if missing == await _answer(inhabited.ana, probe, ana) and not _SAME_FOR_THE_OWNER.search(probe.path):
            wrong.append(f"{probe}: {missing}")
    assert not wrong, "\n".join(wrong)
