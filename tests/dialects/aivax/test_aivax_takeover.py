"""People who answer in web chats, over HTTP."""

import json

from aivax_server import Dialect
from chat_steps import CLIENTS, UNKNOWN, ask, new_chat, public, said


async def test_a_person_answers_and_the_page_is_told(dialect: Dialect) -> None:
    chat = await new_chat(dialect)
    session = await chat.session()
    key, base = session["accessKey"], f"{CLIENTS}/{chat.id}/sessions/{session['sessionId']}"
    held = (await dialect.client.post(f"{base}/takeover")).json()
    assert (held["takenOver"], held["takenOverBy"]) == (True, "ana@example.org")
    quiet = (await ask(dialect, key, "Is anybody there?")).json()
    assert (quiet["completionText"], quiet["takenOver"], quiet["usage"]["totalTokens"]) == ("", True, 0)
    streamed = await ask(dialect, key, "Hello?", headers={"accept": "text/event-stream"})
    last = json.loads(streamed.text.split("data: ")[-2])
    assert last["takenOver"] is True
    made = await dialect.client.post(f"{base}/messages", json={"text": "I am."})
    assert made.status_code == 200
    info = (await dialect.visitor.get(public(key))).json()
    assert info["takenOver"] is True
    assert info["messages"][-1] == {
        "role": "assistant",
        "content": "I am.",
        "message_id": made.json()["id"],
        "author": "person",
    }
    shown = (await dialect.client.get(base)).json()
    assert [one["author"] for one in shown["messages"]] == [None, None, "ana@example.org"]
    assert (await dialect.client.post(f"{base}/release")).json()["takenOver"] is False
    assert (await ask(dialect, key, "Thanks")).json()["completionText"] != ""
    assert len(await said(dialect, key)) == 5


async def test_nobody_elses_session_can_be_taken_over(dialect: Dialect) -> None:
    chat = await new_chat(dialect)
    session = await chat.session()
    base = f"{CLIENTS}/{chat.id}/sessions/{session['sessionId']}"
    for verb, path in (("GET", ""), ("POST", "/takeover"), ("POST", "/release"), ("POST", "/messages")):
        body = {"text": "x"} if path == "/messages" else None
        assert (await dialect.stranger.request(verb, base + path, json=body)).status_code == 404
        unknown = f"{CLIENTS}/{chat.id}/sessions/{UNKNOWN}"
        assert (await dialect.client.request(verb, unknown + path, json=body)).status_code == 404
    blank = await dialect.client.post(f"{base}/messages", json={"text": "  "})
    assert (await dialect.visitor.get(public("wky_none", "/updates"))).status_code == 422
    assert (blank.status_code, blank.json()["details"]["path"]) == (400, "text")
