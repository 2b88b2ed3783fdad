"""Fixtures: the dialect with two users, a collection, an upload."""

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from aivax_server import Dialect, running, settings_of


@pytest.fixture
async def dialect(migrated_sqlite: Path, data_dir: Path, anyio_backend: str) -> AsyncGenerator[Dialect]:
    """The dialect with two users: ``client`` and ``stranger``."""
    shutil.copytree(migrated_sqlite, data_dir, dirs_exist_ok=True)
    async with running(settings_of(data_dir)) as started:
        yield started


@pytest.fixture
def start(migrated_sqlite: Path, data_dir: Path) -> Callable[..., Any]:
    """Starts the dialect with other settings, as an async context manager."""

    def begin(**changed: Any) -> Any:
        shutil.copytree(migrated_sqlite, data_dir, dirs_exist_ok=True)
        return running(settings_of(data_dir, **changed))

    return begin


@pytest.fixture
async def collection(dialect: Dialect) -> str:
    """The id of an empty collection."""
    made = await dialect.client.post("/api/v1/collections", json={"collectionName": "Manuals"})
    return str(made.json()["collectionId"])


@pytest.fixture
def upload(dialect: Dialect) -> Callable[..., Awaitable[httpx.Response]]:
    """Imports JSON lines into a collection."""

    async def send(collection_id: str, lines: bytes, **params: str) -> httpx.Response:
        return await dialect.client.post(
            f"/api/v1/collections/{collection_id}/documents",
            files={"documents": ("documents.jsonl", lines, "application/jsonl")},
            params=params,
        )

    return send
