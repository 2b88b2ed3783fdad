"""A client that hangs up stops the model, whichever operation it called."""

from collections.abc import AsyncGenerator

import pytest
from tests.dialects.scripted_app import Served, served, stops_when_left
from tests.e2e.server import API_KEY

from dragoman.adapters.models.scripted import Rule


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Served]:
    slow = Rule(match="", text="a b c d e f g h", delay_seconds=20)
    async with served(tmp_path_factory.mktemp("hangup"), slow) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/server/query", {"message": "Well?", "dataset": "none"}),
        ("/server/query", {"message": "Well?", "dataset": "none", "streaming": True}),
        ("/server/follow-up-questions", {"message": "Well?", "dataset": "none"}),
    ],
)
async def test_a_client_that_hangs_up_stops_the_model(
    path: str, body: dict[str, object], server: Served
) -> None:
    await stops_when_left(server, path, body, API_KEY)
