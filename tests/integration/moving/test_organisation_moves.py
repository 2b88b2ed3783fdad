"""An organisation leaves one server and gives the same answers on another, on either database; nobody else's things go along."""

import asyncio
import tarfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.dialects.tenants.house import MARKER, House, house
from tests.e2e.embeddings import DIMENSIONS, Embeddings, embeddings
from tests.e2e.in_process import settings_in

from dragoman.bootstrap import moving
from dragoman.bootstrap.application import build_application
from dragoman.bootstrap.asgi import Front
from dragoman.bootstrap.backup import backup, restore
from dragoman.bootstrap.moving import Exported, Imported, export_organisation, import_organisation
from dragoman.bootstrap.services import Running, open_running
from dragoman.bootstrap.staging import add_folder
from dragoman.db.connect import open_database
from dragoman.db.schema import metadata
from dragoman.db.sqlite import SqliteDatabase
from dragoman.domain.accounts.operators import Operators
from dragoman.domain.moving.arriving import Arriving
from dragoman.domain.moving.plan import BLOB_COLUMNS, MOVED, STAYS
from dragoman.kit.archive import new_archive, unpack
from dragoman.kit.errors import Conflict, DragomanError, InvalidInput, Unavailable
from dragoman.settings import Settings

PASSPHRASE = "as it was agreed"
_QUESTIONS = ("What is blue?", "the costs", "kestrel heights", MARKER, "colleaguish")


@dataclass
class Source:
    """A server with Ana's organisation and a stranger's, and what Ana was answered there."""

    settings: Settings
    folder: Path
    key: str
    stranger_key: str
    stranger: str
    stranger_organisation: str
    organisation: str
    user: str
    client: str
    answers: list[Any]
    strangers_answers: list[Any]
    done: Exported

    @property
    def archive(self) -> Path:
        return self.folder / "ana.tar"


def _groups(provider: Embeddings) -> dict[str, Any]:
    embedding = {
        "provider": "openai",
        "base_url": provider.base,
        "model": provider.name,
        "dimensions": DIMENSIONS,
    }
    return {"embedding": embedding, "egress": {"allow": ["127.0.0.1"]}}


async def _asked(client: httpx.AsyncClient) -> list[Any]:
    """Passages with citations and scores for each question, by each way of ranking."""
    found: list[Any] = []
    for question in _QUESTIONS:
        for ranked in ("none", "rrf"):
            asked = {"term": question, "minScore": 0.01, "reranker": ranked}
            collections = [one["id"] for one in (await client.get("/api/v1/collections")).json()]
            answer = await client.post("/api/v1/query", json={**asked, "collections": sorted(collections)})
            assert answer.status_code == 200, answer.text
            found.append(answer.json())
    assert sum(map(bool, found)) >= 4
    return found


async def _taught(made: House) -> None:
    file = {"file": ("birds.md", b"# Birds\n\nKestrels nest in the heights of the tower.")}
    for person, dataset in ((made.ana, MARKER), (made.stranger, "strangely")):
        data = {"dataset": dataset}
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


@pytest.fixture(scope="module")
def provider() -> Iterator[Embeddings]:
    with embeddings("taste", ("teapot", "kettle")) as made:
        yield made


@pytest.fixture(scope="module")
async def source(
    tmp_path_factory: pytest.TempPathFactory, provider: Embeddings, anyio_backend: str
) -> AsyncGenerator[Source]:
    folder = tmp_path_factory.mktemp("moving")
    with pytest.MonkeyPatch.context() as patch:
        async with house(folder / "data", patch, **_groups(provider)) as made:
            await _taught(made)
            settings = made.app.running.services.settings
            workspace = settings.workspaces_dir / made.ana.things["user_id"] / "shell"
            workspace.mkdir(parents=True)
            (workspace / "kept.txt").write_text("kept")
            done = await asyncio.to_thread(
                export_organisation,
                settings,
                made.ana.things["organisation_id"],
                folder / "ana.tar",
                passphrase=PASSPHRASE,
            )
            yield Source(
                settings,
                folder,
                made.ana.key,
                made.stranger.key,
                made.stranger.email,
                made.stranger.things["organisation_id"],
                made.ana.things["organisation_id"],
                made.ana.things["user_id"],
                made.ana.things["client_id"],
                await _asked(made.ana.client),
                await _asked(made.stranger.client),
                done,
            )


def _target(folder: Path, provider: Embeddings, url: str | None = None) -> Settings:
    database = {} if url is None else {"database": {"url": url}}
    return settings_in(folder, **_groups(provider), **database)


async def _imported(settings: Settings, archive: Path, **how: Any) -> Imported:
    given = {"passphrase": PASSPHRASE, **how}
    return await asyncio.to_thread(lambda: import_organisation(settings, archive, **given))


@dataclass
class Elsewhere:
    """A server that somebody was imported into."""

    running: Running
    application: Front

    def client(self, key: str) -> httpx.AsyncClient:
        """A client with that key."""
        transport = httpx.ASGITransport(self.application, client=("127.0.0.1", 1))  # pyright: ignore[reportArgumentType]
        headers = {"authorization": f"Bearer {key}"}
        return httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers, timeout=30)


@asynccontextmanager
async def _elsewhere(settings: Settings) -> AsyncGenerator[Elsewhere]:
    async with open_running(settings, work=True) as running, AsyncExitStack() as stack:
        yield Elsewhere(running, build_application(running, stack))


async def _counted(settings: Settings) -> dict[str, int]:
    database = open_database(settings.database_url, settings.data_dir)
    try:
        return await database.read(_counts)
    finally:
        await database.close()


def _near(here: Any, there: Any) -> None:
    """The same passages in the same order; scores to what two engines' arithmetic may differ by."""
    assert type(here) is type(there)
    if isinstance(there, dict):
        assert here.keys() == there.keys()
        for name, value in there.items():
            _near(here[name], value)
    elif isinstance(there, list):
        assert len(here) == len(there)
        for one, other in zip(here, there, strict=True):
            _near(one, other)
    elif isinstance(there, float):
        assert here == pytest.approx(there, abs=1e-5)
    else:
        assert here == there


def _counts(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    }


def test_every_table_goes_along_or_stays_for_a_reason() -> None:
    tables = {table.name for table in metadata.sorted_tables}
    assert MOVED.keys() | STAYS.keys() == tables
    assert not MOVED.keys() & STAYS.keys()
    columns = [column for table in metadata.sorted_tables for column in table.columns]
    assert set(BLOB_COLUMNS) == {column for column in columns if column.name in ("blob", "blob_key")}


async def test_two_organisations_of_one_server_meet_again_elsewhere_and_answer_the_same(
    source: Source, provider: Embeddings, database_url: str | None, tmp_path: Path
) -> None:
    there, alike = _target(tmp_path / "there", provider, database_url), _near if database_url else _same
    second = tmp_path / "second.tar"
    await asyncio.to_thread(
        export_organisation, source.settings, source.stranger_organisation, second, passphrase=PASSPHRASE
    )
    await _imported(there, second)
    done = await _imported(there, source.archive)
    assert (done.organisation_id, done.rows, done.enter_again) == (source.organisation, source.done.rows, [])
    assert {"users", "agent_numbers"} <= set(done.renumbered)
    assert done.vectors > 3
    assert (there.workspaces_dir / source.user / "shell" / "kept.txt").read_text() == "kept"
    async with _elsewhere(there) as server:
        async with server.client(source.key) as client:
            alike(await _asked(client), source.answers)
        async with server.client(source.stranger_key) as client:
            alike(await _asked(client), source.strangers_answers)
        services = server.running.services
        caller = await services.accounts.admin.caller(await _email(server.running, source))
        assert not await Operators(server.running.database).include(caller)
        assert await services.accounts.secret(caller, f"{MARKER}-vault") == MARKER
        integrations = await services.chat_clients.integrations(caller, source.client)
        assert list(integrations["telegram"].secrets.values()) == [f"1:{MARKER}"]
        assert [chain.problem for chain in await services.accounts.audit.verify()] == [None, None]
        last = await services.accounts.audit.tail(source.organisation, 2)
        assert [event.action for event in last] == ["organisation.exported", "organisation.imported"]
        before = await server.running.database.read(_counts)
        for again in (source.archive, second):
            with pytest.raises(Conflict, match="the organisation itself"):
                await _imported(there, again)
        assert (await server.running.database.read(_counts))["passages"] == before["passages"]


@pytest.mark.postgres
async def test_an_organisation_comes_back_from_postgres(
    source: Source, provider: Embeddings, postgres_server: Any, migrated_postgres: str, tmp_path: Path
) -> None:
    database = postgres_server.create(template=migrated_postgres)
    there = _target(tmp_path / "there", provider, postgres_server.url(database))
    done = await _imported(there, source.archive)
    assert done.renumbered == []
    again = tmp_path / "again.tar"
    await asyncio.to_thread(
        export_organisation, there, done.organisation_id, again, passphrase="quite another"
    )
    postgres_server.drop(database)
    back = _target(tmp_path / "back", provider)
    assert (await _imported(back, again, passphrase="quite another", name="renamed")).renumbered == []
    async with _elsewhere(back) as server, server.client(source.key) as client:
        _same(await _asked(client), source.answers)
        chains = await server.running.services.accounts.audit.verify()
        assert [(chain.organisation, chain.problem) for chain in chains] == [("renamed", None)]


def _same(here: Any, there: Any) -> None:
    assert here == there


async def _email(running: Running, source: Source) -> str:
    users = await running.services.accounts.admin.users()
    return next(user.email for user in users if user.id == source.user)


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        found = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        return {name: file.read() for name, file in found.items() if file is not None}


def test_nothing_of_another_organisation_is_in_the_file(source: Source) -> None:
    members = _members(source.archive)
    assert {"tables/passages.jsonl", "vectors/0.bin"} <= members.keys()
    assert any(name.startswith("blobs/documents/") for name in members)
    for name, content in members.items():
        for word in ("strangely", source.stranger, source.stranger_organisation, PASSPHRASE):
            assert word.encode() not in content, f"{word} in {name}"
        for secret in (f"1:{MARKER}", source.key):
            assert secret.encode() not in content, f"a secret in {name}"


async def test_secrets_that_stay_behind_are_listed(
    source: Source, provider: Embeddings, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.tar"
    done = await asyncio.to_thread(
        lambda: export_organisation(
            source.settings, source.organisation, bare, passphrase=None, with_keys=False
        )
    )
    told = " ".join(done.enter_again)
    for expected in (f"secret '{MARKER}-vault' of", "integration telegram of chat client", "API keys"):
        assert expected in told
    there = _target(tmp_path / "there", provider)
    arrived = await _imported(there, bare, passphrase=None)
    assert arrived.enter_again == done.enter_again
    async with _elsewhere(there) as server:
        running = server.running
        accounts = running.services.accounts
        caller = await accounts.admin.caller(await _email(running, source))
        assert await accounts.secret_names(caller) == []
        assert await running.services.chat_clients.integrations(caller, source.client) == {}
        sessions = await running.services.chat_sessions.select(caller, source.client, wanted=None)
        assert sessions[0].access_key.startswith("wky_")
        async with server.client(source.key) as client:
            assert (await client.get("/api/v1/collections")).status_code == 401
        _, key = await accounts.admin.create_key(caller.email, "new")
        async with server.client(key) as client:
            _same(await _asked(client), source.answers)


async def test_the_passphrase_must_be_the_one_it_was_sealed_under(
    source: Source, provider: Embeddings, tmp_path: Path
) -> None:
    there = _target(tmp_path / "there", provider)
    with pytest.raises(InvalidInput, match="give its passphrase"):
        await _imported(there, source.archive, passphrase=None)
    with pytest.raises(InvalidInput, match="not the archive's passphrase"):
        await _imported(there, source.archive, passphrase="something else")
    done = await _imported(there, source.archive, passphrase=None, without_secrets=True)
    assert "all secrets" in done.enter_again[-1]


async def test_a_damaged_newer_or_other_file_is_refused(
    source: Source, provider: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, copy = _target(tmp_path / "there", provider), tmp_path / "copy.tar"
    whole = source.archive.read_bytes()
    for place in (700, len(whole) // 3, len(whole) // 2, len(whole) * 3 // 4):
        copy.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if b"\0" * 64 not in whole[place - 32 : place + 32]:
            with pytest.raises(InvalidInput, match="not a whole archive"):
                await _imported(there, copy)
    copy.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="not a whole archive"):
        await _imported(there, copy)
    with pytest.raises(InvalidInput, match="organisations import"):
        await asyncio.to_thread(restore, source.archive, tmp_path / "restored")
    await asyncio.to_thread(
        lambda: backup(source.settings, tmp_path / "whole.tar", with_keys=False, files_only=False)
    )
    with pytest.raises(InvalidInput, match="dragoman restore"):
        await _imported(there, tmp_path / "whole.tar")
    with monkeypatch.context() as patch:
        patch.setattr(moving, "HEAD", "0001")
        with pytest.raises(InvalidInput, match="upgrade this server first"):
            await _imported(there, source.archive)
    assert not (there.data_dir / "dragoman.db").exists()


@pytest.mark.parametrize("broken", ["files", "words", "vectors"])
async def test_an_import_that_fails_half_way_leaves_nothing(
    source: Source, provider: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    there = _target(tmp_path / "there", provider)

    def fail(*_: object, **__: object) -> None:
        raise DragomanError("the light went out")

    place = {
        "files": (moving._Homes, "put"),
        "words": (Arriving, "_words"),
        "vectors": (Arriving, "_vectors"),
    }[broken]
    with monkeypatch.context() as patch:
        patch.setattr(place[0], place[1], fail)
        with pytest.raises(DragomanError, match="went out"):
            await _imported(there, source.archive)
    counts = await _counted(there)
    assert {name for name, count in counts.items() if count} <= {"versions", "facts"}
    assert not [path for path in (there.data_dir / "blobs").rglob("*") if path.is_file()]
    assert not (there.workspaces_dir / source.user).exists()
    await _imported(there, source.archive)


async def _arrived_whole(there: Settings, source: Source) -> None:
    assert (await _counted(there))["documents"] == source.done.rows["documents"]
    assert len([path for path in (there.data_dir / "blobs").rglob("*") if path.is_file()]) > 0
    assert (there.workspaces_dir / source.user / "shell" / "kept.txt").read_text() == "kept"
    again = await asyncio.to_thread(
        export_organisation, there, source.organisation, there.data_dir / "again.tar", passphrase=PASSPHRASE
    )
    assert again.lost == []


async def test_an_import_cancelled_during_its_transaction_keeps_the_files_of_what_was_committed(
    source: Source, provider: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, tasks, cancelled = _target(tmp_path / "there", provider), list[asyncio.Task[Any]](), Event()
    put, words = moving._Homes.put, Arriving._words

    def put_in_a_task(homes: moving._Homes) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        put(homes)

    def cancel_and_go_on(arriving: Arriving, connection: Connection) -> None:
        loop = tasks[0].get_loop()
        loop.call_soon_threadsafe(tasks[0].cancel)
        # The second callback comes after the task has met its cancellation.
        loop.call_soon_threadsafe(lambda: loop.call_soon(lambda: loop.call_soon(cancelled.set)))
        assert cancelled.wait(30)
        words(arriving, connection)

    monkeypatch.setattr(moving._Homes, "put", put_in_a_task)
    monkeypatch.setattr(Arriving, "_words", cancel_and_go_on)
    done = await _imported(there, source.archive)
    assert done.organisation_id == source.organisation
    await _arrived_whole(there, source)


async def test_an_import_whose_commit_was_not_answered_keeps_the_files_of_what_was_committed(
    source: Source, provider: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, write = _target(tmp_path / "there", provider), SqliteDatabase.write

    async def lose_the_answer(database: SqliteDatabase, fn: Callable[..., Any], *args: Any) -> Any:
        answer = await write(database, fn, *args)
        if getattr(fn, "__name__", "") == "store":
            raise Unavailable("The connection broke.")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDatabase, "write", lose_the_answer)
        with pytest.raises(Unavailable, match="connection broke"):
            await _imported(there, source.archive)
    await _arrived_whole(there, source)


def _forged(source: Path, target: Path, change: Callable[[Path], None]) -> Path:
    """The archive with something changed in it by somebody who knows how it is made."""
    folder = target.with_suffix(".folder")
    folder.mkdir()
    header = unpack(source, folder)
    change(folder)
    with new_archive(target, header) as archive:
        add_folder(archive, folder, ".")
    return target


async def test_a_forged_archive_reaches_nobody_elses_things(
    source: Source, provider: Embeddings, tmp_path: Path
) -> None:
    there = _target(tmp_path / "there", provider)
    second = tmp_path / "second.tar"
    await asyncio.to_thread(
        export_organisation, source.settings, source.stranger_organisation, second, passphrase=PASSPHRASE
    )
    await _imported(there, second)
    before = await _counted(there)
    victim = there.workspaces_dir / "victim"
    victim.mkdir(parents=True)

    def owner(folder: Path) -> None:
        path = folder / "tables" / "users.jsonl"
        path.write_text(path.read_text().replace(source.organisation, source.stranger_organisation))

    def home(folder: Path) -> None:
        (folder / "workspaces" / "victim").mkdir()

    def link(folder: Path) -> None:
        (folder / "blobs" / "stolen").symlink_to("/etc/hostname")

    def file(folder: Path) -> None:
        path = next(path for path in (there.data_dir / "blobs").rglob("*") if path.is_file())
        place = folder / "blobs" / path.relative_to(there.data_dir / "blobs")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"another")

    for number, change in enumerate((owner, home, link, file)):
        forged = await asyncio.to_thread(_forged, source.archive, tmp_path / f"{number}.tar", change)
        with pytest.raises((InvalidInput, Conflict), match=r"not in it|a link|names of files"):
            await _imported(there, forged)
    assert await _counted(there) == before
    assert victim.is_dir()
    assert not (there.workspaces_dir / source.user).exists()
