"""The console over HTTP: coming in, roles, what foreign pages cannot do, and what another organisation cannot see."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import API_KEY, EMAIL

from dragoman.bootstrap.application import build_application
from dragoman.bootstrap.asgi import Front
from dragoman.bootstrap.services import open_running
from dragoman.domain.accounts.admin import NewUser

PASSWORD = "correct horse battery"
BASE = "http://here/console/api"


class Visitor:
    """A browser of its own: cookies, and the token that the console's page sends."""

    def __init__(self, application: Front) -> None:
        transport = httpx.ASGITransport(application, client=("127.0.0.1", 1))  # pyright: ignore[reportArgumentType]
        self.client = httpx.AsyncClient(transport=transport, base_url="http://here", timeout=30)
        self.token = "-"

    async def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {"x-console-token": self.token, "x-response-envelope": "bare", **given.pop("headers", {})}
        return await self.client.request(method, f"/console{path}", headers=headers, **given)

    async def by_key(self, key: str) -> None:
        answer = await self.ask("POST", "/api/session", json={"key": key})
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["token"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[InProcess]:
    async with in_process(settings_in(tmp_path / "data")) as started:
        yield started


@pytest.fixture
async def owner(house: InProcess) -> Visitor:
    """Somebody who signed in as the first user."""
    visitor = Visitor(house.application)
    await visitor.by_key(API_KEY)
    return visitor


async def colleague(house: InProcess, owner: Visitor, role: str) -> Visitor:
    made = await owner.ask("POST", "/api/users", json={"email": f"{role}@example.org", "role": role})
    assert made.status_code == 201, made.text
    token = made.json()["link"]["url"].partition("#")[2]
    visitor = Visitor(house.application)
    answer = await visitor.ask("POST", "/api/setup", json={"token": token, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    visitor.token = answer.json()["token"]
    return visitor


async def stranger(house: InProcess) -> Visitor:
    """The owner of another organisation."""
    admin = house.running.services.accounts.admin
    await admin.create_user(NewUser("eva@elsewhere.org", "Elsewhere"))
    _, key = await admin.create_key("eva@elsewhere.org", "test")
    visitor = Visitor(house.application)
    await visitor.by_key(key)
    return visitor


async def gateway(visitor: Visitor, name: str = "helper") -> str:
    parameters = {"baseAddress": "@integrated", "modelName": "extractive"}
    body = {"name": name, "parameters": parameters}
    made = await visitor.ask("POST", "/via/api/v1/ai-gateways", json=body)
    assert made.status_code == 200, made.text
    return str(made.json()["aiGatewayId"])


async def test_the_page_runs_only_its_own_files_and_is_framed_by_nobody(house: InProcess) -> None:
    for path in ("/console", "/console/setup", "/console/gateways/x"):
        page = await house.nobody.get(path)
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "<script>" not in page.text
    for address in re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text):
        assert (await house.nobody.get(address)).status_code == 200


async def test_without_a_session_nothing_is_told(house: InProcess) -> None:
    nobody = Visitor(house.application)
    for path in ("/api/session", "/api/home", "/api/users", "/via/api/v1/ai-gateways"):
        refused = await nobody.ask("GET", path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "no_session")
    # A key goes to the API itself; to the console's operations it means nothing.
    assert (await house.client.get("/console/api/home")).status_code == 401
    assert (await house.client.get("/console/via/api/v1/ai-gateways")).status_code == 401


async def test_a_setup_link_leads_in_by_a_cookie_that_scripts_cannot_read(house: InProcess) -> None:
    link = await house.running.services.accounts.signin.setup_link(EMAIL)
    visitor = Visitor(house.application)
    looked = await visitor.ask("POST", "/api/setup/look", json={"token": link.token})
    assert looked.json() == {"email": EMAIL}
    answer = await visitor.ask("POST", "/api/setup", json={"token": link.token, "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/console" in cookie
    assert (await visitor.ask("GET", "/api/session")).json()["user"]["email"] == EMAIL
    again = await visitor.ask("POST", "/api/setup", json={"token": link.token, "password": PASSWORD})
    assert (again.status_code, again.json()["error"]["code"]) == (404, "setup_link_not_found")
    fresh = Visitor(house.application)
    entered = await fresh.ask("POST", "/api/session", json={"email": EMAIL.upper(), "password": PASSWORD})
    assert entered.status_code == 200


async def test_wrong_passwords_are_refused_and_in_the_end_slowed_down(
    house: InProcess, owner: Visitor
) -> None:
    visitor = Visitor(house.application)
    body = {"email": EMAIL, "password": "wrong"}
    answers = [await visitor.ask("POST", "/api/session", json=body) for _ in range(9)]
    assert {one.status_code for one in answers[:8]} == {401}
    assert answers[8].status_code == 429
    assert int(answers[8].headers["retry-after"]) > 0
    events = (await owner.ask("GET", "/api/audit?outcome=refused")).json()["events"]
    assert [event["action"] for event in events] == ["session.opened"] * 8


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"key": 7}', b'{"email": "a@b.c"}', b'{"other": 1}', b"\xff", b"{}"]
)
async def test_a_body_that_is_none_is_refused_in_words(house: InProcess, body: bytes) -> None:
    refused = await Visitor(house.application).ask("POST", "/api/session", content=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"x-console-token": "-"},
        {"x-console-token": "0" * 64},
    ],
)
async def test_a_foreign_page_changes_nothing(owner: Visitor, headers: dict[str, str]) -> None:
    for path in ("/api/keys", "/via/api/v1/ai-gateways"):
        refused = await owner.ask("POST", path, json={"label": "x"}, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"][-4:]) == (403, "page")
    without = await owner.client.post("/console/api/keys", json={"label": "x"})
    assert without.status_code == 403
    assert len((await owner.ask("GET", "/api/keys")).json()) == 1


async def test_the_own_page_may_change_things(owner: Visitor) -> None:
    headers = {"origin": "http://here", "sec-fetch-site": "same-origin"}
    made = await owner.ask("POST", "/api/keys", json={"label": "mine", "days": 3}, headers=headers)
    assert made.status_code == 201
    listed = {key["label"]: key for key in (await owner.ask("GET", "/api/keys")).json()}
    assert listed["mine"]["lastSix"] == made.json()["key"][-6:]
    assert made.json()["key"] not in str(listed)
    gone = await owner.ask("DELETE", f"/api/keys/{made.json()['id']}")
    assert gone.status_code == 204


async def test_signing_out_ends_the_session_for_good(owner: Visitor) -> None:
    cookie = owner.client.cookies["dragoman_console"]
    assert (await owner.ask("DELETE", "/api/session")).status_code == 204
    owner.client.cookies.set("dragoman_console", cookie, path="/console")
    assert (await owner.ask("GET", "/api/session")).status_code == 401


async def test_a_session_holds_over_a_restart(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    async with in_process(settings) as house:
        visitor = Visitor(house.application)
        await visitor.by_key(API_KEY)
        cookie = visitor.client.cookies["dragoman_console"]
    async with open_running(settings, work=False) as running, AsyncExitStack() as stack:
        again = Visitor(build_application(running, stack))
        again.client.cookies.set("dragoman_console", cookie, path="/console")
        again.token = visitor.token
        assert (await again.ask("GET", "/api/session")).json()["user"]["email"] == EMAIL
        assert (await again.ask("POST", "/api/keys", json={"label": "after"})).status_code == 201


async def test_a_viewer_looks_and_asks_but_changes_nothing(house: InProcess, owner: Visitor) -> None:
    viewer = await colleague(house, owner, "viewer")
    assert (await viewer.ask("GET", "/api/session")).json()["rights"] == ["use"]
    for path in ("/api/home", "/api/usage", "/api/keys", "/api/models", "/via/api/v1/collections"):
        assert (await viewer.ask("GET", path)).status_code == 200
    for method, path in (
        ("POST", "/via/api/v1/ai-gateways"),
        ("POST", "/via/api/v1/collections"),
        ("DELETE", "/via/api/v1/skills/management/clear"),
        ("GET", "/api/users"),
        ("GET", "/api/audit"),
        ("GET", "/api/audit/check"),
        ("GET", "/api/audit.jsonl"),
        ("GET", "/api/usage?scope=organisation"),
    ):
        refused = await viewer.ask(method, path, **({} if method == "GET" else {"json": {}}))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "role_needed"), path
    question = {"model": "extractive", "messages": [{"role": "user", "content": "hello"}]}
    assert (await viewer.ask("POST", "/via/v1/chat/completions", json=question)).status_code == 200


async def test_an_administrator_manages_users_but_not_the_owner(house: InProcess, owner: Visitor) -> None:
    admin = await colleague(house, owner, "admin")
    editor = await colleague(house, owner, "editor")
    users = {user["email"]: user["id"] for user in (await admin.ask("GET", "/api/users")).json()}
    changed = await admin.ask("PATCH", f"/api/users/{users['editor@example.org']}", json={"role": "viewer"})
    assert changed.status_code == 204
    assert (await editor.ask("GET", "/api/session")).json()["user"]["role"] == "viewer"
    locked = await admin.ask("PATCH", f"/api/users/{users['editor@example.org']}", json={"disabled": True})
    assert locked.status_code == 204
    assert (await editor.ask("GET", "/api/session")).status_code == 401
    for body in ({"role": "viewer"}, {"disabled": True}):
        assert (await admin.ask("PATCH", f"/api/users/{users[EMAIL]}", json=body)).status_code == 403
    assert (await admin.ask("POST", f"/api/users/{users[EMAIL]}/setup-link")).status_code == 403
    odd = await admin.ask("POST", "/api/users", json={"email": "x@example.org", "role": "king"})
    assert (odd.status_code, odd.json()["error"]["param"]) == (400, "role")


async def test_another_organisations_things_do_not_exist(house: InProcess, owner: Visitor) -> None:
    eva = await stranger(house)
    mine = await gateway(owner)
    collection = (await owner.ask("POST", "/via/api/v1/collections", json={"collectionName": "Ours"})).json()
    at = f"/api/collections/{collection['collectionId']}"
    stored = await owner.ask("POST", f"{at}/files?name=a.txt", content=b"The notice period is 3 months.")
    assert stored.status_code == 201, stored.text
    document = stored.json()["document"]["id"]
    user = (await owner.ask("GET", "/api/users")).json()[0]["id"]
    key = (await owner.ask("GET", "/api/keys")).json()[0]["id"]
    session = (await owner.ask("GET", "/api/sessions")).json()[0]["id"]
    for method, path, body in (
        ("GET", f"/via/api/v1/ai-gateways/{mine}", None),
        ("GET", f"/api/gateways/{mine}/versions", None),
        ("POST", f"/api/gateways/{mine}/versions/1/restore", None),
        ("GET", f"{at}/documents", None),
        ("POST", f"{at}/files?name=b.txt", {}),
        ("GET", f"{at}/documents/{document}", None),
        ("POST", f"{at}/documents/{document}/retry", None),
        ("POST", f"{at}/query", {"text": "notice"}),
        ("PATCH", f"/api/users/{user}", {"disabled": True}),
        ("POST", f"/api/users/{user}/setup-link", None),
        ("DELETE", f"/api/keys/{key}", None),
        ("DELETE", f"/api/sessions/{session}", None),
    ):
        answer = await eva.ask(method, path, json=body)
        assert answer.status_code == 404, (path, answer.text)
    assert "Ours" not in (await eva.ask("GET", "/api/audit.jsonl")).text
    assert EMAIL not in (await eva.ask("GET", "/api/audit")).text
    assert (await eva.ask("GET", "/api/ingestion")).json() == []


async def test_a_gateway_can_go_back_to_what_it_was(owner: Visitor) -> None:
    made = await gateway(owner)
    for text in ("First.", "Second."):
        change = {"parameters": {"systemInstruction": text}}
        assert (await owner.ask("PATCH", f"/via/api/v1/ai-gateways/{made}", json=change)).status_code == 200
    versions = (await owner.ask("GET", f"/api/gateways/{made}/versions")).json()
    assert [(one["number"], one["spec"]["system_prompt"]) for one in versions] == [
        (3, "Second."),
        (2, "First."),
        (1, None),
    ]
    assert {one["changedBy"] for one in versions} == {EMAIL}
    assert (await owner.ask("POST", f"/api/gateways/{made}/versions/2/restore")).status_code == 200
    now = (await owner.ask("GET", f"/via/api/v1/ai-gateways/{made}")).json()
    assert now["parameters"]["systemInstruction"] == "First."
    assert (await owner.ask("GET", f"/api/gateways/{made}/versions")).json()[0]["number"] == 4
    for number in ("9", "x", "-1", "9" * 30):
        gone = await owner.ask("POST", f"/api/gateways/{made}/versions/{number}/restore")
        assert gone.status_code == 404


async def test_a_document_is_uploaded_read_found_and_cited(house: InProcess, owner: Visitor) -> None:
    made = (await owner.ask("POST", "/via/api/v1/collections", json={"collectionName": "Manuals"})).json()
    at = f"/api/collections/{made['collectionId']}"
    text = b"# Contracts\n\nThe notice period is three months to the end of a quarter."
    stored = await owner.ask("POST", f"{at}/files?name=contract.md", content=text)
    assert stored.status_code == 201
    await house.settled(made["collectionId"])
    listed = (await owner.ask("GET", f"{at}/documents")).json()["documents"]
    assert [(one["name"], one["state"]) for one in listed] == [("contract.md", "indexed")]
    shown = (await owner.ask("GET", f"{at}/documents/{listed[0]['id']}")).json()
    assert "three months" in shown["content"][0]["text"]
    hits = (await owner.ask("POST", f"{at}/query", json={"text": "notice period"})).json()["hits"]
    assert hits[0]["document"]["name"] == "contract.md"
    assert hits[0]["score"] >= 0
    refused = await owner.ask("POST", f"{at}/documents/{listed[0]['id']}/retry")
    assert refused.status_code == 409


async def test_what_could_not_be_read_is_shown_and_tried_again(house: InProcess, owner: Visitor) -> None:
    made = (await owner.ask("POST", "/via/api/v1/collections", json={"collectionName": "Broken"})).json()
    at = f"/api/collections/{made['collectionId']}"
    await owner.ask("POST", f"{at}/files?name=broken.pdf", content=b"%PDF-1.4 nothing of the kind")
    await house.settled(made["collectionId"])
    failed = (await owner.ask("GET", "/api/ingestion?state=failed")).json()
    assert [(one["name"], one["collection"]["name"]) for one in failed] == [("broken.pdf", "Broken")]
    assert failed[0]["stateDetail"]
    again = await owner.ask("POST", f"{at}/documents/{failed[0]['id']}/retry")
    assert (again.status_code, again.json()["state"]) == (200, "queued")
    await house.settled(made["collectionId"])
    assert len((await owner.ask("GET", "/api/ingestion?state=failed")).json()) == 1
    home = (await owner.ask("GET", "/api/home")).json()
    assert home["counts"]["ingestFailed"] == 1
    assert home["failures"][0]["what"] == "broken.pdf"


async def test_usage_tells_what_was_asked_and_by_which_user(owner: Visitor) -> None:
    question = {"model": "extractive", "messages": [{"role": "user", "content": "hello"}]}
    assert (await owner.ask("POST", "/via/v1/chat/completions", json=question)).status_code == 200
    for scope in ("own", "organisation"):
        (row,) = (await owner.ask("GET", f"/api/usage?days=1&scope={scope}")).json()["rows"]
        assert (row["model"], row["user"], row["answers"]) == ("extractive", EMAIL, 1)
    table = (await owner.ask("GET", "/api/usage.csv?days=1")).text.splitlines()
    assert table[0].startswith("day,kind,model,user,key,answers")
    assert "extractive" in table[1]
    refused = await owner.ask("GET", "/api/usage?days=x")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "days")


async def test_the_audit_trail_is_searched_checked_and_taken_away(owner: Visitor) -> None:
    await gateway(owner, "findable")
    found = (await owner.ask("GET", "/api/audit?text=FINDable")).json()["events"]
    assert [event["action"] for event in found] == ["gateway.created"]
    assert (await owner.ask("GET", "/api/audit?text=100%25")).json()["events"] == []
    checked = (await owner.ask("GET", "/api/audit/check")).json()
    lines = (await owner.ask("GET", "/api/audit.jsonl")).text.splitlines()
    assert json.loads(lines[-1])["action"] == "audit.exported"
    assert (checked["whole"], checked["events"]) == (True, len(lines) - 1)
    first = (await owner.ask("GET", "/api/audit?before=2")).json()["events"]
    assert [event["number"] for event in first] == [1]


async def test_only_what_the_page_needs_is_handed_on(owner: Visitor) -> None:
    for path in (
        "/via/api/v1/public/chat-clients/x",
        "/via/metrics",
        "/via/console/api/home",
        "/via/v1/embeddings",
        "/via/api/v1/auth/login",
        "/via/api/v1/x/../../../metrics",
        "/api/nothing",
    ):
        assert (await owner.ask("GET", path)).status_code == 404, path
    answer = await owner.ask("GET", "/via/v1/models", headers={"origin": "http://here"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
    assert len(answer.headers.get_list("x-request-id")) == 1
