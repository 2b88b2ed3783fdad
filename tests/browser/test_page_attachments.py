"""Files attached on the chat page, in a real browser."""

import base64
import json

import pytest
from tests import samples
from tests.browser.axe import violations
from tests.browser.chat_site import Site
from tests.browser.chromium import Page, chromium
from tests.browser.test_chat_page import answer, ask, opened
from tests.dialects.openai.gateway_server import says

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")


def chosen(name: str, kind: str, data: bytes) -> str:
    """The script that chooses a file as a person does."""
    encoded = base64.b64encode(data).decode()
    return (
        "{const files = new DataTransfer();"
        f"const bytes = Uint8Array.from(atob('{encoded}'), (one) => one.charCodeAt(0));"
        f"files.items.add(new File([bytes], '{name}', {{type: '{kind}'}}));"
        "const field = document.querySelector('input[type=file]');"
        "field.files = files.files; field.dispatchEvent(new Event('change'))}; 0"
    )


SENT = (
    "document.querySelector('.attached li') !== null && document.querySelector('.attached progress') === null"
)


async def test_a_picture_and_a_document_go_along_with_the_question(page: Page, site: Site) -> None:
    picture = samples.picture("Invoice 4711")
    site.provider.plays.append(says("I see both."))
    key = await opened(page, site)
    await page.run(chosen("bill.png", "image/png", picture))
    await page.run(chosen("notes.txt", "text/plain", b"The kettle is blue."))
    await page.until(f"{SENT} && document.querySelectorAll('.attached li').length === 2")
    assert await violations(page) == []
    await ask(page, "What are these?")
    await answer(page, "I see both.")
    await page.until("document.querySelector('.mine img')?.naturalWidth === 1000")
    content = site.provider.bodies[-1]["messages"][-1]["content"]
    assert base64.b64encode(picture).decode() in json.dumps(content)
    assert "The kettle is blue." in json.dumps(content)
    # After a reload they are still there.
    await page.open(f"{site.base}/chat/{key}")
    await page.until("document.querySelector('.mine img')?.naturalWidth === 1000")
    assert await page.run("document.querySelector('.mine a.file').textContent") == "notes.txt"
    assert await violations(page) == []
    assert await page.complaints() == []


async def test_a_file_can_be_taken_back_before_it_is_asked_about(page: Page, site: Site) -> None:
    await opened(page, site)
    await page.run(chosen("notes.txt", "text/plain", b"The kettle is blue."))
    await page.until(SENT)
    await page.run("document.querySelector('.attached button').click(); 0")
    await page.until("document.querySelector('.attached') === null")
    site.provider.plays.append(says("Hello."))
    await ask(page, "Hi.")
    await answer(page, "Hello.")
    assert "kettle" not in json.dumps(site.provider.bodies[-1])


async def test_a_file_that_only_pretends_to_be_a_picture_is_refused_with_its_name(
    page: Page, site: Site
) -> None:
    await opened(page, site)
    await page.run(chosen("fake.png", "image/png", b"<script>alert(1)</script>"))
    told = await page.until("document.querySelector('[role=alert]')?.textContent")
    assert told == "fake.png: Files of this kind are not taken here."
    await page.until("document.querySelector('.attached') === null")
    assert await violations(page) == []
