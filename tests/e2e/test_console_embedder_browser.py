"""A collection gets another embedder in the console, in a real browser, and goes on answering meanwhile."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from anyio import to_thread
from tests.browser.axe import violations
from tests.browser.chromium import Page, chromium
from tests.e2e.embeddings import DIMENSIONS, Embeddings, embeddings
from tests.e2e.server import API_KEY, Server
from tests.e2e.test_console_browser import Person

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")


def settings(now: Embeddings, other: Embeddings) -> dict[str, str]:
    return {
        "DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]',
        "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
        "DRAGOMAN_EMBEDDING__PROVIDER": "openai",
        "DRAGOMAN_EMBEDDING__BASE_URL": now.base,
        "DRAGOMAN_EMBEDDING__MODEL": now.name,
        "DRAGOMAN_EMBEDDING__DIMENSIONS": str(DIMENSIONS),
        "DRAGOMAN_EMBEDDING__OTHERS__FINE__BASE_URL": other.base,
        "DRAGOMAN_EMBEDDING__OTHERS__FINE__MODEL": other.name,
        "DRAGOMAN_EMBEDDING__OTHERS__FINE__DIMENSIONS": str(DIMENSIONS),
    }


@pytest.fixture
async def provider() -> AsyncGenerator[tuple[Embeddings, Embeddings]]:
    with embeddings("coarse", ("teapot", "kettle")) as now, embeddings("fine", ("cup", "mug")) as other:
        yield now, other
        other.gate.set()


async def test_the_change_is_begun_watched_and_over(
    provider: tuple[Embeddings, Embeddings], tmp_path: Path
) -> None:
    now, fine = provider
    server = Server(tmp_path / "data", settings(now, fine))
    await to_thread.run_sync(server.start)
    try:
        with server.client() as client:
            made = client.post("/api/v1/collections", json={"collectionName": "Kitchen"}).json()
            at = f"/api/v1/collections/{made['collectionId']}"
            stored = client.put(f"{at}/documents", json={"name": "tea", "contents": "A teapot is for tea."})
            assert stored.is_success, stored.text
        async with Page(tmp_path / "browser") as page:
            person = Person(page, server.base)
            await page.open(f"{server.base}/console")
            await person.clicks("Sign in with an API key")
            await person.writes(key=API_KEY)
            await person.clicks("Sign in")
            await person.sees("Latest failures")
            await person.goes_to("/collections")
            await person.clicks("Kitchen")
            await person.page.until(
                "[...document.querySelectorAll('.badge')].some((one) => one.innerText === 'ready')"
            )
            fine.answers_before_gate = 0
            fine.gate.clear()
            await person.clicks("Settings")
            await page.until("!!document.querySelector('select[name=embedder]')")
            await page.run(
                "(() => { const list = document.querySelector('select[name=embedder]'); list.value = 'fine';"
                " list.dispatchEvent(new Event('change', { bubbles: true })) })()"
            )
            await person.clicks("Change the embedder")
            await person.sees("0 of 1 passages")
            assert await violations(page) == []
            fine.gate.set()
            await page.until("[...document.querySelectorAll('dd')].some((one) => one.innerText === 'fine')")
            await page.until("!document.querySelector('progress')")
    finally:
        await to_thread.run_sync(server.stop)
