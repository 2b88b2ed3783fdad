"""A relayed answer has the shape of every other answer: id, model, usage, priced lines, pings in silence."""

import asyncio
from typing import Any

import orjson
import pytest
from gateway_setup import Setup

from dragoman.dialects.openai.hot import HotLimits
from scripted_server import Exchange

QUESTION: dict[str, Any] = {"model": "model", "messages": [{"role": "user", "content": "one two three"}]}
STREAM = {**QUESTION, "stream": True}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    told = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 5, "model": "upstream-model"}
    return b"data: " + orjson.dumps({**told, "choices": [choice], "usage": None, **more}) + b"\n\n"


async def streams(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for piece in (
        chunk({"role": "assistant", "reasoning_content": "hm"}),
        chunk({"content": 'say "id":"chatcmpl-1" and "finish_reason":"stop"'}),
        chunk({}, "stop")
        + b'data: {"id":"chatcmpl-1","choices":[],"usage":'
        + orjson.dumps(USAGE)
        + b"}\n\n",
        DONE,
        b"",
    ):
        await exchange.chunk(piece)


def events(body: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: ")]
    assert lines[-1] == b"[DONE]"
    return [orjson.loads(line) for line in lines[:-1]]


def check_priced(told: dict[str, Any]) -> None:
    """The prompt counts without the cached tokens, and the lines are the price table's."""
    usage, context = told["usage"], told["generation_context"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (7, 7, 18)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 4
    lines = {line["sku"]: line for line in context["generated_usage"]}
    assert {sku: line["quantity"] for sku, line in lines.items()} == {
        "inference.chat_completions.in": 7,
        "inference.chat_completions.in.cached": 4,
        "inference.chat_completions.out": 7,
    }
    assert all(line["amount"] == line["unit_price"] * line["quantity"] > 0 for line in lines.values())
    assert (context["runned_functions"], context["retrieved_documents"]) == ([], [])


@pytest.mark.parametrize("model", ["model", "bare"])
async def test_a_whole_answer_is_dressed_and_keeps_what_else_the_provider_said(
    setup: Setup, model: str
) -> None:
    async def answers(exchange: Exchange) -> None:
        message = {"role": "assistant", "content": "hello", "audio": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        await exchange.json(
            {"id": "x", "object": "chat.completion", "created": 5, "choices": [choice], "usage": USAGE}
        )

    async with setup.gateway(answers) as (gateway, _):
        response = await gateway.send({**QUESTION, "model": model})
        told = orjson.loads(await response.read(10_000))
        check_priced(told)
        assert told["id"] == (response.header(b"x-request-id") or b"").decode() == gateway.records()[0]["id"]
        assert (told["model"], told["created"], told["service_tier"]) == ("model", 5, "default")
        expected = {
            "role": "assistant",
            "content": "hello",
            "audio": None,
            "refusal": None,
            "annotations": [],
        }
        assert told["choices"][0]["message"] == expected | ({"tool_calls": []} if model == "model" else {})


async def test_a_gateways_stream_ends_with_finish_usage_and_context_in_one_chunk(setup: Setup) -> None:
    async with setup.gateway(streams) as (gateway, _):
        response = await gateway.send(STREAM)
        told = events(await response.read(100_000))
        request_id = (response.header(b"x-request-id") or b"").decode()
        assert {(one["id"], one["model"]) for one in told} == {(request_id, "model")}
        assert told[0]["choices"][0]["delta"] == {"role": "assistant", "reasoning": "hm"}
        text = told[1]["choices"][0]["delta"]["content"]
        assert text == 'say "id":"chatcmpl-1" and "finish_reason":"stop"'
        assert [one["usage"] for one in told[:-1]] == [None, None]
        assert told[-1]["choices"][0]["finish_reason"] == "stop"
        check_priced(told[-1])


@pytest.mark.parametrize("model", ["model", "bare"])
async def test_usage_that_was_asked_for_comes_in_a_chunk_of_its_own(setup: Setup, model: str) -> None:
    async with setup.gateway(streams) as (gateway, _):
        body = {**STREAM, "model": model, "stream_options": {"include_usage": True}}
        told = events((await gateway.ask(body))[1])
        assert told[-2]["choices"][0]["finish_reason"] == "stop"
        assert told[-2]["usage"] is None
        assert told[-1]["choices"] == []
        check_priced(told[-1])


async def test_a_stream_whose_provider_counts_nothing_ends_with_an_estimate(setup: Setup) -> None:
    async def uncounted(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(chunk({"content": "four words it has"}) + b"data: [DONE]\r\n\r\n")
        await exchange.chunk(b"")

    async with setup.gateway(uncounted) as (gateway, _):
        _, body = await gateway.ask(STREAM)
        told = events(body)
        assert body.count(b"[DONE]") == 1
        assert told[-1]["usage"]["completion_tokens"] == 4


async def test_of_several_choices_each_ends_and_the_last_one_tells_usage(setup: Setup) -> None:
    async def two(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(chunk({"content": "a"}) + chunk({}, "stop", n=1) + chunk({}, "length", n=2))
        await exchange.chunk(DONE)
        await exchange.chunk(b"")

    async with setup.gateway(two) as (gateway, _):
        told = events((await gateway.ask(STREAM))[1])
        assert [one["choices"][0]["finish_reason"] for one in told] == [None, "stop", "length"]
        assert [bool(one.get("usage")) for one in told] == [False, False, True]


@pytest.mark.parametrize("stalls", ["before it answers", "amid its answer"])
async def test_silence_is_broken_by_pings_unless_they_are_unwanted(setup: Setup, stalls: str) -> None:
    setup.limits = HotLimits(ping_seconds=0.05)
    going_on = asyncio.Event()

    async def silent(exchange: Exchange) -> None:
        if stalls == "before it answers":
            await going_on.wait()
        await exchange.begin_stream()
        await exchange.chunk(chunk({"content": "a"}))
        await going_on.wait()
        await exchange.chunk(chunk({}, "stop") + DONE)
        await exchange.chunk(b"")

    async with setup.gateway(silent) as (gateway, _), asyncio.timeout(10):
        response = await gateway.send(STREAM)
        seen = b""
        while seen.count(b": ping\n\n") < 2:
            seen += await response.next_piece()
        going_on.set()
        body = seen + await response.read(100_000)
        assert [one["choices"][0]["delta"] for one in events(body)] == [{"content": "a"}, {}]
        going_on.clear()
        asyncio.get_running_loop().call_later(0.3, going_on.set)
        quiet = await gateway.send(STREAM, options="no-ping")
        assert b": ping" not in await quiet.read(100_000)


async def test_a_failure_after_a_ping_is_told_in_the_stream(setup: Setup) -> None:
    setup.limits = HotLimits(ping_seconds=0.05)
    going_on = asyncio.Event()

    async def fails(exchange: Exchange) -> None:
        await going_on.wait()
        exchange.drop()

    async with setup.gateway(fails) as (gateway, _), asyncio.timeout(10):
        response = await gateway.send(STREAM)
        assert (response.status, await response.next_piece()) == (200, b": ping\n\n")
        going_on.set()
        told = events(await response.read(10_000))
        assert told[-1]["error"]["code"] == "provider_error"
