"""The page of the server itself: what it tells, and whom."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.in_process import settings_in
from tests.e2e.server import API_KEY, EMAIL
from tests.e2e.test_console import Visitor

from dragoman.bootstrap.application import build_application
from dragoman.bootstrap.asgi import Front
from dragoman.bootstrap.services import Running, open_running
from dragoman.bootstrap.system import System
from dragoman.domain.accounts.admin import NewUser
from dragoman.kit.recent import RecentLines
from dragoman.settings import load_settings

SECRET = "no-one-may-read-this"
PARTS = ("system", "system/storage", "system/checks", "system/config", "system/log")


@dataclass
class House:
    running: Running
    application: Front
    recent: RecentLines
    data: Path

    async def visitor(self, email: str, role: str | None = None, organisation: str | None = None) -> Visitor:
        admin = self.running.services.accounts.admin
        key = API_KEY
        if role is not None:
            await admin.create_user(NewUser(email, organisation or "Default", role))  # pyright: ignore[reportArgumentType]
            _, key = await admin.create_key(email, "test")
        visitor = Visitor(self.application)
        await visitor.by_key(key)
        return visitor


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    data = tmp_path / "data"
    file = tmp_path / "dragoman.toml"
    file.write_text(f'[server]\nmetrics_token = "{SECRET}"\n[knowledge]\npassage_tokens = 333\n')
    environment = {
        "DRAGOMAN_DATA_DIR": str(data),
        "DRAGOMAN_EMBEDDING__PROVIDER": "none",
        "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
    }
    loaded = load_settings(config=file, environment=environment, working_dir=tmp_path)
    async with open_running(loaded.settings, work=True) as running, AsyncExitStack() as stack:
        await running.services.accounts.admin.create_user(NewUser(EMAIL, "Default", "owner"))
        await running.services.accounts.admin.ensure_bootstrap(EMAIL, API_KEY)
        recent = RecentLines()
        system = System(running, loaded, recent)
        yield House(running, build_application(running, stack, system=system), recent, data)


async def test_an_owner_reads_what_the_server_is_and_where_each_setting_came_from(house: House) -> None:
    owner = await house.visitor(EMAIL)
    told = (await owner.ask("GET", "/api/system")).json()
    assert told["dataFolder"] == str(house.data)
    assert told["contacts"] == {"offline": False, "allow": [], "refused": []}
    assert {one["name"] for one in told["models"]} >= {"extractive"}
    rows = {one["name"]: one for one in (await owner.ask("GET", "/api/system/config")).json()}
    assert rows["knowledge.passage_tokens"]["value"] == 333
    assert rows["knowledge.passage_tokens"]["origin"].startswith("file ")
    assert rows["embedding.provider"]["origin"] == "environment DRAGOMAN_EMBEDDING__PROVIDER"
    assert rows["server.port"]["origin"] == "default"
    assert rows["server.metrics_token"]["value"] == "********"


async def test_checks_name_a_remedy_and_storage_counts_what_is_there(house: House) -> None:
    owner = await house.visitor(EMAIL)
    (house.data / "weights").mkdir(exist_ok=True)
    checks = {one["name"]: one for one in (await owner.ask("GET", "/api/system/checks")).json()}
    assert checks["data folder"]["state"] == "ok"
    assert checks["weights"]["state"] == "warning"
    assert checks["weights"]["remedy"] == "run scripts/fetch-weights"
    (house.data / "ballast").write_bytes(b"x" * 100_000)
    storage = (await owner.ask("GET", "/api/system/storage")).json()
    parts = {one["name"]: one for one in storage["parts"]}
    assert parts["ballast"]["bytes"] >= 100_000
    assert parts["dragoman.db"]["files"] == 1
    assert storage["whole"]


async def test_work_is_counted_by_kind_and_refusals_are_named(house: House) -> None:
    owner = await house.visitor(EMAIL)
    made = await owner.ask("POST", "/via/api/v1/collections", json={"collectionName": "Handbook"})
    collection = made.json()["collectionId"]
    sent = await owner.ask(
        "POST",
        f"/api/collections/{collection}/files?name=a.md",
        content=b"# A\n\nThree months.",
        headers={"content-type": "text/markdown"},
    )
    assert sent.status_code < 300, sent.text
    house.running.denials.note("10.0.0.1")
    told = (await owner.ask("GET", "/api/system")).json()
    assert sum(sum(one["states"].values()) for one in told["work"]["queues"]) >= 1
    assert [one["host"] for one in told["contacts"]["refused"]] == ["10.0.0.1"]


async def test_log_lines_are_found_by_text_and_level(house: House) -> None:
    owner = await house.visitor(EMAIL)
    house.recent(
        None, "", {"event": "thing.made", "level": "info", "timestamp": "2026-01-01T00:00:00Z", "n": 1}
    )
    house.recent(None, "", {"event": "thing.lost", "level": "error", "timestamp": "2026-01-01T00:00:01Z"})
    all_lines = (await owner.ask("GET", "/api/system/log")).json()
    assert [one["event"] for one in all_lines] == ["thing.lost", "thing.made"]
    assert all_lines[1]["facts"] == {"n": "1"}
    errors = (await owner.ask("GET", "/api/system/log?level=error")).json()
    assert [one["event"] for one in errors] == ["thing.lost"]
    assert (await owner.ask("GET", "/api/system/log?text=made&limit=5")).json() == [all_lines[1]]
    assert (await owner.ask("GET", "/api/system/log?limit=0")).status_code == 400


@pytest.mark.parametrize("part", PARTS)
async def test_nobody_but_who_looks_after_the_server_reads_it(house: House, part: str) -> None:
    editor = await house.visitor("ed@example.org", "editor")
    tenant = await house.visitor("eva@elsewhere.org", "owner", "Elsewhere")
    for visitor in (editor, tenant):
        answer = await visitor.ask("GET", f"/api/{part}")
        assert answer.status_code == 403, answer.text
        assert answer.json()["error"]["code"] == "operator_needed"
    assert (await Visitor(house.application).ask("GET", f"/api/{part}")).status_code == 401
    admin = await house.visitor("adam@example.org", "admin")
    answer = await admin.ask("GET", f"/api/{part}")
    assert answer.status_code == 200
    assert SECRET not in answer.text


async def test_the_session_says_who_looks_after_the_server(house: House) -> None:
    owner, admin = await house.visitor(EMAIL), await house.visitor("adam@example.org", "admin")
    tenant = await house.visitor("eva@elsewhere.org", "owner", "Elsewhere")
    rights = [(await one.ask("GET", "/api/session")).json()["rights"] for one in (owner, admin, tenant)]
    assert rights[0][-2:] == ["operate", "found"]
    assert rights[1][-1] == "operate"
    assert "operate" not in rights[2]
    assert (await tenant.ask("GET", "/api/home")).json()["dataFolder"] is None


async def test_the_operators_organisation_can_be_named(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data", console={"operators": "Elsewhere"})
    async with open_running(settings, work=False) as running, AsyncExitStack() as stack:
        accounts = running.services.accounts
        await accounts.admin.ensure_bootstrap(EMAIL, API_KEY)
        eva = await accounts.admin.create_user(NewUser("eva@elsewhere.org", "Elsewhere", "owner"))
        _, key = await accounts.admin.create_key(eva.email, "test")
        application = build_application(running, stack)
        first, named = Visitor(application), Visitor(application)
        await first.by_key(API_KEY)
        await named.by_key(key)
        assert (await first.ask("GET", "/api/system")).status_code == 403
        # This application was built without a report, and says so.
        assert (await named.ask("GET", "/api/system")).json()["error"]["code"] == "no_system_report"
