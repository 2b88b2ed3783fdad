"""The Gemini dialect over HTTP: content whole, as events and as one array, tools, counts, errors."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from tests.dialects.scripted_app import Served, served, stops_when_left
from tests.e2e.server import API_KEY

from dragoman.adapters.models.scripted import Rule, ScriptedCall, ScriptedUsage

_RULES = (
    Rule(
        match="^Hello",
        text="Good day to you.",
        reasoning="Politely.",
        usage=ScriptedUsage(prompt_tokens=9, completion_tokens=6, reasoning_tokens=2),
    ),
    Rule(match="weather", tool_calls=(ScriptedCall(name="weather", arguments='{"city": "Bonn"}'),)),
    Rule(match="too much", error="quota"),
    Rule(match="break", text="a b c", error="provider", error_after=2),
    Rule(match="slow", text="a b c d e f g h", delay_seconds=20),
)
_FUNCTIONS = [
    {
        "functionDeclarations": [
            {
                "name": "weather",
                "parameters": {
                    "type": "OBJECT",
                    "properties": {"city": {"type": "STRING", "nullable": True}},
                    "required": ["city"],
                },
            }
        ]
    }
]


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Served]:
    async with served(tmp_path_factory.mktemp("gemini"), *_RULES) as running:
        yield running


@pytest.fixture
async def client(server: Served) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"x-goog-api-key": API_KEY}
    async with httpx.AsyncClient(base_url=server.base, headers=headers, trust_env=False) as made:
        yield made


def _says(text: str, **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


def _path(method: str, model: str = "gemini-2.5-flash", prefix: str = "/server/google/v1beta") -> str:
    return f"{prefix}/models/{model}:{method}"


@pytest.mark.parametrize("prefix", ["/server/google/v1beta", "/server/google/v1", "/google/v1beta"])
async def test_content_comes_back_whole(prefix: str, client: httpx.AsyncClient, server: Served) -> None:
    config = {
        "maxOutputTokens": 20,
        "topK": 4,
        "stopSequences": ["END"],
        "thinking_config": {"thinkingBudget": 100},
    }
    body = _says("Hello", systemInstruction={"parts": [{"text": "Be kind."}]}, generation_config=config)
    answer = (await client.post(_path("generateContent", prefix=prefix), json=body)).json()
    assert answer["candidates"] == [
        {
            "content": {"role": "model", "parts": [{"text": "Good day to you."}]},
            "finishReason": "STOP",
            "index": 0,
        }
    ]
    assert answer["usageMetadata"] == {
        "promptTokenCount": 9,
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 15,
        "cachedContentTokenCount": 0,
    }
    assert answer["modelVersion"] == "scripted"
    asked = server.model.requests[-1]
    assert [message.role for message in asked.messages] == ["system", "user"]
    assert (asked.sampling.max_tokens, asked.sampling.top_k, asked.sampling.stop) == (20, 4, ("END",))


async def test_events_and_the_array_hold_the_same_pieces(client: httpx.AsyncClient) -> None:
    body = _says("Hello", generationConfig={"thinkingConfig": {"includeThoughts": True}})
    events = await client.post(_path("streamGenerateContent"), params={"alt": "sse"}, json=body)
    assert events.headers["content-type"].startswith("text/event-stream")
    framed = [json.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
    array = await client.post(_path("streamGenerateContent"), json=body)
    assert array.headers["content-type"] == "application/json"
    for pieces in (framed, array.json()):
        parts = [part for piece in pieces for part in piece["candidates"][0]["content"]["parts"]]
        assert "".join(part["text"] for part in parts if not part.get("thought")) == "Good day to you."
        assert "".join(part["text"] for part in parts if part.get("thought")) == "Politely."
        assert [piece["candidates"][0].get("finishReason") for piece in pieces][-1] == "STOP"
        assert pieces[-1]["usageMetadata"]["totalTokenCount"] == 15


async def test_functions_are_called_and_their_answers_taken(
    client: httpx.AsyncClient, server: Served
) -> None:
    mode = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}
    body = _says("weather?", tools=_FUNCTIONS, toolConfig=mode)
    answer = (await client.post(_path("generateContent"), json=body)).json()
    part = answer["candidates"][0]["content"]["parts"][0]
    assert part["functionCall"]["name"] == "weather"
    assert part["functionCall"]["args"] == {"city": "Bonn"}
    asked = server.model.requests[-1]
    assert asked.tools[0].parameters == {
        "type": "object",
        "properties": {"city": {"type": ["string", "null"]}},
        "required": ["city"],
    }
    assert asked.tool_choice is not None
    assert asked.tool_choice.function == "weather"
    bare = {"name": "weather", "args": {"city": "Bonn"}}
    body["contents"] += [
        {"role": "model", "parts": [{"functionCall": bare}, {"functionCall": bare}]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"sky": "grey"}}},
                {"functionResponse": {"name": "weather", "response": {"sky": "blue"}}},
                {"text": "Hello"},
            ],
        },
    ]
    del body["toolConfig"]
    assert (await client.post(_path("generateContent"), json=body)).status_code == 200
    told = server.model.requests[-1].messages
    assert [message.role for message in told] == ["user", "assistant", "tool", "tool", "user"]
    assert [call.id for call in told[1].tool_calls] == [told[2].tool_call_id, told[3].tool_call_id]


async def test_a_stream_ends_with_the_calls(client: httpx.AsyncClient) -> None:
    body = _says("weather?", tools=_FUNCTIONS)
    pieces = (await client.post(_path("streamGenerateContent"), json=body)).json()
    assert pieces[-1]["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"city": "Bonn"}


async def test_tokens_are_counted_and_models_listed(client: httpx.AsyncClient) -> None:
    short = (await client.post(_path("countTokens"), json=_says("Hello"))).json()
    whole = {"generateContentRequest": {"model": "models/x", **_says("Hello " * 50, tools=_FUNCTIONS)}}
    longer = (await client.post(_path("countTokens"), json=whole)).json()
    assert 0 < short["totalTokens"] < longer["totalTokens"]
    page = (await client.get("/server/google/v1beta/models", params={"pageSize": 1})).json()
    assert page["models"][0]["name"] == "models/scripted"
    assert "generateContent" in page["models"][0]["supportedGenerationMethods"]
    rest = (
        await client.get("/server/google/v1beta/models", params={"pageToken": page["nextPageToken"]})
    ).json()
    assert [model["name"] for model in rest["models"]] == ["models/extractive"]
    one = await client.get("/server/google/v1beta/models/gemini-1.5-pro")
    assert one.json()["name"] == "models/scripted"


async def test_the_key_may_stand_in_any_of_its_places(server: Served) -> None:
    path = "/server/google/v1beta/models"
    async with httpx.AsyncClient(base_url=server.base, trust_env=False) as nobody:
        for headers, query in (
            ({"authorization": f"Bearer {API_KEY}"}, {}),
            ({"x-api-key": API_KEY}, {}),
            ({"x-access-tokens": API_KEY}, {}),
            ({}, {"key": API_KEY}),
        ):
            assert (await nobody.get(path, headers=headers, params=query)).status_code == 200
        refused = await nobody.get(path)
        assert (refused.status_code, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


async def test_errors_have_the_dialects_shape(client: httpx.AsyncClient) -> None:
    for path, body, status, word in (
        (_path("generateContent"), {"contents": []}, 400, "contents"),
        (_path("generateContent"), _says("x", generationConfig={"temperature": 9}), 400, "temperature"),
        (_path("generateContent"), _says("x", generationConfig={"candidateCount": 3}), 400, "candidateCount"),
        (_path("generateContent"), _says("x", tools=[{"googleSearch": {}}]), 400, "googleSearch"),
        (_path("generateContent"), {"contents": [{"parts": [{}]}]}, 400, "contents[0].parts[0]"),
        (_path("generateContent", "no-such"), _says("x"), 404, "no-such"),
        (_path("paintPicture"), _says("x"), 404, "paintPicture"),
        (_path("generateContent"), _says("too much"), 429, "script"),
        (_path("streamGenerateContent"), _says("too much"), 429, "script"),
    ):
        answer = await client.post(path, json=body)
        assert answer.status_code == status, answer.text
        error = answer.json()["error"]
        assert error["code"] == status
        assert word in error["message"]
    broken = (await client.post(_path("streamGenerateContent"), json=_says("break"))).json()
    assert broken[-1]["error"]["status"] == "UNAVAILABLE"
    events = await client.post(_path("streamGenerateContent"), params={"alt": "sse"}, json=_says("break"))
    assert '"error"' in events.text.strip().splitlines()[-1]


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent"])
async def test_a_client_that_hangs_up_stops_the_model(method: str, server: Served) -> None:
    await stops_when_left(server, _path(method), _says("slow"), API_KEY)
