"""The widget on pages of other origins: one that the client allows, and one that it does not."""

from collections.abc import Iterator

import pytest
from tests.browser.axe import violations
from tests.browser.chat_site import Site
from tests.browser.chromium import Page, chromium
from tests.dialects.openai.gateway_server import Provider, says

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")


def host_page(site: Site, looks: str = "") -> bytes:
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title><body><main><h1>Shop</h1></main>'
        "<script>window.told = []; for (const name of ['ready', 'question', 'answer', 'toggle'])"
        " addEventListener('dragoman:' + name, (event) => told.push([name, event.detail]))</script>"
        f'<script src="{site.base}/embed.js" data-client="{site.client_id}" data-label="Help"{looks} async></script>'
    ).encode()


@pytest.fixture
def other(site: Site) -> Iterator[Provider]:
    """A server of another origin with the same page."""
    server = Provider()
    server.files["/page"] = (200, "text/html", host_page(site))
    yield server
    server.close()


async def button(page: Page) -> dict[str, str]:
    """What the widget's button is called, and whether it is expanded, as a screen reader is told."""
    await page.until("window.dragoman !== undefined")
    await page.ask("Accessibility.enable")
    tree = await page.ask("Accessibility.getFullAXTree")
    (found,) = [node for node in tree["nodes"] if node.get("role", {}).get("value") == "button"]
    expanded = [one["value"]["value"] for one in found["properties"] if one["name"] == "expanded"]
    return {"name": found["name"]["value"], "expanded": str(expanded[0])}


async def focused(page: Page) -> str:
    """What the focused button is called."""
    tree = await page.ask("Accessibility.getFullAXTree")
    names = [
        node["name"]["value"]
        for node in tree["nodes"]
        if node.get("role", {}).get("value") == "button"
        and any(one["name"] == "focused" and one["value"]["value"] for one in node["properties"])
    ]
    return str(names[0]) if names else ""


async def test_on_an_allowed_page_the_button_opens_a_chat(page: Page, site: Site) -> None:
    site.provider.files["/page"] = (200, "text/html", host_page(site))
    site.provider.plays.append(says("At nine."))
    await page.open(f"{site.provider.origin}/page")
    assert await button(page) == {"name": "Help", "expanded": "False"}
    await page.click(950, 757)
    frame = await page.world("/chat/")
    await page.until("document.querySelector('.suggestions button') !== null", world=frame)
    assert await button(page) == {"name": "Help", "expanded": "True"}
    assert await violations(page) == []
    assert await violations(page, "/chat/") == []
    await page.run("document.querySelector('.suggestions button').click(); 0", world=frame)
    await page.until("told.some(([name, detail]) => name === 'answer' && detail.text === 'At nine.')")
    assert await page.run("told.map(([name]) => name)") == ["toggle", "ready", "question", "answer"]
    # The same visitor finds the conversation again.
    await page.open(f"{site.provider.origin}/page")
    await page.until("window.dragoman !== undefined")
    await page.run("dragoman.open(); 0")
    again = await page.world("/chat/")
    await page.until(
        "document.querySelector('.theirs .answer')?.textContent.trim() === 'At nine.'", world=again
    )
    assert await page.run("JSON.stringify(told).includes('wky_')") is False
    assert await page.complaints() == []


@pytest.mark.parametrize("color", ["#ffd54a", "navy", "hsl(0 0% 100%)", "red;}button{display:none"])
async def test_the_buttons_text_is_read_on_any_colour(page: Page, site: Site, color: str) -> None:
    site.provider.files["/page"] = (200, "text/html", host_page(site, f' data-color="{color}"'))
    await page.open(f"{site.provider.origin}/page")
    assert (await button(page))["name"] == "Help"
    assert await violations(page) == []


async def test_escape_inside_the_chat_closes_it_and_leads_back_to_the_button(page: Page, site: Site) -> None:
    site.provider.files["/page"] = (200, "text/html", host_page(site))
    await page.open(f"{site.provider.origin}/page")
    await page.until("window.dragoman !== undefined")
    await page.run("dragoman.open(); 0")
    frame = await page.world("/chat/")
    await page.until("document.querySelector('.composer textarea') !== null", world=frame)
    pressed = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true})); 0"
    await page.run(pressed, world=frame)
    await page.until("told.some(([name, detail]) => name === 'toggle' && !detail.open)")
    assert await button(page) == {"name": "Help", "expanded": "False"}
    assert await focused(page) == "Help"


async def test_on_a_page_that_is_not_allowed_the_browser_shows_no_chat(
    page: Page, site: Site, other: Provider
) -> None:
    await page.open(f"{other.origin}/page")
    await page.until("window.dragoman !== undefined")
    await page.run("dragoman.open(); 0")
    refused = await page.world("chrome-error:")
    assert await page.run("document.querySelector('#chat, #frame')", world=refused) is None
    assert any("frame-ancestors" in one for one in await page.complaints())
    assert await page.run("told.map(([name]) => name)") == ["toggle"]


async def test_messages_of_others_do_not_pass_for_the_chats(page: Page, site: Site) -> None:
    site.provider.files["/page"] = (200, "text/html", host_page(site))
    await page.open(f"{site.provider.origin}/page")
    await page.until("window.dragoman !== undefined")
    await page.run("dragoman.open(); 0")
    await page.until("told.some(([name]) => name === 'ready')")
    forged = "{source: 'dragoman', name: 'answer', text: 'forged'}"
    await page.run(f"postMessage({forged}, '*'); new Promise((done) => setTimeout(done, 100)).then(() => 0)")
    assert await page.run("told.some(([name]) => name === 'answer')") is False
