"""The schema is migrated safely: by one process, with a way back, and is what the tables say."""

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import dragoman.db.facts.tables
import dragoman.db.jobs.tables
import dragoman.domain
from dragoman.db import migrate as migrate_module
from dragoman.db import upgrade
from dragoman.db.connect import postgres_url, sqlite_path
from dragoman.db.migrate import migrate
from dragoman.db.migrations import HEAD
from dragoman.db.schema import metadata
from dragoman.db.sqlite_driver import make_engine, open_connection
from dragoman.kit.errors import Unavailable


@contextmanager
def engine_of(url: str | None, data_dir: Path) -> Generator[Engine]:
    engine = make_engine(sqlite_path(data_dir)) if url is None else sa.create_engine(postgres_url(url))
    yield engine
    engine.dispose()


def declare_all_tables() -> None:
    assert "jobs" in dragoman.db.jobs.tables.jobs.name
    assert "facts" in dragoman.db.facts.tables.facts.name
    for module in pkgutil.walk_packages(dragoman.domain.__path__, "dragoman.domain."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)


def revision(path: Path) -> str:
    with closing(open_connection(path)) as connection:
        return connection.execute("select version_num from alembic_version").fetchone()[0]


def pretend_revision(path: Path, revision: str) -> None:
    with closing(open_connection(path)) as connection:
        connection.execute("update alembic_version set version_num = ?", (revision,))
        connection.execute("insert into versions values('mark', 1)")


def tables(path: Path) -> set[str]:
    with closing(open_connection(path)) as connection:
        return {row[0] for row in connection.execute("select name from sqlite_schema where type = 'table'")}


def test_the_migrated_schema_is_what_the_tables_declare(database_url: str | None, data_dir: Path) -> None:
    declare_all_tables()
    with engine_of(database_url, data_dir) as engine, engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_schema_can_be_taken_down_and_up_again(database_url: str | None, data_dir: Path) -> None:
    with engine_of(database_url, data_dir) as engine:
        for step in (lambda c: upgrade.downgrade(c, "base"), upgrade.upgrade):
            with engine.begin() as connection:
                step(connection)
                left = set(sa.inspect(connection).get_table_names()) - {"alembic_version"}
                assert ("users" in left) == (step is upgrade.upgrade)
    migrate(database_url, data_dir)


def test_the_known_head_is_the_last_migration() -> None:
    assert ScriptDirectory.from_config(upgrade.config()).get_heads() == [HEAD]


def test_migrating_twice_changes_nothing_and_does_not_load_alembic(
    database_url: str | None, data_dir: Path
) -> None:
    program = (
        "import sys; from pathlib import Path; from dragoman.db.migrate import migrate;"
        "migrate(sys.argv[1] or None, Path(sys.argv[2])); assert 'alembic' not in sys.modules"
    )
    arguments = [sys.executable, "-c", program, database_url or "", str(data_dir)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_many_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(migrate, None, tmp_path / "new") for _ in range(6)]:
            done.result(30)
    assert revision(sqlite_path(tmp_path / "new")) == HEAD


@pytest.mark.postgres
def test_many_servers_that_start_at_once_migrate_once(postgres_server, tmp_path: Path) -> None:
    url = postgres_server.url(postgres_server.create())
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(migrate, url, tmp_path) for _ in range(4)]:
            done.result(30)


@pytest.mark.postgres
def test_vectors_are_enabled_on_a_server_that_has_them(postgres_server, migrated_postgres: str) -> None:
    engine = sa.create_engine(postgres_url(postgres_server.url(migrated_postgres)))
    with engine.connect() as connection:
        assert connection.execute(sa.text("select '[1,2]'::vector <-> '[1,2]'")).scalar() == 0
    engine.dispose()


def test_a_new_database_gets_no_snapshot(data_dir: Path) -> None:
    migrate(None, data_dir)
    assert not (data_dir / "backups").exists()


class Migration:
    """Stands in for alembic."""

    def __init__(self, work: Callable[[Connection], None]) -> None:
        self._work = work

    def upgrade(self, connection: Connection, revision: str = "head") -> None:
        self._work(connection)


def use(monkeypatch: pytest.MonkeyPatch, work: Callable[[Connection], None]) -> None:
    monkeypatch.setattr(migrate_module, "_alembic", lambda: Migration(work))


@pytest.fixture
def older(data_dir: Path) -> Path:
    """A database of an earlier revision with something in it."""
    migrate(None, data_dir)
    path = sqlite_path(data_dir)
    pretend_revision(path, "0000")
    return path


def set_head(connection: Connection) -> None:
    connection.exec_driver_sql(f"update alembic_version set version_num = '{HEAD}'")


def test_an_older_database_is_copied_before_it_is_changed(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(connection: Connection) -> None:
        connection.exec_driver_sql("drop table versions")
        set_head(connection)

    use(monkeypatch, change)
    migrate(None, older.parent)
    copy = older.parent / "backups" / f"before-{HEAD}.db"
    assert revision(older) == HEAD
    assert "versions" not in tables(older)
    assert revision(copy) == "0000"
    assert "versions" in tables(copy)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: Connection) -> None:
        connection.exec_driver_sql("drop table versions")
        raise ValueError("half way")

    use(monkeypatch, fail)
    with pytest.raises(ValueError, match="half way"):
        migrate(None, older.parent)
    assert revision(older) == "0000"
    assert "versions" in tables(older)


def test_a_migration_that_commits_and_then_fails_is_undone_from_the_snapshot(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit_and_fail(connection: Connection) -> None:
        connection.exec_driver_sql("drop table versions")
        set_head(connection)
        connection.exec_driver_sql("commit")
        raise ValueError("too late")

    use(monkeypatch, commit_and_fail)
    with pytest.raises(ValueError, match="too late"):
        migrate(None, older.parent)
    assert revision(older) == "0000"
    assert "versions" in tables(older)


def test_a_migration_that_leaves_orphans_is_refused(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def orphan(connection: Connection) -> None:
        connection.exec_driver_sql("insert into secrets values('nobody', 'n', x'00', 1)")
        set_head(connection)

    use(monkeypatch, orphan)
    with pytest.raises(Unavailable, match="secrets"):
        migrate(None, older.parent)
    assert revision(older) == "0000"


def test_only_the_three_newest_snapshots_are_kept(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backups = older.parent / "backups"
    backups.mkdir()
    for number in range(4):
        (backups / f"before-old{number}.db").write_bytes(b"")
    use(monkeypatch, set_head)
    migrate(None, older.parent)
    assert len(list(backups.iterdir())) == 3
    assert (backups / f"before-{HEAD}.db").exists()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(data_dir: Path) -> None:
    migrate(None, data_dir)
    pretend_revision(sqlite_path(data_dir), "9999")
    with pytest.raises(Unavailable, match="newer version") as refused:
        migrate(None, data_dir)
    assert refused.value.code == "database_too_new"
    assert revision(sqlite_path(data_dir)) == "9999"


@pytest.mark.postgres
def test_a_server_that_is_not_there_is_unavailable(data_dir: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        migrate("postgresql://nobody@127.0.0.1:1/nothing", data_dir)


_HALF_WAY = """
import sys
from pathlib import Path
from dragoman.db import migrate as module

class Stuck:
    def upgrade(self, connection, revision="head"):
        connection.exec_driver_sql("drop table versions")
        connection.exec_driver_sql("update alembic_version set version_num = 'half'")
        print("half way", flush=True)
        sys.stdin.read()

module._alembic = Stuck
module.migrate(sys.argv[1] or None, Path(sys.argv[2]))
"""


def test_a_server_killed_amid_a_migration_leaves_the_database_as_it_was(
    database_url: str | None, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine_of(database_url, data_dir) as engine, engine.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '0000'"))
        connection.execute(sa.text("insert into versions values('mark', 1)"))
    arguments = [sys.executable, "-c", _HALF_WAY, database_url or "", str(data_dir)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half way\n"
        child.kill()
    with engine_of(database_url, data_dir) as engine, engine.connect() as connection:
        assert connection.execute(sa.text("select version_num from alembic_version")).scalar() == "0000"
        assert connection.execute(sa.text("select version from versions where topic = 'mark'")).scalar() == 1
    # Nothing is left locked: the next start goes on.
    use(monkeypatch, set_head)
    migrate(database_url, data_dir)
    with engine_of(database_url, data_dir) as engine, engine.connect() as connection:
        assert connection.execute(sa.text("select version_num from alembic_version")).scalar() == HEAD


@pytest.mark.postgres
def test_a_migration_that_fails_is_undone_by_the_transaction_on_postgresql(
    postgres_server, migrated_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.url(postgres_server.create(template=migrated_postgres))

    def fail(connection: Connection) -> None:
        connection.exec_driver_sql("drop table versions")
        raise ValueError("half way")

    with engine_of(url, tmp_path) as engine, engine.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '0000'"))
    use(monkeypatch, fail)
    with pytest.raises(ValueError, match="half way"):
        migrate(url, tmp_path)
    with engine_of(url, tmp_path) as engine, engine.connect() as connection:
        assert connection.execute(sa.text("select version_num from alembic_version")).scalar() == "0000"
        assert sa.inspect(engine).has_table("versions")
