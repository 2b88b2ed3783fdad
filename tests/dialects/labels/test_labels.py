"""Text under a label goes nowhere that the label forbids, in any dialect, and whoever tries is told why."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.dialects.labels.label_steps import QUESTION, SECRET, House, calls, house

from dragoman.domain.chat.model import SessionDraft
from dragoman.domain.memories.model import Memory, MemoryFilter
from dragoman.kit.errors import Forbidden, InvalidInput

POLICY = "never to a provider outside"
_TELLING = "4711"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[House]:
    async with house(tmp_path) as running:
        yield running


def _refused(text: str, policy: str = POLICY) -> None:
    assert "SECRET" in text, text
    assert policy in text, text
    assert _TELLING not in text, text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_outside_is_never_asked_with_labelled_passages(here: House, stream: bool) -> None:
    gateway = await here.gateway("cloud")
    answer = await here.ask(gateway, QUESTION, stream=stream)
    assert answer.status_code == 403, answer.text
    assert answer.json()["error"]["code"] == "label_policy"
    _refused(answer.text)
    assert here.outside.seen == ""
    (event,) = await here.audited()
    assert event == {"label": "SECRET", "point": "infer", "policy": POLICY}


async def test_a_provider_inside_is_asked(here: House) -> None:
    answer = await here.ask(await here.gateway("house"), QUESTION)
    assert answer.status_code == 200, answer.text
    assert _TELLING in answer.json()["choices"][0]["message"]["content"]
    assert SECRET in here.inside.bodies[-1]["messages"][-1]["content"]
    assert await here.audited() == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": QUESTION}),
        ("/v1/messages", {"max_tokens": 50, "messages": [{"role": "user", "content": QUESTION}]}),
        (
            "/google/v1beta/models/{model}:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": QUESTION}]}]},
        ),
    ],
)
async def test_each_dialect_refuses_in_its_own_shape(here: House, path: str, body: dict[str, Any]) -> None:
    gateway = await here.gateway("cloud")
    answer = await here.client.post(path.format(model=gateway), json={**body, "model": gateway})
    assert answer.status_code == 403, answer.text
    assert "error" in answer.json()
    _refused(answer.text)
    assert here.outside.seen == ""


async def test_ask_sage_refuses_in_its_own_shape_and_knows_the_dataset_as_the_same_collection(
    here: House,
) -> None:
    listed = (await here.client.post("/server/get-datasets", json={})).json()["response"]
    body = {"message": QUESTION, "dataset": listed, "model": "cloud"}
    answer = await here.client.post("/server/query", json=body)
    assert answer.status_code == 403, answer.text
    _refused(answer.text)
    assert here.outside.seen == ""
    inside = await here.client.post("/server/query", json={**body, "model": "house"})
    assert inside.status_code == 200, inside.text


async def test_controlled_information_of_ask_sage_is_the_label_of_that_name(tmp_path: Path) -> None:
    async with house(tmp_path, asksage={"cui_requires_cac": False}) as here:
        body = {"dataset": "plans", "classification": "CUI"}
        assert (await here.client.post("/user/add-dataset", json=body)).status_code == 200
        name = next(
            n
            for n in (await here.client.post("/server/get-datasets", json={})).json()["response"]
            if "plans" in n
        )
        taught = {"content": SECRET, "force_dataset": name}
        # SECRET is the only label here that is described: another one forbids everything.
        assert (await here.client.post("/server/train", json=taught)).status_code == 200
        answer = await here.client.post(
            "/server/query", json={"message": QUESTION, "dataset": name, "model": "cloud"}
        )
        assert answer.status_code == 403, answer.text
        assert "labelled CUI" in answer.text
        assert here.outside.seen == ""


async def test_what_a_conversation_has_used_binds_it_also_where_clients_keep_it(here: House) -> None:
    said = (await here.ask(await here.gateway("house"), QUESTION)).json()["choices"][0]["message"]["content"]
    elsewhere = await here.ask("cloud", QUESTION, f" {said}\n", "And for others?")
    assert elsewhere.status_code == 403, elsewhere.text
    _refused(elsewhere.text)
    assert here.outside.seen == ""
    assert (await here.ask("house", QUESTION, said, "And for others?")).status_code == 200
    # The same words in another conversation are nobody's secret.
    assert (await here.ask("cloud", "How long is a very long time?", said, "Sure?")).status_code == 200


async def test_a_conversation_kept_here_stays_bound(here: House) -> None:
    first = await here.client.post(
        "/v1/responses", json={"model": await here.gateway("house"), "input": QUESTION}
    )
    assert first.status_code == 200, first.text
    body = {"model": "cloud", "input": "Go on.", "previous_response_id": first.json()["id"]}
    second = await here.client.post("/v1/responses", json=body)
    assert second.status_code == 403, second.text
    _refused(second.text)
    assert here.outside.seen == ""


async def test_no_tool_that_reaches_the_web_is_called_with_labelled_text(here: House) -> None:
    here.inside.turns += [
        calls("search_knowledge", terms=["notice period for managers"]),
        calls("send", text=SECRET),
        {"content": "I could not send it."},
    ]
    callback = {
        "name": "send",
        "description": "Sends a text.",
        "callbackUrl": f"{here.outside.server.url}/hook",
        "contentFormat": {"type": "object", "properties": {"text": {"type": "string"}}},
    }
    gateway = await here.gateway("house", queryStrategy="QueryFunction", protocolFunctions=[callback])
    answer = await here.ask(gateway, QUESTION)
    assert answer.status_code == 200, answer.text
    results = [m["content"] for m in here.inside.bodies[-1]["messages"] if m["role"] == "tool"]
    _refused(results[-1], "never to a web tool")
    assert here.outside.seen == ""
    assert [event["point"] for event in await here.audited()] == ["tool"]


async def test_the_search_in_a_models_hands_gives_nothing_to_a_model_outside(here: House) -> None:
    here.outside.turns += [calls("search_knowledge", terms=["notice period for managers"])]
    gateway = await here.gateway("cloud", queryStrategy="QueryFunction")
    answer = await here.ask(gateway, QUESTION)
    assert answer.status_code == 403, answer.text
    assert _TELLING not in here.outside.seen


async def test_a_public_widget_gets_nothing_and_an_invited_session_does(here: House) -> None:
    gateway = await here.gateway("house")
    body = {"name": "Shop", "aiGatewayId": gateway, "clientParameters": {}, "limitingParameters": {}}
    made = await here.client.post("/api/v1/web-chat-client", json=body)
    assert made.status_code == 200, made.text
    client_id = made.json()["id"]
    opened = await here.app.running.services.chat_sessions.open_public(client_id, _visitor())
    base = f"/api/v1/public/chat-clients/{opened}"
    answer = await here.app.nobody.post(f"{base}/prompt", json={"prompt": QUESTION})
    assert answer.status_code == 403, answer.text
    _refused(answer.text, "never in a public widget or channel")
    assert here.inside.seen == ""
    said = await here.app.nobody.get(f"{base}/transcript.json")
    assert _TELLING not in said.text
    invited = await here.client.post(f"/api/v1/web-chat-client/{client_id}/sessions", json={"expires": 3600})
    key = invited.json()["accessKey"]
    answer = await here.app.nobody.post(
        f"/api/v1/public/chat-clients/{key}/prompt", json={"prompt": QUESTION}
    )
    assert answer.status_code == 200, answer.text
    assert _TELLING in answer.text


@pytest.mark.parametrize("outside", [True, False])
async def test_an_answer_under_a_label_is_read_aloud_by_engines_inside_only(
    tmp_path: Path, outside: bool
) -> None:
    # Nothing listens at that address: who may be asked fails otherwise than who may not.
    speech = {"synthesizer": "openai", "tts_base_url": "http://127.0.0.1:9/v1", "outside": outside}
    async with house(tmp_path, speech=speech) as here:
        looks = {"audioSynthesisSource": "Gpt4oTts"}
        body = {"name": "Shop", "aiGatewayId": await here.gateway("house"), "clientParameters": looks}
        made = await here.client.post("/api/v1/web-chat-client", json={**body, "limitingParameters": {}})
        sessions = f"/api/v1/web-chat-client/{made.json()['id']}/sessions"
        key = (await here.client.post(sessions, json={"expires": 3600})).json()["accessKey"]
        base = f"/api/v1/public/chat-clients/{key}"
        asked = await here.app.nobody.post(f"{base}/prompt", json={"prompt": QUESTION})
        place = f"{base}/messages/{asked.json()['messageId']}/speech.mp3"
        spoken = await here.app.nobody.get(place)
        assert spoken.status_code == (403 if outside else 502), spoken.text
        if outside:
            _refused(spoken.text)


async def test_a_memory_of_a_bound_conversation_binds_those_that_read_it(here: House) -> None:
    here.inside.turns += [
        calls("memory_save", memoryData="The notice period is 4711 days."),
        {"content": "Saved."},
    ]
    builtin = {"sentinelOptions": {"enabledFunctions": ["Remember"]}}
    inside = await here.gateway("house", **builtin)
    assert (await here.ask(inside, QUESTION, user="ann")).status_code == 200
    (kept,) = await _memories(here)
    assert kept.labels == ("SECRET",)
    outside = await here.gateway("cloud", knowledgeCollections=[], **builtin)
    answer = await here.ask(outside, "Hello?", user="ann")
    # Another agent does not see it; the same one with a model outside does.
    assert answer.status_code == 200, answer.text
    moved = {"name": "moved", "parameters": {"baseAddress": "@integrated", "modelName": "cloud", **builtin}}
    changed = await here.client.patch(f"/api/v1/ai-gateways/{inside}", json=moved)
    assert changed.status_code == 200, changed.text
    answer = await here.ask(inside, "Hello?", user="ann")
    assert answer.status_code == 403, answer.text
    _refused(answer.text)
    assert _TELLING not in here.outside.seen


async def test_an_embedder_outside_is_given_nothing_of_it_and_words_still_find_it(tmp_path: Path) -> None:
    async with house(tmp_path, embeds=True) as here:
        assert _TELLING not in here.outside.seen
        asked = {"collections": [here.handbook], "terms": ["notice period managers"]}
        found = await here.client.post("/api/v1/query", json=asked)
        assert found.status_code == 200, found.text
        assert _TELLING in found.text


async def test_a_label_that_allows_it_lets_it_through(tmp_path: Path) -> None:
    async with house(tmp_path, forbids=["public"]) as here:
        answer = await here.ask(await here.gateway("cloud"), QUESTION)
        assert answer.status_code == 200, answer.text
        assert SECRET in here.outside.bodies[-1]["messages"][-1]["content"]


async def test_only_known_labels_are_set_and_only_administrators_take_them_away(here: House) -> None:
    services = here.app.running.services
    caller = here.caller()
    with pytest.raises(InvalidInput, match="The labels here are: SECRET"):
        await services.collections.set_label(caller, here.handbook, "TOP")
    with pytest.raises(Forbidden, match="admin"):
        await services.collections.set_label(replace(caller, role="editor"), here.handbook, None)
    await here.label(None)
    assert (await here.ask(await here.gateway("cloud"), QUESTION)).status_code == 200


def _visitor() -> SessionDraft:
    return SessionDraft(3600)


async def _memories(here: House) -> list[Memory]:
    return await here.app.running.services.memories.select(here.caller(), MemoryFilter())
