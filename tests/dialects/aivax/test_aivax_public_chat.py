"""Talking in a session, with nothing but its access key."""

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest
import sqlalchemy as sa
from aivax_server import Dialect
from chat_steps import CLIENTS, Chat, ask, new_chat, public, said, until

from dragoman.domain.accounts.tables import users
from dragoman.domain.chat.tables import chat_messages, chat_sessions, chat_turns
from dragoman.kit.clock import now_ms

DEAD = {"error": "The client is not available.", "details": None}


@pytest.fixture
async def chat(dialect: Dialect) -> Chat:
    return await new_chat(dialect)


def frames(response: httpx.Response) -> list[Any]:
    """The data of every event, the last one as text."""
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [orjson.loads(line) for line in lines[:-1]]


def text_of(chunks: list[Any]) -> str:
    return "".join(
        chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk.get("choices")
    )


async def until_slow(dialect: Dialect, key: str, pieces: int = 3) -> "asyncio.Task[httpx.Response]":
    """A prompt whose answer is under way."""
    asked = len(dialect.model.requests)
    task = asyncio.get_running_loop().create_task(ask(dialect, key, "answer slowly"))
    await until(lambda: len(dialect.model.requests) > asked)
    await asyncio.sleep(0.02 * pieces)
    return task


async def test_an_answer_has_text_and_usage_and_is_kept(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    answered = await ask(dialect, key, "What is it?")
    assert answered.status_code == 200
    body = answered.json()
    assert body["completionText"] == "What is it?"
    assert body["reasoning"] is None
    assert body["toolCalls"] == []
    assert (
        body["usage"]["totalTokens"] == body["usage"]["promptTokens"] + body["usage"]["completionTokens"] > 0
    )
    messages = (await dialect.visitor.get(public(key))).json()["messages"]
    assert [(one["role"], one["content"]) for one in messages] == [
        ("user", "What is it?"),
        ("assistant", "What is it?"),
    ]
    assert messages[1]["message_id"] == body["messageId"]
    assert len({one["message_id"] for one in messages}) == 2


async def test_the_model_sees_the_gateways_prompt_the_context_and_what_was_said(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key(extraContext="The user is Ana.", tag="ana")
    await ask(dialect, key, "one")
    await ask(dialect, key, "two")
    request = dialect.model.requests[-1]
    assert [(message.role, message.text) for message in request.messages] == [
        ("system", "Be brief.\n\nThe user is Ana."),
        ("user", "one"),
        ("assistant", "one"),
        ("user", "two"),
    ]
    assert request.user is not None
    assert request.user.startswith("ana@")


async def test_reasoning_and_tool_calls_are_told(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    thought = (await ask(dialect, key, "think")).json()
    assert (thought["completionText"], thought["reasoning"]) == ("So it is.", "Let me see.")
    called = (await ask(dialect, key, "call a tool")).json()
    assert [(call["name"], call["arguments"]) for call in called["toolCalls"]] == [("order", '{"id": 1}')]
    # A call that nobody answered is not shown to the model again.
    assert (await ask(dialect, key, "next")).status_code == 200
    assert all(not message.tool_calls for message in dialect.model.requests[-1].messages)


async def test_the_page_learns_words_looks_and_ways_to_write(dialect: Dialect) -> None:
    parameters = {"inputModes": ["Image", "Audio"], "audioSynthesisSource": "Gpt4oTts", "pageTitle": "Ask"}
    chat = await new_chat(dialect, clientParameters=parameters)
    key = await chat.key()
    info = (await dialect.visitor.get(public(key), headers={"Accept-Language": "de-AT, en;q=0.5"})).json()
    assert info["chatTitle"] == "Ask"
    assert info["culture"]["sendButtonLabel"] == "Senden"
    assert info["client"]["inputModes"] == ["text", "image", "audio"]
    assert info["client"]["audioSynthesisEnabled"] is True
    assert info["chatCreationData"] is None
    published = "customScripts customStyles helloLabel helloSubLabel logoImageUrl primaryColor"
    published += " inputModes pageTitle suggestionButtons debug textAreaPlaceholder audioSynthesisEnabled"
    assert set(published.split()) <= set(info["client"])
    await chat.change(clientParameters={"languageCode": "pt-BR"})
    info = (await dialect.visitor.get(public(key), headers={"Accept-Language": "de"})).json()
    assert info["culture"]["sendButtonLabel"] == "Enviar"
    odd = await dialect.visitor.get(public(key), headers={"Accept-Language": "xx;q=a, ;;=,"})
    assert odd.status_code == 200


async def test_the_transcript_is_a_file(chat: Chat) -> None:
    dialect, made = chat.dialect, await chat.session(extraContext="VIP", metadata={"order": "7"})
    key = made["accessKey"]
    await ask(dialect, key, "hello")
    transcript = await dialect.visitor.get(public(key, "/transcript.json"))
    assert transcript.headers["content-disposition"].startswith("attachment")
    assert transcript.json() == {
        "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hello"}],
        "context": "VIP",
        "sessionId": made["sessionId"],
        "metadata": {"order": "7"},
    }


async def test_retry_takes_the_answer_back_and_an_empty_prompt_answers_again(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    await ask(dialect, key, "hello")
    retried = await dialect.visitor.post(public(key, "/retry"))
    assert (retried.status_code, retried.content) == (204, b"")
    assert await said(dialect, key) == [("user", "hello")]
    assert (await ask(dialect, key, None)).json()["completionText"] == "hello"
    assert await said(dialect, key) == [("user", "hello"), ("assistant", "hello")]
    await dialect.visitor.post(public(key, "/retry"))
    bare = await dialect.visitor.post(public(key, "/prompt"))
    assert bare.status_code == 200
    assert len(await said(dialect, key)) == 2


async def test_retry_and_an_empty_prompt_need_something_said(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    assert (await dialect.visitor.post(public(key, "/retry"))).status_code == 400
    assert (await ask(dialect, key, None)).status_code == 400
    await ask(dialect, key, "hello")
    assert (await ask(dialect, key, None)).status_code == 400


async def test_clearing_empties_the_session(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    await ask(dialect, key, "hello")
    assert (await dialect.visitor.post(public(key, "/clear"))).status_code == 200
    assert await said(dialect, key) == []


async def test_cancelling_ends_a_slow_answer_and_keeps_what_there_was(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    task = await until_slow(dialect, key, 10)
    started = time.monotonic()
    cancelled = await dialect.visitor.delete(public(key))
    assert time.monotonic() - started < 1
    assert cancelled.json() == {"message": "Inference cancelled."}
    messages = (await dialect.visitor.get(public(key))).json()["messages"]
    body = (await task).json()
    assert body["cancelled"] is True
    assert 0 < len(body["completionText"]) < 2000
    assert messages[1]["content"] == body["completionText"]
    assert messages[1]["cancelled"] is True
    assert body["usage"]["completionTokens"] > 0
    assert dialect.model.closed_early == 1
    assert (await ask(dialect, key, "go on")).status_code == 200


async def test_cancelling_nothing_is_fine(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    assert (await dialect.visitor.delete(public(key))).status_code == 200
    await ask(dialect, key, "hello")
    assert (await dialect.visitor.delete(public(key))).status_code == 200
    assert len(await said(dialect, key)) == 2


async def test_a_second_question_waits_for_the_first_answer(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    task = await until_slow(dialect, key)
    for response in (
        await ask(dialect, key, "me too"),
        await dialect.visitor.post(public(key, "/retry")),
        await dialect.visitor.post(public(key, "/clear")),
    ):
        assert response.status_code == 409
    other = await chat.key()
    assert (await ask(dialect, other, "hello")).status_code == 200
    await dialect.visitor.delete(public(key))
    await task
    assert [role for role, _ in await said(dialect, key)] == ["user", "assistant"]


async def test_of_ten_questions_at_once_one_is_answered(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    started = [asyncio.get_running_loop().create_task(ask(dialect, key, "answer slowly")) for _ in range(10)]
    await until(lambda: sum(task.done() for task in started) == 9 and bool(dialect.model.requests))
    await asyncio.sleep(0.05)
    await dialect.visitor.delete(public(key))
    statuses = sorted(response.status_code for response in await asyncio.gather(*started))
    assert statuses == [200] + [409] * 9
    assert len(dialect.model.requests) == 1
    assert len(await said(dialect, key)) == 2


async def test_a_session_held_by_a_killed_process_is_free_again_after_a_while(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()

    def hold(until: int) -> Any:
        values = {"turn_id": "gone", "turn_until": until}
        return lambda connection: connection.execute(sa.update(chat_sessions).values(**values))

    await dialect.database.write(hold(now_ms() + 5000))
    busy = await ask(dialect, key, "hello")
    assert busy.status_code == 409
    assert busy.headers["retry-after"] == "1"
    await dialect.database.write(hold(now_ms() - 1))
    assert (await ask(dialect, key, "hello")).status_code == 200


async def test_another_process_can_cancel_too(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    task = await until_slow(dialect, key)
    await dialect.database.write(
        lambda connection: connection.execute(sa.update(chat_sessions).values(turn_cancelled=True))
    )
    async with asyncio.timeout(3):
        assert (await task).json()["cancelled"] is True


async def test_deleting_the_session_stops_its_answer(chat: Chat) -> None:
    dialect, made = chat.dialect, await chat.session()
    task = await until_slow(dialect, made["accessKey"])
    await dialect.client.delete(f"{CLIENTS}/{chat.id}/sessions/{made['sessionId']}")
    async with asyncio.timeout(3):
        assert (await task).status_code == 422
    assert dialect.model.closed_early == 1


async def test_messages_per_hour_are_bounded_with_a_time_to_wait(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    await chat.change(limitingParameters={"messagesPerHour": 1})
    assert (await ask(dialect, key, "one")).status_code == 200
    refused = await ask(dialect, key, "two")
    assert refused.status_code == 429
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    assert len(await said(dialect, key)) == 2
    await dialect.visitor.post(public(key, "/retry"))
    assert (await ask(dialect, key, None)).status_code == 429
    await dialect.database.write(
        lambda connection: connection.execute(sa.update(chat_turns).values(at=now_ms() - 3_600_001))
    )
    assert (await ask(dialect, key, None)).status_code == 200
    assert (await ask(dialect, await chat.key(), "another session")).status_code == 200


async def test_a_chat_with_more_messages_than_allowed_is_closed(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    await chat.change(limitingParameters={"maxMessages": 2})
    statuses = [(await ask(dialect, key, str(turn))).status_code for turn in range(4)]
    assert statuses == [200, 200, 422, 422]
    assert len(await said(dialect, key)) == 4
    await chat.change(limitingParameters={"maxMessages": -1})
    assert (await ask(dialect, key, "on")).status_code == 200


async def test_every_dead_session_is_refused_in_the_same_words(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    expired = await chat.key()
    await dialect.database.write(
        lambda connection: connection.execute(
            sa.update(chat_sessions)
            .where(chat_sessions.c.key == sa.select(sa.func.max(chat_sessions.c.key)).scalar_subquery())
            .values(expires_at=now_ms() - 1)
        )
    )
    for dead in (expired, "wky_unknown", key + "x", "x" * 5000):
        for verb, action, body in (
            ("GET", "", None),
            ("DELETE", "", None),
            ("POST", "/retry", None),
            ("POST", "/clear", None),
            ("POST", "/prompt", {"prompt": {"role": "user", "content": "x"}}),
            ("GET", "/transcript.json", None),
        ):
            response = await dialect.visitor.request(verb, public(dead, action), json=body)
            assert (response.status_code, response.json()) == (422, DEAD), (dead[:12], verb, action)
    assert (await ask(dialect, key, "alive")).status_code == 200


async def test_a_locked_out_owner_takes_the_sessions_along(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    await dialect.database.write(
        lambda connection: connection.execute(sa.update(users).values(disabled=True))
    )
    assert (await ask(dialect, key, "hello")).status_code == 422


async def test_a_message_shortly_before_the_end_prolongs_the_session(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key(expires=600)
    longer = await chat.key(expires=7200)

    async def ends() -> list[int]:
        statement = sa.select(chat_sessions.c.expires_at).order_by(chat_sessions.c.key)
        return list(await dialect.database.read(lambda c: c.execute(statement).scalars().all()))

    before = await ends()
    await ask(dialect, key, "hello")
    await ask(dialect, longer, "hello")
    after = await ends()
    assert 29 * 60_000 < after[0] - now_ms() <= 30 * 60_000
    assert after[1] == before[1]


async def test_the_context_is_read_afresh_at_every_message(chat: Chat) -> None:
    dialect = chat.dialect
    key = await chat.key(contextLocation="https://crm.example/ana", extraContext="Known.")
    for text in ("Balance: 5", "Balance: 6"):
        dialect.pages["https://crm.example/ana"] = httpx.Response(200, text=text)
        await ask(dialect, key, "hello")
        assert dialect.model.requests[-1].messages[0].text == f"Be brief.\n\nKnown.\n\n{text}"


@pytest.mark.parametrize(
    "page",
    [None, httpx.Response(500, text="no"), httpx.Response(200, content=b"x" * (256 * 1024 + 1))],
    ids=["nobody", "error", "too large"],
)
async def test_a_context_that_cannot_be_had_is_left_out(chat: Chat, page: httpx.Response | None) -> None:
    dialect, key = chat.dialect, await chat.key(contextLocation="https://crm.example/ana")
    if page is not None:
        dialect.pages["https://crm.example/ana"] = page
    assert (await ask(dialect, key, "hello")).status_code == 200
    assert dialect.model.requests[-1].messages[0].text == "Be brief."


async def test_a_context_inside_the_network_is_never_read(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key(contextLocation="http://shop.example/context")
    inside = "http://169.254.169.254/meta"
    dialect.pages["http://shop.example/context"] = httpx.Response(302, headers={"location": inside})
    dialect.pages[inside] = httpx.Response(200, text="secrets")
    assert (await ask(dialect, key, "hello")).status_code == 200
    assert dialect.model.requests[-1].messages[0].text == "Be brief."


async def test_a_failure_of_the_provider_keeps_the_question_for_another_try(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    failed = await ask(dialect, key, "break at once")
    assert failed.status_code == 502
    assert failed.json()["error"] == "The provider is down."
    assert await said(dialect, key) == [("user", "break at once")]
    assert (await ask(dialect, key, "hello")).status_code == 200


async def test_a_question_that_is_refused_as_written_is_taken_back(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    await chat.change(limitingParameters={"messagesPerHour": 1})
    assert (await ask(dialect, key, "forbidden")).status_code == 400
    assert await said(dialect, key) == []
    assert (await ask(dialect, key, "hello")).status_code == 200


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"prompt": {"role": "system", "content": "x"}}, "prompt.role"),
        ({"prompt": {"role": "user"}}, "prompt.content"),
        ({"prompt": {"content": ""}}, "prompt.content"),
        ({"prompt": {"content": []}}, "prompt.content"),
        ({"prompt": {"content": [{"type": "text", "text": " "}]}}, "prompt.content"),
        ({"prompt": {"content": [{"type": "smell"}]}}, "prompt.content[0].type"),
        ({"prompt": {"content": [{"type": "image_url"}]}}, "prompt.content[0].image_url"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "a\x00b"}, "prompt"),
    ],
)
async def test_a_prompt_that_does_not_fit_is_named(chat: Chat, body: dict[str, Any], path: str) -> None:
    dialect, key = chat.dialect, await chat.key()
    refused = await dialect.visitor.post(public(key, "/prompt"), json=body)
    assert refused.status_code == 400
    assert refused.json()["details"]["path"] == path
    assert await said(dialect, key) == []


async def test_only_what_the_client_takes_may_be_sent_beside_text(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "What is this?"}, image]
    body = {"prompt": {"role": "user", "content": content}}
    assert (await dialect.visitor.post(public(key, "/prompt"), json=body)).status_code == 400
    await chat.change(clientParameters={"inputModes": ["Image"]})
    assert (await dialect.visitor.post(public(key, "/prompt"), json=body)).status_code == 200
    parts = dialect.model.requests[-1].messages[-1].parts
    assert [type(part).__name__ for part in parts] == ["TextPart", "ImagePart"]
    assert (await said(dialect, key))[0] == ("user", content)


async def test_a_streamed_answer_comes_in_chunks_and_is_kept_before_its_end(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    headers = {"Accept": "text/event-stream"}
    streamed = await ask(dialect, key, "one two three", headers=headers)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    chunks = frames(streamed)
    assert text_of(chunks) == "one two three"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert len(chunks) == 4
    last = chunks[-1]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["total_tokens"] > 0
    assert last["cancelled"] is False
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 3
    messages = (await dialect.visitor.get(public(key))).json()["messages"]
    assert messages[1]["message_id"] == last["message_id"]


async def test_a_stream_tells_reasoning_apart(chat: Chat) -> None:
    chunks = frames(
        await ask(chat.dialect, await chat.key(), "think", headers={"Accept": "text/event-stream"})
    )
    reasoning = "".join(chunk["choices"][0]["delta"].get("reasoning", "") for chunk in chunks)
    assert (reasoning, text_of(chunks)) == ("Let me see.", "So it is.")


async def test_a_stream_that_fails_before_its_beginning_has_its_own_status(chat: Chat) -> None:
    headers = {"Accept": "text/event-stream"}
    failed = await ask(chat.dialect, await chat.key(), "break at once", headers=headers)
    assert failed.status_code == 502


async def test_a_stream_that_fails_later_says_so_and_ends(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    chunks = frames(await ask(dialect, key, "break later", headers={"Accept": "text/event-stream"}))
    assert text_of(chunks[:-1]) == "one two "
    assert chunks[-1]["error"] == {
        "message": "The script says so.",
        "code": "provider_error",
        "details": None,
    }
    assert await said(dialect, key) == [("user", "break later")]


async def test_a_cancelled_stream_ends_with_a_mark(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    task = asyncio.get_running_loop().create_task(
        ask(dialect, key, "answer slowly", headers={"Accept": "text/event-stream"})
    )
    await until(lambda: bool(dialect.model.requests))
    await asyncio.sleep(0.1)
    await dialect.visitor.delete(public(key))
    chunks = frames(await task)
    assert chunks[-1]["cancelled"] is True
    assert (await said(dialect, key))[1] == ("assistant", text_of(chunks))


async def test_silence_in_a_stream_is_broken_by_pings_unless_they_are_unwanted(start: Any) -> None:
    async with start(chat={"ping_seconds": 0.05}) as dialect:
        chat = await new_chat(dialect)
        dialect.pages["https://slow.example/x"] = httpx.Response(200, text="slow")
        headers = {"Accept": "text/event-stream"}
        streamed = await ask(dialect, await chat.key(), "wait a bit", headers=headers)
        assert ": ping" in streamed.text
        assert text_of(frames(streamed)) == "word word word "
        quiet = {**headers, "Sse-Stream-Options": "no-ping"}
        assert ": ping" not in (await ask(dialect, await chat.key(), "wait a bit", headers=quiet)).text


async def test_a_reader_of_a_stream_who_goes_away_stops_the_answer(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    body = orjson.dumps({"prompt": "answer slowly"})
    path = public(key, "/prompt").removeprefix("/api/v1")
    gone, sent = asyncio.Event(), []
    inbox = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if inbox:
            return inbox.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if len(sent) > 5:
            gone.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [
            (b"accept", b"text/event-stream"),
            (b"content-length", str(len(body)).encode()),
        ],
        "server": ("dragoman", 80),
        "client": ("127.0.0.1", 1),
    }
    async with asyncio.timeout(3):
        await dialect.app(scope, receive, send)  # pyright: ignore[reportArgumentType]
        await until(lambda: dialect.model.closed_early == 1)
        while True:
            if len(await said(dialect, key)) == 2:
                break
            await asyncio.sleep(0.01)
    assert (await dialect.visitor.get(public(key))).json()["messages"][1]["cancelled"] is True


async def test_a_question_is_kept_before_the_model_is_asked(chat: Chat) -> None:
    dialect, key = chat.dialect, await chat.key()
    task = await until_slow(dialect, key)
    count = await dialect.database.read(
        lambda connection: connection.execute(sa.select(sa.func.count(chat_messages.c.key))).scalar()
    )
    assert count == 1
    await dialect.visitor.delete(public(key))
    await task
