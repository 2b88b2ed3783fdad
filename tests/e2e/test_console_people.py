"""Organisations, groups, sharing and files in the console: who may do what, and what others cannot see."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import API_KEY, EMAIL
from tests.e2e.test_console import Visitor, colleague, stranger


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[InProcess]:
    async with in_process(settings_in(tmp_path / "data")) as started:
        yield started


@pytest.fixture
async def owner(house: InProcess) -> Visitor:
    visitor = Visitor(house.application)
    await visitor.by_key(API_KEY)
    return visitor


async def collection(visitor: Visitor, name: str) -> str:
    made = await visitor.ask("POST", "/via/api/v1/collections", json={"collectionName": name})
    return made.json()["collectionId"]


async def test_the_operator_makes_an_organisation_and_looks_after_its_people(
    house: InProcess, owner: Visitor
) -> None:
    made = await owner.ask("POST", "/api/organisations", json={"name": "Acme", "email": "ann@acme.org"})
    assert made.status_code == 201, made.text
    acme = made.json()["id"]
    ann = Visitor(house.application)
    token = made.json()["link"]["url"].partition("#")[2]
    entered = await ann.ask("POST", "/api/setup", json={"token": token, "password": "correct horse battery"})
    ann.token = entered.json()["token"]
    rows = {one["name"]: one for one in (await owner.ask("GET", "/api/organisations")).json()}
    assert (rows["Acme"]["users"], rows["Acme"]["own"]) == (1, False)
    at = f"?organisation={acme}"
    assert [one["role"] for one in (await owner.ask("GET", f"/api/users{at}")).json()] == ["owner"]
    invited = await owner.ask("POST", f"/api/users{at}", json={"email": "bob@acme.org", "role": "editor"})
    bob = invited.json()["id"]
    assert (await owner.ask("PATCH", f"/api/users/{bob}{at}", json={"role": "admin"})).status_code == 204
    shown = {one["email"]: one["role"] for one in (await ann.ask("GET", "/api/users")).json()}
    assert shown == {"ann@acme.org": "owner", "bob@acme.org": "admin"}
    events = (await ann.ask("GET", "/api/audit")).json()["events"]
    changed = next(one for one in events if one["action"] == "user.role_changed")
    assert (changed["actor"], changed["details"]["operator"]) == ("operator", EMAIL)
    again = await owner.ask("POST", "/api/organisations", json={"name": "Acme"})
    assert (again.status_code, again.json()["error"]["param"]) == (409, "name")


async def test_nobody_else_sees_organisations_or_people_of_another(house: InProcess, owner: Visitor) -> None:
    eva, admin = await stranger(house), await colleague(house, owner, "admin")
    home = next(one["id"] for one in (await owner.ask("GET", "/api/organisations")).json() if one["own"])
    for visitor in (eva, admin):
        assert (await visitor.ask("GET", "/api/organisations")).status_code == 403
        assert (await visitor.ask("POST", "/api/organisations", json={"name": "Mine"})).status_code == 403
    for method, path, body in (
        ("GET", "/api/users", None),
        ("POST", "/api/users", {"email": "spy@elsewhere.org", "role": "viewer"}),
        ("GET", "/api/groups", None),
        ("POST", "/api/groups", {"name": "Spies"}),
    ):
        answer = await eva.ask(method, f"{path}?organisation={home}", json=body)
        assert answer.status_code == 403, answer.text
    missing = await owner.ask("GET", "/api/users?organisation=nowhere")
    assert missing.status_code == 404


async def test_a_group_is_filled_shared_with_and_emptied(house: InProcess, owner: Visitor) -> None:
    viewer = await colleague(house, owner, "viewer")
    handbook = await collection(owner, "Handbook")
    assert (await viewer.ask("GET", "/api/sharing")).json() == []
    assert (await owner.ask("POST", "/api/groups", json={"name": "Sales / EU"})).status_code == 201
    (group,) = (await owner.ask("GET", "/api/groups")).json()
    members = f"/api/groups/{group['id']}/members"
    assert (await owner.ask("POST", members, json={"email": "viewer@example.org"})).status_code == 204
    share = {"who": "Sales / EU", "kind": "group", "permission": "read"}
    at = f"/api/collections/{handbook}/sharing"
    assert (await owner.ask("PUT", at, json=share)).status_code == 204
    (row,) = (await viewer.ask("GET", "/api/sharing")).json()
    assert (row["name"], row["permission"], row["mayShare"], row["grants"]) == ("Handbook", "read", False, [])
    shown = (await owner.ask("GET", at)).json()
    assert shown["groupNames"] == ["Sales / EU"]
    assert shown["grants"] == [{"kind": "group", "who": "Sales / EU", "permission": "read"}]
    assert (await owner.ask("DELETE", f"{members}/viewer@example.org")).status_code == 204
    assert (await viewer.ask("GET", "/api/sharing")).json() == []
    assert (await owner.ask("DELETE", f"/api/groups/{group['id']}")).status_code == 204
    assert (await owner.ask("GET", at)).json()["grants"] == []


async def test_a_collection_is_shared_with_a_colleague_and_with_everybody(
    house: InProcess, owner: Visitor
) -> None:
    editor, viewer = await colleague(house, owner, "editor"), await colleague(house, owner, "viewer")
    at = f"/api/collections/{await collection(owner, 'Handbook')}/sharing"
    assert (await editor.ask("GET", at)).status_code == 404
    share = {"who": "editor@example.org", "kind": "user", "permission": "admin"}
    assert (await owner.ask("PUT", at, json=share)).status_code == 204
    assert (await editor.ask("PUT", f"{at}/everybody", json={"opened": True})).status_code == 204
    assert (await viewer.ask("GET", at)).json()["opened"] is True
    refused = await viewer.ask("PUT", f"{at}/everybody", json={"opened": False})
    assert refused.status_code == 403
    unknown = await owner.ask("PUT", at, json={**share, "who": "nobody@example.org"})
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "email")
    assert (await owner.ask("DELETE", f"{at}/user/editor@example.org")).status_code == 204
    assert (await owner.ask("GET", at)).json()["grants"] == []


async def test_files_are_listed_kept_and_deleted_by_who_may(house: InProcess, owner: Visitor) -> None:
    at = "/via/api/v1/shell/io/file?path=/reports/plan.html"
    sent = await owner.ask("POST", at, content=b"<script>1</script>", headers={"x-shell-user-id": "zoe / 1"})
    assert sent.status_code == 200, sent.text
    told = (await owner.ask("GET", "/api/files")).json()
    (work,) = told["workspaces"]
    assert work["user"] == "zoe / 1"
    assert 0 < work["bytes"] < told["mostBytes"]
    params = {"user": "zoe / 1", "path": "/reports"}
    listed = (await owner.ask("GET", "/api/files/listing", params=params)).json()
    assert [(one["name"], one["folder"], one["bytes"]) for one in listed] == [("plan.html", False, 18)]
    params["path"] = "/reports/plan.html"
    got = await owner.ask("GET", "/api/files/content", params=params)
    assert got.content == b"<script>1</script>"
    assert got.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in got.headers["content-security-policy"]
    eva = await stranger(house)
    assert (await eva.ask("GET", "/api/files")).json()["workspaces"] == []
    assert (await eva.ask("GET", "/api/files/content", params=params)).status_code == 404
    above = await owner.ask("GET", "/api/files/content", params={**params, "path": "/../../secret.key"})
    assert above.status_code == 400
    viewer = await colleague(house, owner, "viewer")
    assert (await viewer.ask("DELETE", "/api/files/content", params=params)).status_code == 403
    folder = {**params, "path": "/reports", "folder": "true"}
    assert (await owner.ask("DELETE", "/api/files/content", params=folder)).status_code == 204
    assert (await owner.ask("GET", "/api/files/content", params=params)).status_code == 404


async def test_signing_out_everywhere_ends_all_sessions(house: InProcess, owner: Visitor) -> None:
    elsewhere = Visitor(house.application)
    await elsewhere.by_key(API_KEY)
    assert len((await owner.ask("GET", "/api/sessions")).json()) == 2
    assert (await owner.ask("DELETE", "/api/sessions")).status_code == 204
    for visitor in (owner, elsewhere):
        assert (await visitor.ask("GET", "/api/session")).status_code == 401


async def test_an_administrator_signs_a_colleague_out(house: InProcess, owner: Visitor) -> None:
    editor, admin = await colleague(house, owner, "editor"), await colleague(house, owner, "admin")
    users = {one["email"]: one["id"] for one in (await admin.ask("GET", "/api/users")).json()}
    assert (await admin.ask("DELETE", f"/api/users/{users[EMAIL]}/sessions")).status_code == 403
    done = await admin.ask("DELETE", f"/api/users/{users['editor@example.org']}/sessions")
    assert done.status_code == 204
    assert (await editor.ask("GET", "/api/session")).status_code == 401
