"""What a gateway's settings do to a conversation, seen from the client and from the provider."""

import json
from collections.abc import Iterator

import pytest
from tests.dialects.openai.gateway_server import (
    KEY,
    MODELS,
    Play,
    Provider,
    World,
    calls,
    chunks,
    content,
    says,
    text_of,
)
from tests.e2e.server import Server


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    provider = Provider()
    config = f"""
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
[chat]
ping_seconds = 0.3
[media]
vision_model = "seeing"
[prices.models.house]
input = 2.5
output = 10
cached = 1.25
[prices.models.small]
input = 0.1
output = 0.4
"""
    with (
        Server(tmp_path_factory.mktemp("semantics") / "data", config=config) as server,
        server.client() as client,
    ):
        yield World(server, provider, client)
    provider.close()


def test_the_template_wraps_every_user_turn(world: World) -> None:
    gateway = world.gateway(userPromptTemplate="Q: {prompt}")
    history = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
    ]
    world.ask(gateway, messages=history)
    assert world.sent() == [("user", "Q: one"), ("assistant", "1"), ("user", "Q: two")]


def test_without_system_instructions_the_provider_gets_no_system_role(world: World) -> None:
    gateway = world.gateway(systemInstruction="Be brief.", flags=["NoSystemInstruct"])
    world.ask(gateway)
    assert world.sent() == [("user", "Be brief."), ("user", "hello")]


def test_strict_turns_are_merged_so_that_roles_alternate(world: World) -> None:
    gateway = world.gateway(
        systemInstruction="Be brief.", flags=["NoSystemInstruct", "StrictUserAssistantTurns"]
    )
    world.ask(gateway, messages=[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])
    assert world.sent() == [("user", "Be brief.\n\na\n\nb")]


def test_parameters_that_a_model_does_not_take_are_not_sent(world: World) -> None:
    settings = {"temperature": 0.5, "stop": "END", "reasoningEffort": "high", "topP": 0.9}
    gateway = world.gateway(**settings, flags=["NoTemperature", "NoStopParameter", "NoReasoningEffort"])
    world.ask(gateway, temperature=0.1)
    body = world.provider.bodies[0]
    assert body["top_p"] == 0.9
    assert not {"temperature", "stop", "reasoning_effort"} & set(body)


def test_a_request_goes_before_the_gateways_settings(world: World) -> None:
    gateway = world.gateway(temperature=0.5, maxCompletionTokens=50, stop="END", systemInstruction="x")
    world.ask(gateway, temperature=0.1, max_completion_tokens=7)
    body = world.provider.bodies[0]
    assert (body["temperature"], body["max_tokens"], body["stop"]) == (0.1, 7, ["END"])


@pytest.mark.parametrize(
    ("flags", "text", "reasoning"),
    [
        (["ThinkingProcess"], "Four.", None),
        (["ThinkingProcess", "ReturnReasoningTokens"], "Four.", "2+2 is 4"),
        (["ThinkingProcess", "PreserveThinkingTokens"], "<think>2+2 is 4</think>\n\nFour.", None),
        (["ThinkingProcess", "ReturnReasoningTokens", "DisableReasoningSummary"], "Four.", None),
    ],
)
def test_thoughts_in_the_text_are_split_off_and_shown_as_the_flags_say(
    world: World, flags: list[str], text: str, reasoning: str | None
) -> None:
    play = says("<thi", "nk>2+2 is", " 4</th", "ink>\n\nFo", "ur.")
    gateway = world.gateway(flags=flags)
    message = world.ask(gateway, plays=(play,))["choices"][0]["message"]
    assert (message["content"], message.get("reasoning")) == (text, reasoning)
    lines = world.stream(gateway, plays=(play,))
    assert text_of(lines) == text
    streamed = "".join(
        choice["delta"].get("reasoning", "") for chunk in chunks(lines) for choice in chunk["choices"]
    )
    assert (streamed or None) == reasoning


def test_stored_reasoning_goes_back_only_where_the_model_wants_it(world: World) -> None:
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "A", "reasoning": "because"},
        {"role": "user", "content": "b"},
    ]
    world.ask(world.gateway(flags=["ThinkingProcess"]), messages=history)
    assert world.sent()[1] == ("assistant", "A")
    world.ask(world.gateway(flags=["ThinkingProcess", "IncludeStoredReasoning"]), messages=history)
    assert world.sent()[1] == ("assistant", "<think>\nbecause\n</think>\nA")
    world.ask(world.gateway(flags=["IncludeStoredReasoning"]), messages=history)
    assert world.provider.bodies[0]["messages"][1]["reasoning_content"] == "because"


@pytest.mark.parametrize(
    ("include", "pieces", "text"),
    [
        (False, ("42.",), "42."),
        (True, ("42.",), "The answer is 42."),
        (True, ("The answer", " is 42."), "The answer is 42."),
        (False, ("The answer is ", "42."), "42."),
    ],
)
def test_the_prefill_starts_the_answer_and_is_shown_once_if_at_all(
    world: World, include: bool, pieces: tuple[str, ...], text: str
) -> None:
    gateway = world.gateway(assistantPrefill="The answer is ", includePrefillingInMessages=include)
    assert content(world.ask(gateway, plays=(says(*pieces),))) == text
    assert world.sent()[-1] == ("assistant", "The answer is ")


def test_a_model_without_prefilling_is_given_none(world: World) -> None:
    gateway = world.gateway(
        assistantPrefill="X", includePrefillingInMessages=True, flags=["NoAssistantPrefilling"]
    )
    assert content(world.ask(gateway)) == "ok."
    assert world.sent() == [("user", "hello")]


def test_of_a_diffusing_stream_only_the_last_draft_counts(world: World) -> None:
    gateway = world.gateway(flags=["DiffusingStream"])
    lines = world.stream(gateway, plays=(says("H__", "He_o", "Hello"),))
    assert text_of(lines) == "Hello"


def test_tool_calls_are_told_as_text_where_the_model_knows_none(world: World) -> None:
    gateway = world.gateway(flags=["RewriteToolCallsAsUserMessages"])
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Lviv"}'}}
    history = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    world.ask(gateway, messages=history)
    assert world.sent() == [("user", "weather?"), ("user", '[Result of weather with {"city":"Lviv"}]\nsunny')]


def test_only_the_last_tool_results_keep_their_content(world: World) -> None:
    gateway = world.gateway(toolContextCount=1)
    history: list[dict[str, object]] = [{"role": "user", "content": "go"}]
    for number in ("1", "2"):
        call = {"id": number, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        history += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": number, "content": f"result {number}"},
        ]
    world.ask(gateway, messages=history)
    told = [text for role, text in world.sent() if role == "tool"]
    assert told == ["[tool response truncated - call this tool again]", "result 2"]


def test_a_conversation_over_the_bound_is_refused_or_cut(world: World) -> None:
    long = [
        {"role": "user", "content": "a" * 400},
        {"role": "assistant", "content": "b" * 400},
        {"role": "user", "content": "last"},
    ]
    status, error = world.refused(world.gateway(contextMaximumSize=50), messages=long)
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert world.provider.bodies == []
    gateway = world.gateway(contextMaximumSize=50, contextOverflowAction="Truncate", systemInstruction="sys")
    world.ask(gateway, messages=long)
    assert world.sent() == [("system", "sys"), ("user", "last")]


def test_a_gateways_own_tools_are_offered_and_a_requests_replace_them(world: World) -> None:
    def tool(name: str) -> dict[str, object]:
        return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}

    gateway = world.gateway(tools=[tool("weather")])
    answer = world.ask(gateway, plays=(calls(("weather", {"city": "Lviv"})),))
    assert [each["function"]["name"] for each in world.provider.bodies[0]["tools"]] == ["weather"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "weather"
    world.ask(gateway, tools=[tool("time")])
    assert [each["function"]["name"] for each in world.provider.bodies[0]["tools"]] == ["time"]


def test_instructions_at_an_address_follow_the_systems_and_are_fetched_once(world: World) -> None:
    world.provider.files["/rules"] = (200, "text/plain", b"Never say no.")
    source = {"name": "rules", "url": f"{world.provider.origin}/rules", "headers": {"x-who": "me"}}
    gone = {"name": "gone", "url": f"{world.provider.origin}/missing"}
    gateway = world.gateway(systemInstruction="Be brief.", systemInstructionsSources=[source, gone])
    world.ask(gateway)
    assert world.sent()[0] == ("system", "Be brief.\n\nNever say no.")
    assert {path for path, _ in world.provider.fetched} == {"/rules", "/missing"}
    assert next(headers["x-who"] for path, headers in world.provider.fetched if path == "/rules") == "me"
    world.ask(gateway)
    assert world.sent()[0] == ("system", "Be brief.\n\nNever say no.")
    assert world.provider.fetched == []


def test_stale_instructions_go_on_when_their_address_fails(world: World) -> None:
    world.provider.files["/changing"] = (200, "text/plain", b"Old rule.")
    source = {"name": "rules", "url": f"{world.provider.origin}/changing", "cacheDuration": 0}
    gateway = world.gateway(systemInstructionsSources=[source])
    world.ask(gateway)
    world.provider.files["/changing"] = (200, "text/plain", b"New rule.")
    world.ask(gateway)
    assert world.sent()[0] == ("system", "New rule.")
    world.provider.files["/changing"] = (500, "text/plain", b"broken")
    world.ask(gateway)
    assert world.sent()[0] == ("system", "New rule.")


def test_an_unknown_tool_protocol_fails_the_inference(world: World) -> None:
    status, error = world.refused(world.gateway(knownToolHandlerName="telepathy"))
    assert (status, error["code"]) == (400, "unknown_tool_protocol")
    world.ask(world.gateway(knownToolHandlerName="native"))


def test_routing_asks_one_token_and_then_the_model_of_that_level(world: World) -> None:
    gateway = world.gateway(
        baseAddress="@integrated",
        modelName="house",
        temperature=0.3,
        modelRoutingParameters={
            "lowComplexityModelName": "small",
            "mediumComplexityModelName": "middle",
            "highComplexityModelName": "large",
            "highComplexityModelReasoningEffort": "high",
        },
    )
    world.provider.forget()
    world.provider.plays.extend([says("high"), says("Deep thought.")])
    answer = world.post(gateway, "prove it")
    classified, answered = world.provider.bodies
    assert (classified["model"], classified["max_tokens"]) == ("small", 1)
    assert (answered["model"], answered["reasoning_effort"], answered["temperature"]) == (
        "large",
        "high",
        0.3,
    )
    assert answer.headers["x-model-routed-complexity"] == "high"
    assert answer.json()["model"] == "large"
    skus = [line["sku"] for line in answer.json()["generation_context"]["generated_usage"]]
    assert "inference.resolving.routing_complexity.in" in skus
    assert "inference.resolving.routing_complexity.out" in skus
    assert "inference.chat_completions.out" in skus
    assert answer.json()["usage"]["completion_tokens"] == 10


@pytest.mark.parametrize("play", [Play(status=400), says("banana"), Play(status=500)])
def test_a_classifier_that_fails_means_medium(world: World, play: Play) -> None:
    gateway = world.gateway(
        modelRoutingParameters={f"{level}ComplexityModelName": level for level in ("low", "medium", "high")}
    )
    world.provider.forget()
    world.provider.plays.extend([play, play] if play.status == 500 else [play])
    with world.client.stream(
        "POST",
        "/v1/chat/completions",
        json={"model": gateway, "stream": True, "messages": [{"role": "user", "content": "x"}]},
    ) as answer:
        lines = answer.read().decode().split("\n")
        assert answer.headers["x-model-routed-complexity"] == "medium"
    assert {chunk["model"] for chunk in chunks(lines)} == {"medium"}
    assert world.provider.bodies[-1]["model"] == "medium"


def test_usage_lines_are_priced_from_the_table_and_add_up_to_the_cost(world: World) -> None:
    gateway = world.gateway(baseAddress="@integrated", modelName="house", systemInstruction="x")
    answer = world.ask(gateway)
    lines = answer["generation_context"]["generated_usage"]
    assert {line["sku"]: line["quantity"] for line in lines} == {
        "inference.chat_completions.in": 60,
        "inference.chat_completions.in.cached": 40,
        "inference.chat_completions.out": 10,
    }
    for line in lines:
        assert line["amount"] == pytest.approx(line["unit_price"] * line["quantity"])
    assert sum(line["amount"] for line in lines) == pytest.approx((60 * 2.5 + 40 * 1.25 + 10 * 10) / 1e6)
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (60, 10, 110)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] + 40


def test_a_stream_ends_with_finish_usage_context_and_the_terminator(world: World) -> None:
    gateway = world.gateway(systemInstruction="x")
    lines = world.stream(gateway, plays=(says("Hel", "lo"),))
    assert lines[-1] == "data: [DONE]"
    told = chunks(lines)
    assert [chunk["usage"] for chunk in told[:-1]] == [None] * (len(told) - 1)
    assert told[-1]["choices"][0]["finish_reason"] == "stop"
    assert told[-1]["usage"]["total_tokens"] == 110
    assert told[-1]["generation_context"]["runned_functions"] == []
    with_usage = chunks(world.stream(gateway, stream_options={"include_usage": True}))
    assert [chunk["usage"] is None for chunk in with_usage].count(False) == 1
    assert with_usage[-1]["choices"] == []
    assert with_usage[-2]["choices"][0]["finish_reason"] == "stop"


def test_a_silent_stream_is_pinged_unless_the_client_does_not_want_it(world: World) -> None:
    gateway = world.gateway(systemInstruction="x")
    stall = Play(("late",), stall_seconds=1.0)
    lines = world.stream(gateway, plays=(stall,))
    assert lines.count(": ping") >= 2
    assert text_of(lines) == "late"
    quiet = world.stream(gateway, plays=(stall,), headers={"Sse-Stream-Options": "no-ping"})
    assert ": ping" not in quiet
    assert text_of(quiet) == "late"


def test_what_fails_before_any_output_has_its_own_status_and_later_comes_in_band(world: World) -> None:
    gateway = world.gateway(systemInstruction="x")
    world.provider.forget()
    world.provider.plays.append(Play(status=400))
    assert world.post(gateway, stream=True).status_code == 400
    # The pings have begun the answer before the provider refuses.
    lines = world.stream(gateway, plays=(Play(status=400, stall_seconds=0.8),))
    assert lines[0] == ": ping"
    assert chunks(lines)[-1]["error"]["type"] == "invalid_request_error"
    assert lines[-1] == "data: [DONE]"


def test_a_client_that_hangs_up_ends_the_providers_work_soon(world: World) -> None:
    gateway = world.gateway(systemInstruction="x")
    world.provider.forget()
    world.provider.hung_up.clear()
    world.provider.plays.append(Play(("late",), stall_seconds=10))
    body = {"model": gateway, "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with world.client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert next(line for line in answer.iter_lines() if line) == ": ping"
    assert world.provider.hung_up.wait(2)
    assert content(world.ask(gateway)) == "ok."


def test_a_model_that_sees_describes_pictures_once_for_one_that_does_not(world: World) -> None:
    gateway = world.gateway(enabledMultimodalFeatures=["Image"])
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": pixel}}]
    answer = world.ask(gateway, messages=[{"role": "user", "content": parts}], plays=(says("A red dot."),))
    seeing, answered = world.provider.bodies
    assert seeing["model"] == "seeing"
    assert seeing["messages"][-1]["content"][-1]["image_url"]["url"] == pixel
    assert answered["messages"][-1]["content"] == "What is it?\n[Picture picture]\nA red dot."
    skus = [line["sku"] for line in answer["generation_context"]["generated_usage"]]
    assert "inference.resolving.multimodal.out" in skus
    world.ask(gateway, messages=[{"role": "user", "content": parts}])
    assert len(world.provider.bodies) == 1


def test_calls_written_as_text_become_tool_calls(world: World) -> None:
    gateway = world.gateway(knownToolHandlerName="react.v1.selfcall", systemInstruction="Be brief.")
    viewed = world.client.get(f"/api/v1/ai-gateways/{gateway}").json()["parameters"]
    assert viewed["knownToolHandlerName"] == "react.v1.selfcall"
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    wish = ("Let me look. <tool", '_call>{"name": "weather", "argu', 'ments": {"city": "Lviv"}}</tool_call>')
    answer = world.ask(gateway, tools=[tool], plays=(says(*wish),))
    body = world.provider.bodies[0]
    assert "tools" not in body
    assert body["messages"][0]["content"].startswith("Be brief.")
    assert "- weather:" in body["messages"][0]["content"]
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    call = choice["message"]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"city": "Lviv"}
    history = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    world.ask(gateway, messages=history, tools=[tool], plays=(says("1 < 2, and it is sunny."),))
    assert [role for role, _ in world.sent()] == ["system", "user", "user"]
    assert content(world.ask(gateway, plays=(says("a <", "b> c"),))) == "a <b> c"


def test_blocks_tell_thoughts_and_answer_apart_in_one_text(world: World) -> None:
    gateway = world.gateway(flags=["ThinkingProcess", "ReturnReasoningTokens"])
    text = content(
        world.ask(gateway, plays=(says("<think>hm</think>", "Yes."),), rendering_mode="textual_blocks")
    )
    assert text == (
        "<thinking-group><think>hm</think></thinking-group>\n<assistant-answer>Yes.</assistant-answer>\n"
    )
