"""Answers of web chats read aloud, with a provider on loopback that speaks."""

from collections.abc import Iterator

import httpx
import pytest
from tests.browser.chat_site import Site, running_site
from tests.dialects.openai.gateway_server import Play, says
from tests.voice.voice_services import Services

PUBLIC = "/api/v1/public/chat-clients"


@pytest.fixture(scope="module")
def speech() -> Iterator[Services]:
    with Services() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, speech: Services) -> Iterator[Site]:
    settings = {name: value for name, value in speech.settings()[0].items() if "SPEECH" in name}
    with running_site(tmp_path_factory.mktemp("speech"), settings) as running:
        yield running


@pytest.fixture
def visitor(site: Site, speech: Services) -> Iterator[httpx.Client]:
    speech.spoken.clear()
    site.dress(
        audioSynthesisSource="Gpt4oTts", audioSynthesisVoice="marin", audioSynthesisInstruction="Calmly."
    )
    with httpx.Client(base_url=site.base, trust_env=False, timeout=60) as client:
        yield client


def answered(site: Site, visitor: httpx.Client, text: str) -> tuple[str, str]:
    """The key of a session and the id of the answer in it."""
    site.provider.plays.append(says(text))
    key = site.session()
    asked = visitor.post(f"{PUBLIC}/{key}/prompt", json={"prompt": "When do you open?"})
    assert asked.status_code == 200, asked.text
    return key, asked.json()["messageId"]


def test_an_answer_is_spoken_once_as_it_is_said(site: Site, visitor: httpx.Client, speech: Services) -> None:
    key, message = answered(site, visitor, "We open at **nine** [1], see [here](https://x.example).")
    place = f"{PUBLIC}/{key}/messages/{message}/speech.mp3"
    sound = visitor.get(place)
    assert sound.status_code == 200, sound.text
    assert sound.headers["content-type"] == "audio/mpeg"
    assert len(sound.content) > 1000
    assert visitor.get(place).content == sound.content
    (asked,) = speech.spoken
    assert (asked["input"], asked["voice"]) == ("We open at nine, see here.", "marin")
    assert asked["instructions"] == "Calmly."
    assert place in visitor.get(f"/chat/{key}").text


LONG = "We open at nine on weekdays, and at ten on Saturdays. " * 8


def test_a_long_answer_is_made_short_by_its_model_before_it_is_spoken(
    site: Site, visitor: httpx.Client, speech: Services
) -> None:
    site.dress(audioSynthesisSource="Gpt4oTts", summarizeTextBeforeAudioSynthesis=True)
    key, message = answered(site, visitor, LONG)
    site.provider.plays.append(says("**Weekdays** from nine, Saturdays from ten."))
    place = f"{PUBLIC}/{key}/messages/{message}/speech.mp3"
    sound = visitor.get(place)
    assert sound.status_code == 200, sound.text
    assert visitor.get(place).content == sound.content
    assert [one["input"] for one in speech.spoken] == ["Weekdays from nine, Saturdays from ten."]
    body = site.provider.bodies[-1]
    assert "said aloud" in body["messages"][0]["content"]
    assert body["messages"][-1]["content"] == LONG.strip()
    assert not body.get("tools")
    assert site.said(key)[-1]["content"] == LONG
    # What is short already costs no second question.
    before = len(site.provider.bodies)
    key, message = answered(site, visitor, "At nine.")
    assert visitor.get(f"{PUBLIC}/{key}/messages/{message}/speech.mp3").status_code == 200
    assert (len(site.provider.bodies) - before, speech.spoken[-1]["input"]) == (1, "At nine.")


def test_an_answer_that_cannot_be_made_short_is_spoken_whole(
    site: Site, visitor: httpx.Client, speech: Services
) -> None:
    site.dress(audioSynthesisSource="Gpt4oTts", summarizeTextBeforeAudioSynthesis=True)
    key, message = answered(site, visitor, LONG)
    site.provider.plays.append(Play(status=400))
    assert visitor.get(f"{PUBLIC}/{key}/messages/{message}/speech.mp3").status_code == 200
    assert [one["input"] for one in speech.spoken] == [LONG.strip()]


def test_a_chat_without_a_voice_and_what_is_no_answer_of_it_cannot_be_heard(
    site: Site, visitor: httpx.Client
) -> None:
    key, message = answered(site, visitor, "We open at nine.")
    question = site.said(key)[0]["message_id"]
    other = site.session()
    for session, wanted in ((key, question), (other, message), (key, "x"), (key, message[:-1] + "g")):
        assert visitor.get(f"{PUBLIC}/{session}/messages/{wanted}/speech.mp3").status_code == 404
    assert visitor.get(f"{PUBLIC}/wky_made_up/messages/{message}/speech.mp3").status_code == 422
    site.dress(audioSynthesisSource="None")
    silent = visitor.get(f"{PUBLIC}/{key}/messages/{message}/speech.mp3")
    assert (silent.status_code, silent.json()["error"]) == (404, "This chat does not speak.")
