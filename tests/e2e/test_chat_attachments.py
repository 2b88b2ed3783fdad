"""Files attached to what visitors ask, over HTTP, as the page and programs send them."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests import samples
from tests.browser.chat_site import Site, running_site
from tests.voice.voice_services import Services

PUBLIC = "/api/v1/public/chat-clients"
MOST_BYTES = 40_000_000
PICTURE = samples.picture("Invoice", width=40, height=20)


@pytest.fixture(scope="module")
def speech() -> Iterator[Services]:
    with Services() as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, speech: Services) -> Iterator[Site]:
    spoken = {name: value for name, value in speech.settings()[0].items() if "SPEECH" in name}
    settings = {
        **spoken,
        "DRAGOMAN_PAGES__UPLOAD_BYTES": str(MOST_BYTES),
        "DRAGOMAN_PAGES__UPLOAD_SESSION_BYTES": str(MOST_BYTES + 1_000_000),
        "DRAGOMAN_PAGES__UPLOAD_SESSION_FILES": "3",
    }
    with running_site(tmp_path_factory.mktemp("attachments"), settings) as running:
        running.provider.forget()
        yield running


@pytest.fixture
def visitor(site: Site) -> Iterator[httpx.Client]:
    site.dress(uploadUnsupportedFiles=False)
    with httpx.Client(base_url=site.base, trust_env=False, timeout=60) as client:
        yield client


def sent(visitor: httpx.Client, key: str, name: str, data: bytes, kind: str = "") -> httpx.Response:
    headers = {"content-type": kind} if kind else {}
    return visitor.post(f"{PUBLIC}/{key}/attachments", params={"name": name}, content=data, headers=headers)


def asks(visitor: httpx.Client, key: str, text: str, *ids: str) -> httpx.Response:
    named = [{"type": "attachment", "attachment": {"id": one}} for one in ids]
    content = [*named, {"type": "text", "text": text}]
    return visitor.post(f"{PUBLIC}/{key}/prompt", json={"prompt": {"role": "user", "content": content}})


def told(site: Site) -> str:
    """What the model was asked last."""
    return json.dumps(site.provider.bodies[-1]["messages"][-1]["content"])


def test_a_document_is_read_for_the_model_however_it_is_sent(site: Site, visitor: httpx.Client) -> None:
    key = site.session()
    raw = sent(visitor, key, "plan.docx", samples.docx([("", "The office moves in May.")]))
    form = visitor.post(
        f"{PUBLIC}/{key}/attachments", files={"file": ("..\\notes.txt", b"Bring boxes.", "text/plain")}
    )
    assert (raw.status_code, form.status_code) == (201, 201)
    assert (form.json()["name"], form.json()["kind"]) == ("notes.txt", "document")
    asked = asks(visitor, key, "What now?", raw.json()["id"], form.json()["id"])
    assert asked.status_code == 200, asked.text
    assert "The office moves in May." in told(site)
    assert "Bring boxes." in told(site)
    assert "data:" not in told(site)
    # Further questions go on with what was attached, and the session tells of it by address.
    assert asks(visitor, key, "And then?").status_code == 200
    assert "Bring boxes." in json.dumps(site.provider.bodies[-1]["messages"])
    first, second, _ = site.said(key)[0]["content"]
    assert first["attachment"]["name"] == "plan.docx"
    file = visitor.get(second["attachment"]["url"])
    assert (file.content, file.headers["content-type"]) == (b"Bring boxes.", "text/plain; charset=utf-8")
    transcript = visitor.get(f"{PUBLIC}/{key}/transcript.json").text
    assert "notes.txt" in transcript
    assert key not in transcript


def test_a_picture_reaches_the_model_as_it_is(site: Site, visitor: httpx.Client) -> None:
    key = site.session()
    # What it is decides, not what it says it is.
    stored = sent(visitor, key, "x.txt", PICTURE, "text/plain").json()
    assert (stored["kind"], stored["mediaType"]) == ("image", "image/png")
    assert asks(visitor, key, "What is this?", stored["id"]).status_code == 200
    assert base64.b64encode(PICTURE).decode() in told(site)


def test_a_recording_is_heard_for_the_model_and_shown(
    site: Site, visitor: httpx.Client, speech: Services
) -> None:
    key = site.session()
    spoken = site.world.client.post(
        "/v1/audio/speech",
        json={"input": "Hello there.", "model": "tts-1", "voice": "alloy", "response_format": "wav"},
    )
    stored = sent(visitor, key, "audio.webm", spoken.content, "audio/webm").json()
    assert stored["transcript"] == speech.hears
    assert visitor.post(
        f"{PUBLIC}/{key}/prompt",
        json={"prompt": {"content": [{"type": "attachment", "attachment": {"id": stored["id"]}}]}},
    ).is_success
    assert speech.hears in told(site)
    (shown,) = site.said(key)[0]["content"]
    assert shown["attachment"]["transcript"] == speech.hears
    assert visitor.get(shown["attachment"]["url"]).content == spoken.content
    # The operator finds the conversation by what is said in it, and the recording with it.
    found = site.world.client.get("/api/v1/web-chat-client/search", params={"text": speech.hears}).json()
    assert speech.hears in found[0]["snippet"]
    view = site.world.client.get(f"/api/v1/web-chat-client/{site.client_id}/sessions/{found[0]['sessionId']}")
    (kept,) = view.json()["messages"][0]["content"]
    assert visitor.get(kept["attachment"]["url"]).content == spoken.content


def test_a_file_larger_than_other_bodies_may_be_is_taken(site: Site, visitor: httpx.Client) -> None:
    key, data = site.session(), b"%PDF-1.4 " + bytes(34_000_000)
    stored = sent(visitor, key, "scan.pdf", data)
    assert stored.status_code == 201, stored.text
    assert visitor.get(stored.json()["url"]).content == data


@pytest.mark.parametrize(
    ("name", "data", "status", "code"),
    [
        ("a.txt", b"", 400, "attachment_empty"),
        ("a.exe", b"MZ\x90\x00", 415, "attachment_not_taken"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "attachment_not_taken"),
        ("a.txt", bytes(MOST_BYTES + 1), 413, "attachment_too_large"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_words(
    site: Site, visitor: httpx.Client, name: str, data: bytes, status: int, code: str
) -> None:
    refused = sent(visitor, site.session(), name, data)
    assert refused.status_code == status
    assert refused.json()["details"]["code"] == code


def test_a_chat_takes_only_the_kinds_it_names(site: Site, visitor: httpx.Client) -> None:
    site.dress(inputModes=["image"])
    assert sent(visitor, site.session(), "a.txt", b"text").status_code == 415
    site.dress(inputModes=["document"], uploadUnsupportedFiles=True)
    key = site.session()
    assert sent(visitor, key, "a.png", PICTURE).status_code == 415
    stored = sent(visitor, key, "model.step", b"ISO-10303-21;\x00\x01").json()
    assert asks(visitor, key, "Can you open it?", stored["id"]).status_code == 200
    assert "model.step" in told(site)
    # The model is told where the file is kept, without the key of the session.
    link = told(site).partition("It is kept at ")[2].partition("]")[0]
    assert link.startswith(f"{site.base}/")
    assert key not in link
    kept = visitor.get(link)
    assert (kept.status_code, kept.content) == (200, b"ISO-10303-21;\x00\x01")
    assert kept.headers["content-disposition"] == "attachment; filename*=UTF-8''model.step"
    token = link.split("/")[-2]
    for wrong in (token[:-1] + ("0" if token[-1] != "0" else "1"), token[:36], "x"):
        assert visitor.get(link.replace(token, wrong)).status_code == 404
    assert visitor.post(f"{PUBLIC}/{key}/clear").status_code == 200
    assert visitor.get(link).status_code == 404


def test_a_session_holds_so_many_files_and_bytes(site: Site, visitor: httpx.Client) -> None:
    key = site.session()
    assert sent(visitor, key, "a.pdf", b"%PDF-" + bytes(39_000_000)).status_code == 201
    beyond = sent(visitor, key, "b.pdf", b"%PDF-" + bytes(3_000_000))
    assert (beyond.status_code, beyond.json()["details"]["code"]) == (413, "too_many_attachments")
    last = [sent(visitor, key, f"{number}.txt", b"text") for number in range(3)]
    assert [one.status_code for one in last] == [201, 201, 413]
    # What is taken back makes room.
    gone = visitor.delete(f"{PUBLIC}/{key}/attachments/{last[0].json()['id']}")
    assert gone.status_code == 200
    assert sent(visitor, key, "c.txt", b"text").status_code == 201


def test_files_of_other_sessions_are_not_there(site: Site, visitor: httpx.Client) -> None:
    mine, other = site.session(), site.session()
    stored = sent(visitor, mine, "a.txt", b"secret").json()
    for call in (visitor.get, visitor.delete):
        assert call(f"{PUBLIC}/{other}/attachments/{stored['id']}").status_code == 404
    refused = asks(visitor, other, "Read it.", stored["id"])
    assert (refused.status_code, refused.json()["details"]["code"]) == (400, "attachment_not_found")
    inline = {"type": "file", "file": {"file_data": f"upload:{stored['id']}"}}
    body = {"prompt": {"content": [inline]}}
    assert visitor.post(f"{PUBLIC}/{other}/prompt", json=body).status_code == 400
    assert site.said(other) == []
    assert sent(visitor, "wky_made_up", "a.txt", b"x").status_code == 422


def test_a_question_keeps_its_files_and_a_cleared_session_none(site: Site, visitor: httpx.Client) -> None:
    key = site.session()
    stored = sent(visitor, key, "a.txt", b"text").json()
    assert asks(visitor, key, "Read it.", stored["id"]).status_code == 200
    place = f"{PUBLIC}/{key}/attachments/{stored['id']}"
    assert visitor.delete(place).status_code == 409
    assert visitor.post(f"{PUBLIC}/{key}/clear").status_code == 200
    assert visitor.get(place).status_code == 404


def test_what_a_browser_might_run_is_only_downloaded(site: Site, visitor: httpx.Client) -> None:
    stored = sent(visitor, site.session(), "page.html", b"<script>alert(1)</script>", "text/html").json()
    file = visitor.get(stored["url"])
    assert file.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in file.headers["content-security-policy"]
    assert file.headers["x-content-type-options"] == "nosniff"


def test_a_form_without_scripts_sends_files_as_well(site: Site, visitor: httpx.Client) -> None:
    key = site.session()
    page = visitor.post(
        f"/chat/{key}",
        data={"text": "What is this?"},
        files={"file": ("notes.txt", b"The kettle is blue.", "text/plain")},
        follow_redirects=True,
    )
    assert page.status_code == 200
    assert "The kettle is blue." in told(site)
    assert "notes.txt</a>" in page.text
    refused = visitor.post(f"/chat/{key}", data={"text": "x"}, files={"file": ("a.exe", b"MZ")})
    assert refused.status_code == 415
    assert "Files of this kind are not taken here." in refused.text
    # Without a file chosen, browsers send an empty one.
    plain = visitor.post(
        f"/chat/{key}", data={"text": "And?"}, files={"file": ("", b"", "application/octet-stream")}
    )
    assert plain.status_code == 303


def test_an_attachment_outlives_a_kill(site: Site, visitor: httpx.Client) -> None:
    key = site.session()
    stored: dict[str, Any] = sent(visitor, key, "a.txt", b"still here").json()
    site.world.server.kill()
    site.world.server.start()
    assert visitor.get(stored["url"]).content == b"still here"
