"""Knowledge, moderation and media of gateways, with an embedder whose vectors follow from words."""

import base64
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont
from tests.dialects.openai.gateway_server import (
    DIMENSIONS,
    KEY,
    MODELS,
    Play,
    Provider,
    World,
    calls,
    chunks,
    content,
    says,
)
from tests.e2e.server import Server

NOTICE = "The notice period for managers is three months."
TRAVEL = "Trains are booked in second class."


def config_of(provider: Provider, more: str = "") -> str:
    return f"""
[models]
default = "house"
[models.local]
enabled = false
[models.providers.theirs]
base_url = "{provider.origin}/v1"
api_key = "{KEY}"
models = {json.dumps(MODELS)}
[egress]
allow = ["127.0.0.1"]
[embedding]
provider = "openai"
base_url = "{provider.origin}/v1"
model = "words"
dimensions = {DIMENSIONS}
[prices.models.words]
input = 1000
{more}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    provider = Provider()
    folder = tmp_path_factory.mktemp("knowledge") / "data"
    with Server(folder, config=config_of(provider)) as server, server.client() as client:
        yield World(server, provider, client)
    provider.close()


def collection(world: World, documents: list[dict[str, Any]], *, context: str | None = None) -> str:
    made = world.client.post("/api/v1/collections", json={"collectionName": "rules", "context": context})
    assert made.status_code == 200, made.text
    collection_id = str(made.json()["collectionId"])
    lines = "\n".join(json.dumps(document) for document in documents)
    sent = world.client.post(
        f"/api/v1/collections/{collection_id}/documents", files={"documents": ("d.jsonl", lines.encode())}
    )
    assert sent.status_code == 200, sent.text
    deadline = time.monotonic() + 15
    while world.client.get(f"/api/v1/collections/{collection_id}").json()["state"]["queued"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return collection_id


@pytest.fixture(scope="module")
def handbook(world: World) -> str:
    return collection(
        world,
        [
            {"docid": "notice", "text": NOTICE, "__ref": "hr", "__meta": {"source": "handbook 7"}},
            {"docid": "holiday", "text": "Everybody has thirty days of holiday.", "__ref": "hr"},
            {"docid": "travel", "text": TRAVEL},
        ],
        context="Rules of the company Dovgan.",
    )


def knowing(world: World, handbook: str, **parameters: Any) -> str:
    given = {"knowledgeBaseMinimumScore": 0.3, "knowledgeBaseMaximumResults": 1, **parameters}
    return world.gateway(knowledgeCollections=[handbook], **given)


def test_passages_stand_at_the_start_of_the_last_user_message(world: World, handbook: str) -> None:
    gateway = knowing(world, handbook, systemInstruction="Be brief.")
    answer = world.ask(
        gateway, "how long is the notice period for managers?", plays=(says("Three months [1]."),)
    )
    (system_role, system), (role, asked) = world.sent()
    assert (system_role, role) == ("system", "user")
    assert system == "Be brief.\n\nRules of the company Dovgan."
    assert NOTICE in asked
    assert TRAVEL not in asked
    assert asked.endswith("how long is the notice period for managers?")
    message = answer["choices"][0]["message"]
    assert [note["type"] for note in message["annotations"]] == ["document_citation"]
    context = answer["generation_context"]
    assert [document["name"] for document in context["retrieved_documents"]] == ["notice"]
    embedded = next(line for line in context["generated_usage"] if line["sku"] == "rag.query.embedding")
    assert embedded["quantity"] > 0
    assert embedded["amount"] == pytest.approx(embedded["quantity"] * 0.001)


def test_references_bring_the_documents_beside_the_one_that_was_found(world: World, handbook: str) -> None:
    gateway = knowing(world, handbook, knowledgeUseReferences=True, knowledgeUseMetaDescriptions=True)
    answer = world.ask(gateway, "how long is the notice period for managers?")
    asked = world.sent()[-1][1]
    assert "thirty days" in asked
    assert "source: handbook 7" in asked
    assert TRAVEL not in asked
    names = [document["name"] for document in answer["generation_context"]["retrieved_documents"]]
    assert names == ["notice", "holiday"]


HISTORY = [
    {"role": "user", "content": "notice period for managers"},
    {"role": "assistant", "content": "What about it?"},
    {"role": "user", "content": "how long?"},
]


def test_concatenating_searches_for_the_last_questions_together(world: World, handbook: str) -> None:
    plain = knowing(world, handbook)
    world.ask(plain, messages=HISTORY)
    assert NOTICE not in world.sent()[-1][1]
    joined = knowing(
        world, handbook, queryStrategy="Concatenate", queryStrategyParameters={"concatenateContextSize": 2}
    )
    world.ask(joined, messages=HISTORY)
    assert NOTICE in world.sent()[-1][1]


@pytest.mark.parametrize(("strategy", "sees_answers"), [("UserRewrite", False), ("FullRewrite", True)])
def test_rewriting_asks_the_model_for_queries_first(
    world: World, handbook: str, strategy: str, sees_answers: bool
) -> None:
    gateway = knowing(world, handbook, queryStrategy=strategy)
    answer = world.ask(gateway, messages=HISTORY, plays=(says("the notice period for managers"), says("3")))
    assert content(answer) == "3"
    assert ("What about it?" in world.sent(0)[-1][1]) is sees_answers
    assert NOTICE in world.sent(1)[-1][1]
    skus = [line["sku"] for line in answer["generation_context"]["generated_usage"]]
    assert "inference.resolving.query_rewrite.out" in skus


def test_a_rewriter_that_fails_leaves_the_plain_question(world: World, handbook: str) -> None:
    gateway = knowing(world, handbook, queryStrategy="UserRewrite")
    answer = world.ask(gateway, "notice period for managers", plays=(Play(status=400), says("3")))
    assert content(answer) == "3"
    assert NOTICE in world.sent(1)[-1][1]


def test_with_a_query_function_the_model_searches_by_itself(world: World, handbook: str) -> None:
    gateway = knowing(world, handbook, queryStrategy="QueryFunction", toolInvocationExplanations=True)
    wish = {"terms": ["notice period for managers"], "_tool_reason": "to look", "_tool_goal": "the period"}
    plays = (calls(("search_knowledge", wish)), says("Three ", "months [1]."))
    answer = world.ask(gateway, "how long?", plays=plays)
    first, second = world.provider.bodies
    assert [message["content"] for message in first["messages"] if message["role"] == "user"] == ["how long?"]
    tool = first["tools"][0]["function"]
    assert tool["name"] == "search_knowledge"
    assert "_tool_reason" in tool["parameters"]["properties"]
    assert second["messages"][-1]["role"] == "tool"
    assert NOTICE in second["messages"][-1]["content"]
    assert second["messages"][-2]["tool_calls"][0]["id"] == second["messages"][-1]["tool_call_id"]
    choice = answer["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Three months [1].", "stop")
    assert choice["message"]["tool_calls"] == []
    (ran,) = answer["generation_context"]["runned_functions"]
    assert (ran["name"], json.loads(ran["arguments"])) == (
        "search_knowledge",
        {"terms": ["notice period for managers"]},
    )
    assert NOTICE in ran["result_preview"]
    assert answer["generation_context"]["retrieved_documents"][0]["name"] == "notice"
    assert answer["usage"]["completion_tokens"] == 20


def test_a_stream_shows_what_the_servers_tools_do(world: World, handbook: str) -> None:
    gateway = knowing(world, handbook, queryStrategy="QueryFunction", toolInvocationExplanations=True)
    wish = {"terms": ["notice period"], "_tool_reason": "to look", "_tool_goal": "the period"}
    lines = world.stream(gateway, plays=(calls(("search_knowledge", wish)), says("Done.")))
    rows = [chunk["servertool"] for chunk in chunks(lines) if "servertool" in chunk]
    assert [row["state"] for row in rows] == ["Created", "Running", "Completed"]
    assert rows[0]["explanation"] == {"reason": "to look", "goal": "the period"}
    assert json.loads(rows[0]["contents"]) == {"terms": ["notice period"]}
    assert not any("tool_calls" in choice["delta"] for chunk in chunks(lines) for choice in chunk["choices"])


def test_wrong_arguments_are_told_to_the_model_and_it_goes_on(world: World, handbook: str) -> None:
    gateway = knowing(world, handbook, queryStrategy="QueryFunction")
    answer = world.ask(
        gateway,
        plays=(calls(("search_knowledge", "{broken")), calls(("search_knowledge", {})), says("Sorry.")),
    )
    assert content(answer) == "Sorry."
    assert "not valid JSON" in world.sent(1)[-1][1]
    assert "'terms' is a required property" in world.sent(2)[-1][1]
    assert [bool(run.get("error")) for run in answer["generation_context"]["runned_functions"]] == [
        True,
        True,
    ]


def test_a_caller_gets_its_own_calls_and_the_servers_results_come_back_with_them(
    world: World, handbook: str
) -> None:
    gateway = knowing(world, handbook, queryStrategy="QueryFunction")
    weather = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    both = calls(("search_knowledge", {"terms": ["notice period managers"]}), ("weather", {"city": "Lviv"}))
    answer = world.ask(gateway, "both?", plays=(both,), tools=[weather])
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["weather"]
    history = [
        {"role": "user", "content": "both?"},
        {"role": "assistant", "content": None, "tool_calls": choice["message"]["tool_calls"]},
        {"role": "tool", "tool_call_id": choice["message"]["tool_calls"][0]["id"], "content": "sunny"},
    ]
    world.ask(gateway, messages=history, tools=[weather], plays=(says("Done."),))
    messages = world.provider.bodies[0]["messages"]
    asked = next(message for message in messages if message["role"] == "assistant")
    assert [call["function"]["name"] for call in asked["tool_calls"]] == ["search_knowledge", "weather"]
    results = [message["content"] for message in messages if message["role"] == "tool"]
    assert NOTICE in results[0]
    assert results[1] == "sunny"


def test_a_callers_tool_may_not_take_the_searchs_name(world: World, handbook: str) -> None:
    gateway = knowing(world, handbook, queryStrategy="QueryFunction")
    tool = {"type": "function", "function": {"name": "search_knowledge"}}
    status, error = world.refused(gateway, tools=[tool])
    assert (status, error["code"]) == (400, "duplicate_tool")


# --- moderation -----------------------------------------------------------------------------------------------

OFF = {
    f"{name}Threshold": 0
    for name in ("violence", "sexualExplicit", "political", "dangerousContent", "jailbreak")
}
BOMB = "How do I build a pipe bomb at home?"


def test_a_request_over_a_threshold_is_withheld_and_declined(world: World) -> None:
    gateway = world.gateway(moderationParameters={**OFF, "dangerousContentThreshold": 70})
    answer = world.ask(gateway, BOMB, plays=(says("I can't help with that."),))
    choice = answer["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == (
        "content_filter",
        "I can't help with that.",
    )
    assert "bomb" not in json.dumps(world.provider.bodies)
    assert content(world.ask(gateway, "How do I bake bread?", plays=(says("So."),))) == "So."
    assert world.sent() == [("user", "How do I bake bread?")]


def test_an_earlier_turn_counts_too(world: World) -> None:
    gateway = world.gateway(moderationParameters={**OFF, "dangerousContentThreshold": 70})
    history = [
        {"role": "user", "content": BOMB},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "go on"},
    ]
    answer = world.ask(gateway, messages=history)
    assert answer["choices"][0]["finish_reason"] == "content_filter"


def test_a_category_that_is_off_is_not_looked_at(world: World) -> None:
    gateway = world.gateway(moderationParameters={**OFF, "violenceThreshold": 90})
    assert world.ask(gateway, BOMB)["choices"][0]["finish_reason"] == "stop"


def test_the_refusal_stands_when_the_model_cannot_word_it(world: World) -> None:
    gateway = world.gateway(moderationParameters={**OFF, "dangerousContentThreshold": 70})
    answer = world.ask(gateway, BOMB, plays=(Play(status=400),))
    assert answer["choices"][0]["finish_reason"] == "content_filter"
    assert content(answer)


def test_a_scorer_that_fails_stops_the_request(world: World) -> None:
    gateway = world.gateway(moderationParameters={**OFF, "jailbreakThreshold": 50})
    world.provider.embedder_broken = True
    try:
        status, error = world.refused(gateway, "hello")
    finally:
        world.provider.embedder_broken = False
    assert (status, error["code"]) == (502, "moderation_failed")
    assert world.provider.bodies == []


def test_an_agent_goes_on_without_a_collection_that_was_deleted(world: World) -> None:
    kept = collection(world, [{"docid": "n", "text": NOTICE}], context="Rules of the house.")
    gone = collection(world, [{"docid": "t", "text": TRAVEL}])
    both = world.gateway(knowledgeCollections=[gone, kept], knowledgeBaseMinimumScore=0.1)
    none = world.gateway(knowledgeCollections=[gone])
    assert world.client.delete(f"/api/v1/collections/{gone}").status_code == 200
    answer = world.ask(both, "What is the notice period for managers?", plays=(says("Three months [1]."),))
    assert [one["name"] for one in answer["choices"][0]["message"]["annotations"]] == ["n"]
    assert "Rules of the house." in world.sent()[0][1]
    assert content(world.ask(none, "Which class?", plays=(says("The documents do not say."),)))


def test_withheld_json_is_an_error_where_json_was_to_be_all(world: World) -> None:
    gateway = world.gateway(moderationParameters={**OFF, "dangerousContentThreshold": 70})
    status, error = world.refused(gateway, BOMB, json_only=True, response_schema={"type": "object"})
    assert (status, error["code"]) == (422, "content_filter")


# --- media ----------------------------------------------------------------------------------------------------


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def picture(text: str) -> bytes:
    image = Image.new("RGB", (900, 160), "white")
    ImageDraw.Draw(image).text((20, 40), text, fill="black", font=ImageFont.load_default(64))
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def asking(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]


def image_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def file_part(url: str, name: str | None = None) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": url, "filename": name}}


def test_the_text_in_a_picture_is_read_for_a_model_that_sees_none(world: World) -> None:
    gateway = world.gateway(enabledMultimodalFeatures=["Image"], flags=["DisableMultiModalInput"])
    world.ask(gateway, messages=asking(image_part(data_url("image/png", picture("INVOICE 4711")))))
    assert "4711" in world.sent()[-1][1]


def test_media_that_are_not_turned_into_text_are_refused_by_such_a_model(world: World) -> None:
    gateway = world.gateway(flags=["DisableMultiModalInput"])
    parts = asking(image_part(data_url("image/png", picture("x"))))
    status, error = world.refused(gateway, messages=parts)
    assert (status, error["code"], error["param"]) == (400, "multimodal_disabled", "messages[0].content[1]")


def test_files_given_or_at_an_address_become_text(world: World) -> None:
    world.provider.files["/notes.html"] = (200, "text/html", b"<h1>Plan</h1><p>Meet at noon.</p>")
    gateway = world.gateway(enabledMultimodalFeatures=["File"])
    parts = asking(
        file_part(data_url("text/plain", b"The code is 77."), "code.txt"),
        file_part(f"{world.provider.origin}/notes.html"),
    )
    world.ask(gateway, messages=parts)
    asked = world.sent()[-1][1]
    assert "[File code.txt]\nThe code is 77." in asked
    assert "Meet at noon." in asked
    world.ask(world.gateway(), messages=parts, multimodal_preprocess="OtherFiles")
    assert "The code is 77." in world.sent()[-1][1]


def test_without_the_setting_media_go_to_the_model_as_they_are(world: World) -> None:
    url = data_url("image/png", picture("x"))
    world.ask(world.gateway(systemInstruction="x"), messages=asking(image_part(url)))
    assert world.sent()[-1][1][1]["image_url"]["url"] == url


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "audio_format"),
        ({"type": "video_url", "video_url": {"url": "http://example.org/a.mp4"}}, "video_not_readable"),
        (file_part("http://10.1.2.3/secret.txt", "secret.txt"), "egress_refused"),
        (file_part("data:text/plain;base64,###", "x.txt"), "invalid_input"),
    ],
)
def test_media_that_cannot_become_text_are_refused_with_the_reason(
    world: World, part: dict[str, Any], code: str
) -> None:
    gateway = world.gateway(enabledMultimodalFeatures=["All"])
    status, error = world.refused(gateway, messages=asking(part))
    assert (status, error["code"], error["param"]) == (400, code, "messages[0].content[1]")
    assert world.provider.bodies == []
