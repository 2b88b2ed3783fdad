"""Answers that must be JSON of a schema, and the further fields of a request."""

import json
from collections.abc import Iterator
from typing import Any

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
)
from tests.e2e.server import Server

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "paid": {"type": "bool"}},
    "required": ["name", "paid"],
}
RIGHT = '{"name": "Ana", "paid": true}'
VALUE = {"name": "Ana", "paid": True}
WRONG = '{"name": "Ana", "paid": "perhaps"}'


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
"""
    with (
        Server(tmp_path_factory.mktemp("structured") / "data", config=config) as server,
        server.client() as client,
    ):
        yield World(server, provider, client)
    provider.close()


@pytest.fixture(scope="module")
def gateway(world: World) -> str:
    return world.gateway(systemInstruction="Extract.")


def test_broken_json_is_asked_for_again_with_what_was_wrong(world: World, gateway: str) -> None:
    answer = world.ask(gateway, plays=(says("no idea"), says(WRONG), says(RIGHT)), response_schema=SCHEMA)
    assert json.loads(content(answer)) == VALUE
    assert len(world.provider.bodies) == 3
    assert "holds no JSON" in world.sent(1)[-1][1]
    assert "$.paid: 'perhaps' is not of type 'boolean'" in world.sent(2)[-1][1]
    assert world.sent(2)[-2] == ("assistant", WRONG)
    assert '"required"' in world.sent(0)[0][1], "the schema stands in the system text"
    assert "response_format" not in world.provider.bodies[0]
    assert answer["usage"]["completion_tokens"] == 30, "every attempt is billed"
    lines = answer["generation_context"]["generated_usage"]
    assert [line["quantity"] for line in lines if line["sku"].endswith(".out")] == [10, 10, 10]


@pytest.mark.parametrize(
    "text",
    [
        f"Here you go:\n```json\n{RIGHT}\n```\nAnything else?",
        f"<b>{RIGHT}</b>",
        "{name: 'Ana', 'paid': true,",
        f"{RIGHT[:-1]}",
    ],
)
def test_json_that_is_only_wrapped_or_cut_is_mended_without_another_call(
    world: World, gateway: str, text: str
) -> None:
    answer = world.ask(gateway, plays=(says(text),), response_schema=SCHEMA)
    assert json.loads(content(answer)) == VALUE
    assert len(world.provider.bodies) == 1


def test_attempts_that_run_out_are_an_error_with_what_was_wrong(world: World, gateway: str) -> None:
    status, error = world.refused(gateway, plays=(says(WRONG),) * 5, response_schema=SCHEMA)
    assert (status, error["code"]) == (422, "structured_output_failed")
    assert "$.paid" in error["param"]
    assert len(world.provider.bodies) == 3


def format_with(attempts: object) -> dict[str, object]:
    described = {"name": "x", "schema": SCHEMA, "healing_options": {"max_attempts": attempts}}
    return {"type": "json_schema", "json_schema": described}


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_number_of_attempts_is_the_requests(world: World, gateway: str, attempts: int) -> None:
    plays = (says(WRONG),) * 9
    status, _ = world.refused(gateway, plays=plays, response_format=format_with(attempts))
    assert (status, len(world.provider.bodies)) == (422, attempts)
    sent = world.provider.bodies[0]["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}


@pytest.mark.parametrize("attempts", [0, 11, "3", True])
def test_a_number_of_attempts_out_of_bounds_is_refused(world: World, gateway: str, attempts: object) -> None:
    status, error = world.refused(gateway, response_format=format_with(attempts))
    assert (status, error["param"]) == (400, "response_format.json_schema.healing_options.max_attempts")


def test_a_schema_that_is_announced_and_missing_is_an_error(world: World) -> None:
    status, error = world.refused("house", response_format={"type": "json_schema"})
    assert (status, error["param"]) == (400, "response_format.json_schema")


def test_healing_options_work_with_a_bare_model_too(world: World) -> None:
    answer = world.ask("house", plays=(says(WRONG), says(RIGHT)), response_format=format_with(2))
    assert json.loads(content(answer)) == VALUE


def test_the_flags_send_the_schema_to_the_provider(world: World) -> None:
    native = world.gateway(flags=["StructuredOutputSupport"])
    world.ask(native, plays=(says(RIGHT),), response_schema=SCHEMA)
    assert world.provider.bodies[0]["response_format"]["json_schema"].get("strict") is None
    assert world.sent() == [("user", "hello")]
    strict = world.gateway(flags=["OpenAiStrictJson"])
    world.ask(strict, plays=(says(RIGHT),), response_schema=SCHEMA)
    assert world.provider.bodies[0]["response_format"]["json_schema"]["strict"] is True


def test_json_only_makes_the_json_the_whole_body(world: World, gateway: str) -> None:
    world.provider.forget()
    world.provider.plays.extend([says(WRONG), says(RIGHT)])
    answer = world.post(gateway, response_schema=SCHEMA, json_only=True)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == VALUE
    lines = world.stream(gateway, plays=(says(RIGHT),), response_schema=SCHEMA, json_only=True)
    assert lines[1:] == ["data: [DONE]"]
    assert json.loads(lines[0].removeprefix("data: ")) == VALUE


def test_json_only_without_a_schema_takes_any_json(world: World, gateway: str) -> None:
    world.provider.forget()
    world.provider.plays.append(says("Sure! [1, 2]"))
    assert world.post(gateway, json_only=True).json() == [1, 2]


def test_a_stream_with_a_schema_gives_the_right_json_once(world: World, gateway: str) -> None:
    lines = world.stream(gateway, plays=(says(WRONG), says(RIGHT)), response_schema=SCHEMA)
    texts = [choice["delta"].get("content") for chunk in chunks(lines) for choice in chunk["choices"]]
    assert [json.loads(text) for text in texts if text] == [VALUE]


def test_healing_looks_at_the_text_after_tool_calls_and_leaves_those_alone(
    world: World, gateway: str
) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    answer = world.ask(gateway, plays=(calls(("look", {"q": 1})),), response_schema=SCHEMA, tools=[tool])
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert len(world.provider.bodies) == 1


def test_the_prefill_counts_as_part_of_the_json(world: World) -> None:
    gateway = world.gateway(assistantPrefill='{"name":')
    answer = world.ask(gateway, plays=(says(' "Ana", "paid": true}'),), response_schema=SCHEMA)
    assert json.loads(content(answer)) == VALUE


def test_an_account_may_have_every_json_answer_healed(world: World) -> None:
    plain = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    for heals, asked in ((False, 1), (True, 2), (False, 1)):
        changed = world.client.put(
            "/api/v1/accounts", json={"name": "Ana", "parameters": {"automaticJsonHealing": heals}}
        )
        assert changed.status_code == 200
        for _ in range(2):
            world.provider.forget()
            world.provider.plays.extend([says(WRONG), says(RIGHT)])
            answer = world.post("house", response_format=plain, stream=True)
            assert answer.status_code == 200
            assert len(world.provider.bodies) == asked


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "nonsense"}, "not a JSON Schema"),
        ({"$ref": "http://127.0.0.1/schema.json"}, "references inside"),
        ({"allOf": 3}, "not a JSON Schema"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_before_any_call(
    world: World, gateway: str, schema: dict[str, object], word: str
) -> None:
    status, error = world.refused(gateway, response_schema=schema)
    assert status == 400
    assert word in error["message"]
    assert world.provider.bodies == []


def test_regular_expressions_in_a_schema_are_checked(world: World, gateway: str) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^[a-z]+$"}},
        "required": ["a"],
    }
    answer = world.ask(gateway, plays=(says('{"a": "A1"}'), says('{"a": "abc"}')), response_schema=schema)
    assert json.loads(content(answer)) == {"a": "abc"}


# --- further fields of a request ------------------------------------------------------------------------------


def test_a_prompt_is_one_user_message(world: World, gateway: str) -> None:
    world.ask(gateway, prompt="hello")
    assert world.sent()[-1] == ("user", "hello")
    status, error = world.refused(gateway, prompt="a", messages=[{"role": "user", "content": "b"}])
    assert (status, error["param"]) == (400, "prompt")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("metadata", {"n": 1}),
        ("metadata", ["x"]),
        ("idempotency_key", ""),
        ("idempotency_key", "k" * 129),
        ("reference", 5),
        ("builtin_tools", {"tools": ["Telepathy"]}),
        ("builtin_tools", {"tools": [], "options": {"web_search_max_results": 26}}),
        ("builtin_tools", {"tools": [], "options": {"image_generation_max_results": 0}}),
        ("multimodal_preprocess", "Smell"),
        ("multimodal_preprocess", ["Image", "Smell"]),
        ("rendering_mode", "braille"),
        ("tool_invocation_explanations", "yes"),
        ("json_only", "yes"),
        ("extra_body", "x"),
        ("response_schema", "x"),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_by_name(
    world: World, gateway: str, field: str, value: Any
) -> None:
    status, error = world.refused(gateway, **{field: value})
    assert status == 400
    assert field in error["param"]
    assert world.provider.bodies == []


def test_right_fields_are_taken(world: World, gateway: str) -> None:
    world.ask(
        gateway,
        metadata={"a": "b"},
        idempotency_key="k" * 128,
        reference="order 7",
        builtin_tools={"tools": ["websearch"], "options": {"web_search_mode": "Summarized"}},
        multimodal_preprocess=["image", "OtherFiles"],
        tool_invocation_explanations=True,
    )


def test_an_extra_body_reaches_only_a_provider_of_ones_own(world: World, gateway: str) -> None:
    theirs = world.gateway(systemInstruction="x", additionalSettings={"mirostat": 1, "seed": 1})
    world.ask(theirs, extra_body={"seed": 2, "grammar": "g", "model": "other"})
    body = world.provider.bodies[0]
    assert (body["mirostat"], body["seed"], body["grammar"], body["model"]) == (1, 2, "g", "theirs")
    for model in ("house", world.gateway(baseAddress="@integrated", modelName="house")):
        status, error = world.refused(model, extra_body={"seed": 2})
        assert (status, error["param"]) == (400, "extra_body")
    stored = world.gateway(baseAddress="@integrated", modelName="house", additionalSettings={"mirostat": 1})
    world.ask(stored)
    assert "mirostat" not in world.provider.bodies[0]


def test_a_public_key_reaches_a_gateway_by_its_id_with_few_settings(world: World, gateway: str) -> None:
    made = world.client.post(
        "/api/v1/accounts/api-key", json={"label": "page", "duration": 7, "type": "Public"}
    )
    key = made.json()["grantKey"]
    slug = world.client.get(f"/api/v1/ai-gateways/{gateway}").json()["slug"]
    with world.server.client(key) as public:
        message = [{"role": "user", "content": "hi"}]

        def status(**body: object) -> int:
            return public.post("/v1/chat/completions", json={"messages": message, **body}).status_code

        world.provider.forget()
        assert status(model=gateway, temperature=0.5, reference="r") == 200
        assert status(model=gateway, stream=True) == 200
        assert status(model=slug) == 403
        assert status(model="house") == 403
        assert status(model="01900000-0000-7000-8000-000000000000") == 404
        for field, value in (("response_schema", SCHEMA), ("metadata", {}), ("seed", 1), ("max_tokens", 5)):
            assert status(model=gateway, **{field: value}) == 403
        assert public.get("/v1/models").status_code == 403
        plain = world.gateway()
        assert status(model=plain) == 200
        assert status(model=plain, seed=1) == 403, "nor over the fast line"


def test_a_play_that_fails_is_an_error_of_the_provider(world: World, gateway: str) -> None:
    status, error = world.refused(gateway, plays=(Play(status=500), Play(status=500)), response_schema=SCHEMA)
    assert (status, error["type"]) == (502, "server_error")
