"""Fixtures of web chat."""

from collections.abc import AsyncGenerator

import pytest
from tests.unit.chat.chat_world import World

from dragoman.db.database import Database


@pytest.fixture
async def world(database: Database) -> AsyncGenerator[World]:
    """The services over each kind of database."""
    made = World(database)
    await made.prepare()
    yield made
    await made.tasks.close()
