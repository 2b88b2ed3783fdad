# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportOptionalSubscript=false, reportOptionalMemberAccess=false
"""The official OpenAI SDK's Responses, whole and streamed, under each prefix."""

from collections.abc import AsyncGenerator

import httpx
import openai
import pytest
from tests.dialects.scripted_app import Served, served, stops_when_left
from tests.e2e.server import API_KEY

from dragoman.adapters.models.scripted import Rule, ScriptedCall, ScriptedUsage

_RULES = (
    Rule(
        match="^Hi there",
        text="Hello to you.",
        reasoning="Politely.",
        usage=ScriptedUsage(prompt_tokens=12, completion_tokens=3, cached_tokens=2),
    ),
    Rule(
        match="weather",
        text="Let me look.",
        tool_calls=(
            ScriptedCall(name="weather", arguments='{"city": "Bonn"}'),
            ScriptedCall(name="weather", arguments='{"city": "Kiel"}'),
        ),
    ),
    Rule(match="long", text="a b c", finish_reason="length"),
    Rule(match="too much", error="quota"),
    Rule(match="break", text="a b c", error="provider", error_after=2),
    Rule(match="slow", text="a b c d e f g h", delay_seconds=20),
)
_TOOLS = [
    {
        "type": "function",
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": False,
    }
]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Served]:
    async with served(tmp_path_factory.mktemp("responses"), *_RULES) as running:
        yield running


def _sdk(server: Served, prefix: str = "/v1", key: str = API_KEY) -> openai.AsyncOpenAI:
    client = openai.AsyncOpenAI(api_key=key, base_url=server.base + prefix, max_retries=0)
    server.stack.push_async_callback(client.close)
    return client


@pytest.mark.parametrize("prefix", ["/v1", "/server/openai/v1", "/server/v1"])
async def test_a_response_comes_back_whole(prefix: str, server: Served) -> None:
    answer = await _sdk(server, prefix).responses.create(
        model="gpt-5-mini",
        instructions="Be kind.",
        input="Hi there",
        max_output_tokens=40,
        metadata={"a": "b"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    )
    assert answer.output_text == "Hello to you."
    assert (answer.status, answer.model, answer.object) == ("completed", "scripted", "response")
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (12, 3, 15)
    assert answer.metadata == {"a": "b"}
    asked = server.model.requests[-1]
    assert [message.role for message in asked.messages] == ["system", "user"]
    assert asked.sampling.max_tokens == 40
    assert asked.response_format is not None


@pytest.mark.parametrize("prefix", ["/server/openai/v1", "/server/v1"])
async def test_completions_and_models_are_served_there_too(prefix: str, server: Served) -> None:
    sdk = _sdk(server, prefix)
    whole = await sdk.chat.completions.create(
        model="gpt-4o", max_tokens=9, messages=[{"role": "user", "content": "Hi there"}]
    )
    assert whole.choices[0].message.content == "Hello to you."
    stream = await sdk.chat.completions.create(
        model="scripted",
        stream=True,
        max_completion_tokens=9,
        messages=[{"role": "user", "content": "weather"}],
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    assert "scripted" in [model.id async for model in sdk.models.list()]
    async with httpx.AsyncClient(trust_env=False) as nobody:
        refused = await nobody.post(f"{server.base}{prefix}/chat/completions", json={})
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")
        asked = await nobody.options(
            f"{server.base}{prefix}/chat/completions",
            headers={"origin": "http://a.example", "access-control-request-method": "POST"},
        )
        assert asked.headers["access-control-allow-origin"] == "*"


async def test_a_stream_tells_every_step_and_ends_with_the_whole(server: Served) -> None:
    async with _sdk(server).responses.stream(model="scripted", input="the weather", tools=_TOOLS) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 3
    assert "response.function_call_arguments.done" in kinds
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [item.type for item in final.output] == ["message", "function_call", "function_call"]
    assert [item.arguments for item in final.output[1:]] == ['{"city": "Bonn"}', '{"city": "Kiel"}']


async def test_a_conversation_goes_on_from_a_kept_response(server: Served) -> None:
    sdk = _sdk(server)
    first = await sdk.responses.create(model="scripted", input="the weather", tools=_TOOLS)
    results = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "rain"}
        for item in first.output
        if item.type == "function_call"
    ]
    second = await sdk.responses.create(
        model="scripted",
        input=[*results, {"role": "user", "content": "Hi there"}],
        previous_response_id=first.id,
    )
    assert second.previous_response_id == first.id
    told = server.model.requests[-1].messages
    assert [message.role for message in told] == ["user", "assistant", "tool", "tool", "user"]
    assert len(told[1].tool_calls) == 2
    assert (await sdk.responses.retrieve(second.id)).output_text == "Hello to you."
    items = await sdk.responses.input_items.list(second.id, order="asc")
    assert [item.type for item in items.data][:2] == ["function_call_output"] * 2
    await sdk.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(second.id)


async def test_what_is_not_to_be_stored_is_gone_and_others_see_nothing(server: Served) -> None:
    sdk = _sdk(server)
    loose = await sdk.responses.create(model="scripted", input="Hi there", store=False)
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.retrieve(loose.id)
    kept = await sdk.responses.create(model="scripted", input="Hi there")
    stranger = server.scripted.app.stranger
    assert (await stranger.get(f"/v1/responses/{kept.id}")).status_code == 404
    assert (await stranger.delete(f"/v1/responses/{kept.id}")).status_code == 404
    body = {"model": "scripted", "input": "x", "previous_response_id": kept.id}
    assert (await stranger.post("/v1/responses", json=body)).status_code == 404


async def test_collections_are_searched_and_cited_as_files(server: Served) -> None:
    client = server.scripted.app.client
    collection = await server.scripted.app.dataset("tea")
    body = {"content": "The keeper of the lighthouse drinks tea.", "force_dataset": "tea"}
    assert (await client.post("/server/train", json=body)).status_code == 200
    search = [{"type": "file_search", "vector_store_ids": [collection]}]
    answer = await _sdk(server).responses.create(model="extractive", input="Who drinks tea?", tools=search)
    part = answer.output[-1].content[0]
    assert "tea" in part.text
    assert part.annotations[0].type == "file_citation"


async def test_a_cut_answer_is_incomplete(server: Served) -> None:
    answer = await _sdk(server).responses.create(model="scripted", input="long")
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"


async def test_errors_are_those_that_the_sdk_knows(server: Served) -> None:
    sdk = _sdk(server)
    with pytest.raises(openai.AuthenticationError):
        await _sdk(server, key="sk-nobody").responses.create(model="scripted", input="x")
    with pytest.raises(openai.RateLimitError):
        await sdk.responses.create(model="scripted", input="too much")
    for change, word in (
        ({"input": []}, "input"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": 5}]}]},
            "input[0].content[0].text",
        ),
        ({"input": [{"type": "computer_call", "id": "x"}]}, "input[0].type"),
        ({"tools": [{"type": "computer_use_preview"}]}, "tools[0].type"),
        ({"background": True}, "background"),
        ({"temperature": 3}, "temperature"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.responses.create(**{"model": "scripted", "input": "x", **change})
        assert refused.value.param == word
    events = [
        event async for event in await sdk.responses.create(model="scripted", input="break", stream=True)
    ]
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert events[-1].response.error.code == "server_error"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_client_that_hangs_up_stops_the_model(streamed: bool, server: Served) -> None:
    body = {"model": "scripted", "input": "slow", "stream": streamed}
    await stops_when_left(server, "/v1/responses", body, API_KEY)
