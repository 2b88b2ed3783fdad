"""Nothing in ``dragoman`` may block the event loop while these tests run."""

from collections.abc import Generator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def loop_is_never_blocked() -> Generator[None]:
    with blockbuster_ctx("dragoman"):
        yield
