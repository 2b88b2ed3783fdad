"""Requests through the hot route to a provider that does what each test says."""

import asyncio
import time

import openai
import orjson
import pytest
from gateway_setup import PROVIDER_KEY, Setup

from dragoman.dialects.openai.hot import HotLimits
from scripted_server import Exchange

QUESTION = {"model": "model", "messages": [{"role": "user", "content": "one two three"}]}
STREAM = {**QUESTION, "model": "bare", "stream": True}
ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "model": "upstream-model",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}},
}
DONE = b"data: [DONE]\n\n"
USAGE_EVENT = b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}\n\n'


def delta(text: str) -> bytes:
    return (
        b"data: " + orjson.dumps({"id": "x", "choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"
    )


def error_of(body: bytes) -> dict[str, object]:
    return orjson.loads(body)["error"]


async def answers(exchange: Exchange) -> None:
    await exchange.json(ANSWER)


async def streams(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for text in ("a ", "b ", "c"):
        await exchange.chunk(delta(text))
    await exchange.chunk(USAGE_EVENT)
    await exchange.chunk(DONE)
    await exchange.chunk(b"")


async def test_a_whole_answer_is_passed_on_and_recorded(setup: Setup) -> None:
    async with setup.gateway(answers) as (gateway, provider):
        response = await gateway.send({**QUESTION, "user": "someone", "temperature": 0.3})
        assert response.status == 200
        assert orjson.loads(await response.read(10_000))["choices"][0]["message"]["content"] == "hello"
        (exchange,) = provider.exchanges
        assert orjson.loads(exchange.body) == {
            **QUESTION, "user": "someone", "temperature": 0.3, "model": "upstream-model",
        }  # fmt: skip
        assert exchange.head.startswith(b"POST /v1/chat/completions ")
        assert f"authorization: Bearer {PROVIDER_KEY}".encode() in exchange.head
        (record,) = gateway.records()
        assert record["id"] == (response.header(b"x-request-id") or b"").decode()
        assert (record["prompt_tokens"], record["completion_tokens"], record["cached_tokens"]) == (11, 7, 4)
        assert (record["user_id"], record["key_id"], record["agent_id"]) == ("anna", "key-1", "agent-1")
        assert (record["dialect"], record["model"], record["end_user"]) == ("openai", "model", "someone")
        assert (record["status"], record["estimated"], record["kind"]) == (200, False, "chat")


async def test_the_record_is_on_disk_before_the_answers_last_byte_arrives(setup: Setup) -> None:
    async with setup.gateway(streams) as (gateway, _):
        response = await gateway.send(STREAM)
        seen = b""
        while DONE not in seen:
            seen += await response.next_piece()
        assert len(gateway.records()) == 1
        response.close()


async def test_a_client_that_did_not_ask_for_usage_sees_none(setup: Setup) -> None:
    async with setup.gateway(streams) as (gateway, provider):
        assert await gateway.ask(STREAM) == (200, delta("a ") + delta("b ") + delta("c") + DONE)
        assert orjson.loads(provider.exchanges[0].body)["stream_options"] == {"include_usage": True}
        (record,) = gateway.records()
        assert (record["prompt_tokens"], record["completion_tokens"]) == (11, 7)


async def test_a_client_that_asked_for_usage_sees_it(setup: Setup) -> None:
    async with setup.gateway(streams) as (gateway, _):
        _, body = await gateway.ask({**STREAM, "stream_options": {"include_usage": True}})
        begun = delta("a ") + delta("b ") + delta("c")
        assert body.startswith(begun)
        assert body.endswith(DONE)
        last = orjson.loads(body[len(begun) :].removesuffix(DONE).removeprefix(b"data: "))
        assert last["choices"] == []
        assert last["usage"]["total_tokens"] == 18


async def test_every_chunk_arrives_before_the_provider_sends_the_next(setup: Setup) -> None:
    taken: asyncio.Queue[None] = asyncio.Queue()

    async def in_step(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for number in range(100):
            await exchange.chunk(delta(f"{number} "))
            await taken.get()
        await exchange.chunk(USAGE_EVENT + DONE)
        await exchange.chunk(b"")

    async with setup.gateway(in_step) as (gateway, _):
        response = await gateway.send(STREAM)
        for number in range(100):
            assert await response.next_piece() == delta(f"{number} ")
            taken.put_nowait(None)
        assert await response.read(1000) == DONE


async def test_the_providers_connection_is_kept_between_streams(setup: Setup) -> None:
    async with setup.gateway(streams) as (gateway, provider):
        for _ in range(3):
            await gateway.ask(STREAM)
            async with asyncio.timeout(5):
                while [task for task in asyncio.all_tasks() if task.get_name() == "relay.drain"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
        assert provider.connections == 1


async def test_a_stream_that_breaks_off_ends_in_an_error_and_the_terminator(setup: Setup) -> None:
    async def breaks_off(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(delta("a b "))
        await exchange.chunk(delta("c")[:20])
        exchange.drop()

    async with setup.gateway(breaks_off) as (gateway, _):
        status, body = await gateway.ask(STREAM)
        assert status == 200
        first, error, done, rest = body.split(b"\n\n")
        assert (first + b"\n\n", done, rest) == (delta("a b "), b"data: [DONE]", b"")
        assert error_of(error[6:])["type"] == "server_error"
        (record,) = gateway.records()
        assert (record["status"], record["estimated"]) == (502, True)
        assert (record["prompt_tokens"], record["completion_tokens"]) == (3, 2)


async def test_a_stream_that_ends_in_good_order_but_without_terminator_is_an_error_too(setup: Setup) -> None:
    async def forgets(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(delta("a"))
        await exchange.chunk(b"")

    async with setup.gateway(forgets) as (gateway, _):
        _, body = await gateway.ask(STREAM)
        assert body.startswith(delta("a") + b'data: {"error":')
        assert body.endswith(DONE)


async def test_a_providers_error_amid_the_stream_becomes_ours_without_its_secrets(setup: Setup) -> None:
    async def fails(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(delta("a"))
        await exchange.chunk(
            b'data: {"error":{"message":"Overloaded: ' + PROVIDER_KEY.encode() + b'","type":"x"}}\n\n'
        )
        await exchange.until_hang_up()

    async with setup.gateway(fails) as (gateway, _):
        _, body = await gateway.ask(STREAM)
        assert body.startswith(delta("a"))
        assert body.endswith(DONE)
        error = error_of(body.split(b"\n\n")[1][6:])
        assert error["message"] == "Overloaded: ***"
        assert (await gateway.one_record())["status"] == 502


async def test_a_silent_provider_is_given_up(setup: Setup) -> None:
    async def stalls(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(delta("a"))
        await exchange.until_hang_up()

    setup.upstream_idle_seconds = 0.2
    async with setup.gateway(stalls) as (gateway, _):
        _, body = await gateway.ask(STREAM)
        assert error_of(body.split(b"\n\n")[1][6:])["code"] == "timeout"
        assert (await gateway.one_record())["status"] == 504


async def test_a_client_that_hangs_up_cancels_the_provider_within_a_second(setup: Setup) -> None:
    gone = asyncio.Event()

    async def endless(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(delta("a b c "))
        await exchange.until_hang_up()
        gone.set()

    async with setup.gateway(endless) as (gateway, _):
        response = await gateway.send(STREAM)
        assert await response.next_piece() == delta("a b c ")
        started = time.monotonic()
        response.close()
        await gone.wait()
        assert time.monotonic() - started < 1
        record = await gateway.one_record()
        assert (record["status"], record["estimated"]) == (499, True)
        assert (record["prompt_tokens"], record["completion_tokens"]) == (3, 3)


async def test_a_client_that_hangs_up_before_any_answer_cancels_the_provider(setup: Setup) -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def silent(exchange: Exchange) -> None:
        arrived.set()
        await exchange.until_hang_up()
        gone.set()

    async with setup.gateway(silent) as (gateway, _):
        task = asyncio.ensure_future(gateway.send(QUESTION))  # noqa: TID251 - owned by the test
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        started = time.monotonic()
        await gone.wait()
        assert time.monotonic() - started < 1
        record = await gateway.one_record()
        assert (record["status"], record["prompt_tokens"], record["completion_tokens"]) == (499, 3, 0)


async def test_thirty_clients_that_hang_up_leave_thirty_records(setup: Setup) -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(delta("a "))
        await exchange.until_hang_up()

    async with setup.gateway(endless) as (gateway, provider):
        for response in await asyncio.gather(*(gateway.send(STREAM) for _ in range(30))):
            await response.next_piece()
            response.close()
        async with asyncio.timeout(5):
            while len(gateway.records()) < 30:  # noqa: ASYNC110 - a file cannot signal
                await asyncio.sleep(0.02)
        assert {record["status"] for record in gateway.records()} == {499}
        assert all(exchange.hung_up for exchange in provider.exchanges)


async def test_the_longest_answer_is_bounded(setup: Setup) -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.chunk(delta("a "))
        await exchange.until_hang_up()

    setup.limits = HotLimits(deadline_seconds=0.1)
    async with setup.gateway(endless) as (gateway, _):
        _, body = await gateway.ask(STREAM)
        assert body.startswith(delta("a ") + b'data: {"error":')
        assert body.endswith(DONE)


@pytest.mark.parametrize(
    ("status", "expected", "code"),
    [
        ("401 Unauthorized", 502, "provider_account_refused"),
        ("403 Forbidden", 502, "provider_account_refused"),
        ("402 Payment Required", 502, "provider_account_refused"),
        ("404 Not Found", 502, "provider_error"),
        ("408 Request Timeout", 504, "timeout"),
        ("500 Internal Server Error", 502, "provider_error"),
        ("302 Found", 502, "provider_error"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_a_providers_refusal_tells_nothing_of_the_operators_account(
    setup: Setup, status: str, expected: int, code: str, streamed: bool
) -> None:
    async def refuses(exchange: Exchange) -> None:
        await exchange.json(
            {"error": {"message": f"Incorrect API key provided: {PROVIDER_KEY}"}}, status=status
        )

    async with setup.gateway(refuses) as (gateway, _):
        got, body = await gateway.ask({**QUESTION, "stream": streamed})
        assert (got, error_of(body)["code"]) == (expected, code)
        assert b"provider-secret" not in body
        assert b"Incorrect" not in body
        assert gateway.records()[0]["status"] == expected


async def test_a_providers_rate_limit_says_when_to_come_back(setup: Setup) -> None:
    async def limits(exchange: Exchange) -> None:
        await exchange.json(
            {"error": {"message": "org-12345678 is over"}},
            status="429 Too Many Requests",
            headers="retry-after: 17\r\n",
        )

    async with setup.gateway(limits) as (gateway, _):
        response = await gateway.send(QUESTION)
        assert (response.status, response.header(b"retry-after")) == (429, b"17")
        assert error_of(await response.read(1000))["type"] == "rate_limit_error"


async def test_a_request_the_provider_calls_wrong_keeps_its_sentence(setup: Setup) -> None:
    async def refuses(exchange: Exchange) -> None:
        await exchange.json(
            {"error": {"message": "Too long.", "param": "messages", "code": "context_length_exceeded"}},
            status="400 Bad Request",
        )

    async with setup.gateway(refuses) as (gateway, _):
        status, body = await gateway.ask(QUESTION)
        assert (status, error_of(body)) == (
            400,
            {
                "message": "Too long.",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            },
        )


@pytest.mark.parametrize(
    ("headers", "streamed"),
    [
        ("content-type: text/html\r\n", False),
        ("content-type: application/json\r\n", True),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", False),
    ],
    ids=["a page", "no stream", "compressed"],
)
async def test_an_answer_of_the_wrong_kind_is_the_providers_fault(
    setup: Setup, headers: str, streamed: bool
) -> None:
    async def odd(exchange: Exchange) -> None:
        await exchange.answer(b"{}", headers=headers)

    async with setup.gateway(odd) as (gateway, _):
        status, body = await gateway.ask({**QUESTION, "stream": streamed})
        assert (status, error_of(body)["type"]) == (502, "server_error")


async def test_a_provider_that_cannot_be_reached_is_a_502(setup: Setup) -> None:
    async with setup.gateway(answers) as (gateway, provider):
        await provider.__aexit__(None, None, None)
        status, body = await gateway.ask(QUESTION)
        assert (status, error_of(body)["code"]) == (502, "provider_error")


async def test_an_answer_the_provider_did_not_count_is_estimated(setup: Setup) -> None:
    async def uncounted(exchange: Exchange) -> None:
        await exchange.json({"choices": [{"message": {"content": "four words it has"}}]})

    async with setup.gateway(uncounted) as (gateway, _):
        await gateway.ask(QUESTION)
        (record,) = gateway.records()
        assert (record["prompt_tokens"], record["completion_tokens"], record["estimated"]) == (3, 4, True)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"model": "model",', 400, "not valid JSON"),
        (b"[]", 400, "JSON object"),
        (b"", 400, "not valid JSON"),
        (b'{"model": "missing", "messages": []}', 404, "missing"),
    ],
)
async def test_a_wrong_request_names_its_problem_in_openais_shape(
    setup: Setup, body: bytes, status: int, message: str
) -> None:
    async with setup.gateway(answers) as (gateway, provider):
        response = await gateway.send(body)
        error = error_of(await response.read(10_000))
        assert response.status == status
        assert message in str(error["message"])
        assert set(error) == {"message", "type", "param", "code"}
        assert response.header(b"x-request-id")
        assert not provider.exchanges
        assert not gateway.records()


async def test_a_body_above_the_bound_is_refused(setup: Setup) -> None:
    setup.limits = HotLimits(body_bytes=1000)
    async with setup.gateway(answers) as (gateway, provider):
        status, body = await gateway.ask({**QUESTION, "user": "x" * 1000})
        assert (status, error_of(body)["code"]) == (413, "too_large")
        assert not provider.exchanges


@pytest.mark.parametrize("key", [None, "sk-wrong"])
async def test_without_a_key_that_holds_nothing_is_answered(setup: Setup, key: str | None) -> None:
    async with setup.gateway(answers) as (gateway, provider):
        response = await gateway.send(QUESTION, key=key)
        assert (response.status, response.header(b"www-authenticate")) == (401, b"Bearer")
        assert error_of(await response.read(1000))["type"] == "authentication_error"
        assert not provider.exchanges


async def test_a_key_made_a_moment_ago_elsewhere_and_one_in_the_query_hold(setup: Setup) -> None:
    async with setup.gateway(answers) as (gateway, _):
        assert (await gateway.ask(QUESTION, key="sk-late"))[0] == 200
        assert (await gateway.ask(QUESTION, key=None, query="?api-key=sk-good"))[0] == 200


async def test_what_is_not_relayed_reaches_the_fallback_with_its_body(setup: Setup) -> None:
    async with setup.gateway(answers) as (gateway, provider):
        body = orjson.dumps({**QUESTION, "model": "injected"})
        assert await gateway.ask(body) == (200, b"from the fallback")
        assert await gateway.ask(b'{"no model": 1}') == (200, b"from the fallback")
        assert setup.fallback_bodies == [body, b'{"no model": 1}']
        assert not provider.exchanges


async def test_a_model_named_twice_means_one_model_everywhere(setup: Setup) -> None:
    async with setup.gateway(answers) as (gateway, provider):
        await gateway.ask(b'{"mod\\u0065l":"secret-model","model":"model","messages":[]}')
        assert provider.exchanges[0].body == b'{"model":"upstream-model","messages":[]}'


async def test_sixty_four_streams_of_a_hundred_chunks_arrive_whole(setup: Setup) -> None:
    async def many(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for number in range(100):
            await exchange.chunk(delta(f"{number} "))
        await exchange.chunk(USAGE_EVENT + DONE)
        await exchange.chunk(b"")

    expected = b"".join(delta(f"{number} ") for number in range(100)) + DONE
    async with setup.gateway(many) as (gateway, _):
        bodies = await asyncio.gather(*(gateway.ask(STREAM) for _ in range(64)))
        assert bodies == [(200, expected)] * 64
        assert len(gateway.records()) == 64


async def test_the_official_client_reads_answers_streams_and_errors(setup: Setup) -> None:
    async def by_kind(exchange: Exchange) -> None:
        await (streams if b'"stream":true' in exchange.body else answers)(exchange)

    async with setup.gateway(by_kind) as (gateway, _):
        base = f"http://127.0.0.1:{gateway.port}/v1"
        async with openai.AsyncOpenAI(api_key="sk-good", base_url=base, max_retries=0) as client:
            whole = await client.chat.completions.create(
                model="model", messages=[{"role": "user", "content": "hi"}]
            )
            assert whole.choices[0].message.content == "hello"
            stream = await client.chat.completions.create(
                model="model", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            chunks = [chunk async for chunk in stream]
            assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == "a b c"
            assert chunks[-1].usage is not None
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="missing", messages=[])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "The model is loading."}}', "The model is loading."),
        (b'{"error": "boom"}', "boom"),
        (b"oops", "not JSON"),
        (b"", "not JSON"),
        (b"[]", "no choices"),
        (b'{"object": "list"}', "no choices"),
    ],
)
async def test_what_is_no_answer_is_a_failure_whatever_its_status(
    setup: Setup, body: bytes, said: str
) -> None:
    async def fails(exchange: Exchange) -> None:
        await exchange.answer(body, headers="content-type: application/json\r\n")

    async with setup.gateway(fails) as (gateway, _):
        response = await gateway.send(QUESTION)
        assert response.status == 502
        assert said in str(error_of(await response.read(10_000))["message"])
