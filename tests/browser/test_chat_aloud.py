"""Speech on the chat page, in a real browser: recordings go in, answers come out."""

from collections.abc import Iterator

import pytest
from tests.browser.axe import violations
from tests.browser.chat_site import Site, running_site
from tests.browser.chromium import Page, chromium
from tests.browser.test_chat_page import answer, ask, opened
from tests.browser.test_page_attachments import SENT, chosen
from tests.dialects.openai.gateway_server import says
from tests.voice.voice_services import Services

pytestmark = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")

SPOKEN = "document.querySelector('audio.aloud')"


@pytest.fixture(scope="module")
def speech() -> Iterator[Services]:
    with Services() as running:
        yield running


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory, speech: Services) -> Iterator[Site]:
    settings = {name: value for name, value in speech.settings()[0].items() if "SPEECH" in name}
    with running_site(tmp_path_factory.mktemp("talking"), settings) as site:
        site.dress(audioSynthesisSource="Gpt4oTts")
        yield site


async def test_an_answer_is_heard_when_it_is_asked_for(page: Page, talking: Site) -> None:
    talking.provider.plays.append(says("We open at nine."))
    await opened(page, talking)
    await ask(page, "When do you open?")
    await answer(page, "We open at nine.")
    assert await page.run(f"{SPOKEN} === null")
    await page.run(
        "[...document.querySelectorAll('.theirs button')].find((one) => one.textContent === 'Listen').click(); 0"
    )
    await page.until(f"{SPOKEN}?.duration > 0.5")
    assert await violations(page) == []
    assert await page.complaints() == []


async def test_what_is_spoken_is_shown_as_text_and_answered_by_voice(
    page: Page, talking: Site, speech: Services
) -> None:
    sound = talking.world.client.post(
        "/v1/audio/speech",
        json={"input": "Hello there.", "model": "tts-1", "voice": "alloy", "response_format": "wav"},
    ).content
    talking.provider.plays.append(says("At nine."))
    await opened(page, talking)
    await page.run(chosen("audio.wav", "audio/wav", sound))
    await page.until(SENT)
    assert speech.hears in await page.run("document.querySelector('.attached li').textContent")
    await page.run("document.querySelector('.composer .send').click(); 0")
    await answer(page, "At nine.")
    assert await page.until("document.querySelector('.mine figcaption')?.textContent") == speech.hears
    await page.until(f"{SPOKEN}?.duration > 0.2")
    assert talking.provider.bodies[-1]["messages"][-1]["content"].endswith(speech.hears)
    assert await violations(page) == []
    assert await page.complaints() == []
