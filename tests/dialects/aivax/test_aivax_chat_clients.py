"""Web chat clients: parameters, limits, integrations."""

from typing import Any

import pytest
import sqlalchemy as sa
from aivax_server import Dialect
from chat_steps import CLIENTS, UNKNOWN, Chat, ask, new_chat, new_gateway, public

from dragoman.domain.chat.tables import chat_integrations, chat_sessions

PUBLISHED = """languageCode suggestionButtons customScripts customStyles inputModes primaryColor pageTitle helloLabel
helloSubLabel textAreaPlaceholder logoImageUrl debug showToolCalls allowedFrameOrigins audioSynthesisSource
audioSynthesisVoice audioSynthesisInstruction summarizeTextBeforeAudioSynthesis uploadUnsupportedFiles
allowScheduledContinuations splitAnswerIntoMessageChunks maxScheduledIgnoredZone messageDebounceInterval"""
NAMES = PUBLISHED.split()
FULL: dict[str, Any] = {
    "languageCode": "pt-BR",
    "suggestionButtons": [{"label": "Prices", "prompt": "What does it cost?"}],
    "customScripts": "console.log(1)",
    "customStyles": "body{}",
    "inputModes": ["Image", "Document", "Audio"],
    "primaryColor": "rgb(1 2 3 / 50%)",
    "pageTitle": "Ask us",
    "helloLabel": "Hello",
    "helloSubLabel": "there",
    "textAreaPlaceholder": "Write",
    "logoImageUrl": "https://example.com/logo.png",
    "debug": True,
    "showToolCalls": True,
    "allowedFrameOrigins": ["https://shop.example.com", "http://localhost:3000"],
    "audioSynthesisSource": "ElevenV3",
    "audioSynthesisVoice": "anna",
    "audioSynthesisInstruction": "calmly",
    "summarizeTextBeforeAudioSynthesis": True,
    "uploadUnsupportedFiles": True,
    "allowScheduledContinuations": True,
    "splitAnswerIntoMessageChunks": True,
    "maxScheduledIgnoredZone": "2.03:00:00",
    "messageDebounceInterval": "00:00:02.500",
}
SECRET = "123456:telegram-bot-token"


@pytest.fixture
async def chat(dialect: Dialect) -> Chat:
    return await new_chat(dialect)


async def view(dialect: Dialect, client_id: str) -> dict[str, Any]:
    viewed = await dialect.client.get(f"{CLIENTS}/{client_id}")
    assert viewed.status_code == 200, viewed.text
    return viewed.json()


async def test_a_client_shows_all_23_parameters_with_what_holds_for_them(chat: Chat) -> None:
    viewed = await view(chat.dialect, chat.id)
    parameters = viewed["clientParameters"]
    assert list(parameters) == NAMES
    assert len(NAMES) == 23
    assert (parameters["pageTitle"], parameters["audioSynthesisSource"]) == ("Shop", "None")
    assert parameters["inputModes"] == []
    assert parameters["maxScheduledIgnoredZone"] is None
    assert viewed["aiGateway"] == {"id": chat.gateway, "name": "Helper"}
    assert viewed["limitingParameters"] == {"messagesPerHour": 0, "maxMessages": 0}
    assert set(viewed["integrations"].values()) == {None}


async def test_parameters_come_back_as_they_were_written(dialect: Dialect) -> None:
    chat = await new_chat(dialect, clientParameters=FULL)
    assert (await view(dialect, chat.id))["clientParameters"] == FULL


async def test_the_list_tells_gateway_colour_and_sessions(chat: Chat) -> None:
    await chat.session()
    await chat.session()
    listed = (await chat.dialect.client.get(CLIENTS)).json()
    assert listed == [
        {
            "id": chat.id,
            "name": "Shop",
            "color": "#2f6f8f",
            "activeSessions": 2,
            "associatedGateway": {"id": chat.gateway, "name": "Helper", "modelName": "echo"},
        }
    ]
    plural = await chat.dialect.client.get("/api/v1/web-chat-clients")
    assert plural.json() == listed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("primaryColor", "red; background: url(x)"),
        ("primaryColor", "url(javascript:alert(1))"),
        ("primaryColor", "#12345"),
        ("primaryColor", "notacolour"),
        ("primaryColor", None),
        ("allowedFrameOrigins", ["https://a.example/path"]),
        ("allowedFrameOrigins", ["*"]),
        ("allowedFrameOrigins", ["https://a.example; script-src *"]),
        ("inputModes", ["Smell"]),
        ("audioSynthesisSource", "Robot"),
        ("suggestionButtons", [{"label": "x"}]),
        ("languageCode", "en us"),
        ("logoImageUrl", "javascript:alert(1)"),
        ("debug", "yes"),
        ("messageDebounceInterval", "soon"),
        ("messageDebounceInterval", -1),
        ("messageDebounceInterval", True),
        ("maxScheduledIgnoredZone", "400.00:00:00"),
        ("maxScheduledIgnoredZone", 1e308),
    ],
)
async def test_a_parameter_that_does_not_fit_is_named(dialect: Dialect, name: str, value: Any) -> None:
    for send, url in ((dialect.client.post, CLIENTS), (dialect.client.put, f"{CLIENTS}/{UNKNOWN}")):
        refused = await send(url, json={"name": "x", "clientParameters": {name: value}})
        assert refused.status_code == 400
        assert refused.json()["details"]["path"].startswith(f"clientParameters.{name}")


@pytest.mark.parametrize("color", ["teal", "#ABC", "#aabbccdd", "rgba(1, 2, 3, .5)", "oklch(40% 0.2 120deg)"])
async def test_css_colours_are_taken(dialect: Dialect, color: str) -> None:
    chat = await new_chat(dialect, clientParameters={"primaryColor": color})
    assert (await view(dialect, chat.id))["clientParameters"]["primaryColor"] == color


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("03:00:00", "03:00:00"),
        ("1.02:03:04", "1.02:03:04"),
        (90, "00:01:30"),
        (0.5, "00:00:00.500"),
        ("PT1H30M", "01:30:00"),
        ("P1DT2S", "1.00:00:02"),
        ("pt0.25s", "00:00:00.250"),
        (None, None),
    ],
)
async def test_durations_are_taken_in_three_forms(chat: Chat, written: Any, shown: str | None) -> None:
    await chat.change(clientParameters={"maxScheduledIgnoredZone": written})
    assert (await view(chat.dialect, chat.id))["clientParameters"]["maxScheduledIgnoredZone"] == shown


async def test_a_change_merges_the_first_level_and_replaces_lists(dialect: Dialect) -> None:
    limits = {"messagesPerHour": 5, "maxMessages": 7}
    chat = await new_chat(dialect, clientParameters=FULL, limitingParameters=limits)
    change = {"inputModes": ["audio"], "audioSynthesisVoice": None, "helloLabel": "Hi"}
    await chat.change(clientParameters=change, limitingParameters={"maxMessages": 9})
    viewed = await view(dialect, chat.id)
    expected = {**FULL, "inputModes": ["Audio"], "audioSynthesisVoice": None, "helloLabel": "Hi"}
    assert viewed["clientParameters"] == expected
    assert viewed["limitingParameters"] == {"messagesPerHour": 5, "maxMessages": 9}
    assert (viewed["name"], viewed["aiGateway"]["id"]) == ("Shop", chat.gateway)
    await chat.change(name="Store", aiGatewayId=None)
    viewed = await view(dialect, chat.id)
    assert (viewed["name"], viewed["aiGateway"]) == ("Store", None)
    assert viewed["clientParameters"] == expected


async def test_a_client_takes_only_a_gateway_of_its_owner(chat: Chat) -> None:
    dialect = chat.dialect
    made = await dialect.stranger.post(CLIENTS, json={"name": "x", "aiGatewayId": chat.gateway})
    assert made.status_code == 404
    assert (await dialect.stranger.get(CLIENTS)).json() == []
    for gateway in (UNKNOWN, "nonsense"):
        changed = await dialect.client.put(f"{CLIENTS}/{chat.id}", json={"aiGatewayId": gateway})
        assert changed.status_code == (404 if gateway == UNKNOWN else 400)
    assert (await view(dialect, chat.id))["aiGateway"]["id"] == chat.gateway


async def test_a_client_outlives_its_gateway(chat: Chat) -> None:
    dialect = chat.dialect
    key = await chat.key()
    assert (await dialect.client.delete(f"/api/v1/ai-gateways/{chat.gateway}")).status_code == 200
    assert (await view(dialect, chat.id))["aiGateway"] is None
    assert (await ask(dialect, key, "hello")).status_code == 422
    refused = await dialect.client.post(f"{CLIENTS}/{chat.id}/sessions", json={})
    assert refused.status_code == 422
    await chat.change(aiGatewayId=await new_gateway(dialect))
    assert (await ask(dialect, key, "hello")).status_code == 200


async def test_deleting_a_client_ends_its_sessions(chat: Chat) -> None:
    dialect = chat.dialect
    key = await chat.key()
    deleted = await dialect.client.delete(f"{CLIENTS}/{chat.id}")
    assert deleted.json() == {"message": "Web client deleted successfully"}
    assert (await dialect.visitor.get(public(key))).status_code == 422
    assert (await dialect.client.get(f"{CLIENTS}/{chat.id}")).status_code == 404
    left = await dialect.database.read(
        lambda c: c.execute(sa.select(sa.func.count(chat_sessions.c.key))).scalar()
    )
    assert left == 0


async def test_somebody_elses_client_is_unknown(chat: Chat) -> None:
    paths = [
        ("GET", "", None),
        ("PUT", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("PUT", "/integrations", telegram(SECRET)),
        ("DELETE", "/integrations/Telegram", None),
        ("GET", "/sessions", None),
        ("POST", "/sessions", {}),
        ("DELETE", f"/sessions/{UNKNOWN}", None),
        ("GET", "/hook-schedules", None),
        ("GET", f"/hook-schedules/schedules/{UNKNOWN}", None),
        ("DELETE", f"/hook-schedules/recurring/{UNKNOWN}", None),
    ]
    for base in (CLIENTS, CLIENTS + "s"):
        for verb, path, body in paths:
            for client, name in ((chat.dialect.stranger, chat.id), (chat.dialect.client, UNKNOWN)):
                response = await client.request(verb, f"{base}/{name}{path}", json=body)
                assert response.status_code == 404, (verb, path, response.text)
            bad = await chat.dialect.client.request(verb, f"{base}/x{path}", json=body)
            assert bad.status_code == 400
    assert (await view(chat.dialect, chat.id))["name"] == "Shop"


def telegram(token: str, **more: Any) -> dict[str, Any]:
    return {
        "integrationType": "Telegram",
        "integrations": {"telegramIntegration": {"botToken": token, **more}},
    }


async def integrate(chat: Chat, body: dict[str, Any]) -> Any:
    return await chat.dialect.client.put(f"{CLIENTS}/{chat.id}/integrations", json=body)


async def shown(chat: Chat) -> dict[str, Any]:
    return (await view(chat.dialect, chat.id))["integrations"]


async def test_secrets_of_integrations_are_sealed_and_show_their_end_only(chat: Chat) -> None:
    done = await integrate(chat, telegram(SECRET))
    assert done.json() == {"message": "Web client integrations updated successfully"}
    assert (await shown(chat))["telegramIntegration"] == {
        "botToken": "****oken",
        "sessionDuration": "03:00:00",
    }
    rows = await chat.dialect.database.read(
        lambda c: c.execute(sa.select(chat_integrations)).mappings().all()
    )
    assert SECRET.encode() not in rows[0]["sealed"]
    assert SECRET not in str(rows[0]["settings"])
    kept = await chat.dialect.services.chat_clients.integrations(chat.dialect.caller, chat.id)
    assert kept["telegram"].secrets == {"botToken": SECRET}


async def test_the_mask_keeps_the_stored_secret(chat: Chat) -> None:
    await integrate(chat, telegram(SECRET))
    assert (await integrate(chat, telegram("****oken", sessionDuration=7200))).status_code == 200
    kept = await chat.dialect.services.chat_clients.integrations(chat.dialect.caller, chat.id)
    assert kept["telegram"].secrets == {"botToken": SECRET}
    assert kept["telegram"].session_ms == 7_200_000
    other = await integrate(chat, telegram("****else"))
    assert other.status_code == 400
    assert other.json()["details"]["path"] == "integrations.telegramIntegration.botToken"


async def test_short_secrets_show_nothing(chat: Chat) -> None:
    await integrate(chat, telegram("short"))
    assert (await shown(chat))["telegramIntegration"]["botToken"] == "****"


async def test_the_operator_may_have_secrets_shown(start: Any) -> None:
    async with start(aivax={"show_integration_secrets": True}) as dialect:
        chat = await new_chat(dialect)
        await integrate(chat, telegram(SECRET))
        assert (await shown(chat))["telegramIntegration"]["botToken"] == SECRET


KINDS = {
    "Zapi": ("zapiIntegration", {"instanceId": "i", "instanceToken": "t"}),
    "Telegram": ("telegramIntegration", {"botToken": "t"}),
    "EvolutionApi": (
        "evolutionIntegration",
        {"endpointUrl": "https://evo.example", "instanceName": "n", "apiKey": "k"},
    ),
    "Kapso": ("kapsoIntegration", {"apiKey": "k", "phoneNumberId": "1"}),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_is_set_shown_and_removed(chat: Chat, kind: str) -> None:
    member, fields = KINDS[kind]
    body = {"integrationType": kind.upper(), "integrations": {member: fields, "other": 1}}
    assert (await integrate(chat, body)).status_code == 200
    found = await shown(chat)
    assert [name for name, value in found.items() if value is not None] == [member]
    assert set(found[member]) >= set(fields)
    gone = await chat.dialect.client.delete(f"{CLIENTS}/{chat.id}/integrations/{kind.lower()}")
    assert gone.json() == {"message": "Web client integration deleted successfully"}
    again = await chat.dialect.client.delete(f"{CLIENTS}/{chat.id}/integrations/{kind}")
    assert again.status_code == 404
    assert set((await shown(chat)).values()) == {None}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_required_field_that_is_missing_is_named(chat: Chat, kind: str) -> None:
    member, fields = KINDS[kind]
    for name in fields:
        for value in ({}, {name: None}, {name: ""}):
            given = {**{other: text for other, text in fields.items() if other != name}, **value}
            refused = await integrate(chat, {"integrationType": kind, "integrations": {member: given}})
            assert refused.status_code == 400, (name, value)
            assert refused.json()["details"]["path"] == f"integrations.{member}.{name}"
    assert (await integrate(chat, {"integrationType": kind, "integrations": {}})).status_code == 400
    assert set((await shown(chat)).values()) == {None}


async def test_unknown_kinds_are_refused(chat: Chat) -> None:
    body = {"integrationType": "Pigeon", "integrations": {}}
    assert (await integrate(chat, body)).status_code == 400
    gone = await chat.dialect.client.delete(f"{CLIENTS}/{chat.id}/integrations/Pigeon")
    assert gone.status_code == 400
