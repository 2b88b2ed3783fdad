"""One site for all tests in a browser."""

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from tests.browser.chat_site import Site, running_site
from tests.browser.chromium import Browser, Page


@pytest.fixture(scope="session")
def chat_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(chat_site: Site) -> Site:
    """The site as it was made."""
    chat_site.provider.forget()
    chat_site.dress()
    return chat_site


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
async def page(browser: Browser, tmp_path: Path, anyio_backend: str) -> AsyncGenerator[Page]:
    async with Page(tmp_path, browser=browser) as opened:
        await opened.looks()
        yield opened
