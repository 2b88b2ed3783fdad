"""Odd values in every place of requests that are not described by a document: refused or taken, never a crash."""

import copy
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest
from fuzzed import ODD, RAW, places
from tests.dialects.asksage.asksage_scripted import Scripted, scripted_app

_MESSAGES: dict[str, Any] = {
    "model": "scripted",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "Be short."}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "t", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "x"}]}]},
    ],
    "tools": [{"name": "t", "description": "d", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "auto"},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "temperature": 0.5,
}  # fmt: skip
_CONTENT: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "t", "args": {"a": 1}, "id": "c"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "t", "response": {"b": 2}, "id": "c"}}]},
    ],
    "systemInstruction": {"parts": [{"text": "Be short."}]},
    "tools": [{"functionDeclarations": [{"name": "t", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["t"]}},
    "generationConfig": {"temperature": 1, "stopSequences": ["END"], "thinkingConfig": {"thinkingBudget": 9}},
}  # fmt: skip
_REQUESTS = {
    "/anthropic/v1/messages": _MESSAGES,
    "/anthropic/v1/messages/count_tokens": _MESSAGES,
    "/google/v1beta/models/scripted:generateContent": _CONTENT,
    "/google/v1beta/models/scripted:streamGenerateContent": _CONTENT,
    "/google/v1beta/models/scripted:countTokens": _CONTENT,
}


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Scripted]:
    with pytest.MonkeyPatch.context() as patch:
        async with scripted_app(tmp_path_factory.mktemp("odd") / "data", patch) as running:
            yield running


def _bodies(body: dict[str, Any]) -> list[bytes]:
    bodies = list(RAW)
    for number, place in enumerate(places(body)):
        # Every value comes in some place, and every place gets some values.
        for value in ODD[number % 5 :: 5]:
            changed: Any = copy.deepcopy(body)
            holder: Any = changed
            for step in place[:-1]:
                holder = holder[step]
            holder[place[-1]] = value
            try:
                bodies.append(orjson.dumps(changed))
            except TypeError:  # what JSON cannot hold is in RAW
                continue
    return bodies


@pytest.mark.parametrize("path", list(_REQUESTS))
async def test_no_odd_value_breaks_an_operation(path: str, app: Scripted) -> None:
    taken = 0
    for body in _bodies(_REQUESTS[path]):
        answer = await app.app.client.post(path, content=body)
        assert answer.status_code < 500, (body[:500], answer.text)
        taken += answer.status_code == 200
        if answer.status_code != 200:
            assert answer.json()["error"]["message"], body[:500]
    assert taken
