"""The application with models that need no weights."""

from collections.abc import AsyncGenerator

import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[InProcess]:
    async with in_process(settings_in(tmp_path_factory.mktemp("playground") / "data")) as running:
        yield running
