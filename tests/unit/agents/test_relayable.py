"""Which agents and requests take the fast line: only those whose answer nobody changes."""

from typing import Any

import pytest

from dragoman.bootstrap.relaying import RelayPlan, is_plain
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.spec import AgentSpec, SamplingSpec
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.relay import RelayTarget
from dragoman.kit.jsontypes import JsonValue

CALLER = Caller("o", "u", 1, "ana@example.org", "owner")
SOURCE = {"name": "s", "url": "https://example.org/"}
ROUTED = {"model": "m"}
SETTINGS: dict[str, Any] = {
    "system_prompt": "x",
    "instruction_sources": [SOURCE],
    "user_prompt_template": "{prompt}",
    "prefill": "x",
    "include_prefill": True,
    "knowledge": {"collection_ids": ["c"]},
    "skills": {"skills": ["s"]},
    "tools": {"client": [{}]},
    "moderation": {"violence": 50},
    "routing": {"low": ROUTED, "medium": ROUTED, "high": ROUTED},
    "worker": "https://example.org/",
    "worker_env": {"TEAM": "a"},
    "media_to_text": ["image"],
    "context_tokens": 100,
    "overflow": "truncate",
    "tool_context_count": 1,
    "flags": ["no_temperature"],
}
UNTOUCHED = {"model", "endpoint", "sampling", "provider_settings"}


@pytest.mark.parametrize("name", sorted(set(AgentSpec.model_fields) - UNTOUCHED))
def test_every_setting_that_touches_the_conversation_leaves_the_fast_line(name: str) -> None:
    assert is_plain(AgentSpec(model="m"))
    assert not is_plain(AgentSpec.model_validate({"model": "m", name: SETTINGS[name]}))


class _Model:
    name = "m"
    profile = None


class _Agents:
    def __init__(self, agent: ResolvedAgent) -> None:
        self._agent = agent

    def cached(self, caller: Caller, name: str) -> tuple[bool, ResolvedAgent]:
        return True, self._agent


KNOWN: dict[str, JsonValue] = {}


def plan(spec: AgentSpec, *, switches: dict[str, JsonValue] | None = KNOWN) -> RelayPlan:
    catalogue = Catalogue({"m": _Model()}, "m")  # pyright: ignore[reportArgumentType]
    agents = _Agents(ResolvedAgent("id", "bot:0001", spec))
    return RelayPlan(catalogue, agents, {}, lambda caller: switches)  # pyright: ignore[reportArgumentType]


PLAIN = AgentSpec(
    model="m",
    endpoint="https://example.org/v1",
    sampling=SamplingSpec(max_tokens=5),
    provider_settings={"a": 1},
)
BODY: dict[str, Any] = {"model": "id", "messages": [{"role": "user", "content": "x"}]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
TOOL = {"type": "function", "function": {"name": "tell"}}
NAMED = {"type": "function", "function": {"name": "tell"}}
NAMELESS = {"type": "function", "function": {"description": "x"}}
HEALED = {"type": "json_schema", "json_schema": {"healing_options": {}}}


def test_a_plain_gateway_is_relayed_with_its_settings() -> None:
    target = plan(PLAIN)(CALLER, "id", BODY)
    assert isinstance(target, RelayTarget)
    assert target.extra == {"a": 1, "max_tokens": 5}


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": "x"},
        {"metadata": {}},
        {"json_only": True},
        {"response_schema": {}},
        {"extra_body": {}},
        {"rendering_mode": "textual_blocks"},
        {"response_format": HEALED},
        {"max_completion_tokens": 9},
        {"stream": "x"},
        {"stream_options": []},
        {"temperature": 9},
        {"temperature": True},
        {"top_p": -0.1},
        {"presence_penalty": "1"},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"seed": "x"},
        {"stop": 5},
        {"stop": ["a", 5]},
        {"tools": [{"type": "x"}]},
        {"tools": {}},
        {"response_format": {"type": "yaml"}},
        {"user": 7},
        {"tool_choice": "required"},
        {"tool_choice": "required", "tools": [7]},
        {"tool_choice": "anything"},
        {"tool_choice": {"type": "function", "function": {"name": "absent"}}, "tools": [TOOL]},
        {"tool_choice": {"type": "function", "function": {"name": "tell"}}},
        {"tool_choice": {"type": "function", "function": []}, "tools": [TOOL]},
        {"response_format": {"type": "json_schema"}},
        {"stream_options": {"include_usage": "yes"}},
        {"top_k": -1},
        {"top_k": "x"},
        {"tools": [{"type": "function", "function": {}}]},
        {"tools": [NAMELESS], "tool_choice": {"type": "function", "function": {}}},
        {"n": "1"},
    ],
)
def test_requests_that_mean_something_to_this_server_are_not_relayed(changed: dict[str, Any]) -> None:
    assert plan(PLAIN)(CALLER, "id", {**BODY, **changed}) is None


@pytest.mark.parametrize("choice", [None, "auto", "none", "required", NAMED])
def test_a_choice_among_the_tools_that_come_along_is_relayed(choice: object) -> None:
    body = {**BODY, "tools": [TOOL], "tool_choice": choice}
    assert plan(PLAIN)(CALLER, "id", body) is not None  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("switches", "relayed"), [({}, True), ({"heal_json": True}, False), (None, False)])
def test_json_is_relayed_only_when_the_account_is_known_not_to_have_it_healed(
    switches: dict[str, JsonValue] | None, relayed: bool
) -> None:
    target = plan(PLAIN, switches=switches)(CALLER, "id", {**BODY, "response_format": FORMAT})
    assert (target is not None) is relayed


def test_a_public_key_is_never_relayed() -> None:
    public = Caller("o", "u", 1, "ana@example.org", "owner", "k", "public")
    assert plan(PLAIN)(public, "id", BODY) is None


def test_conversations_that_are_kept_take_the_domains_way() -> None:
    assert plan(PLAIN)(CALLER, "id", BODY) is not None
    assert plan(PLAIN, switches={"log_conversations": True})(CALLER, "id", BODY) is None


@pytest.mark.parametrize(
    "messages",
    [
        [],
        None,
        "x",
        ["x"],
        [{"content": "x"}],
        [{"role": "king", "content": "x"}],
        [{"role": ["user"], "content": "x"}],
        [{"role": "user", "content": 7}],
        [{"role": "user", "content": "x"}, {"role": "user", "content": {}}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": "x"}, {"role": "tool", "content": "x"}],
    ],
)
def test_what_are_no_messages_takes_the_way_that_says_so(messages: Any) -> None:
    assert plan(PLAIN)(CALLER, "id", {**BODY, "messages": messages}) is None


def test_parts_and_calls_that_only_the_provider_knows_are_passed_on() -> None:
    said = {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "tool_calls": [{"id": 1}]}
    body: dict[str, Any] = {**BODY, "messages": [*BODY["messages"], said], "thinking": {"type": "enabled"}}
    assert plan(PLAIN)(CALLER, "id", body) is not None
