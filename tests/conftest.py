"""Fixtures for all tests. Async tests need no mark; they run on asyncio."""

import os
import shutil
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

from dragoman.db.connect import open_database
from dragoman.db.database import Database
from dragoman.db.migrate import migrate
from dragoman.kit.weights import default_folder, missing

if TYPE_CHECKING:
    from postgres_server import PostgresServer


# A busy machine must not fail a property test, and a failure must come again when it is run again.
settings.register_profile(
    "dragoman",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("dragoman")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Runs every ``async def`` test and fixture through anyio's plugin."""
    config.option.anyio_mode = "auto"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of async tests; scoped wide so that wider fixtures may be async too."""
    return "asyncio"


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    """The folder of verified model files; without it the test is skipped."""
    folder = Path(os.environ.get("DRAGOMAN_WEIGHTS__DIR") or default_folder())
    if missing(folder):
        pytest.skip("scripts/fetch-weights has not been run")
    return folder


@pytest.fixture
def no_blocking() -> Generator[BlockBuster]:
    """Makes a blocking call inside an event loop an error."""
    with blockbuster_ctx() as blocker:
        yield blocker


@pytest.fixture(scope="session")
def postgres_server() -> Generator["PostgresServer"]:
    """One PostgreSQL server for all tests of this process."""
    from postgres_server import PostgresServer

    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a fresh database, to be copied."""
    folder = tmp_path_factory.mktemp("migrated")
    migrate(None, folder)
    return folder


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a fresh database, to be copied."""
    name = postgres_server.create()
    migrate(postgres_server.url(name), tmp_path_factory.mktemp("unused"))
    return name


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, data_dir: Path) -> Generator[str | None]:
    """What ``open_database`` takes, beside ``data_dir``, for a fresh migrated database of either kind."""
    if request.param == "sqlite":
        source: Path = request.getfixturevalue("migrated_sqlite")
        shutil.copytree(source, data_dir, dirs_exist_ok=True)
        yield None
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create(template=request.getfixturevalue("migrated_postgres"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture
async def database(database_url: str | None, data_dir: Path, anyio_backend: str) -> AsyncGenerator[Database]:
    """A fresh migrated database; the test runs once for SQLite and once for PostgreSQL."""
    opened = open_database(database_url, data_dir)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_database(
    migrated_sqlite: Path, data_dir: Path, anyio_backend: str
) -> AsyncGenerator[Database]:
    """A fresh migrated SQLite database, for tests that are not about databases."""
    shutil.copytree(migrated_sqlite, data_dir, dirs_exist_ok=True)
    opened = open_database(None, data_dir)
    yield opened
    await opened.close()
