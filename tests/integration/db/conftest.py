"""Nothing in ``dragoman`` may block the event loop while these tests run."""

from collections.abc import Generator

import pytest
from blockbuster import blockbuster_ctx


@pytest.fixture(autouse=True)
def loop_is_never_blocked() -> Generator[None]:
    with blockbuster_ctx("dragoman") as blocker:
        for function in blocker.functions.values():
            # A logged traceback reads the source files it quotes.
            function.can_block_in("structlog/_base.py", "_proxy_to_logger")
        yield
