"""A backup holds the files of an object store, and a restore puts them into one."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.e2e.fleet import BUCKET, object_store

from dragoman.adapters.blobs.obstore import ObjectStoreBlobs
from dragoman.bootstrap.backup import backup, restore
from dragoman.bootstrap.machines import open_blobs
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Unavailable
from dragoman.settings import Settings
from dragoman.settings.machines import BlobsSettings

FILES = {"documents/one/a": b"alpha", "documents/one/b": b"b" * 3_000_000, "hosted/c": b""}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    with object_store() as address:
        yield address


def _settings(data: Path, store: str, folder: str) -> Settings:
    blobs = BlobsSettings(
        url=f"s3://{BUCKET}/{folder}",
        endpoint=store,
        access_key_id="test",
        secret_access_key=SecretStr("test"),
    )
    return Settings(data_dir=data, blobs=blobs)


async def _put(blobs: ObjectStoreBlobs) -> None:
    for key, content in FILES.items():
        await blobs.put(key, content)


async def _stored(blobs: ObjectStoreBlobs) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    async for keys in blobs.keys("", before_ms=now_ms() + 60_000):
        for key in keys:
            found[key] = b"".join([piece async for piece in blobs.open(key)])
    return found


@pytest.fixture
def archive(migrated_sqlite: Path, tmp_path: Path, store: str) -> Path:
    """A backup of a server whose files are in the folder ``before`` of the store."""
    data = tmp_path / "before"
    shutil.copytree(migrated_sqlite, data)
    settings = _settings(data, store, "before")
    asyncio.run(_put(open_blobs(settings)))
    done = backup(settings, tmp_path / "backup.tar", with_keys=False, files_only=False)
    assert done.files == len(FILES) + 1
    assert not (data / "backups" / "under-way").exists()
    return tmp_path / "backup.tar"


def test_files_go_from_one_store_to_another(archive: Path, tmp_path: Path, store: str) -> None:
    target = open_blobs(_settings(tmp_path / "after", store, "after"))
    restore(archive, tmp_path / "after", target)
    assert asyncio.run(_stored(target)) == FILES
    assert (tmp_path / "after" / "dragoman.db").is_file()
    assert not (tmp_path / "after" / "blobs").exists()


def test_files_go_from_a_store_into_a_data_folder(archive: Path, tmp_path: Path) -> None:
    restore(archive, tmp_path / "folder")
    root = tmp_path / "folder" / "blobs"
    assert {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    } == FILES


def test_a_restore_broken_off_amid_the_files_leaves_no_data_folder_and_can_be_begun_anew(
    archive: Path, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = open_blobs(_settings(tmp_path / "again", store, "again"))
    put = target.put_file

    async def fail(key: str, path: Path) -> None:
        if key.endswith("b"):
            raise Unavailable("The file could not be stored: the object store does not answer as it should.")
        await put(key, path)

    with monkeypatch.context() as patch:
        patch.setattr(target, "put_file", fail)
        with pytest.raises(Unavailable):
            restore(archive, tmp_path / "again", target)
    assert not (tmp_path / "again").exists()
    restore(archive, tmp_path / "again", target)
    assert asyncio.run(_stored(target)) == FILES


def test_a_store_that_does_not_answer_leaves_no_backup(
    migrated_sqlite: Path, tmp_path: Path, store: str
) -> None:
    data = tmp_path / "data"
    shutil.copytree(migrated_sqlite, data)
    settings = _settings(data, store, "x")
    settings = settings.model_copy(
        update={"blobs": settings.blobs.model_copy(update={"url": "s3://no-such-bucket/files"})}
    )
    with pytest.raises(Unavailable):
        backup(settings, tmp_path / "none.tar", with_keys=False, files_only=False)
    assert not list(tmp_path.glob("none*"))
