"""Conversations on messaging services, with every service played on loopback and a real server process."""

import json
import random
import subprocess
import sys
import threading
import time
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests import samples
from tests.dialects.openai.gateway_server import Play, Provider, calls, says
from tests.e2e.server import Server, free_port
from tests.fake_web import FakeWeb

from dragoman.adapters.simulators.people import hook_call
from dragoman.adapters.simulators.services import Sent, SimulatedServices

CLIENTS = "/api/v1/web-chat-client"
KAPSO_KEY = "kapso-webhook-key"
INTEGRATIONS: dict[str, tuple[str, str, dict[str, str]]] = {
    "telegram": ("Telegram", "telegramIntegration", {"botToken": "123:abc"}),
    "zapi": ("Zapi", "zapiIntegration", {"instanceId": "i", "instanceToken": "t", "clientToken": "c"}),
    "evolution": ("EvolutionApi", "evolutionIntegration", {"instanceName": "shop", "apiKey": "k"}),
    "kapso": (
        "Kapso",
        "kapsoIntegration",
        {"apiKey": "k", "phoneNumberId": "77", "webhookSecretKey": KAPSO_KEY},
    ),
}


@dataclass
class Shop:
    """The server, the messaging services, the model's provider, and the operator's client."""

    server: Server
    services: SimulatedServices
    provider: Provider
    http: httpx.Client
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1000, 10**9)))

    def bot(self, service: str, parameters: dict[str, Any] | None = None, **gateway: Any) -> "Bot":
        """A chat client that answers on the service."""
        given = {"baseAddress": f"{self.provider.origin}/v1", "modelName": "theirs", **gateway}
        made = self.http.post("/api/v1/ai-gateways", json={"name": "bot", "parameters": given})
        client = {
            "name": "Shop",
            "aiGatewayId": made.json()["aiGatewayId"],
            "limitingParameters": {"messagesPerHour": 0, "maxMessages": 0},
            "clientParameters": parameters or {},
        }
        client_id = self.http.post(CLIENTS, json=client).json()["id"]
        kind, member, fields = INTEGRATIONS[service]
        if service == "evolution":
            fields = {**fields, "endpointUrl": self.services.url}
        put = {"integrationType": kind, "integrations": {member: fields}}
        answer = self.http.put(f"{CLIENTS}/{client_id}/integrations", json=put)
        assert answer.status_code == 200, answer.text
        hook = self.http.get(f"{CLIENTS}/{client_id}").json()["webhooks"][kind]
        return Bot(self, service, client_id, hook, str(next(self.numbers)))


@dataclass
class Bot:
    """A client on one service, and somebody who writes to it."""

    shop: Shop
    service: str
    client_id: str
    hook: str
    address: str

    def call(self, text: str, *, message_id: str | None = None, **more: Any) -> httpx.Response:
        """The service's call for a text that somebody wrote."""
        secret = KAPSO_KEY if self.service == "kapso" else self.hook.rsplit("/", 1)[-1]
        made = hook_call(
            self.service,
            address=more.pop("address", self.address),
            text=text,
            message_id=message_id or str(next(self.shop.numbers)),
            secret=more.pop("secret", secret),
            **more,
        )
        return httpx.post(self.hook, content=made.body, headers=dict(made.headers), trust_env=False)

    def writes(self, text: str, **more: Any) -> None:
        answer = self.call(text, **more)
        assert answer.status_code == 200, answer.text

    def told(self) -> list[Sent]:
        """What the contact was sent so far."""
        return [one for one in self.shop.services.sent if one.address == self.address]

    def answers(self, count: int, seconds: float = 15.0) -> list[str]:
        """What the contact was sent, once there are so many messages."""
        eventually(lambda: len(self.told()) >= count, seconds)
        return [one.text for one in self.told()]

    def get(self, path: str) -> Any:
        answer = self.shop.http.get(f"{CLIENTS}/{self.client_id}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        return self.shop.http.post(f"{CLIENTS}/{self.client_id}{path}", json=body)

    def contact(self) -> dict[str, Any]:
        (found,) = self.get(f"/contacts?filter={self.address}")
        return found

    def said(self) -> list[tuple[str, str]]:
        messages = self.get(f"/contacts/{self.contact()['id']}")["messages"]
        return [(one["role"], one["content"]) for one in messages]


def eventually(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to be in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def web() -> Iterator[FakeWeb]:
    """What makes pictures."""
    with FakeWeb() as made:
        yield made


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, web: FakeWeb) -> Iterator[Shop]:
    provider = Provider()
    with SimulatedServices() as services:
        settings = {
            "DRAGOMAN_CHANNELS__TELEGRAM_URL": services.url,
            "DRAGOMAN_CHANNELS__ZAPI_URL": services.url,
            "DRAGOMAN_CHANNELS__KAPSO_URL": services.url,
            "DRAGOMAN_EGRESS__ALLOW": '["127.0.0.1"]',
        }
        images = f'[images]\nbase_url = "{web.origin}"\napi_key = "sk-images"\nmodel = "painter"\n'
        server = Server(tmp_path_factory.mktemp("channels") / "data", settings, images)
        with server, server.client() as http:
            yield Shop(server, services, provider, http)
    provider.close()


@pytest.mark.parametrize("service", INTEGRATIONS)
def test_a_message_is_answered_in_its_chat(shop: Shop, service: str) -> None:
    bot = shop.bot(service)
    shop.provider.plays.append(says("We open ", "at nine."))
    bot.writes("When do you open?")
    assert bot.answers(1) == ["We open at nine."]
    assert bot.said() == [("user", "When do you open?"), ("assistant", "We open at nine.")]
    assert shop.provider.bodies[-1]["messages"][-1]["content"] == "When do you open?"


@pytest.mark.parametrize("service", INTEGRATIONS)
def test_the_same_message_told_twice_is_answered_once(shop: Shop, service: str) -> None:
    bot = shop.bot(service)
    for _ in range(3):
        bot.writes("hello", message_id="4711")
    bot.writes("once more", message_id="4712")
    eventually(lambda: ("user", "once more") in bot.said() and bot.said()[-1][0] == "assistant")
    assert Counter(text for role, text in bot.said() if role == "user")["hello"] == 1


def test_three_messages_within_the_pause_get_one_answer(shop: Shop) -> None:
    bot = shop.bot("evolution", {"messageDebounceInterval": 1})
    shop.provider.plays.append(says("One answer."))
    for text in ("hi", "are you there?", "I need help"):
        bot.writes(text)
    assert bot.answers(1) == ["One answer."]
    assert shop.provider.bodies[-1]["messages"][-1]["content"] == "hi\nare you there?\nI need help"
    time.sleep(0.3)
    assert len(bot.told()) == 1


def test_messages_that_overtook_each_other_are_read_in_the_order_they_were_sent_in(shop: Shop) -> None:
    bot = shop.bot("zapi", {"messageDebounceInterval": 1})
    now = time.time()
    bot.writes("second", sent_at=now)
    bot.writes("first", sent_at=now - 5)
    bot.answers(1)
    assert bot.said()[0] == ("user", "first\nsecond")


@pytest.mark.parametrize(
    ("service", "shown"), [("telegram", "We open at nine."), ("zapi", "We open at *nine*.")]
)
def test_markdown_is_shown_as_the_service_shows_it(shop: Shop, service: str, shown: str) -> None:
    bot = shop.bot(service)
    shop.provider.plays.append(says("We open at **nine**."))
    bot.writes("when?")
    assert bot.answers(1) == [shown]


def test_a_long_answer_comes_in_pieces_that_leave_code_whole(shop: Shop) -> None:
    bot = shop.bot("telegram", {"splitAnswerIntoMessageChunks": True})
    first, code, last = "A " * 100, "```\nx = 1\n\ny = 2\n```", "B " * 100
    shop.provider.plays.append(says(f"{first}\n\n{code}\n\n{last}"))
    bot.writes("explain")
    assert bot.answers(3) == [first.strip(), "x = 1\n\ny = 2", last.strip()]


def test_reset_empties_the_session_and_usage_needs_debug(shop: Shop) -> None:
    bot = shop.bot("telegram", {"debug": True})
    bot.writes("remember the colour green")
    bot.answers(1)
    bot.writes("/usage")
    assert "tokens" in bot.answers(2)[1]
    bot.writes("/reset")
    assert bot.answers(3)[2] == "The conversation starts anew."
    assert bot.said() == []


def test_what_the_business_writes_from_its_telephone_silences_the_agent(shop: Shop) -> None:
    bot = shop.bot("evolution")
    bot.writes("hello")
    bot.answers(1)
    bot.writes("Ana here, I'll take this.", from_business=True)
    assert bot.contact()["takenOver"] is True
    asked = len(shop.provider.bodies)
    bot.writes("thank you")
    eventually(lambda: ("user", "thank you") in bot.said())
    assert len(shop.provider.bodies) == asked
    assert bot.post(f"/contacts/{bot.contact()['id']}/release").json()["takenOver"] is False
    bot.writes("and now?")
    bot.answers(2)
    sent = [one["content"] for one in shop.provider.bodies[-1]["messages"]]
    assert "Ana here, I'll take this." in sent
    assert "thank you" in sent


def test_the_agents_own_messages_told_by_the_service_are_no_persons(shop: Shop) -> None:
    bot = shop.bot("evolution")
    shop.provider.plays.append(says("My own words."))
    bot.writes("hello")
    bot.answers(1)
    bot.writes("My own words.", from_business=True, message_id=f"EV{bot.told()[0].id}")
    assert bot.contact()["takenOver"] is False
    assert len(bot.said()) == 2


def test_a_person_answers_from_the_console(shop: Shop) -> None:
    bot = shop.bot("kapso")
    bot.writes("hello")
    bot.answers(1)
    contact = bot.contact()["id"]
    assert bot.post(f"/contacts/{contact}/messages", {"text": "A person speaking."}).status_code == 200
    assert bot.answers(2)[1] == "A person speaking."
    assert bot.contact()["takenOverBy"] == "ana@example.org"
    assert bot.post(f"/contacts/{contact}/messages", {"text": ""}).status_code == 400


@pytest.mark.parametrize("service", ["telegram", "zapi"])
def test_what_a_person_writes_is_sent_as_it_is(shop: Shop, service: str) -> None:
    bot = shop.bot(service)
    bot.writes("hello")
    bot.answers(1)
    written = "a_b_c /_x_/ **not bold** [1](2)"
    assert bot.post(f"/contacts/{bot.contact()['id']}/messages", {"text": written}).status_code == 200
    assert bot.answers(2)[1] == written


@pytest.mark.parametrize("service", ["telegram", "kapso"])
def test_a_forged_call_is_refused(shop: Shop, service: str) -> None:
    bot = shop.bot(service)
    assert bot.call("hello", secret="guessed").status_code == 401
    bot.hook = bot.hook[:-3] + "xyz"
    assert bot.call("hello").status_code == 404
    assert bot.get("/contacts") == []


def test_groups_statuses_and_other_events_are_ignored(shop: Shop) -> None:
    bot = shop.bot("zapi")
    body = {"type": "ReceivedCallback", "phone": "1", "messageId": "g", "text": {"message": "hi"}}
    for more in (
        {"isGroup": True},
        {"isStatusReply": True},
        {"isNewsletter": True},
        {"type": "DeliveryCallback"},
    ):
        answer = httpx.post(bot.hook, json={**body, **more}, trust_env=False)
        assert answer.json() == {"received": 0}
    assert httpx.post(bot.hook, content=b"{", trust_env=False).status_code == 400
    assert httpx.post(bot.hook, json=[1], trust_env=False).status_code == 400


@pytest.mark.parametrize("statuses", [(500, 502), (429,)])
def test_a_service_that_fails_for_a_while_gets_the_message_later(
    shop: Shop, statuses: tuple[int, ...]
) -> None:
    bot = shop.bot("telegram")
    shop.provider.plays.append(says("Patience."))
    shop.services.fail_next(*statuses)
    bot.writes("hello")
    assert bot.answers(1) == ["Patience."]


def test_a_message_that_is_refused_for_good_is_a_dead_letter_to_be_sent_again(shop: Shop) -> None:
    bot = shop.bot("zapi")
    shop.provider.plays.append(says("Into the void."))
    shop.services.fail_next(400)
    bot.writes("hello")
    eventually(lambda: bool(bot.get("/dead-letters")["unsent"]))
    (dead,) = bot.get("/dead-letters")["unsent"]
    assert dead["text"] == "Into the void."
    assert "400" in dead["error"]
    assert bot.post(f"/dead-letters/{dead['id']}/retry").status_code == 200
    assert bot.answers(1) == ["Into the void."]
    assert bot.post(f"/dead-letters/{dead['id']}/retry").status_code == 409


def test_a_failing_model_is_told_politely_and_kept_as_unanswered(shop: Shop) -> None:
    bot = shop.bot("telegram", {"languageCode": "de"})
    shop.provider.plays.append(Play(status=401))
    bot.writes("hello")
    assert "Leider" in bot.answers(1)[0]
    (missed,) = bot.get("/dead-letters")["unanswered"]
    assert missed["text"] == "hello"
    shop.provider.plays.append(says("Better late."))
    assert bot.post(f"/contacts/{bot.contact()['id']}/answer").status_code == 200
    assert bot.answers(2)[1] == "Better late."


def test_a_picture_reaches_the_model_when_the_client_takes_pictures(shop: Shop) -> None:
    bot = shop.bot("telegram", {"inputModes": ["Image"]})
    shop.services.put_file("photo1", b"\x89PNG\r\n\x1a\n")
    update = {
        "update_id": 1,
        "message": {
            "message_id": 9,
            "chat": {"id": int(bot.address), "type": "private"},
            "from": {"id": 1, "is_bot": False},
            "date": int(time.time()),
            "caption": "what is this?",
            "photo": [{"file_id": "small"}, {"file_id": "photo1"}],
        },
    }
    headers = {"x-telegram-bot-api-secret-token": bot.hook.rsplit("/", 1)[-1]}
    assert httpx.post(bot.hook, json=update, headers=headers, trust_env=False).status_code == 200
    bot.answers(1)
    image, text = shop.provider.bodies[-1]["messages"][-1]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,")
    assert text == {"type": "text", "text": "what is this?"}


def test_a_voice_message_is_read_and_answered_by_voice(shop: Shop) -> None:
    spoken = {
        "input": "What time do you open?",
        "model": "tts-1",
        "voice": "alloy",
        "response_format": "opus",
    }
    made = shop.http.post("/v1/audio/speech", json=spoken)
    if made.status_code == 503:
        pytest.skip(f"nothing speaks here: {made.text}")
    shop.services.put_file("voice1", made.content)
    bot = shop.bot("telegram", {"inputModes": ["Audio"], "audioSynthesisSource": "Gpt4oTts"})
    shop.provider.plays.append(says("We open at nine."))
    update = {
        "update_id": 2,
        "message": {
            "message_id": 10,
            "chat": {"id": int(bot.address), "type": "private"},
            "from": {"id": 1, "is_bot": False},
            "date": int(time.time()),
            "voice": {"file_id": "voice1", "mime_type": "audio/ogg"},
        },
    }
    headers = {"x-telegram-bot-api-secret-token": bot.hook.rsplit("/", 1)[-1]}
    assert httpx.post(bot.hook, json=update, headers=headers, trust_env=False).status_code == 200
    assert bot.answers(1, 90) == ["(voice)"]
    heard = str(shop.provider.bodies[-1]["messages"][-1]["content"]).lower()
    assert "open" in heard


PAINTED = samples.picture("A red square.", width=16, height=16)


@pytest.mark.parametrize("service", INTEGRATIONS)
def test_a_picture_that_an_agent_made_is_sent_after_its_words(shop: Shop, web: FakeWeb, service: str) -> None:
    painted = json.dumps({"data": [{"b64_json": b64encode(PAINTED).decode()}]})
    web.page("/images/generations", painted, "application/json")
    bot = shop.bot(service, sentinelOptions={"enabledFunctions": ["ImageGeneration"]})
    shop.provider.plays.extend([calls(("generate_image", {"prompt": "A red square."})), says("Here it is.")])
    bot.writes("Paint a red square.")
    picture = "(photo)" if service == "telegram" else "(image)"
    assert bot.answers(2) == ["Here it is.", picture]
    of_service = [one.body for one in shop.services.calls if one.service == service]
    match service:
        case "telegram":
            assert of_service[-1]["photo"]["data"] == PAINTED
        case "kapso":
            (uploaded,) = [body["file"]["data"] for body in of_service if "file" in body]
            assert uploaded == PAINTED
            assert of_service[-1]["image"]["id"].startswith("media.")
        case "zapi":
            assert of_service[-1]["image"] == f"data:image/png;base64,{b64encode(PAINTED).decode()}"
        case _:
            told = of_service[-1]
            assert (told["mediatype"], told["mimetype"]) == ("image", "image/png")
            assert b64decode(told["media"]) == PAINTED


def test_a_picture_that_the_service_refuses_is_sent_as_its_address(shop: Shop, web: FakeWeb) -> None:
    painted = json.dumps({"data": [{"b64_json": b64encode(PAINTED).decode()}]})
    web.page("/images/generations", painted, "application/json")
    bot = shop.bot("telegram", sentinelOptions={"enabledFunctions": ["ImageGeneration"]})
    shop.provider.plays.extend([calls(("generate_image", {"prompt": "A red square."})), says("")])
    shop.services.fail_next(400)
    bot.writes("Paint a red square.")
    (link,) = bot.answers(1)
    assert httpx.get(link, trust_env=False).content == PAINTED
    assert bot.get("/dead-letters")["unsent"] == []


def document(bot: Bot, name: str) -> dict[str, Any]:
    """Telegram's call for a file that the contact sent."""
    return {
        "update_id": 3,
        "message": {
            "message_id": next(bot.shop.numbers),
            "chat": {"id": int(bot.address), "type": "private"},
            "from": {"id": 1, "is_bot": False},
            "date": int(time.time()),
            "document": {"file_id": name, "file_name": name, "mime_type": "application/octet-stream"},
        },
    }


def sends(bot: Bot, name: str, data: bytes) -> None:
    bot.shop.services.put_file(name, data)
    headers = {"x-telegram-bot-api-secret-token": bot.hook.rsplit("/", 1)[-1]}
    told = httpx.post(bot.hook, json=document(bot, name), headers=headers, trust_env=False)
    assert told.status_code == 200


def test_a_document_is_read_for_the_model_and_one_that_cannot_be_is_named(shop: Shop) -> None:
    bot = shop.bot("telegram", {"inputModes": ["Document"]})
    sends(bot, "plan.docx", samples.docx([("", "The office moves in May.")]))
    bot.answers(1)
    asked = json.dumps(shop.provider.bodies[-1]["messages"][-1])
    assert "The office moves in May." in asked
    assert "base64" not in asked
    sends(bot, "model.step", b"ISO-10303-21;\x00\x01")
    bot.answers(2)
    assert "a file (model.step), which cannot be read here" in str(shop.provider.bodies[-1]["messages"][-1])
    keeps = shop.bot("telegram", {"inputModes": ["Document"], "uploadUnsupportedFiles": True})
    sends(keeps, "model.step", b"ISO-10303-21;\x00\x01")
    keeps.answers(1)
    text = str(shop.provider.bodies[-1]["messages"][-1]["content"])
    link = text.partition("It is kept at ")[2].partition("]")[0]
    assert httpx.get(link, trust_env=False).content == b"ISO-10303-21;\x00\x01"


def test_what_a_contact_sends_to_a_person_is_kept_for_that_person(shop: Shop) -> None:
    bot = shop.bot("telegram", {"inputModes": ["Document"]})
    bot.writes("hello")
    bot.answers(1)
    assert bot.post(f"/contacts/{bot.contact()['id']}/takeover").status_code == 200
    asked = len(shop.provider.bodies)
    sends(bot, "plan.docx", samples.docx([("", "The office moves in May.")]))
    eventually(lambda: len(bot.said()) == 3)
    (shown,) = bot.get(f"/contacts/{bot.contact()['id']}")["messages"][-1]["content"]
    assert (shown["type"], shown["attachment"]["name"]) == ("attachment", "plan.docx")
    assert len(shop.provider.bodies) == asked


def test_the_hourly_limit_is_told_politely(shop: Shop) -> None:
    bot = shop.bot("telegram")
    change = {"limitingParameters": {"messagesPerHour": 1, "maxMessages": 0}}
    shop.http.put(f"{CLIENTS}/{bot.client_id}", json=change)
    bot.writes("one")
    bot.answers(1)
    bot.writes("two")
    assert "wait" in bot.answers(2)[1]


def test_another_accounts_contacts_are_not_there(shop: Shop) -> None:
    bot = shop.bot("telegram")
    bot.writes("hello")
    bot.answers(1)
    shop.server.command("users", "create", "--email", "bob@example.com")
    made = shop.server.command("keys", "create", "--email", "bob@example.com", "--json")
    with shop.server.client(json.loads(made.stdout)["key"]) as stranger:
        for path in ("/contacts", f"/contacts/{bot.contact()['id']}", "/dead-letters"):
            assert stranger.get(f"{CLIENTS}/{bot.client_id}{path}").status_code == 404


def test_telegram_is_told_where_to_call(shop: Shop) -> None:
    bot = shop.bot("telegram")
    answer = bot.post("/integrations/Telegram/connect")
    assert answer.status_code == 200, answer.text
    (call,) = [one for one in shop.services.calls if one.method == "setWebhook"][-1:]
    assert call.body["url"] == bot.hook == answer.json()["webhookUrl"]
    assert call.body["secret_token"] == bot.hook.rsplit("/", 1)[-1]


def planned(bot: Bot) -> Any:
    return bot.shop.http.get(f"/api/v1/web-chat-clients/{bot.client_id}/hook-schedules").json()


def test_an_agent_plans_a_message_that_comes_by_itself(shop: Shop) -> None:
    bot = shop.bot("telegram", {"allowScheduledContinuations": True})
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    plan = calls(("schedule_message", {"time": later, "reason": "reminder", "context": "dentist at five"}))
    shop.provider.plays.extend([plan, says("I'll remind you.")])
    bot.writes("remind me in an hour")
    assert bot.answers(1) == ["I'll remind you."]
    offered = {tool["function"]["name"] for tool in shop.provider.bodies[-1]["tools"]}
    assert {"schedule_message", "schedule_recurring", "list_schedules", "cancel_schedule"} <= offered
    (schedule,) = planned(bot)["schedules"]
    assert schedule["target"] == "Telegram"
    assert schedule["targetIdentifier"] == bot.address
    assert schedule["scheduledTime"].startswith(later[:16])
    assert "activatedAt" not in schedule or schedule["activatedAt"] is None


def test_an_agent_without_leave_cannot_plan(shop: Shop) -> None:
    bot = shop.bot("telegram")
    bot.writes("remind me in an hour")
    bot.answers(1)
    assert "tools" not in shop.provider.bodies[-1]


def test_a_storm_is_answered_exactly_once_over_a_kill(shop: Shop, tmp_path: Any) -> None:
    bot = shop.bot("evolution")
    chance = random.Random(11)
    addresses = [str(5_000_000 + number) for number in range(20)]
    messages = [(address, f"{address} says {number}") for address in addresses for number in range(4)]
    told = messages + chance.sample(messages, 20)
    chance.shuffle(told)
    before, over = len(shop.services.sent), threading.Event()

    def write(one: tuple[str, str]) -> None:
        # A service calls again until it is answered with success.
        while not over.is_set():
            try:
                if bot.call(one[1], address=one[0], message_id=f"m-{one[1]}").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            over.wait(0.2)

    with ThreadPoolExecutor(8) as pool:
        try:
            waiting = [pool.submit(write, one) for one in told]
            eventually(lambda: len(shop.services.sent) > before + 8, 60)
            shop.server.kill()
            echoes = [(one.address, one.text, f"EV{one.id}") for one in shop.services.sent[before:]]
            shop.server.start()
            # The service tells of what it sent, as it does of every message of the business.
            for address, text, message_id in echoes:
                bot.call(text, address=address, message_id=message_id, from_business=True)
            for one in waiting:
                one.result(60)
        finally:
            over.set()

    def settled() -> bool:
        time.sleep(0.3)
        sent = Counter(one.address for one in shop.services.sent[before:])
        return all(
            answered(bot, address) == (4, sent[address]) and sent[address] > 0 for address in addresses
        )

    eventually(settled, 60)


def answered(bot: Bot, address: str) -> tuple[int, int]:
    """How many of the contact's lines are in the session, each once, and how many answers."""
    found = bot.get(f"/contacts?filter={address}")
    if not found:
        return 0, 0
    messages = bot.get(f"/contacts/{found[0]['id']}")["messages"]
    lines = [line for one in messages if one["role"] == "user" for line in one["content"].split("\n")]
    assert len(lines) == len(set(lines)), "a message was read twice"
    if found[0]["takenOver"] or (messages and messages[-1]["role"] != "assistant"):
        return 0, 0
    return len(lines), sum(one["role"] == "assistant" for one in messages)


def test_a_service_is_played_on_the_command_line(shop: Shop) -> None:
    bot, port = shop.bot("evolution"), free_port()
    fields = {"instanceName": "shop", "apiKey": "k", "endpointUrl": f"http://127.0.0.1:{port}"}
    put = {"integrationType": "EvolutionApi", "integrations": {"evolutionIntegration": fields}}
    assert shop.http.put(f"{CLIENTS}/{bot.client_id}/integrations", json=put).status_code == 200
    words = [sys.executable, "-m", "dragoman", "channels", "simulate", "evolution", "--hook", bot.hook]
    words += ["--port", str(port), "--address", bot.address, "--wait"]

    def played(wait: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*words, wait], input="hello\n", capture_output=True, text=True, timeout=120, check=False
        )

    shop.provider.plays.append(says("We open at nine."))
    answered = played("60")
    assert (answered.returncode, answered.stdout) == (0, f"{bot.address} <- We open at nine.\n")
    assert bot.post(f"/contacts/{bot.contact()['id']}/takeover").status_code == 200
    quiet = played("0.5")
    assert quiet.returncode != 0
    assert "No answer came within 0.5 seconds" in quiet.stderr


def test_messages_are_counted_for_prometheus(shop: Shop) -> None:
    bot = shop.bot("telegram")
    bot.writes("hello")
    bot.answers(1)

    def counted() -> bool:
        told = shop.http.get("/metrics").text
        lines = {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in told.splitlines()
            if line.startswith("dragoman_channel_messages_total{")
        }
        name = 'dragoman_channel_messages_total{channel="telegram",outcome="%s"}'
        return lines.get(name % "received", 0) >= 1 and lines.get(name % "sent", 0) >= 1

    eventually(counted, 15)


@pytest.mark.parametrize("service", INTEGRATIONS)
def test_the_owner_sees_whether_a_service_reaches_the_server(shop: Shop, service: str) -> None:
    bot = shop.bot(service)
    kind = INTEGRATIONS[service][0]

    def state() -> dict[str, Any]:
        (found,) = bot.get("/integrations/states")
        return found

    before = state()
    assert (before["integrationType"], before["webhookUrl"]) == (kind, bot.hook)
    assert {before[name] for name in ("calledAt", "refusedAt", "receivedAt", "sentAt", "lastError")} == {None}
    shop.provider.plays.append(says("Hello."))
    bot.writes("Hello")
    bot.answers(1)
    eventually(lambda: state()["sentAt"] is not None)
    after = state()
    assert None not in (after["calledAt"], after["receivedAt"])
    assert (after["refusedAt"], after["notSent"], after["notAnswered"]) == (None, 0, 0)
    headers = {"content-type": "application/json"}
    assert httpx.post(bot.hook, content=b"no JSON", headers=headers, trust_env=False).status_code >= 400
    assert state()["refusedAt"] is not None
    assert state()["refusedWhy"]


@pytest.mark.parametrize("service", INTEGRATIONS)
def test_a_service_that_can_be_asked_tells_where_it_calls(shop: Shop, service: str) -> None:
    bot = shop.bot(service)
    at = f"/integrations/{INTEGRATIONS[service][0]}"
    asked = bot.post(f"{at}/check").json()
    assert asked["webhookUrl"] == bot.hook
    if service == "kapso":
        assert (asked["asked"], asked["right"]) == (False, None)
        return
    assert (asked["asked"], asked["right"]) == (True, False)
    assert bot.post(f"{at}/connect").status_code == 200
    told = bot.post(f"{at}/check").json()
    assert (told["calls"], told["right"], told["problem"]) == (bot.hook, True, None)


@pytest.mark.parametrize("service", INTEGRATIONS)
def test_the_owner_talks_to_the_agent_as_on_a_service_and_nothing_goes_there(
    shop: Shop, service: str
) -> None:
    bot = shop.bot(service)
    at = f"/integrations/{INTEGRATIONS[service][0]}/simulated-messages"
    assert bot.get(at) == []
    calls_before = len(shop.services.calls)
    shop.provider.plays.append(says("We open at nine."))
    assert bot.post(at, {"text": "When do you open?"}).status_code == 200
    eventually(lambda: [one["state"] for one in bot.get(at)] == ["done", "sent"])
    assert [(one["role"], one["text"]) for one in bot.get(at)] == [
        ("user", "When do you open?"),
        ("assistant", "We open at nine."),
    ]
    assert shop.provider.bodies[-1]["messages"][-1]["content"] == "When do you open?"
    assert bot.post(at, {"text": "/reset"}).status_code == 200
    eventually(lambda: len(bot.get(at)) == 4)
    eventually(lambda: bot.get(at)[-1]["state"] == "sent")
    assert len(shop.services.calls) == calls_before
    (state,) = bot.get("/integrations/states")
    assert (state["calledAt"], state["receivedAt"], state["sentAt"]) == (None, None, None)
    assert bot.post(at, {"text": "  "}).status_code == 400


def test_nothing_is_played_where_no_service_is_set_up(shop: Shop) -> None:
    bot = shop.bot("telegram")
    answer = bot.post("/integrations/Kapso/simulated-messages", {"text": "Hello"})
    assert answer.status_code == 404, answer.text


def test_a_picture_that_an_agent_makes_is_named_in_a_played_conversation(shop: Shop, web: FakeWeb) -> None:
    painted = json.dumps({"data": [{"b64_json": b64encode(PAINTED).decode()}]})
    web.page("/images/generations", painted, "application/json")
    bot = shop.bot("telegram", sentinelOptions={"enabledFunctions": ["ImageGeneration"]})
    shop.provider.plays.extend([calls(("generate_image", {"prompt": "A red square."})), says("Here it is.")])
    at = "/integrations/Telegram/simulated-messages"
    assert bot.post(at, {"text": "Paint a red square."}).status_code == 200
    eventually(lambda: [one["state"] for one in bot.get(at)] == ["done", "sent", "sent"])
    _, words, picture = bot.get(at)
    assert (words["text"], words["fileName"]) == ("Here it is.", None)
    assert picture["fileName"].endswith(".png")
