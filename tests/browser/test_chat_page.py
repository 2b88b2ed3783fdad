"""People talk to an agent on the chat page, in a real browser; axe-core finds nothing wrong in any state of it."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.browser.axe import violations
from tests.browser.chat_site import NOTICE, PARKING, Site, Wire
from tests.browser.chromium import Page, chromium
from tests.dialects.openai.gateway_server import Play, says

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")

READY = "document.querySelector('.composer textarea') !== null"
IDLE = "document.querySelector('.composer .send').getAttribute('aria-label') === 'Send'"
ENTER, ESCAPE = 13, 27


async def opened(page: Page, site: Site, base: str | None = None) -> str:
    """The access key of a new session whose page is open."""
    key = site.session()
    await page.open(f"{base or site.base}/chat/{key}")
    await page.until(READY)
    return key


async def ask(page: Page, text: str) -> None:
    await page.run("document.querySelector('.composer textarea').focus(); 0")
    await page.write(text)
    await page.press("Enter", code=ENTER)


async def answer(page: Page, text: str) -> None:
    """Waits until the last answer is that text, and nothing is under way."""
    await page.until(f"{last_answer()}.trim() === {json.dumps(text)} && {IDLE}")


def last_answer() -> str:
    return "([...document.querySelectorAll('.theirs .answer')].pop() || {textContent: ''}).textContent"


def gated(*pieces: str) -> tuple[list[threading.Event], Play]:
    """An answer whose every piece but the first waits for its gate."""
    gates = [threading.Event() for _ in pieces[1:]]
    parts: list[str | dict[str, Any] | threading.Event] = [pieces[0]]
    for gate, piece in zip(gates, pieces[1:], strict=True):
        parts += [gate, piece]
    return gates, Play(tuple(parts))


async def test_an_answer_is_written_as_it_comes_and_everything_can_be_reached_by_keyboard(
    page: Page, site: Site
) -> None:
    gates, play = gated("We open ", "at **nine**.")
    site.provider.plays.append(play)
    key = await opened(page, site)
    assert await violations(page) == []
    await ask(page, "When do you open?")
    await page.until(f"{last_answer()}.trim() === 'We open'")
    assert await page.run("document.querySelector('.composer .send').textContent.trim()") == "Stop"
    assert await violations(page) == []
    gates[0].set()
    await answer(page, "We open at nine.")
    assert await page.run("document.querySelector('.answer strong').textContent") == "nine"
    # Told once, whole, to who cannot see it.
    spoken = await page.until("document.querySelector('[aria-live=polite]').textContent")
    assert "We open at" in spoken
    assert await violations(page) == []
    assert [message["content"] for message in site.said(key)] == ["When do you open?", "We open at **nine**."]
    assert await page.complaints() == []


async def test_a_suggestion_asks_its_question(page: Page, site: Site) -> None:
    site.provider.plays.append(says("At nine."))
    key = await opened(page, site)
    await page.run("document.querySelector('.suggestions button').click(); 0")
    await answer(page, "At nine.")
    assert site.said(key)[0]["content"] == "When do you open?"


async def test_stop_keeps_what_there_is_and_retry_answers_again(page: Page, site: Site) -> None:
    gates, play = gated("One, two", ", three.")
    site.provider.plays.extend((play, says("One, two, three.")))
    key = await opened(page, site)
    await ask(page, "Count.")
    await page.until(f"{last_answer()}.trim() === 'One, two'")
    await page.press("Escape", code=ESCAPE)
    await answer(page, "One, two")
    gates[0].set()
    assert "Stopped" in await page.run("document.querySelector('.theirs .actions').textContent")
    assert site.said(key)[-1]["cancelled"] is True
    await page.run("[...document.querySelectorAll('.theirs .actions button')].pop().click(); 0")
    await answer(page, "One, two, three.")
    assert [message["content"] for message in site.said(key)] == ["Count.", "One, two, three."]


async def test_a_connection_lost_in_the_middle_loses_and_doubles_nothing(page: Page, site: Site) -> None:
    gates, play = gated("first ", "second ", "third")
    site.provider.plays.append(play)
    async with Wire(site.world.server.port) as wire:
        await opened(page, site, wire.base)
        await ask(page, "Count.")
        await page.until(f"{last_answer()}.trim() === 'first'")
        wire.cut()
        gates[0].set()
        wire.mend()
        await page.until(f"{last_answer()}.trim() === 'first second'")
        gates[1].set()
        await answer(page, "first second third")
        assert await page.run("document.querySelectorAll('.log > li').length") == 2


async def test_a_page_that_lost_its_connection_says_so_until_it_is_back(page: Page, site: Site) -> None:
    gates, play = gated("first ", "second")
    site.provider.plays.append(play)
    notice = "document.querySelector('.notice[role=status]')?.textContent || ''"
    async with Wire(site.world.server.port) as wire:
        await opened(page, site, wire.base)
        await ask(page, "Count.")
        await page.until(f"{last_answer()}.trim() === 'first'")
        assert await page.run(notice) == ""
        wire.cut()
        assert await page.until(notice) == "The connection was lost. Trying again..."
        assert await violations(page) == []
        wire.mend()
        await page.until(f"({notice}) === ''")
        gates[0].set()
        await answer(page, "first second")
        assert await page.run(notice) == ""


async def test_code_is_coloured_and_formulas_are_set(page: Page, site: Site) -> None:
    written = (
        "```python\ndef f(x):\n    return 'a' # note\n```\n\n"
        "Inline $\\frac{a_1}{2}$ and \\(x[1] < y\\), not $5 or $6.\n\n"
        "$$\n\\sum_{i=1}^n i\n$$\n\n\\[\\sqrt{2}\\]\n\n`$code$` and $\\notacommand$"
    )
    site.provider.plays.append(says(written))
    await opened(page, site)
    await ask(page, "Show me.")
    await page.until("document.querySelector('.answer .hl-keyword')?.textContent === 'def'")
    await page.until("document.querySelectorAll('.answer math').length === 4")
    assert await page.run("document.querySelector('.answer .hl-comment').textContent") == "# note"
    assert await page.run("document.querySelectorAll('.answer math mfrac').length") == 1
    assert await page.run("document.querySelectorAll('.answer math[display=block]').length") == 2
    assert await page.run("document.querySelector('.answer math annotation').textContent") == "\\frac{a_1}{2}"
    kept: str = await page.run(last_answer())
    assert "not $5 or $6." in kept
    assert "$code$ and $\\notacommand$" in kept
    assert await violations(page) == []
    assert await page.complaints() == []


async def test_a_page_loaded_anew_in_the_middle_goes_on(page: Page, site: Site) -> None:
    gates, play = gated("first ", "second")
    site.provider.plays.append(play)
    key = await opened(page, site)
    await ask(page, "Count.")
    await page.until(f"{last_answer()}.trim() === 'first'")
    await page.open(f"{site.base}/chat/{key}")
    await page.until(f"{last_answer()}.trim() === 'first'")
    gates[0].set()
    await answer(page, "first second")


async def test_a_citation_opens_its_passage_and_gives_the_focus_back(page: Page, site: Site) -> None:
    site.provider.plays.append(says("Three months [1]."))
    await opened(page, site)
    await ask(page, "How long is the notice period for managers?")
    await answer(page, "Three months [1].")
    await page.run("document.querySelector('.answer a[data-source]').focus(); 0")
    await page.press("Enter", code=ENTER)
    assert await page.until("document.querySelector('dialog[open] mark')?.textContent") == NOTICE
    assert await page.run("document.activeElement.closest('dialog') !== null")
    assert await violations(page) == []
    await page.press("Escape", code=ESCAPE)
    await page.until("document.querySelector('dialog') === null")
    assert await page.run("document.activeElement.dataset.source") == "1"
    await page.run(
        "document.querySelector('.sources').open = true; document.querySelector('.source').click(); 0"
    )
    await page.until("document.querySelector('dialog[open] mark') !== null")
    await page.run("document.querySelector('dialog button').click(); 0")
    await page.until("document.querySelector('dialog') === null")
    assert await page.complaints() == []


async def test_a_passage_of_a_pdf_is_shown_on_the_picture_of_its_page(
    page: Page, site: Site, tmp_path: Path
) -> None:
    site.provider.plays.append(says("In the courtyard [1]."))
    key = await opened(page, site)
    await ask(page, "Where do visitors leave their bicycles, in which courtyard behind the library?")
    await answer(page, "In the courtyard [1].")
    await page.open(f"{site.base}/chat/{key}")
    await page.until("document.querySelector('.answer a[data-source]') !== null")
    await page.run("document.querySelector('.answer a[data-source]').click(); 0")
    await page.until("document.querySelector('dialog img.page')?.naturalWidth > 500")
    assert PARKING in await page.run("document.querySelector('dialog mark').textContent")
    assert "handbook.pdf, Page 2" in await page.run("document.querySelector('dialog h2').textContent")
    assert await violations(page) == []
    await page.picture(tmp_path / "passage.png")
    assert await page.complaints() == []


async def test_without_scripts_a_citation_leads_to_a_page_with_its_passage(page: Page, site: Site) -> None:
    site.provider.plays.append(says("In the courtyard [1]."))
    key = await opened(page, site)
    await ask(page, "Where do visitors leave their bicycles, in which courtyard behind the library?")
    await answer(page, "In the courtyard [1].")
    await page.ask("Emulation.setScriptExecutionDisabled", value=True)
    await page.open(f"{site.base}/chat/{key}")
    await page.run("document.querySelector('.plain a').click(); 0")
    assert PARKING in await page.until("document.querySelector('mark')?.textContent")
    await page.until("document.querySelector('img.page').naturalWidth > 500")
    await page.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert await violations(page) == []


async def test_a_failure_is_told_politely(page: Page, site: Site) -> None:
    site.provider.plays.append(Play(status=400))
    await opened(page, site)
    await ask(page, "Fail.")
    assert await page.until("document.querySelector('[role=alert]')?.textContent")
    await page.until(IDLE)
    assert await violations(page) == []


async def test_a_person_who_answers_is_shown_at_once_and_the_agent_keeps_quiet(
    page: Page, site: Site
) -> None:
    site.provider.plays.append(says("At nine."))
    key = await opened(page, site)
    await ask(page, "When do you open?")
    await answer(page, "At nine.")
    base = f"/api/v1/web-chat-client/{site.client_id}/sessions"
    (session,) = site.world.client.get(base, params={"filter": key}).json()
    place = f"{base}/{session['id']}"
    assert site.world.client.post(f"{place}/takeover").status_code == 200
    notice = "document.querySelector('.notice[role=status]')?.textContent"
    assert await page.until(notice) == "Somebody from our team is answering you now."
    await ask(page, "Really?")
    await page.until(f"document.querySelectorAll('.log > li').length === 3 && {IDLE}")
    assert site.world.client.post(f"{place}/messages", json={"text": "At ten, sorry."}).status_code == 200
    await answer(page, "At ten, sorry.")
    assert await page.run("document.querySelector('.who').textContent") == "Our team"
    assert await page.run("document.querySelectorAll('.log > li').length") == 4
    assert await violations(page) == []
    assert site.world.client.post(f"{place}/release").status_code == 200
    await page.until(f"({notice}) === undefined")
    site.provider.plays.append(says("Welcome."))
    await ask(page, "Thanks.")
    await answer(page, "Welcome.")
    assert await page.run("document.querySelectorAll('.log > li').length") == 6
    assert await page.complaints() == []


@pytest.mark.parametrize(
    ("name", "kind", "size", "told"),
    [
        ("notes.txt", "text/plain", 10, "Files of this kind are not taken here."),
        ("large.png", "image/png", 50 * 1024 * 1024 + 1, "This file is too large."),
        ("empty.png", "image/png", 0, "This file is empty."),
    ],
)
async def test_a_file_that_cannot_be_sent_is_refused_politely(
    page: Page, site: Site, name: str, kind: str, size: int, told: str
) -> None:
    site.dress(inputModes=["image"])
    await opened(page, site)
    await page.run(
        "{const files = new DataTransfer();"
        f"files.items.add(new File([new Uint8Array({size})], '{name}', {{type: '{kind}'}}));"
        "const field = document.querySelector('input[type=file]');"
        "field.files = files.files; field.dispatchEvent(new Event('change'))}; 0"
    )
    assert await page.until("document.querySelector('[role=alert]')?.textContent") == f"{name}: {told}"
    assert await page.run("document.querySelector('.attached')") is None
    assert await violations(page) == []


async def test_what_a_model_writes_cannot_run(page: Page, site: Site) -> None:
    evil = (
        "<img src=x onerror=\"document.title='stolen'\"><script>document.title='stolen'</script>"
        "[click](javascript:document.title='stolen') ![spy](https://evil.example/p.png) "
        '<a href="https://evil.example" onclick="document.title=\'stolen\'">link</a>'
        "<form action=https://evil.example><input name=q></form><style>body{display:none}</style> done"
    )
    site.provider.plays.append(says(evil))
    await opened(page, site)
    await ask(page, "Attack.")
    await page.until(f"{last_answer()}.includes('done') && {IDLE}")
    await page.run(
        "document.querySelectorAll('.answer a').forEach((one) => one.href.startsWith('java') && one.click()); 0"
    )
    assert await page.run("document.title") == "Shop help"
    assert (
        await page.run("document.querySelectorAll('.answer :is(script, img, form, input, style)').length")
        == 0
    )
    links: list[str] = await page.run(
        "[...document.querySelectorAll('.answer a[href]')].map((one) => one.rel + one.target)"
    )
    assert set(links) <= {"noopener noreferrer nofollow_blank"}
    asked = [
        event["params"]["request"]["url"]
        for event in page.heard
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if "evil.example" in url] == []


@pytest.mark.parametrize(
    ("width", "dark", "language", "name"),
    [
        (1000, True, None, "dark"),
        (1000, False, "ar", "rtl"),
        (320, False, "de", "phone"),
        (320, True, "ar", "both"),
    ],
)
async def test_the_page_is_usable_in_the_dark_from_right_to_left_and_on_a_phone(
    page: Page, site: Site, tmp_path: Path, width: int, dark: bool, language: str | None, name: str
) -> None:
    site.dress(languageCode=language)
    code = "```python\nprint('a long line of code that is wider than a small screen', 1234)\n```"
    site.provider.plays.append(
        says(f"# Title\n\nThree months [1]. `x`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n{code}")
    )
    await page.looks(width=width, height=700, dark=dark)
    await opened(page, site)
    assert await violations(page) == []
    await ask(page, "How long is the notice period for managers?")
    await page.until(
        "document.querySelector('.answer pre') !== null && " + IDLE.replace("=== 'Send'", "!== null")
    )
    assert await violations(page) == []
    await page.run("document.querySelector('.answer a[data-source]').click(); 0")
    assert await violations(page) == []
    assert await page.run("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
    # Nothing but code and tables is wider than the window.
    assert await page.run("document.documentElement.scrollWidth <= innerWidth")
    await page.picture(tmp_path / f"{name}.png")
    assert await page.complaints() == []


async def test_a_session_that_is_gone_gets_a_friendly_page(page: Page, site: Site) -> None:
    await page.open(f"{site.base}/chat/wky_made_up")
    assert await page.run("document.querySelector('.notice').textContent") == "This chat is not available."
    assert await violations(page) == []


async def test_a_session_that_ends_under_an_open_page_is_told(page: Page, site: Site) -> None:
    key = await opened(page, site)
    base = f"/api/v1/web-chat-client/{site.client_id}/sessions"
    (session,) = site.world.client.get(base, params={"filter": key}).json()
    site.world.client.delete(f"{base}/{session['id']}")
    await ask(page, "Anybody there?")
    told = await page.until("document.querySelector('[role=alert]')?.textContent")
    assert told == "This chat is not available."
    assert await violations(page) == []


async def test_without_scripts_a_form_does_it(page: Page, site: Site) -> None:
    site.provider.plays.append(says("At nine."))
    key = site.session()
    await page.ask("Emulation.setScriptExecutionDisabled", value=True)
    await page.open(f"{site.base}/chat/{key}")
    await page.run("document.querySelector('form textarea').focus(); 0")
    await page.write("When do you open?")
    await page.run("document.querySelector('form .send').click(); 0")
    await page.until("document.querySelector('.plain')?.textContent.includes('At nine.')")
    text = "Look:\n\n- **one** [x](javascript:alert(1))\n- ![pixel](https://evil.example/p.png)\n\n<img src=x onerror=alert(1)>"
    site.provider.plays.append(says(text))
    await page.run("document.querySelector('form textarea').focus(); 0")
    await page.write("And?")
    await page.run("document.querySelector('form .send').click(); 0")
    await page.until("document.querySelector('.plain li li strong')?.textContent === 'one'")
    assert await page.run("document.querySelectorAll('.plain img').length") == 0
    assert await page.run("[...document.querySelectorAll('.plain li li a')].map((one) => one.href)") == [
        "https://evil.example/p.png"
    ]
    # On a phone there is still room to write.
    await page.ask(
        "Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=1, mobile=True
    )
    assert await page.run("document.querySelector('form textarea').offsetWidth") > 180
    # What looks at the page is a script.
    await page.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert await violations(page) == []
