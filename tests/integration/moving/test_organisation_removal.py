"""An organisation is taken off a server that runs: nothing of it is left, nothing of others is touched."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.dialects.tenants.house import House, house
from tests.e2e.in_process import OTHER_EMAIL, InProcess, in_process, settings_in
from tests.e2e.server import EMAIL, environment

from dragoman.adapters.blobs.obstore import ObjectStoreBlobs
from dragoman.adapters.simulators.services import SimulatedServices
from dragoman.bootstrap import removing
from dragoman.bootstrap.removing import open_removal
from dragoman.db.jobs.tables import jobs
from dragoman.db.schema import metadata
from dragoman.domain.accounts.audit.service import AuditLog
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.repository import key_snapshot
from dragoman.domain.messages.events import Usage
from dragoman.domain.moving.plan import BOUND, MOVED, STAYS
from dragoman.domain.moving.removal import repository, service
from dragoman.domain.moving.removal.repository import REMOVED
from dragoman.domain.moving.removal.service import LateUsage
from dragoman.domain.usage.meter import UsageContext
from dragoman.domain.usage.receipts.tables import receipts
from dragoman.domain.usage.tables import journal_offsets, usage_records
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Conflict, NotFound, Unavailable
from dragoman.kit.ids import uuid7
from dragoman.settings import Settings

_BOUND_SECONDS = 60.0
# Words of the server, not of an organisation; a job names what it is about by number only.
_NOT_ITS_OWN = ("facts", "jobs")


def test_every_table_with_an_owner_is_removed_or_goes_with_what_it_belongs_to() -> None:
    bound = {moved.table.name for moved in BOUND}
    assert bound <= set(STAYS)
    assert set(REMOVED) == set(MOVED) | bound
    for table in metadata.sorted_tables:
        cascades = [key.ondelete == "CASCADE" for key in table.foreign_keys]
        assert table.name in REMOVED or any(cascades) or not cascades, f"say what becomes of {table.name}"


async def _counted(made: House) -> None:
    """Returns when all usage is out of the journal and in the database."""
    folder = made.app.running.services.settings.data_dir / "journal"
    offsets = sa.select(journal_offsets.c.segment, journal_offsets.c.offset)
    async with asyncio.timeout(30):
        while True:
            written = {file.name: file.stat().st_size for file in folder.glob("*.jsonl")}
            loaded = await made.app.running.database.read(
                lambda connection: {row.segment: row.offset for row in connection.execute(offsets)}
            )
            if written and all(loaded.get(name, 0) == size for name, size in written.items()):
                return
            await asyncio.sleep(0.05)


def _rows(connection: Connection) -> dict[str, list[str]]:
    tables = [table for table in metadata.sorted_tables if table.name not in _NOT_ITS_OWN]
    return {table.name: [repr(row) for row in connection.execute(sa.select(table))] for table in tables}


def _of_others(connection: Connection, organisation_id: str) -> dict[str, list[str]]:
    return {
        name: sorted(
            repr(row)
            for row in connection.execute(sa.select(moved.table).where(~moved.touched(organisation_id)))
        )
        for name, moved in REMOVED.items()
        if not name.startswith("audit_")
    }


def _waiting(connection: Connection) -> set[str]:
    return set(connection.execute(sa.select(jobs.c.key).where(jobs.c.kind.startswith("schedule."))).scalars())


def _blobs(settings: Settings) -> set[Path]:
    return {path for path in (settings.data_dir / "blobs").rglob("*") if path.is_file()}


async def _workspace(made: House) -> None:
    for person in (made.ana, made.stranger):
        place = made.app.running.services.settings.workspaces_dir / person.things["user_id"] / "shell"
        place.mkdir(parents=True)
        (place / "kept.txt").write_text("kept")
        file = {"file": ("birds.md", b"# Birds\n\nKestrels nest in the heights of the tower.")}
        data = {"dataset": person.things["filename"].removesuffix(".txt")}
        taught = await person.client.post("/server/train-with-file", files=file, data=data)
        assert taught.status_code == 200, taught.text
    async with asyncio.timeout(60):
        for person in (made.ana, made.colleague, made.stranger):
            for one in (await person.client.get("/api/v1/collections")).json():
                while True:
                    listed = await person.client.get(f"/api/v1/collections/{one['id']}/documents")
                    if all(document["indexState"] == "Indexed" for document in listed.json()):
                        break
                    await asyncio.sleep(0.05)


async def test_nothing_is_left_of_a_removed_organisation_and_others_keep_what_is_theirs(
    database_url: str | None, tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimulatedServices(0) as services:
        groups: dict[str, Any] = {} if database_url is None else {"database": {"url": database_url}}
        groups["channels"] = {"telegram_url": services.url}
        async with house(tmp_path / "house", monkeypatch, **groups) as made:
            await _workspace(made)
            await _counted(made)
            await _removed_while_it_runs(made, services, tmp_path / "audit.jsonl")


async def _removed_while_it_runs(made: House, services: SimulatedServices, audit: Path) -> None:
    running, stranger = made.app.running, made.stranger
    settings, database = running.services.settings, running.database
    its, things = stranger.things["organisation_id"], stranger.things
    hook = running.services.channels.hook_path(things["client_id"], "telegram", "telegram")
    services._hook("telegram", f"https://here.example/hooks{hook}")
    caller = await running.services.accounts.admin.caller(stranger.email)
    others, blobs = await database.read(_of_others, its), _blobs(settings)
    assert (await stranger.client.get("/api/v1/collections")).status_code == 200
    async with open_removal(settings) as removal:
        found = await removal.look(stranger.email)
        assert found.rows["documents"] >= 3
        assert {things["schedule_once"], things["schedule_again"]} <= await database.read(_waiting)
        assert len(await database.read(_rows)) > 60
        done = await removal.remove(found, audit)
    assert done.rows.keys() == found.rows.keys()
    assert done.files == found.files >= 1
    assert done.folders == 1
    assert "does not call this server any more" in done.webhooks[0]
    assert services._hook("telegram") == ""
    # Nothing in any table says a word of it, but the audit of who runs the server.
    left = await database.read(_rows)
    words = (its, things["user_id"], stranger.email, "strangely", things["client_id"], things["session_id"])
    for name, rows in left.items():
        told = [row for row in rows if any(word in row for word in words)]
        if name == "audit_events":
            assert len(told) == 1, told
            assert "organisation.removed" in told[0]
        else:
            assert not told, f"{name}: {told}"
    assert not {things["schedule_once"], things["schedule_again"]} & await database.read(_waiting)
    assert len(blobs - _blobs(settings)) == done.files
    assert not (settings.workspaces_dir / things["user_id"]).exists()
    # Others keep theirs.
    assert await database.read(_of_others, its) == others
    assert (settings.workspaces_dir / made.ana.things["user_id"] / "shell" / "kept.txt").is_file()
    await _others_are_answered(made)
    await running.services.accounts.versions.check()
    await _refused(made)
    # What was kept is what was there.
    events = await asyncio.to_thread(_kept, audit)
    assert events[-1]["number"] == done.events == len(events)
    assert (events[-1]["hash"], events[-1]["action"]) == (done.head, "organisation.removing")
    assert {event["organisation"] for event in events} == {its}
    chains = await running.services.accounts.audit.verify()
    assert {chain.organisation_id for chain in chains} >= {made.ana.things["organisation_id"]}
    assert all(chain.organisation_id != its and chain.problem is None for chain in chains)
    await _late_usage_goes(made, caller)


def _kept(audit: Path) -> list[dict[str, Any]]:
    assert audit.stat().st_mode & 0o077 == 0
    return [json.loads(line) for line in audit.read_text().splitlines()]


async def _others_are_answered(made: House) -> None:
    ana = made.ana.client
    asked = {
        "term": "kestrels in the heights",
        "minScore": 0.0,
        "collections": [made.ana.things["collection_id"]],
    }
    assert (await ana.post("/api/v1/query", json=asked)).json()
    chat = {"model": made.ana.things["gateway"], "messages": [{"role": "user", "content": "So?"}]}
    assert (await ana.post("/v1/chat/completions", json=chat)).status_code == 200


async def _refused(made: House) -> None:
    """The key is one that nobody has, for every dialect."""
    for verb, path in (
        ("GET", "/api/v1/collections"),
        ("GET", "/v1/models"),
        ("POST", "/server/query"),
        ("GET", "/v1/playground/agents"),
    ):
        given = await made.stranger.client.request(verb, path, json={} if verb == "POST" else None)
        unknown = await made.stranger.client.request(
            verb,
            path,
            json={} if verb == "POST" else None,
            headers={"authorization": f"Bearer {'x' * len(made.stranger.key)}"},
        )
        assert given.status_code == unknown.status_code, path
        assert given.status_code in (400, 401, 403, 404), path


async def _late_usage_goes(made: House, caller: Caller) -> None:
    """What servers wrote down last comes into the database after the organisation is gone, and goes as well."""
    running = made.app.running
    context = UsageContext(caller=caller, dialect="openai", kind="chat", started_at=now_ms())
    running.services.meter.record(context, model="m", usage=Usage(), status=200)
    running.services.meter.tell(caller, uuid7(), {"documents": []})
    await _counted(made)
    its = caller.organisation_id
    assert await running.database.read(_used, its) == (1, 1)
    assert await LateUsage(running.database).sweep() == 2
    assert await running.database.read(_used, its) == (0, 0)
    assert await LateUsage(running.database).sweep() == 0


def _used(connection: Connection, organisation_id: str) -> tuple[int, ...]:
    return tuple(
        connection.execute(
            sa.select(sa.func.count()).select_from(table).where(table.c.organisation_id == organisation_id)
        ).scalar_one()
        for table in (usage_records, receipts)
    )


@pytest.fixture
async def two(tmp_path: Path, anyio_backend: str) -> Settings:
    """A server with the organisation that runs it and another, which has documents, files and a workspace."""
    settings = settings_in(tmp_path / "two")
    async with in_process(settings) as app:
        stranger = app.stranger
        assert (await stranger.post("/user/add-dataset", json={"dataset": "birds"})).status_code == 200
        (one,) = (await stranger.get("/api/v1/collections")).json()
        lines = [json.dumps({"docid": f"b{number}", "text": f"Kestrel {number}."}) for number in range(300)]
        files = {"documents": ("birds.jsonl", "\n".join(lines).encode())}
        stored = await stranger.post(f"/api/v1/collections/{one['id']}/documents", files=files)
        assert stored.status_code == 200, stored.text
        for number in range(5):
            file = {"file": (f"file-{number}.md", f"# File {number}\n\nA heron.".encode())}
            taught = await stranger.post("/server/train-with-file", files=file, data={"dataset": "birds"})
            assert taught.status_code == 200, taught.text
        caller = await app.running.services.accounts.admin.caller(OTHER_EMAIL)
        folder = settings.workspaces_dir / caller.user_id / "shell"
        folder.mkdir(parents=True)
        (folder / "kept.txt").write_text("kept")
    return settings


def _command(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dragoman", "organisations", *words],
        env=environment(settings.data_dir),
        capture_output=True,
        text=True,
        check=False,
        timeout=_BOUND_SECONDS,
    )


async def test_what_the_server_cannot_be_without_stays_and_a_look_changes_nothing(
    two: Settings, tmp_path: Path
) -> None:
    async with open_removal(two) as removal:
        with pytest.raises(Conflict, match="runs this server"):
            await removal.look(EMAIL)
        with pytest.raises(NotFound):
            await removal.look("nobody")
        before = await removal.database.read(_rows)
        found = await removal.look(OTHER_EMAIL)
        other = tmp_path / "other.txt"
        other.write_text("something else\n")
        with pytest.raises(Conflict, match="holds something else"):
            await removal.remove(found, other)
        assert other.read_text() == "something else\n"
        assert await removal.database.read(_rows) == before
    named = two.model_copy(update={"console": two.console.model_copy(update={"operators": OTHER_EMAIL})})
    async with open_removal(named) as removal:
        with pytest.raises(Conflict, match="runs this server"):
            await removal.look(OTHER_EMAIL)
    nobody = two.model_copy(update={"console": two.console.model_copy(update={"operators": "gone"})})
    async with open_removal(nobody) as removal:
        with pytest.raises(Conflict, match="nobody would look after"):
            await removal.look(OTHER_EMAIL)


def test_the_command_shows_first_and_wants_to_know_what_becomes_of_the_audit(
    two: Settings, tmp_path: Path
) -> None:
    shown = _command(two, "remove", OTHER_EMAIL)
    assert shown.returncode == 0, shown.stderr
    assert "documents 305" in shown.stdout
    assert "nothing was changed; add --yes" in shown.stdout
    refused = _command(two, "remove", OTHER_EMAIL, "--yes")
    assert refused.returncode == 2
    assert "--discard-audit" in refused.stderr
    home = _command(two, "remove", EMAIL, "--yes", "--discard-audit")
    assert home.returncode == 1
    assert "runs this server" in home.stderr
    done = _command(two, "remove", OTHER_EMAIL, "--yes", "--audit", str(tmp_path / "a.jsonl"), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["done"], told["rows"]["documents"], told["folders"]) == (True, 305, 1)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == told["events"]
    assert [one["name"] for one in json.loads(_command(two, "list", "--json").stdout)] == [EMAIL]
    assert _command(two, "remove", OTHER_EMAIL, "--yes", "--discard-audit").returncode == 1


def test_a_removal_that_is_killed_is_completed_by_the_next(two: Settings, tmp_path: Path) -> None:
    audit, files = tmp_path / "audit.jsonl", len(_blobs(two))
    words = ("remove", OTHER_EMAIL, "--yes", "--audit", str(audit))
    for moment in (lambda: len(_blobs(two)) < files, audit.exists):
        _killed_when(moment, two, *words)
    done = _command(two, *words)
    assert done.returncode == 0 or "no organisation" in done.stderr, done.stderr
    assert not _blobs(two)
    assert not any(two.workspaces_dir.glob("*"))
    events = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["action"] == "organisation.removing"


def _killed_when(seen: Callable[[], bool], settings: Settings, *words: str) -> None:
    """Runs the command and kills it as soon as something is seen, if it has not ended before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman", "organisations", *words],
        env=environment(settings.data_dir),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + _BOUND_SECONDS
    while process.poll() is None and not seen():
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.wait(10)


async def test_a_removal_goes_on_from_wherever_it_was_cut_short(
    two: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = tmp_path / "audit.jsonl"

    def fail(*_: object, **__: object) -> Any:
        raise Unavailable("The light went out.")

    places = ((ObjectStoreBlobs, "delete"), (service, "clear_collection"), (removing, "removed_folder"))
    for place in (*places, (repository, "remove_some"), (removing, "_put"), (repository, "remove_rest")):
        with monkeypatch.context() as patch:
            patch.setattr(*place, fail)
            async with open_removal(two) as removal:
                with pytest.raises(Unavailable, match="went out"):
                    await removal.remove(await removal.look(OTHER_EMAIL), audit)
                users = await removal.database.read(repository.counts, (await removal.look(OTHER_EMAIL)).home)
                assert users["users"] == 1
                assert not await removal.database.read(_let_in, OTHER_EMAIL)
    async with open_removal(two) as removal:
        done = await removal.remove(await removal.look(OTHER_EMAIL), audit)
        assert [one.organisation for one in await AuditLog(removal.database, b"").verify()] == [EMAIL]
    events = await asyncio.to_thread(_kept, audit)
    assert [event["action"] for event in events].count("organisation.removing") == 7
    assert len(events) == done.events
    assert not _blobs(two)


def _let_in(connection: Connection, email: str) -> bool:
    return any(user.email == email for user in key_snapshot(connection).users)


async def _on_telegram(app: InProcess) -> None:
    """Lets the stranger have a chat client that answers on Telegram."""
    made = await app.stranger.post("/api/v1/web-chat-client", json={"name": "shop"})
    assert made.status_code in (200, 201), made.text
    telegram = {"integrationType": "Telegram", "integrations": {"telegramIntegration": {"botToken": "1:a"}}}
    path = f"/api/v1/web-chat-client/{made.json()['id']}/integrations"
    put = await app.stranger.put(path, json=telegram)
    assert put.is_success, put.text


@pytest.mark.parametrize(
    ("answers", "told"), [(True, "left as it is"), (False, "could not be told")], ids=["elsewhere", "silent"]
)
async def test_a_webhook_that_leads_elsewhere_stays_and_a_silent_service_keeps_nobody(
    tmp_path: Path, anyio_backend: str, *, answers: bool, told: str
) -> None:
    with SimulatedServices(0) as services:
        services._hook("telegram", "https://new.example/hooks/elsewhere")
        # A port that nobody may listen on.
        channels = {"telegram_url": services.url if answers else "http://127.0.0.1:1"}
        async with in_process(settings_in(tmp_path / "data", channels=channels)) as app:
            await _on_telegram(app)
            async with open_removal(app.running.services.settings) as removal:
                done = await removal.remove(await removal.look(OTHER_EMAIL), None)
            names = [one.name for one in await app.running.services.accounts.tenants.organisations()]
        assert names == [EMAIL]
        assert len(done.webhooks) == 1
        assert told in done.webhooks[0]
        assert services._hook("telegram") == "https://new.example/hooks/elsewhere"
