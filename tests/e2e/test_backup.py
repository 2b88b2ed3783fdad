"""A server backed up while it is written to answers the same elsewhere; kills leave the old or nothing."""

import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.e2e.index_state import referenced_files, stored_files
from tests.e2e.server import Server, environment

from dragoman.bootstrap.backup import backup, restore
from dragoman.db.migrate import migrate
from dragoman.kit.errors import Conflict, InvalidInput
from dragoman.settings import Settings

_BLOB_BYTES = 96 * 1024 * 1024
_BOUND_SECONDS = 60.0


class _Writer:
    """Puts documents into a server until told to stop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self.written = 0
        self.some = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "_Writer":
        self._thread.start()
        assert self.some.wait(_BOUND_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._server.client() as client:
            while not self._stop.is_set():
                _train(client, self.written)
                self.written += 1
                if self.written == 3:
                    self.some.set()


def _train(client: httpx.Client, number: int) -> None:
    name, text = f"file-{number}.md", f"# Report {number}\n\nIt is about kestrel{number:05d}."
    files = {"file": (name, text.encode())}
    answer = client.post("/server/train-with-file", files=files, data={"dataset": "kept"})
    assert answer.status_code == 200, answer.text


def _collection(client: httpx.Client) -> str:
    listed = client.get("/api/v1/collections").json()
    return next(item["id"] for item in listed if item["name"] == "kept")


def _found(server: Server) -> object:
    """What a search for a word of one text finds."""
    with server.client() as client:
        body = {"term": "zorbas", "collections": [_collection(client)]}
        answer = client.post("/api/v1/query", json=body)
        assert answer.status_code == 200, answer.text
    assert "nine weeks" in answer.text
    return answer.json()


def _documents(server: Server) -> list[str]:
    with server.client() as client:
        collection = _collection(client)
        names: list[str] = []
        while page := client.get(
            f"/api/v1/collections/{collection}/documents", params={"limit": 100, "offset": len(names)}
        ).json():
            names += [item["name"] for item in page]
    return sorted(names)


def test_a_backup_made_during_writes_answers_the_same_elsewhere(tmp_path: Path) -> None:
    settings = {"DRAGOMAN_WEIGHTS__DIR": str(tmp_path / "no-weights")}
    file, elsewhere = tmp_path / "server.backup", tmp_path / "elsewhere"
    with Server(tmp_path / "data", settings) as server:
        with server.client() as client:
            assert client.post("/user/add-dataset", json={"dataset": "kept"}).status_code == 200
            text = {"name": "notes", "contents": "The notice period of the zorbas is nine weeks."}
            path = f"/api/v1/collections/{_collection(client)}/documents"
            assert client.put(path, json=text).status_code == 200
        answer = _found(server)
        with _Writer(server) as writer:
            before = writer.written
            done = json.loads(server.command("backup", str(file), "--with-keys", "--json").stdout)
        assert done["database"]
        assert done["keys"]
        assert file.stat().st_mode & 0o077 == 0
        assert not (server.data / "backups" / "under-way").exists()
        names = _documents(server)
    Server(tmp_path / "unused").command("restore", str(file), "--data", str(elsewhere))
    assert referenced_files(elsewhere) <= stored_files(elsewhere)
    with Server(elsewhere, settings) as restored:
        found = _documents(restored)
        assert {f"file-{number}.md" for number in range(before)} <= set(found) <= set(names)
        verified = json.loads(restored.command("audit", "verify", "--json").stdout)
        assert verified["ok"]
        assert _found(restored) == answer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with a database, a large blob, a workspace with a link, and a torn line in the journal."""
    data = tmp_path / "data"
    migrate(None, data)
    for name in ("blobs/documents", "journal", "workspaces/one/empty"):
        (data / name).mkdir(parents=True)
    with (data / "blobs" / "documents" / "large").open("wb") as blob:
        blob.truncate(_BLOB_BYTES)
    (data / "blobs" / "documents" / "large#1").write_text("unfinished")
    (data / "journal" / "1.jsonl").write_text('{"id": 1}\n{"id"')
    (data / "workspaces" / "one" / "link").symlink_to("/etc/passwd")
    (data / "secret.key").write_text("00" * 32)
    (data / "secret.key").chmod(0o600)
    return data


def _backup(folder: Path, file: Path, *, with_keys: bool = False) -> None:
    backup(Settings(data_dir=folder), file, with_keys=with_keys, files_only=False)


def test_what_is_kept_comes_back_and_keys_only_when_asked_for(folder: Path, tmp_path: Path) -> None:
    _backup(folder, tmp_path / "plain")
    _backup(folder, tmp_path / "keyed", with_keys=True)
    plain, keyed = tmp_path / "one", tmp_path / "two"
    plain.mkdir()
    assert not restore(tmp_path / "plain", plain).keys
    assert restore(tmp_path / "keyed", keyed).keys
    assert not (plain / "secret.key").exists()
    assert (keyed / "secret.key").stat().st_mode & 0o777 == 0o600
    assert (plain / "blobs" / "documents" / "large").stat().st_size == _BLOB_BYTES
    assert not (plain / "blobs" / "documents" / "large#1").exists()
    assert (plain / "journal" / "1.jsonl").read_text() == '{"id": 1}\n'
    assert os.readlink(plain / "workspaces" / "one" / "link") == "/etc/passwd"
    assert (plain / "workspaces" / "one" / "empty").is_dir()


def _flipped(file: Path, at: int) -> None:
    with file.open("r+b") as handle:
        handle.seek(at)
        byte = handle.read(1)
        handle.seek(at)
        handle.write(bytes([byte[0] ^ 1]))


def _with_member(file: Path, name: str) -> None:
    with tarfile.open(file, "a") as tar:
        tar.addfile(tarfile.TarInfo(name))


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda file: _flipped(file, 20_000), id="a bit of the database flipped"),
        pytest.param(lambda file: _flipped(file, file.stat().st_size // 2), id="a bit of a file flipped"),
        pytest.param(lambda file: os.truncate(file, file.stat().st_size // 2), id="cut in the middle"),
        pytest.param(lambda file: os.truncate(file, 0), id="empty"),
        pytest.param(lambda file: _with_member(file, "../outside"), id="a member added"),
    ],
)
def test_a_damaged_backup_is_refused_and_nothing_is_left(
    folder: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    file, target = tmp_path / "file", tmp_path / "restored"
    _backup(folder, file)
    harm(file)
    with pytest.raises(InvalidInput, match="not a whole archive"):
        restore(file, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file"]


def test_a_folder_that_holds_something_is_left_alone(folder: Path, tmp_path: Path) -> None:
    _backup(folder, tmp_path / "file")
    before = sorted(folder.rglob("*"))
    with pytest.raises(Conflict, match="not an empty folder"):
        restore(tmp_path / "file", folder)
    assert sorted(folder.rglob("*")) == before


def test_postgresql_is_left_to_pg_dump_with_a_word_about_it(folder: Path, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"data_dir": folder, "database": {"url": "postgresql://nobody@127.0.0.1/none"}}
    )
    with pytest.raises(InvalidInput, match="pg_dump"):
        backup(settings, tmp_path / "file", with_keys=False, files_only=False)
    assert not backup(settings, tmp_path / "file", with_keys=False, files_only=True).database
    assert not restore(tmp_path / "file", tmp_path / "restored").database


def _killed_when(seen: Callable[[], bool], folder: Path, *words: str) -> None:
    """Runs a command and kills it as soon as something is seen."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman", *words], env=environment(folder), stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + _BOUND_SECONDS
    while not seen():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.001)
    process.kill()
    process.wait(10)


def test_a_kill_during_a_backup_leaves_the_old_file_and_the_next_one_works(
    folder: Path, tmp_path: Path
) -> None:
    file, part = tmp_path / "file", tmp_path / "file.part"
    file.write_bytes(b"the old one")
    _killed_when(lambda: part.exists() and part.stat().st_size > 1 << 20, folder, "backup", str(file))
    assert file.read_bytes() == b"the old one"
    _backup(folder, file)
    assert not part.exists()
    assert not (folder / "backups" / "under-way").exists()
    assert restore(file, tmp_path / "restored").database


def test_a_kill_during_a_restore_leaves_nothing_and_the_next_one_works(folder: Path, tmp_path: Path) -> None:
    file, target = tmp_path / "file", tmp_path / "restored"
    _backup(folder, file)
    begun = tmp_path / "restored.restoring" / "dragoman.db"
    _killed_when(begun.exists, folder, "restore", str(file), "--data", str(target))
    assert not target.exists()
    assert restore(file, target).database
    assert not begun.parent.exists()
