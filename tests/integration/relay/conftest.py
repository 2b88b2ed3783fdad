"""A gateway for every test, and a bound on its time."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from gateway_setup import Setup


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path / "journal")


@pytest.fixture(autouse=True)
async def bounded() -> AsyncGenerator[None]:
    async with asyncio.timeout(15):
        yield
