"""Odd values in every place of whole, sound bodies of settings and questions: taken or refused by name, never a crash."""

import copy
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest
from fuzzed import ODD, places
from tests.dialects.asksage.asksage_scripted import Scripted, scripted_app

_STEP = 7
_SOURCE = {
    "name": "docs",
    "description": "d",
    "url": "https://mcp.example.org/x",
    "headers": {"A": "b"},
    "cacheDuration": 30,
}
_TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "d", "parameters": {"type": "object"}},
}
_CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
_CHAT: dict[str, Any] = {
    "model": "scripted",
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "content": None, "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ],
    "stream": False,
    "stream_options": {"include_usage": True},
    "temperature": 1, "top_p": 0.5, "top_k": 3, "presence_penalty": 0, "frequency_penalty": 0, "seed": 1,
    "stop": ["END"], "max_tokens": 9, "max_completion_tokens": 9, "n": 1, "user": "u", "reference": "r",
    "tools": [_TOOL], "tool_choice": {"type": "function", "function": {"name": "look"}}, "parallel_tool_calls": True,
    "reasoning_effort": "low", "verbosity": "low", "metadata": {"a": "b"}, "idempotency_key": "k",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "builtin_tools": {"tools": ["Code"], "options": {"web_search_max_results": 3, "web_search_mode": "full"}},
    "multimodal_preprocess": ["Image"], "tool_invocation_explanations": False, "rendering_mode": "textual_blocks",
}  # fmt: skip
_FUNCTION = {
    "name": "getOrder", "description": "d", "headers": {"A": "b"}, "callbackUrl": "https://a.example.org/",
    "contentFormat": {"type": "object"},
}  # fmt: skip
_ROUTING = {
    "lowComplexityModelName": "a", "lowComplexityModelReasoningEffort": "low", "mediumComplexityModelName": "b",
    "highComplexityModelName": "c",
}  # fmt: skip
_GATEWAY: dict[str, Any] = {
    "name": "bot",
    "parameters": {
        "baseAddress": "https://models.example.org/v1", "modelName": "m", "apiKey": "k",
        "skills": [], "hideToolsWithoutSkill": True, "alwaysVisibleTools": ["web_search"], "enableBash": True,
        "bashOptions": {"allowDataPersistence": True, "toolList": ["web_search"], "toolExclusionMode": "BlackList"},
        "knowledgeCollections": [], "knowledgeBaseMaximumResults": 7, "knowledgeBaseMinimumScore": 0.3,
        "knowledgeUseReferences": True, "knowledgeUseMetaDescriptions": True, "queryStrategy": "UserRewrite",
        "queryStrategyParameters": {"rewriteContextSize": 4, "concatenateContextSize": 5}, "temperature": 0.4, "topP": 0.9,
        "presencePenalty": 0.1, "frequencyPenalty": 0.2, "stop": "END", "maxCompletionTokens": 100, "contextMaximumSize": 4000,
        "contextOverflowAction": "Truncate", "systemInstruction": "Be kind.", "workerScriptSource": "https://worker.example.org/",
        "userPromptTemplate": "Q: {prompt}", "assistantPrefill": "Sure", "includePrefillingInMessages": True,
        "reasoningEffort": "low", "verbosity": "high", "flags": ["NoTemperature"], "tools": [_TOOL],
        "protocolFunctions": [_FUNCTION],
        "protocolFunctionSources": ["https://a.example.org/f"], "mcpSources": [_SOURCE], "systemInstructionsSources": [_SOURCE],
        "enabledMultimodalFeatures": ["Image"], "toolContextCount": 2, "sentinelOptions": {"enabledFunctions": ["Code"]},
        "builtinFunctionsOptions": {"webSearchMode": "Summarized", "webSearchMaxResults": 3, "imageGenerationQuality": "Low"},
        "moderationParameters": {"violenceThreshold": 10, "sexualExplicitThreshold": 0}, "knownToolHandlerName": "native",
        "toolInvocationExplanations": True, "additionalSettings": {"a": {"b": 1}},
        "modelRoutingParameters": _ROUTING,
    },
}  # fmt: skip
_CLIENT: dict[str, Any] = {
    "name": "shop",
    "limitingParameters": {"messagesPerHour": 5, "maxMessages": 50},
    "clientParameters": {
        "languageCode": "en", "suggestionButtons": [{"label": "a", "prompt": "b"}], "customScripts": "1", "customStyles": "a{}",
        "inputModes": ["Image"], "primaryColor": "teal", "pageTitle": "t", "logoImageUrl": "https://a.example/x.png", "debug": True,
        "allowedFrameOrigins": ["https://a.example"], "audioSynthesisSource": "ElevenV3", "audioSynthesisVoice": "anna",
        "maxScheduledIgnoredZone": "2.03:00:00", "messageDebounceInterval": 2.5,
    },
}  # fmt: skip
_SKILL: dict[str, Any] = {
    "slug": "writing",
    "description": "d",
    "instructions": "i",
    "options": {"instructionSources": [_SOURCE], "allowedToolsNames": ["web_search"]},
}
_QUERY: dict[str, Any] = {
    "message": [{"user": "me", "message": "Hi"}], "persona": 1, "dataset": ["none"], "limit_references": 3, "temperature": 0.5,
    "live": 1, "model": "scripted", "system_prompt": "s", "tools": [_TOOL], "tool_choice": "auto", "reasoning_effort": "low",
    "max_tokens": 9, "usage": True, "streaming": False, "mode": "chat", "timezone": "UTC",
}  # fmt: skip
_SERVER = {
    "server_name": "crm", "server_url": "https://mcp.example.org/x", "server_type": "http", "description": "d",
    "metadata_json": {"headers": {"A": "b"}},
}  # fmt: skip
_RESPONSE: dict[str, Any] = {
    "model": "scripted", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}], "instructions": "s",
    "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}], "tool_choice": "auto", "store": True,
    "text": {"format": {"type": "text"}}, "reasoning": {"effort": "low"}, "max_output_tokens": 16, "temperature": 1,
    "stream": False, "metadata": {"a": "b"}, "previous_response_id": None,
}  # fmt: skip
_REQUESTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": _CHAT,
    "/v1/responses": _RESPONSE,
    "/v1/embeddings": {"model": "m", "input": ["a"], "encoding_format": "float", "user": "u"},
    "/api/v1/ai-gateways": _GATEWAY,
    "/api/v1/web-chat-client": _CLIENT,
    "/api/v1/skills": _SKILL,
    "/api/v1/accounts/api-key": {"label": "l", "duration": 3, "type": "Private"},
    "/server/query": _QUERY,
    "/server/add-mcp-server": _SERVER,
}


@pytest.fixture(scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncGenerator[Scripted]:
    with pytest.MonkeyPatch.context() as patch:
        async with scripted_app(tmp_path_factory.mktemp("odd") / "data", patch) as running:
            yield running


def _bodies(body: dict[str, Any]) -> list[tuple[tuple[Any, ...], bytes]]:
    bodies: list[tuple[tuple[Any, ...], bytes]] = [((), orjson.dumps(body))]
    for number, place in enumerate(places(body)):
        # Every value comes in some place, and every place gets some values.
        for value in ODD[number % _STEP :: _STEP]:
            changed: Any = copy.deepcopy(body)
            holder: Any = changed
            for step in place[:-1]:
                holder = holder[step]
            holder[place[-1]] = value
            try:
                bodies.append((place, orjson.dumps(changed)))
            except TypeError:  # what JSON cannot hold
                continue
    return bodies


def _problem(body: Any) -> str:
    """The sentence of an error in any dialect's form."""
    error = body["error"]
    return str(error["message"] if isinstance(error, dict) else error)


@pytest.mark.parametrize("path", list(_REQUESTS))
async def test_no_odd_value_in_a_sound_body_breaks_an_operation(path: str, app: Scripted) -> None:
    statuses: list[int] = []
    for place, body in _bodies(_REQUESTS[path]):
        answer = await app.app.client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code < 500 or answer.status_code == 503, (place, body[:500], answer.text)
        if answer.status_code >= 400:
            assert _problem(answer.json()), (place, body[:500])
        statuses.append(answer.status_code)
    assert statuses[0] in (200, 503), "the sound body itself is taken"
    assert {status for status in statuses if status != statuses[0]} & {400, 409}


async def test_what_a_gateway_takes_it_can_also_be_asked_with(app: Scripted) -> None:
    sound = copy.deepcopy(_GATEWAY)
    sound["parameters"] |= {
        "baseAddress": "@integrated", "modelName": "scripted", "workerScriptSource": None, "protocolFunctionSources": [],
        "contextMaximumSize": 100_000, "modelRoutingParameters": None, "additionalSettings": None,
    }  # fmt: skip
    asked = 0
    for place, body in _bodies(sound):
        made = await app.app.client.post("/api/v1/ai-gateways", content=body)
        if made.status_code == 200:
            question = {"model": made.json()["aiGatewayId"], "messages": [{"role": "user", "content": "hi"}]}
            answer = await app.app.client.post("/v1/chat/completions", json=question)
            assert answer.status_code in (200, 400, 404), (place, answer.text)
            asked += answer.status_code == 200
    assert asked
