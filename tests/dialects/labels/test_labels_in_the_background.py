"""Labels hold where nobody waits for the answer: research, planned messages, messaging services, new embedders."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.dialects.labels.label_steps import QUESTION, House, house

from dragoman.adapters.simulators.people import hook_call
from dragoman.adapters.simulators.services import SimulatedServices
from dragoman.domain.schedules.model import Recipient
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput

_TELLING = "nobody outside may learn"
_PHONE = "5511999990000"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[House]:
    async with house(tmp_path) as running:
        yield running


async def _client(here: House, model: str) -> str:
    gateway = await here.gateway(model)
    made = await here.client.post("/api/v1/web-chat-client", json={"name": model, "aiGatewayId": gateway})
    assert made.status_code == 200, made.text
    return str(made.json()["id"])


async def _planned(here: House, client_id: str, address: str) -> str:
    """What became of a message that was planned for now."""
    services, caller = here.app.running.services, here.caller()
    to = Recipient(address, "web_chat", address)
    once = await services.schedules.plan(caller, client_id, to, at=now_ms(), reason=QUESTION, context="{}")
    async with asyncio.timeout(60):
        while True:
            found = await services.schedules.schedule(caller, client_id, once.id)
            if found.activation_result is not None:
                return found.activation_result
            await asyncio.sleep(0.05)


async def test_research_gives_nothing_under_a_label_to_a_provider_outside(here: House) -> None:
    listed = (await here.client.get("/server/get-datasets")).json()["response"]
    dataset = next(one for one in listed if "Handbook" in one)
    asked = {"message": QUESTION, "mode": "deep_agent", "dataset": dataset, "model": "cloud"}
    begun = (await here.client.post("/server/query", json=asked)).json()
    followed = {"deep_agent_id": begun["deep_agent_id"]}
    told = (await here.client.post("/server/get-deep-agent", json=followed)).text
    assert "SECRET" in told
    assert _TELLING not in told
    assert _TELLING not in here.outside.seen
    assert "infer" in {event["point"] for event in await here.audited()}


async def test_a_planned_message_takes_no_bound_conversation_to_a_provider_outside(here: House) -> None:
    client_id = await _client(here, "house")
    path = f"/api/v1/web-chat-client/{client_id}/sessions"
    session = (await here.client.post(path, json={"tag": "ann@s1"})).json()
    said = await here.app.nobody.post(
        f"/api/v1/public/chat-clients/{session['accessKey']}/prompt", json={"prompt": QUESTION}
    )
    assert said.status_code == 200, said.text
    changed = await here.client.put(
        f"/api/v1/web-chat-client/{client_id}",
        json={"name": "cloud", "aiGatewayId": await here.gateway("cloud", knowledgeCollections=[])},
    )
    assert changed.status_code == 200, changed.text
    result = await _planned(here, client_id, "ann@s1")
    assert "SECRET" in result
    assert here.outside.seen == ""
    assert "never to a provider outside" in {event["policy"] for event in await here.audited()}


async def test_a_messaging_service_gets_nothing_that_the_public_may_not_have(tmp_path: Path) -> None:
    with SimulatedServices() as services:
        async with house(tmp_path, channels={"telegram_url": services.url}) as here:
            client_id = await _client(here, "house")
            path = f"/api/v1/web-chat-client/{client_id}"
            telegram = {
                "integrationType": "Telegram",
                "integrations": {"telegramIntegration": {"botToken": "1:token"}},
            }
            put = await here.client.put(f"{path}/integrations", json=telegram)
            assert put.status_code == 200, put.text
            hook = (await here.client.get(path)).json()["webhooks"]["Telegram"]
            made = hook_call(
                "telegram", address=_PHONE, text=QUESTION, message_id="1", secret=hook.rsplit("/", 1)[-1]
            )
            called = await here.app.nobody.post(
                hook[hook.index("/", 8) :], content=made.body, headers=dict(made.headers)
            )
            assert called.status_code == 200, called.text
            async with asyncio.timeout(60):
                while True:
                    if await here.audited():
                        break
                    await asyncio.sleep(0.05)
            assert "never in a public widget or channel" in {one["policy"] for one in await here.audited()}
            assert here.inside.seen == ""
            assert all(_TELLING not in one.text for one in services.sent)


async def test_a_labelled_collection_does_not_go_to_an_embedder_outside(tmp_path: Path) -> None:
    async with house(tmp_path, embeds=True) as here:
        reembedding, caller = here.app.running.services.reembedding, here.caller()
        with pytest.raises(InvalidInput, match="SECRET"):
            await reembedding.start(caller, here.handbook, None)
        assert _TELLING not in here.outside.seen
        await here.label(None)
        assert (await reembedding.start(caller, here.handbook, None)).collection_id == here.handbook
