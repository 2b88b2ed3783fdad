"""The chat page and the widget over HTTP, as browsers with and without scripts ask for them."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from tests.dialects.openai.gateway_server import Play, Provider, says
from tests.e2e.server import Server

CLIENTS = "/api/v1/web-chat-client"
SHOP = "https://shop.example.org"


@dataclass
class Site:
    """A server with one chat client, its provider, and the operator's and a visitor's HTTP clients."""

    server: Server
    provider: Provider
    operator: httpx.Client
    visitor: httpx.Client
    client_id: str

    def session(self) -> str:
        made = self.operator.post(f"{CLIENTS}/{self.client_id}/sessions", json={"expires": 3600}).json()
        assert made["talkUrl"] == f"{self.server.base}/chat/{made['accessKey']}"
        return str(made["accessKey"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    provider = Provider()
    settings = {
        "DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]',
        "DRAGOMAN_PAGES__SESSIONS_BURST": "4",
        "DRAGOMAN_PAGES__SESSIONS_SECONDS": "3600",
        "DRAGOMAN_PAGES__QUESTIONS_BURST": "3",
        "DRAGOMAN_PAGES__QUESTIONS_SECONDS": "3600",
        "DRAGOMAN_SERVER__TRUSTED_PROXIES": '["127.0.0.0/8"]',
    }
    server = Server(tmp_path_factory.mktemp("pages") / "data", settings)
    with server, server.client() as operator, httpx.Client(base_url=server.base, trust_env=False) as visitor:
        given = {"baseAddress": f"{provider.origin}/v1", "modelName": "theirs"}
        gateway = operator.post("/api/v1/ai-gateways", json={"name": "bot", "parameters": given}).json()
        client = {
            "name": "Shop",
            "aiGatewayId": gateway["aiGatewayId"],
            "limitingParameters": {"messagesPerHour": 0, "maxMessages": 0},
            "clientParameters": {
                "pageTitle": "Shop <help>",
                "allowedFrameOrigins": [SHOP],
                "customScripts": "<script>1</script>",
            },
        }
        made = operator.post(CLIENTS, json=client).json()["id"]
        yield Site(server, provider, operator, visitor, made)
    provider.close()


def test_the_page_runs_only_its_own_files_and_only_allowed_pages_may_frame_it(site: Site) -> None:
    page = site.visitor.get(f"/chat/{site.session()}")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy.endswith(f"frame-ancestors {SHOP}")
    shown_here = {"sec-fetch-site": "same-origin", "sec-fetch-dest": "iframe"}
    own = site.visitor.get(f"/chat/{site.session()}", headers=shown_here)
    assert own.headers["content-security-policy"].endswith(f"frame-ancestors {SHOP} 'self'")
    assert "script-src 'self';" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "Shop &lt;help&gt;" in page.text
    assert "<script>1" not in page.text


def test_the_files_of_the_page_are_there_and_may_be_kept(site: Site) -> None:
    page = site.visitor.get(f"/chat/{site.session()}").text
    found = re.findall(r'(?:src|href|data-highlight)="(/assets/[^"]+)"', page)
    assert len(found) == 3
    for address in found:
        answer = site.visitor.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert site.visitor.get("/assets/chat.0.js").status_code == 404


@pytest.mark.parametrize("key", ["wky_made_up", "x" * 500, "%00"])
def test_a_made_up_key_gets_a_friendly_page(site: Site, key: str) -> None:
    page = site.visitor.get(f"/chat/{key}", headers={"accept-language": "de"})
    assert page.status_code == 422
    assert "Dieser Chat ist nicht verfügbar." in page.text


def test_without_scripts_a_form_asks_and_the_next_page_answers(site: Site) -> None:
    key = site.session()
    site.provider.plays.append(says("At nine <b>sharp</b>."))
    answer = site.visitor.post(f"/chat/{key}", data={"text": "When do you open?"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/chat/{key}")
    page = site.visitor.get(f"/chat/{key}").text
    assert "When do you open?" in page
    assert "At nine &lt;b&gt;sharp&lt;/b&gt;." in page


def test_scripts_of_the_operator_run_in_an_origin_of_their_own(site: Site) -> None:
    frame = site.visitor.get(f"/chat/{site.session()}/scripts")
    assert "<script>1</script>" in frame.text
    assert frame.headers["content-security-policy"].startswith("sandbox allow-scripts;")


def test_an_answer_is_followed_on_after_the_connection_was_lost(site: Site) -> None:
    key, go_on = site.session(), threading.Event()
    site.provider.plays.append(Play(("one ", "two ", "three"), stall_seconds=0.5))
    base = f"/api/v1/public/chat-clients/{key}"
    headers = {"accept": "text/event-stream"}
    prompt = {"prompt": {"role": "user", "content": "count"}}

    def ask() -> None:
        with site.visitor.stream("POST", f"{base}/prompt?keep=1", json=prompt, headers=headers) as answer:
            assert answer.status_code == 200
            go_on.set()

    thread = threading.Thread(target=ask)
    thread.start()
    assert go_on.wait(10)
    thread.join(10)
    answer = site.visitor.get(f"{base}/events?after=0", headers=headers)
    if answer.status_code == 200:
        numbers = [int(one) for one in re.findall(r"^id: (\d+)$", answer.text, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert answer.text.rstrip().endswith("data: [DONE]")
    said = site.visitor.get(base).json()["messages"]
    assert said[-1]["content"] == "one two three"
    assert site.visitor.get(f"{base}/events").status_code == 204
    assert site.visitor.get(f"{base}/events?after=x").status_code == 400


def test_the_widget_opens_a_session_without_a_key_of_the_account(site: Site) -> None:
    loader = site.visitor.get("/embed.js")
    assert loader.headers["content-type"].startswith("text/javascript")
    frame = site.visitor.get(f"/embed/{site.client_id}?host={SHOP}")
    assert f"frame-ancestors {SHOP}" in frame.headers["content-security-policy"]
    made = site.visitor.post(f"/embed/{site.client_id}/session?host={SHOP}")
    assert made.status_code == 200
    assert site.visitor.get(f"/chat/{made.json()['accessKey']}").status_code == 200


def test_a_page_that_is_not_allowed_opens_no_session_and_limits_hold(site: Site) -> None:
    path = f"/embed/{site.client_id}/session"
    assert site.visitor.post(f"{path}?host=https://evil.example").status_code == 403
    assert site.visitor.post(path, headers={"origin": "https://evil.example"}).status_code == 403
    assert site.visitor.post("/embed/00000000-0000-7000-8000-000000000000/session").status_code == 404
    refused = [site.visitor.post(path) for _ in range(4)][-1]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


def test_a_page_hears_at_once_that_a_person_speaks(site: Site) -> None:
    key = site.session()
    (session,) = site.operator.get(f"{CLIENTS}/{site.client_id}/sessions", params={"filter": key}).json()
    base = f"{CLIENTS}/{site.client_id}/sessions/{session['id']}"
    with site.visitor.stream("GET", f"/api/v1/public/chat-clients/{key}/updates", timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))
        assert next(told) == {"lastMessageId": None, "takenOver": False}
        made = site.operator.post(f"{base}/messages", json={"text": "Hello"}).json()
        assert next(told) == {"lastMessageId": made["id"], "takenOver": True}
        site.operator.post(f"{base}/release")
        assert next(told)["takenOver"] is False


def test_only_so_many_questions_come_from_one_address_whatever_it_says(site: Site) -> None:
    site.provider.plays.extend(says("yes") for _ in range(3))

    def asks(number: int) -> tuple[str, httpx.Response]:
        spoofed = {"x-forwarded-for": f"192.0.2.{number}, 198.51.100.7"}
        opened = site.visitor.post(
            f"/embed/{site.client_id}/session", headers={"x-forwarded-for": f"203.0.113.{number}"}
        )
        key = opened.json()["accessKey"]
        path = f"/api/v1/public/chat-clients/{key}/prompt"
        return key, site.visitor.post(path, json={"prompt": "hello"}, headers=spoofed)

    assert [asks(number)[1].status_code for number in range(3)] == [200, 200, 200]
    key, asked = asks(3)
    assert asked.status_code == 429
    assert 0 < int(asked.headers["retry-after"]) <= 3600
    headers = {"accept-language": "de", "x-forwarded-for": "198.51.100.7"}
    page = site.visitor.post(f"/chat/{key}", data={"text": "hello"}, headers=headers)
    assert page.status_code == 429
    assert "Sie haben zu viele Nachrichten gesendet." in page.text
    assert int(page.headers["retry-after"]) > 0
