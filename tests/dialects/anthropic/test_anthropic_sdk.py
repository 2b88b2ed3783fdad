# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportOptionalSubscript=false, reportOptionalMemberAccess=false
"""The official Anthropic SDK against the dialect, whole and streamed."""

from collections.abc import AsyncGenerator

import anthropic
import httpx
import pytest
from tests.dialects.scripted_app import Served, served, stops_when_left
from tests.e2e.server import API_KEY

from dragoman.adapters.models.scripted import Rule, ScriptedCall, ScriptedUsage

_RULES = (
    Rule(
        match="^Hi there",
        text="Hello there.",
        usage=ScriptedUsage(prompt_tokens=12, completion_tokens=3, cached_tokens=2),
    ),
    Rule(
        match="Bonn and Kiel",
        text="Let me look.",
        tool_calls=(
            ScriptedCall(name="weather", arguments='{"city": "Bonn"}'),
            ScriptedCall(name="weather", arguments='{"city": "Kiel"}'),
        ),
    ),
    Rule(match="Count", text="one two END three four five"),
    Rule(match="6.7", text="42", reasoning="Six times seven."),
    Rule(match="too much", error="quota"),
    Rule(match="break", text="a b c", error="provider", error_after=2),
    Rule(match="slow", text="a b c d e f g h", delay_seconds=20),
)
_TOOLS: list[anthropic.types.ToolParam] = [
    {
        "name": "weather",
        "description": "Weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Served]:
    async with served(tmp_path_factory.mktemp("anthropic"), *_RULES) as running:
        yield running


def _sdk(server: Served, prefix: str = "/anthropic", key: str = API_KEY) -> anthropic.AsyncAnthropic:
    client = anthropic.AsyncAnthropic(api_key=key, base_url=server.base + prefix, max_retries=0)
    server.stack.push_async_callback(client.close)
    return client


def _says(text: str) -> list[anthropic.types.MessageParam]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("prefix", ["/anthropic", "/server/anthropic", ""])
async def test_a_whole_message_comes_back(prefix: str, server: Served) -> None:
    answer = await _sdk(server, prefix).messages.create(
        model="claude-sonnet-4-20990101",
        max_tokens=50,
        system=[{"type": "text", "text": "Be short."}],
        messages=[{"role": "user", "content": "Hi there"}],
    )
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert answer.model == "scripted"
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].text == "Hello there."
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (10, 3)
    assert answer.usage.cache_read_input_tokens == 2
    asked = server.model.requests[-1]
    assert [message.role for message in asked.messages] == ["system", "user"]
    assert asked.sampling.max_tokens == 50


async def test_a_stream_adds_up_to_the_whole_message(server: Served) -> None:
    async with _sdk(server).messages.stream(
        model="haiku", max_tokens=100, tools=_TOOLS, messages=_says("Weather in Bonn and Kiel?")
    ) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 3
    assert [block.type for block in final.content] == ["text", "tool_use", "tool_use"]
    calls = [block for block in final.content if block.type == "tool_use"]
    assert [call.input for call in calls] == [{"city": "Bonn"}, {"city": "Kiel"}]
    assert len({call.id for call in calls}) == 2
    assert final.stop_reason == "tool_use"
    assert final.usage.output_tokens > 0


async def test_the_answers_of_tools_and_pictures_reach_the_model(server: Served) -> None:
    picture = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    await _sdk(server).messages.create(
        model="scripted",
        max_tokens=100,
        tools=_TOOLS,
        tool_choice={"type": "tool", "name": "weather"},
        messages=[
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": picture},
                    },
                    {"type": "text", "text": "What is the weather here?"},
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Bonn"}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "rain"},
                    {"type": "text", "text": "Well?"},
                ],
            },
        ],
    )
    asked = server.model.requests[-1]
    assert [message.role for message in asked.messages] == ["user", "assistant", "tool", "user"]
    assert asked.messages[2].tool_call_id == "c1"
    assert asked.messages[1].tool_calls[0].arguments == '{"city":"Bonn"}'
    assert asked.tool_choice is not None
    assert asked.tool_choice.function == "weather"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_stop_sequence_ends_the_answer_and_is_named(streamed: bool, server: Served) -> None:
    sdk, before = _sdk(server), server.model.closed_early
    wanted: dict[str, object] = {
        "model": "scripted",
        "max_tokens": 100,
        "stop_sequences": ["nothing", " END"],
        "messages": [{"role": "user", "content": "Count"}],
    }
    if streamed:
        async with sdk.messages.stream(**wanted) as stream:
            final = await stream.get_final_message()
    else:
        final = await sdk.messages.create(**wanted)
    assert final.content[0].text == "one two"
    assert (final.stop_reason, final.stop_sequence) == ("stop_sequence", " END")
    assert server.model.closed_early == before + 1


async def test_thoughts_are_shown_to_those_who_ask(server: Served) -> None:
    sdk = _sdk(server)
    turn: anthropic.types.MessageParam = {"role": "user", "content": "6*7"}
    async with sdk.messages.stream(
        model="opus",
        max_tokens=4000,
        messages=[turn],
        thinking={"type": "enabled", "budget_tokens": 2000},
    ) as stream:
        final = await stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert final.content[0].thinking == "Six times seven."
    bare = await sdk.messages.create(model="opus", max_tokens=10, messages=[turn])
    assert [block.type for block in bare.content] == ["text"]


async def test_tokens_are_counted_and_models_listed(server: Served) -> None:
    sdk = _sdk(server)
    short = await sdk.messages.count_tokens(model="sonnet", messages=[{"role": "user", "content": "Hi"}])
    longer = await sdk.messages.count_tokens(
        model="sonnet", tools=_TOOLS, messages=[{"role": "user", "content": "Hi " * 100}]
    )
    assert 0 < short.input_tokens < longer.input_tokens
    page = await sdk.models.list()
    assert next(model.id for model in page.data) == "scripted"
    assert (await sdk.models.retrieve("claude-haiku-latest")).id == "scripted"
    assert [model.id async for model in sdk.models.list(limit=1)] == [model.id for model in page.data]


async def test_errors_are_those_that_the_sdk_knows(server: Served) -> None:
    sdk = _sdk(server)
    with pytest.raises(anthropic.AuthenticationError) as refused:
        await _sdk(server, key="sk-nobody").messages.create(
            model="sonnet", max_tokens=5, messages=_says("Hi")
        )
    assert refused.value.body["type"] == "error"
    assert refused.value.body["error"]["type"] == "authentication_error"
    with pytest.raises(anthropic.NotFoundError):
        await sdk.messages.create(model="no-such", max_tokens=5, messages=_says("Hi"))
    with pytest.raises(anthropic.RateLimitError):
        await sdk.messages.create(model="sonnet", max_tokens=5, messages=_says("too much"))
    async with sdk.messages.stream(model="sonnet", max_tokens=5, messages=_says("break")) as stream:
        with pytest.raises(anthropic.APIStatusError) as broken:
            await stream.until_done()
    assert broken.value.body["error"]["type"] == "api_error"


async def test_bad_bodies_name_their_field(server: Served) -> None:
    usual = {"model": "sonnet", "messages": [{"role": "user", "content": "Hi"}]}
    text = [{"role": "user", "content": [{"type": "text", "text": 5}]}]
    headers = {"x-api-key": API_KEY}
    async with httpx.AsyncClient(base_url=server.base, headers=headers, trust_env=False) as client:
        for change, word in (
            ({}, "max_tokens"),
            ({"max_tokens": 0}, "max_tokens"),
            ({"max_tokens": 5, "temperature": 2}, "temperature"),
            ({"max_tokens": 5, "tools": [{"type": "web_search_20250305", "name": "web"}]}, "tools[0].type"),
            ({"max_tokens": 5, "messages": []}, "messages"),
            ({"max_tokens": 5, "messages": text}, "messages[0].content[0].text"),
        ):
            answer = await client.post("/anthropic/v1/messages", json=usual | change)
            assert answer.status_code == 400, change
            assert answer.json()["type"] == "error"
            assert answer.json()["error"]["type"] == "invalid_request_error"
            assert word in answer.json()["error"]["message"]
        lost = await client.get("/anthropic/v1/nowhere")
        assert (lost.status_code, lost.json()["error"]["type"]) == (404, "not_found_error")
        wrong = await client.get("/anthropic/v1/messages")
        assert (wrong.status_code, wrong.json()["type"]) == (405, "error")


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_client_that_hangs_up_stops_the_model(streamed: bool, server: Served) -> None:
    body = {"model": "sonnet", "max_tokens": 5, "messages": _says("slow"), "stream": streamed}
    await stops_when_left(server, "/anthropic/v1/messages", body, API_KEY)
