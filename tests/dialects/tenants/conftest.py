"""The inhabited house, made once for each module of tests."""

from collections.abc import AsyncGenerator

import pytest
from tests.dialects.tenants.house import House, house


@pytest.fixture(scope="module")
async def inhabited(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[House]:
    with pytest.MonkeyPatch.context() as patch:
        async with house(tmp_path_factory.mktemp("walk") / "data", patch) as made:
            yield made
