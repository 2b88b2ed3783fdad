"""Passages that answers cite, as whoever has a session's key gets at them."""

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.browser.chat_site import PARKING, Site, running_site
from tests.dialects.openai.gateway_server import says

QUESTION = "Where do visitors leave their bicycles, in which courtyard behind the library?"
PUBLIC = "/api/v1/public/chat-clients"
YELLOW = (255, 226, 89)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("passages")) as running:
        yield running


@pytest.fixture
def visitor(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.base, trust_env=False, timeout=60) as client:
        yield client


def cited(site: Site, visitor: httpx.Client) -> tuple[str, dict[str, Any]]:
    """The key of a session with an answer that cites the handbook, and the answer."""
    site.provider.plays.append(says("In the courtyard [1]."))
    key = site.session()
    asked = visitor.post(f"{PUBLIC}/{key}/prompt", json={"prompt": {"content": QUESTION}})
    assert asked.status_code == 200, asked.text
    return key, site.said(key)[-1]


def place(key: str, message: dict[str, Any], number: object = 1) -> str:
    return f"{PUBLIC}/{key}/messages/{message['message_id']}/citations/{number}"


def test_a_cited_passage_is_read_with_its_surroundings_and_seen_on_its_page(
    site: Site, visitor: httpx.Client
) -> None:
    key, message = cited(site, visitor)
    found = visitor.get(place(key, message)).json()
    assert PARKING in found["text"]
    assert found["before"] == "Welcome\n\nThis handbook tells where things are.\n\n"
    assert (found["document_name"], found["page"], found["page_count"]) == ("handbook.pdf", 2, 2)
    picture = visitor.get(found["page_image"])
    assert picture.headers["content-type"] == "image/png"
    drawn = Image.open(io.BytesIO(picture.content))
    assert drawn.width == 1100
    colours = {colour: count for count, colour in drawn.getcolors(1 << 20) or []}
    assert colours[YELLOW] > 5000


@pytest.mark.parametrize("number", ["2", "0", "x", "-1", "1e1", "99999999999999999999", "%00"])
def test_what_no_answer_cites_is_not_there(site: Site, visitor: httpx.Client, number: str) -> None:
    key, message = cited(site, visitor)
    for path in (place(key, message, number), place(key, message, number) + "/page.png"):
        refused = visitor.get(path)
        assert refused.status_code == 404, refused.text
        assert refused.json() == {
            "error": "No answer of this session cites such a passage.",
            "details": None,
        }


def test_another_sessions_passages_are_not_there(site: Site, visitor: httpx.Client) -> None:
    _, message = cited(site, visitor)
    other = site.session()
    for path in (place(other, message), place(other, message) + "/page.png"):
        assert visitor.get(path).status_code == 404
    assert visitor.get(f"/chat/{other}/passages/{message['message_id']}/1").status_code == 404
    assert visitor.get(place("wky_made_up", message)).status_code == 422
    assert visitor.get(f"/chat/wky_made_up/passages/{message['message_id']}/1").status_code == 422


def test_an_answer_that_was_taken_back_shows_nothing_any_more(site: Site, visitor: httpx.Client) -> None:
    key, message = cited(site, visitor)
    assert visitor.get(place(key, message)).status_code == 200
    assert visitor.post(f"{PUBLIC}/{key}/retry").status_code == 204
    assert visitor.get(place(key, message)).status_code == 404


def test_a_passage_outlives_its_document_without_its_surroundings(site: Site, visitor: httpx.Client) -> None:
    key, message = cited(site, visitor)
    (source,) = message["annotations"]
    gone = site.world.client.delete(
        f"/api/v1/collections/{source['collection_id']}/documents/{source['document_id']}"
    )
    assert gone.status_code == 200, gone.text
    found = visitor.get(place(key, message)).json()
    assert PARKING in found["text"]
    assert (found["before"], found["after"], found["page_image"]) == ("", "", None)
    assert visitor.get(place(key, message) + "/page.png").status_code == 404
