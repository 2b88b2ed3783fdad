"""AI gateways: all published parameters in, the same out."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from aivax_server import Dialect
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.aivax.gateway import from_agent, to_agent
from dragoman.dialects.aivax.gateway_checks import check_addresses, check_tool_names, check_tools
from dragoman.dialects.aivax.parameters import PARAMETERS, PUBLISHED
from dragoman.dialects.aivax.words import BUILTIN_FUNCTIONS, GATEWAY_FLAGS, MULTIMODAL
from dragoman.domain.agents.model import StoredAgent
from dragoman.kit.addresses import AllowList
from dragoman.kit.errors import InvalidInput

GATEWAYS = "/api/v1/ai-gateways"
MINIMAL = {"baseAddress": "@integrated", "modelName": "@vendor/echo"}
SOURCE = {
    "name": "docs",
    "description": "Docs",
    "url": "https://mcp.example.org/x",
    "headers": {"Authorization": "Bearer t"},
    "cacheDuration": 30,
}
EVERYTHING: dict[str, Any] = {
    "baseAddress": "https://models.example.org/v1",
    "skills": ["writing"],
    "hideToolsWithoutSkill": True,
    "alwaysVisibleTools": ["web_search"],
    "enableBash": True,
    "bashOptions": {
        "allowDataPersistence": True,
        "toolList": ["get_users"],
        "toolExclusionMode": "BlackList",
    },
    "knowledgeCollections": [],
    "knowledgeBaseMaximumResults": 12,
    "knowledgeBaseMinimumScore": 0.25,
    "knowledgeUseReferences": True,
    "knowledgeUseMetaDescriptions": True,
    "queryStrategy": "FullRewrite",
    "queryStrategyParameters": {"rewriteContextSize": 2, "concatenateContextSize": 7},
    "apiKey": "provider-secret-1234",
    "modelName": "big-model",
    "temperature": 0.7,
    "topP": 0.9,
    "presencePenalty": -1,
    "frequencyPenalty": 0.5,
    "stop": "END",
    "maxCompletionTokens": 512,
    "contextMaximumSize": 16000,
    "contextOverflowAction": "Truncate",
    "systemInstruction": "Be brief.",
    "workerScriptSource": "export default { async fetch(request, env) { return new Response() } }",
    "userPromptTemplate": "Q: {prompt}",
    "assistantPrefill": "Sure:",
    "includePrefillingInMessages": True,
    "reasoningEffort": "low",
    "verbosity": "high",
    "flags": ["StrictUserAssistantTurns", "NoTemperature"],
    "tools": [{"type": "function", "function": {"name": "client_tool", "parameters": {}}}],
    "protocolFunctions": [
        {
            "name": "find_order",
            "description": "Finds an order",
            "headers": {"X-Key": "k"},
            "callbackUrl": "https://shop.example.org/orders",
            "contentFormat": {"type": "object", "properties": {"id": {"type": "string"}}},
        }
    ],
    "protocolFunctionSources": ["https://shop.example.org/functions"],
    "mcpSources": [SOURCE],
    "systemInstructionsSources": [{**SOURCE, "description": None}],
    "enabledMultimodalFeatures": ["Image", "OtherFiles"],
    "toolContextCount": 3,
    "sentinelOptions": {"enabledFunctions": ["WebSearch", "XPostsSearch"]},
    "builtinFunctionsOptions": {
        "webSearchMode": "Summarized",
        "webSearchMaxResults": 25,
        "imageGenerationMaxResults": 4,
        "imageGenerationQuality": "Highest",
        "imageGenerationAllowMatureContent": True,
        "imageGenerationAllowReferenceUsage": False,
        "imageGenerationModelName": "painter",
        "includeAllMemoryContext": True,
    },
    "moderationParameters": {
        "violenceThreshold": 10,
        "sexualExplicitThreshold": 20,
        "politicalThreshold": 30,
        "dangerousContentThreshold": 40,
        "jailbreakThreshold": 100,
    },
    "knownToolHandlerName": "react.v1.selfcall",
    "toolInvocationExplanations": True,
    "modelRoutingParameters": {
        "lowComplexityModelName": "small",
        "lowComplexityModelReasoningEffort": None,
        "mediumComplexityModelName": "middle",
        "mediumComplexityModelReasoningEffort": "low",
        "highComplexityModelName": "large",
        "highComplexityModelReasoningEffort": "high",
    },
    "additionalSettings": {"provider": {"order": ["a", None]}},
}


async def create(dialect: Dialect, name: str = "Support Bot", **parameters: Any) -> str:
    body = {"name": name, "parameters": {**MINIMAL, **parameters}}
    response = await dialect.client.post(GATEWAYS, json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["aiGatewayId"])


async def view(dialect: Dialect, name: str) -> dict[str, Any]:
    response = await dialect.client.get(f"{GATEWAYS}/{name}")
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
async def skills(dialect: Dialect) -> list[str]:
    """The ids of two skills, ``writing`` and ``reading``."""
    made = [
        await dialect.client.post("/api/v1/skills", json={"slug": slug, "instructions": "Do it well."})
        for slug in ("writing", "reading")
    ]
    return [answer.json()["id"] for answer in made]


async def test_a_minimal_gateway_shows_every_parameter_with_its_default(dialect: Dialect) -> None:
    gateway = await create(dialect)
    viewed = await view(dialect, gateway)
    assert viewed["slug"] == f"support-bot:{gateway.replace('-', '')[-4:]}"
    assert list(viewed["parameters"]) == list(PUBLISHED)
    assert len(viewed["parameters"]) == 45
    assert viewed["parameters"]["knowledgeBaseMinimumScore"] == 0.4
    assert viewed["parameters"]["queryStrategyParameters"] == {
        "rewriteContextSize": 3,
        "concatenateContextSize": 3,
    }
    assert viewed["parameters"]["apiKey"] is None
    assert viewed["parameters"]["modelName"] == "@vendor/echo"


@pytest.mark.usefixtures("skills")
async def test_everything_written_is_read_back_and_makes_an_equal_gateway(dialect: Dialect) -> None:
    assert set(EVERYTHING) == set(PUBLISHED)
    first = (await view(dialect, await create(dialect, **EVERYTHING)))["parameters"]
    assert first == {**EVERYTHING, "apiKey": "***"}
    second = (await view(dialect, await create(dialect, "Copy", **first)))["parameters"]
    assert second == {**first, "apiKey": None}


@pytest.mark.usefixtures("skills")
async def test_the_domain_gets_what_it_understands_in_its_own_words(dialect: Dialect) -> None:
    gateway = await create(dialect, **EVERYTHING)
    stored = await dialect.services.agents.get(dialect.caller, "gateway", gateway)
    spec = stored.spec
    assert spec.endpoint == "https://models.example.org/v1"
    assert spec.sampling.stop == ("END",)
    assert spec.overflow == "truncate"
    assert spec.knowledge.strategy == "full_rewrite"
    assert spec.tools.builtin == ("web_search", "x_posts_search")
    assert spec.media_to_text == ("image", "other")
    assert spec.routing is not None
    assert spec.routing.high.reasoning_effort == "high"
    assert dialect.services.agents.secrets(stored).endpoint_key == "provider-secret-1234"
    assert "provider-secret-1234" not in spec.model_dump_json() + str(stored.extensions)


async def test_empty_forms_and_unknown_keys_are_echoed(dialect: Dialect) -> None:
    written = {
        "tools": [],
        "additionalSettings": {},
        "bashOptions": {},
        "sentinelOptions": {"enabledFunctions": []},
        "rerankerName": "Smart",
        "memoryVisibility": {"of": ["later", 1]},
    }
    gateway = await create(dialect, **written)
    viewed = (await view(dialect, gateway))["parameters"]
    assert viewed["tools"] == []
    assert viewed["additionalSettings"] == {}
    assert viewed["bashOptions"] == {
        "allowDataPersistence": False,
        "toolList": [],
        "toolExclusionMode": "WhiteList",
    }
    assert viewed["sentinelOptions"] == {"enabledFunctions": []}
    assert viewed["rerankerName"] == "smart"
    assert viewed["memoryVisibility"] == {"of": ["later", 1]}
    await dialect.client.patch(f"{GATEWAYS}/{gateway}", json={"parameters": {"temperature": 1}})
    assert (await view(dialect, gateway))["parameters"] == {**viewed, "temperature": 1}


async def test_words_are_taken_in_any_case_and_shown_as_published(dialect: Dialect) -> None:
    gateway = await create(
        dialect,
        queryStrategy="USERREWRITE",
        flags=["notemperature", "NoTemperature"],
        baseAddress="@INTEGRATED",
    )
    viewed = (await view(dialect, gateway))["parameters"]
    assert viewed["queryStrategy"] == "UserRewrite"
    assert viewed["flags"] == ["NoTemperature"]
    assert viewed["baseAddress"] == "@integrated"


@pytest.mark.usefixtures("skills")
async def test_a_change_leaves_the_rest_and_the_key_untouched(dialect: Dialect) -> None:
    gateway = await create(dialect, **EVERYTHING)
    before = await view(dialect, gateway)
    edited = await dialect.client.patch(f"{GATEWAYS}/{gateway}", json={"parameters": {"temperature": 0.2}})
    assert edited.json() == {"message": "The AI gateway was edited successfully."}
    after = await view(dialect, gateway)
    assert after["parameters"] == {**before["parameters"], "temperature": 0.2}
    stored = await dialect.services.agents.get(dialect.caller, "gateway", gateway)
    assert dialect.services.agents.secrets(stored).endpoint_key == "provider-secret-1234"


@pytest.mark.usefixtures("skills")
async def test_lists_and_nested_objects_are_replaced_as_a_whole(dialect: Dialect) -> None:
    gateway = await create(dialect, **EVERYTHING)
    change = {"skills": ["reading"], "bashOptions": {"toolList": ["x"]}, "moderationParameters": None}
    await dialect.client.patch(f"{GATEWAYS}/{gateway}", json={"parameters": change})
    parameters = (await view(dialect, gateway))["parameters"]
    assert parameters["skills"] == ["reading"]
    assert parameters["bashOptions"] == {
        "allowDataPersistence": False,
        "toolList": ["x"],
        "toolExclusionMode": "WhiteList",
    }
    assert parameters["moderationParameters"] is None


async def test_changes_made_at_the_same_time_all_stay(dialect: Dialect) -> None:
    gateway = await create(dialect)
    changes = {"topP": 0.5, "temperature": 0.1, "stop": "x", "verbosity": "low", "maxCompletionTokens": 9}

    async def change(name: str) -> None:
        response = await dialect.client.patch(
            f"{GATEWAYS}/{gateway}", json={"parameters": {name: changes[name]}}
        )
        assert response.status_code == 200

    async with anyio.create_task_group() as group:
        for name in tuple(changes) * 8:
            group.start_soon(change, name)
    assert changes.items() <= (await view(dialect, gateway))["parameters"].items()


@pytest.mark.parametrize(
    ("written", "kept"), [("***", "first"), ("second", "second"), (None, None), ("", None)]
)
async def test_the_masked_key_stands_for_the_stored_one(
    dialect: Dialect, written: str | None, kept: str | None
) -> None:
    gateway = await create(dialect, apiKey="first")
    await dialect.client.patch(f"{GATEWAYS}/{gateway}", json={"parameters": {"apiKey": written}})
    stored = await dialect.services.agents.get(dialect.caller, "gateway", gateway)
    assert dialect.services.agents.secrets(stored).endpoint_key == kept
    shown = (await view(dialect, gateway))["parameters"]["apiKey"]
    assert shown == (None if kept is None else "***")


async def test_a_new_name_changes_the_slug_and_the_old_one_goes_on_working(dialect: Dialect) -> None:
    gateway = await create(dialect)
    old = (await view(dialect, gateway))["slug"]
    await dialect.client.patch(f"{GATEWAYS}/{old}", json={"name": "Sales"})
    viewed = await view(dialect, gateway)
    assert (viewed["name"], viewed["slug"]) == ("Sales", old.replace("support-bot", "sales"))
    assert (await view(dialect, old))["id"] == gateway


async def test_the_list_is_filtered_by_name_slug_model_and_id(dialect: Dialect) -> None:
    gateway = await create(dialect, modelName="rare-model")
    await create(dialect, "Another")
    (slug,) = [one["slug"] for one in (await dialect.client.get(GATEWAYS)).json() if one["id"] == gateway]
    for text in ("support", slug, "rare-mod", gateway, gateway[-8:]):
        found = (await dialect.client.get(GATEWAYS, params={"filter": text})).json()
        assert [one["id"] for one in found] == [gateway], text
    assert found == [
        {
            "id": gateway,
            "name": "Support Bot",
            "inferenceEndpoint": "@integrated",
            "modelName": "rare-model",
            "slug": slug,
        }
    ]
    assert len((await dialect.client.get(GATEWAYS)).json()) == 2
    assert len((await dialect.client.get(GATEWAYS, params={"limit": "1"})).json()) == 1


async def test_a_deleted_gateway_is_gone(dialect: Dialect) -> None:
    gateway = await create(dialect)
    gone = await dialect.client.delete(f"{GATEWAYS}/{gateway}")
    assert gone.json() == {"message": "The AI gateway was deleted successfully."}
    assert (await dialect.client.get(f"{GATEWAYS}/{gateway}")).status_code == 404


@pytest.mark.parametrize("verb", ["GET", "PATCH", "DELETE"])
async def test_foreign_unknown_and_malformed_gateways(dialect: Dialect, verb: str) -> None:
    gateway = await create(dialect)
    slug = (await view(dialect, gateway))["slug"]
    body: dict[str, Any] = {"json": {"name": "stolen"}} if verb == "PATCH" else {}
    unknown = "01986000-0000-7000-8000-000000000000"
    for client, name, status in (
        (dialect.stranger, gateway, 404),
        (dialect.stranger, slug, 404),
        (dialect.client, unknown, 404),
        (dialect.client, "nothing:abcd", 404),
        (dialect.client, "nonsense", 400),
    ):
        response = await client.request(verb, f"{GATEWAYS}/{name}", **body)
        assert response.status_code == status, name
        assert set(response.json()) == {"error", "details"}
    assert (await view(dialect, gateway))["name"] == "Support Bot"


FUNCTION = EVERYTHING["protocolFunctions"][0]


def checked(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters after all checks that need no database."""
    read = PARAMETERS.read_object(parameters, "parameters")
    check_tool_names(read)
    check_tools(read)
    check_addresses(read, AllowList())
    return read


@pytest.mark.parametrize(
    ("parameters", "path", "said"),
    [
        ({"modelName": ...}, "modelName", "required"),
        ({"baseAddress": ...}, "baseAddress", "required"),
        ({"modelName": None}, "modelName", "text"),
        ({"modelName": " "}, "modelName", "blank"),
        (
            {"queryStrategy": "Best"},
            "queryStrategy",
            "Plain, Concatenate, FullRewrite, UserRewrite, QueryFunction",
        ),
        ({"contextOverflowAction": "Compact"}, "contextOverflowAction", "Throw, Truncate"),
        ({"flags": ["Free"]}, "flags[0]", "NoSystemInstruct"),
        ({"flags": "Free"}, "flags", "list"),
        ({"flags": None}, "flags", "list"),
        ({"enabledMultimodalFeatures": ["Image", "Smell"]}, "enabledMultimodalFeatures[1]", "OtherFiles"),
        (
            {"sentinelOptions": {"enabledFunctions": ["Fly"]}},
            "sentinelOptions.enabledFunctions[0]",
            "Calendar",
        ),
        (
            {"bashOptions": {"toolExclusionMode": "Grey"}},
            "bashOptions.toolExclusionMode",
            "WhiteList, BlackList",
        ),
        ({"bashOptions": []}, "bashOptions", "object or null"),
        (
            {"builtinFunctionsOptions": {"webSearchMode": "Half"}},
            "builtinFunctionsOptions.webSearchMode",
            "Full",
        ),
        (
            {"builtinFunctionsOptions": {"webSearchMaxResults": 26}},
            "builtinFunctionsOptions.webSearchMaxResults",
            "1 to 25",
        ),
        (
            {"builtinFunctionsOptions": {"imageGenerationQuality": "Ultra"}},
            "builtinFunctionsOptions.imageGenerationQuality",
            "Highest",
        ),
        (
            {"moderationParameters": {"jailbreakThreshold": 101}},
            "moderationParameters.jailbreakThreshold",
            "0 to 100",
        ),
        (
            {"modelRoutingParameters": {"lowComplexityModelName": "a"}},
            "modelRoutingParameters.mediumComplexityModelName",
            "required",
        ),
        ({"temperature": "hot"}, "temperature", "number"),
        ({"temperature": 2.1}, "temperature", "0 to 2"),
        ({"topP": -0.1}, "topP", "0 to 1"),
        ({"presencePenalty": 3}, "presencePenalty", "-2 to 2"),
        ({"frequencyPenalty": True}, "frequencyPenalty", "number"),
        ({"maxCompletionTokens": 1.5}, "maxCompletionTokens", "whole"),
        ({"contextMaximumSize": -1}, "contextMaximumSize", "0 to"),
        ({"toolContextCount": 2**31}, "toolContextCount", "from"),
        ({"knowledgeBaseMaximumResults": 0}, "knowledgeBaseMaximumResults", "1 to 128"),
        ({"knowledgeBaseMinimumScore": 1.01}, "knowledgeBaseMinimumScore", "0 to 1"),
        (
            {"queryStrategyParameters": {"rewriteContextSize": 0}},
            "queryStrategyParameters.rewriteContextSize",
            "1 to",
        ),
        ({"enableBash": "true"}, "enableBash", "true or false"),
        ({"toolInvocationExplanations": None}, "toolInvocationExplanations", "true or false"),
        ({"skills": [1]}, "skills[0]", "text"),
        ({"stop": ["a"]}, "stop", "text or null"),
        ({"additionalSettings": "x"}, "additionalSettings", "object or null"),
        ({"tools": {"a": 1}}, "tools", "list or null"),
        ({"tools": ["x"]}, "tools[0]", "object"),
        ({"tools": [{"type": "function"}]}, "tools[0]", "function"),
        (
            {"protocolFunctions": [{**FUNCTION, "contentFormat": {"type": "text"}}]},
            "protocolFunctions[0].contentFormat",
            "not a JSON Schema at type",
        ),
        ({"protocolFunctions": [{**FUNCTION, "name": "a b"}]}, "protocolFunctions[0].name", "match"),
        ({"protocolFunctions": [{**FUNCTION, "name": "ab"}]}, "protocolFunctions[0].name", "3 to"),
        (
            {"protocolFunctions": [FUNCTION, FUNCTION]},
            "protocolFunctions[1].name",
            "protocolFunctions[0].name",
        ),
        ({"mcpSources": [{"name": "x"}]}, "mcpSources[0].url", "required"),
        ({"mcpSources": [{**SOURCE, "cacheDuration": -1}]}, "mcpSources[0].cacheDuration", "0 to"),
        ({"mcpSources": [{**SOURCE, "headers": {"A": 1}}]}, "mcpSources[0].headers.A", "text"),
        ({"knowledgeCollections": ["x"]}, "knowledgeCollections[0]", "UUID"),
        ({"rerankerName": "bge"}, "rerankerName", "none, rrf, lexical, smart"),
        ({"baseAddress": "ftp://example.org"}, "baseAddress", "http"),
        ({"baseAddress": "models"}, "baseAddress", "http"),
        ({"baseAddress": "https://xn--zzzzz--/v1"}, "baseAddress", "not a URL"),
        ({"apiKey": "ключ"}, "apiKey", "visible ASCII"),
        ({"apiKey": "a\r\nx: 1"}, "apiKey", "visible ASCII"),
        ({"mcpSources": [{**SOURCE, "headers": {"A": "ключ"}}]}, "mcpSources[0].headers.A", "one line"),
        (
            {"mcpSources": [{**SOURCE, "headers": {"a b": "x"}}]},
            "mcpSources[0].headers",
            "no name of a header",
        ),
    ],
)
def test_a_parameter_that_does_not_fit_is_named_with_its_path(
    parameters: dict[str, Any], path: str, said: str
) -> None:
    wanted = {name: value for name, value in {**MINIMAL, **parameters}.items() if value is not ...}
    with pytest.raises(InvalidInput) as refusal:
        checked(wanted)
    assert refusal.value.param == f"parameters.{path}"
    assert f"parameters.{path}" in refusal.value.detail
    assert said in refusal.value.detail


def _takes(parameter: str, value: object) -> bool:
    try:
        PUBLISHED[parameter].field.read(value, parameter)
    except InvalidInput as error:
        return not (error.param or "").startswith(parameter)
    return True


@pytest.mark.parametrize("parameter", sorted(PUBLISHED))
def test_no_parameter_takes_values_of_every_type(parameter: str) -> None:
    assert not all(_takes(parameter, value) for value in ({"a": 1}, [[1]], 1.5, True, "?"))


async def test_a_refused_gateway_is_not_stored_and_a_refused_change_changes_nothing(dialect: Dialect) -> None:
    wrong = {"name": "x", "parameters": {**MINIMAL, "queryStrategy": "Best"}}
    response = await dialect.client.post(GATEWAYS, json=wrong)
    assert response.status_code == 400
    assert response.json()["details"]["path"] == "parameters.queryStrategy"
    assert "UserRewrite" in response.json()["error"]
    assert (await dialect.client.get(GATEWAYS)).json() == []

    gateway = await create(dialect)
    before = await view(dialect, gateway)
    for change in (
        {"parameters": {"topP": 0.1, "flags": ["Free"]}},
        {"parameters": {"modelName": None}},
        {"parameters": {"topP": 0.1, "knowledgeCollections": ["01986000-0000-7000-8000-000000000000"]}},
        {"parameters": {"topP": 0.1, "mcpSources": [{**SOURCE, "url": "http://10.0.0.1"}]}},
        {"name": "", "parameters": {"topP": 0.1}},
    ):
        assert (await dialect.client.patch(f"{GATEWAYS}/{gateway}", json=change)).status_code == 400, change
    assert await view(dialect, gateway) == before


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/v1",
        "http://localhost/v1",
        "http://10.1.2.3/v1",
        "http://169.254.169.254/latest",
        "http://[::1]/v1",
        "http://2130706433/v1",
        "http://0x7f.1/v1",
    ],
)
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda url: {"baseAddress": url}, "baseAddress"),
        (lambda url: {"workerScriptSource": url}, "workerScriptSource"),
        (lambda url: {"protocolFunctionSources": [url]}, "protocolFunctionSources[0]"),
        (lambda url: {"mcpSources": [{**SOURCE, "url": url}]}, "mcpSources[0].url"),
        (
            lambda url: {"systemInstructionsSources": [{**SOURCE, "url": url}]},
            "systemInstructionsSources[0].url",
        ),
        (
            lambda url: {"protocolFunctions": [{**FUNCTION, "callbackUrl": url}]},
            "protocolFunctions[0].callbackUrl",
        ),
    ],
)
def test_addresses_inside_the_network_are_refused(
    url: str, wrap: Callable[[str], dict[str, Any]], path: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        checked({**MINIMAL, **wrap(url)})
    assert (refusal.value.param, refusal.value.code) == (f"parameters.{path}", "egress_refused")


async def test_the_operator_can_let_inner_addresses_through(start: Callable[..., Any]) -> None:
    async with start(egress={"allow": ["127.0.0.0/8", "models.localhost"]}) as dialect:
        await create(dialect, baseAddress="http://127.0.0.1:9/v1")
        await create(dialect, baseAddress="http://models.localhost/v1")
        refused = await dialect.client.post(
            GATEWAYS, json={"name": "x", "parameters": {**MINIMAL, "baseAddress": "http://10.0.0.1/v1"}}
        )
        assert refused.status_code == 400


async def test_a_gateway_takes_the_callers_collections_only(dialect: Dialect, collection: str) -> None:
    await create(dialect, knowledgeCollections=[collection])
    refused = await dialect.stranger.post(
        GATEWAYS, json={"name": "x", "parameters": {**MINIMAL, "knowledgeCollections": [collection]}}
    )
    assert refused.status_code == 400


async def test_a_gateway_outlives_its_collection(dialect: Dialect, collection: str) -> None:
    gateway = await create(dialect, knowledgeCollections=[collection])
    await dialect.client.delete(f"/api/v1/collections/{collection}")
    changed = await dialect.client.patch(f"{GATEWAYS}/{gateway}", json={"parameters": {"topP": 0.5}})
    assert changed.status_code == 200
    assert (await view(dialect, gateway))["parameters"]["knowledgeCollections"] == [collection]


async def test_a_gateway_takes_skills_there_are_by_id_and_by_slug(
    dialect: Dialect, skills: list[str]
) -> None:
    gateway = await create(dialect, skills=[skills[0], "reading"])
    foreign = {"slug": "theirs", "instructions": "Secret."}
    theirs = (await dialect.stranger.post("/api/v1/skills", json=foreign)).json()["id"]
    for name in (theirs, "theirs", "nothing", "01986000-0000-7000-8000-000000000001"):
        body = {"name": "x", "parameters": {**MINIMAL, "skills": ["reading", name]}}
        made = await dialect.client.post("/api/v1/ai-gateways", json=body)
        changed = await dialect.client.patch(
            f"/api/v1/ai-gateways/{gateway}", json={"parameters": body["parameters"]}
        )
        for refused in (made, changed):
            assert refused.status_code == 400
            assert refused.json()["details"]["path"] == "parameters.skills[1]"
            assert name in refused.json()["error"]
    assert (await view(dialect, gateway))["parameters"]["skills"] == [skills[0], "reading"]


async def test_a_gateway_outlives_its_skills(dialect: Dialect, skills: list[str]) -> None:
    gateway = await create(dialect, skills=skills)
    await dialect.client.delete("/api/v1/skills/management/clear")
    changed = await dialect.client.patch(
        f"/api/v1/ai-gateways/{gateway}", json={"parameters": {"temperature": 0.3}}
    )
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("export default {\n  async fetch(request { return new Response() }\n}", "Line 2"),
        ("export default { async fetch() { return 1 }", "parsed"),
        ("import x from 'y';\nexport default { fetch() {} }", "Line 1: import"),
        ("const worker = { fetch() {} };", "export default"),
        ("worker.example.org/hook", "export default"),
    ],
)
async def test_a_script_that_cannot_be_a_worker_is_refused_when_it_is_written(
    dialect: Dialect, script: str, reason: str
) -> None:
    gateway = await create(dialect)
    for refused in (
        await dialect.client.post(
            "/api/v1/ai-gateways", json={"name": "x", "parameters": {**MINIMAL, "workerScriptSource": script}}
        ),
        await dialect.client.patch(
            f"/api/v1/ai-gateways/{gateway}", json={"parameters": {"workerScriptSource": script}}
        ),
    ):
        assert refused.status_code == 400
        assert refused.json()["details"] == {
            "path": "parameters.workerScriptSource",
            "code": "script_invalid",
        }
        assert reason in refused.json()["error"]


async def test_reading_a_workers_script_does_not_run_it(dialect: Dialect) -> None:
    script = "while (true) {}\nexport default { fetch() {} }"
    gateway = await create(dialect, workerScriptSource=script)
    assert (await view(dialect, gateway))["parameters"]["workerScriptSource"] == script


async def test_an_internal_query_function_is_an_address_too(dialect: Dialect) -> None:
    url = "aivax://query-collection?collection-id=01a224a2-798a-733c-89fa-2da19ad6c4ba&top=3&min=0.4&refs"
    gateway = await create(dialect, protocolFunctions=[{**FUNCTION, "callbackUrl": url}])
    assert (await view(dialect, gateway))["parameters"]["protocolFunctions"][0]["callbackUrl"] == url
    found = await dialect.services.runner.resolve(dialect.caller, gateway)
    (tool,) = found.spec.tools.callbacks
    assert tool.url == ""
    assert tool.search is not None
    assert (tool.search.maximum, tool.search.minimum_score, tool.search.references) == (3, 0.4, True)
    for wrong in ("collection-id=x", "collection-id=", f"{url[25:]}&top=0", "top=1"):
        parameters = {
            **MINIMAL,
            "protocolFunctions": [{**FUNCTION, "callbackUrl": f"aivax://query-collection?{wrong}"}],
        }
        refused = await dialect.client.post(GATEWAYS, json={"name": "x", "parameters": parameters})
        assert refused.status_code == 400
        assert refused.json()["details"]["path"] == "parameters.protocolFunctions[0].callbackUrl"


async def test_what_is_for_the_workers_script_is_kept_from_the_provider(dialect: Dialect) -> None:
    settings = {"workerEnv": {"TEAM": "a"}, "seed": 1}
    approvals = {"names": ["crm_*"], "risks": ["write"]}
    gateway = await create(dialect, additionalSettings=settings, toolApprovals=approvals)
    shown = (await view(dialect, gateway))["parameters"]
    assert (shown["additionalSettings"], shown["toolApprovals"]) == (settings, approvals)
    spec = (await dialect.services.runner.resolve(dialect.caller, gateway)).spec
    assert (spec.provider_settings, spec.worker_env) == ({"seed": 1}, {"TEAM": "a"})
    assert spec.tools.approvals is not None
    assert spec.tools.approvals.names == ("crm_*",)


async def test_a_function_may_not_take_the_name_of_a_built_in_one(dialect: Dialect) -> None:
    function = {**FUNCTION, "name": "memory_save"}
    parameters = {
        **MINIMAL,
        "protocolFunctions": [function],
        "sentinelOptions": {"enabledFunctions": ["Remember"]},
    }
    refused = await dialect.client.post(GATEWAYS, json={"name": "x", "parameters": parameters})
    assert refused.status_code == 400
    assert "built-in function Remember" in refused.json()["error"]


async def test_a_gateway_answers_to_its_names_as_a_model(dialect: Dialect) -> None:
    gateway = await create(dialect)
    slug = (await view(dialect, gateway))["slug"]
    for name in (gateway, slug):
        found = await dialect.services.runner.resolve(dialect.caller, name)
        assert (found.id, found.spec.model) == (gateway, "@vendor/echo")
    assert dialect.services.catalogue.resolve("@vendor/echo").name == "echo"


_text = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
_choices = st.fixed_dictionaries(
    {},
    optional={
        "flags": st.lists(st.sampled_from(GATEWAY_FLAGS), unique=True),
        "enabledMultimodalFeatures": st.lists(st.sampled_from(MULTIMODAL), unique=True),
        "sentinelOptions": st.none()
        | st.fixed_dictionaries(
            {"enabledFunctions": st.lists(st.sampled_from(BUILTIN_FUNCTIONS), unique=True)}
        ),
        "systemInstruction": _text,
        "userPromptTemplate": _text,
        "assistantPrefill": _text,
        "stop": _text,
        "knownToolHandlerName": _text,
        "temperature": st.none() | st.floats(0, 2),
        "maxCompletionTokens": st.none() | st.integers(1, 2**31 - 1),
        "toolContextCount": st.none() | st.integers(-(2**31), 2**31 - 1),
        "tools": st.none() | st.just([]) | st.just([{"type": "function", "x": [None]}]),
        "additionalSettings": st.none() | st.dictionaries(st.text(max_size=5), st.booleans(), max_size=3),
        "someNewKey": st.none() | st.booleans() | st.lists(st.integers()),
    },
)


@given(_choices)
def test_any_parameters_survive_the_way_in_and_out(chosen: dict[str, Any]) -> None:
    parameters = PARAMETERS.read_object({**MINIMAL, **chosen}, "parameters")
    spec, extensions = to_agent(parameters)
    agent = StoredAgent("i", "o", "u", "gateway", "n", "s", spec, None, extensions, 0, 0)
    assert from_agent(agent) == parameters
    assert PARAMETERS.read_object(from_agent(agent), "") == parameters
