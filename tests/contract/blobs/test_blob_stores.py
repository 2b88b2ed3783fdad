"""Files are kept in the same way in a folder and in an object store that speaks S3."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.e2e.fleet import BUCKET, object_store
from tests.e2e.server import free_port

from dragoman.adapters.blobs.obstore import ObjectStoreBlobs, local_blobs, remote_blobs
from dragoman.bootstrap.machines import open_blobs
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput, NotFound, Unavailable
from dragoman.settings import Settings
from dragoman.settings.machines import BlobsSettings

KEYS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with object_store() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStoreBlobs:
    if request.param == "folder":
        return local_blobs(tmp_path / "blobs")
    endpoint: str = request.getfixturevalue("s3")
    return remote_blobs(f"s3://{BUCKET}/{tmp_path.name}", {"endpoint": endpoint, **KEYS})


async def content(blobs: ObjectStoreBlobs, key: str) -> bytes:
    return b"".join([piece async for piece in blobs.open(key)])


async def test_what_was_put_is_read_again(blobs: ObjectStoreBlobs, tmp_path: Path) -> None:
    large = os.urandom(12_000_000)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(large)
    await blobs.put_file("documents/a/large", source)
    await blobs.put("documents/a/small", b"few bytes")
    assert await content(blobs, "documents/a/small") == b"few bytes"
    await blobs.fetch_to("documents/a/large", target)
    assert target.read_bytes() == large


async def test_a_key_that_is_not_there_is_not_found_and_may_be_deleted(blobs: ObjectStoreBlobs) -> None:
    with pytest.raises(NotFound):
        await content(blobs, "documents/a/none")
    await blobs.delete("documents/a/none")
    await blobs.put("documents/a/one", b"1")
    await blobs.delete("documents/a/one")
    with pytest.raises(NotFound):
        await content(blobs, "documents/a/one")


async def test_keys_below_a_folder_are_listed_by_age(blobs: ObjectStoreBlobs) -> None:
    for key in ("documents/a/1", "documents/b/2", "hosted/3"):
        await blobs.put(key, b"x")
    later, earlier = now_ms() + 60_000, now_ms() - 60_000
    found = [key async for batch in blobs.keys("documents", before_ms=later) for key in batch]
    assert sorted(found) == ["documents/a/1", "documents/b/2"]
    assert [key async for batch in blobs.keys("documents", before_ms=earlier) for key in batch] == []


async def test_a_store_that_refuses_makes_files_unavailable(s3: str) -> None:
    blobs = remote_blobs("s3://nobody-made-this-bucket", {"endpoint": s3, **KEYS})
    with pytest.raises(Unavailable, match="no such folder or bucket"):
        await blobs.put("documents/a/1", b"x")


async def test_the_settings_lead_to_the_store(s3: str, tmp_path: Path) -> None:
    group = BlobsSettings(
        url=f"s3://{BUCKET}/set",
        endpoint=s3,
        access_key_id="test",
        secret_access_key=SecretStr("test"),
    )
    blobs = open_blobs(Settings(data_dir=tmp_path, blobs=group))
    await blobs.put("documents/a/1", b"x")
    direct = remote_blobs(f"s3://{BUCKET}/set", {"endpoint": s3, **KEYS})
    assert await content(direct, "documents/a/1") == b"x"


def test_an_option_that_the_store_does_not_know_is_refused(tmp_path: Path) -> None:
    group = BlobsSettings(
        url="s3://bucket", endpoint=f"http://127.0.0.1:{free_port()}", options={"colour": SecretStr("red")}
    )
    with pytest.raises(InvalidInput, match="s3://bucket"):
        open_blobs(Settings(data_dir=tmp_path, blobs=group))


@pytest.mark.parametrize("url", ["bucket", "ftp://host/folder", "s3://"])
def test_an_address_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be an address"):
        BlobsSettings(url=url)
