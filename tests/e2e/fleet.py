"""One server as several processes: ``serve`` and ``work`` over one PostgreSQL and one object store, all on loopback."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer
from tests.e2e.server import Server

from postgres_server import PostgresServer

BUCKET = "dragoman"


@dataclass
class Fleet:
    """The processes. ``database_url`` and ``settings`` are what they share."""

    serves: list[Server]
    works: list[Server]
    database_url: str
    settings: Mapping[str, str]
    folder: Path
    store: str

    def started(self, name: str, *words: str, settings: Mapping[str, str] | None = None) -> Server:
        """One more process, started."""
        server = Server(
            self.folder / name / "data", {**self.settings, **(settings or {})}, words=words or ("serve",)
        )
        server.start()
        return server


@contextmanager
def object_store() -> Iterator[str]:
    """The address of an S3 store on loopback with an empty bucket."""
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    try:
        host, port = store.get_host_and_port()
        urlopen(Request(f"http://{host}:{port}/{BUCKET}", method="PUT"), timeout=30).close()
        yield f"http://{host}:{port}"
    finally:
        store.stop()


@contextmanager
def fleet(
    postgres: PostgresServer,
    folder: Path,
    *,
    serves: int = 2,
    works: int = 2,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Fleet]:
    """So many processes, each with a data folder of its own, all started at the same time over an empty database."""
    name = postgres.create()
    key = folder / "secret.key"
    key.write_text(os.urandom(32).hex())
    key.chmod(0o600)
    with ExitStack() as stack:
        stack.callback(postgres.drop, name)
        store = stack.enter_context(object_store())
        shared = {
            "DRAGOMAN_DATABASE__URL": postgres.url(name),
            "DRAGOMAN_BLOBS__URL": f"s3://{BUCKET}/files",
            "DRAGOMAN_BLOBS__ENDPOINT": store,
            "DRAGOMAN_BLOBS__ACCESS_KEY_ID": "test",
            "DRAGOMAN_BLOBS__SECRET_ACCESS_KEY": "test",
            "DRAGOMAN_MACHINES__KEY_FILE": str(key),
            "DRAGOMAN_MACHINES__WORKSPACES_DIR": str(folder / "workspaces"),
            "DRAGOMAN_MACHINES__DRAIN_SECONDS": "1",
            "DRAGOMAN_EMBEDDING__PROVIDER": "none",
            "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
            **(settings or {}),
        }
        made = Fleet([], [], postgres.url(name), shared, folder, store)
        for number in range(serves):
            made.serves.append(
                Server(folder / f"serve{number}" / "data", shared, words=("serve", "--no-work"))
            )
        for number in range(works):
            made.works.append(Server(folder / f"work{number}" / "data", shared, words=("work",)))
        everybody = [*made.serves, *made.works]
        for server in everybody:
            stack.callback(server.kill)
        starting = [threading.Thread(target=server.start) for server in everybody]
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join()
        yield made
