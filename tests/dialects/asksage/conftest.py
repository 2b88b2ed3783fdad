"""The application with one dataset that holds a document."""

from collections.abc import AsyncGenerator

import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[InProcess]:
    async with in_process(settings_in(tmp_path_factory.mktemp("asksage") / "data")) as running:
        await running.dataset("staff")
        body = {"content": "The notice period is three months.", "force_dataset": "staff"}
        assert (await running.client.post("/server/train", json=body)).status_code == 200
        yield running
