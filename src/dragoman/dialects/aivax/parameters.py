"""The 45 parameters of an AI gateway: what each may be and what holds when it is not given.

Where the reference gives no bounds, those here are what every known provider accepts.
"""

from dragoman.dialects.aivax.fields import (
    Anything,
    Choice,
    Field,
    Items,
    Mapped,
    Member,
    Number,
    Record,
    Switch,
    Text,
    Uuid,
    Whole,
)
from dragoman.dialects.aivax.header_fields import Headers, Key
from dragoman.dialects.aivax.words import (
    BUILTIN_FUNCTIONS,
    GATEWAY_FLAGS,
    IMAGE_QUALITIES,
    MULTIMODAL,
    OVERFLOW_ACTIONS,
    QUERY_STRATEGIES,
    RERANKERS,
    SHELL_TOOL_MODES,
    WEB_SEARCH_MODES,
)
from dragoman.kit.jsontypes import JsonValue

INTEGRATED = "@integrated"
MASK = "***"

_NAME = Text(1, 200)
_URL = Text(1, 4000)
_NULL_TEXT = Text(nullable=True)
_HEADERS = Headers()


def _no(field: Field) -> Member:
    return Member(field, default=None)


def _with(field: Field, default: JsonValue) -> Member:
    return Member(field, default=default)


def _must(field: Field) -> Member:
    return Member(field, required=True)


_SHELL = Record(
    {
        "allowDataPersistence": _with(Switch(), False),
        "toolList": _with(Items(_NAME, unique=True), []),
        "toolExclusionMode": _with(Choice(SHELL_TOOL_MODES), "WhiteList"),
    },
    nullable=True,
)
_WINDOWS = Record(
    {
        "rewriteContextSize": _with(Whole(1, 100), 3),
        "concatenateContextSize": _with(Whole(1, 100), 3),
    }
)
_FUNCTION = Record(
    {
        "name": _must(Text(3, 64, pattern=r"[A-Za-z_$][A-Za-z0-9_$]*")),
        "description": _must(Text(0, 20_000)),
        "headers": _with(_HEADERS, {}),
        "callbackUrl": _must(_URL),
        "contentFormat": _must(Anything()),
    }
)
_SOURCE = Record(
    {
        "name": _must(_NAME),
        "description": _no(Text(0, 20_000, nullable=True)),
        "url": _must(_URL),
        "headers": _with(_HEADERS, {}),
        "cacheDuration": _with(Whole(0), 600),
    }
)
_SENTINEL = Record(
    {"enabledFunctions": _with(Items(Choice(BUILTIN_FUNCTIONS), unique=True), [])}, nullable=True
)
_BUILTIN = Record(
    {
        "webSearchMode": _with(Choice(WEB_SEARCH_MODES), "Full"),
        "webSearchMaxResults": _with(Whole(1, 25), 10),
        "imageGenerationMaxResults": _with(Whole(1, 4), 1),
        "imageGenerationQuality": _with(Choice(IMAGE_QUALITIES), "Medium"),
        "imageGenerationAllowMatureContent": _with(Switch(), False),
        "imageGenerationAllowReferenceUsage": _with(Switch(), True),
        "imageGenerationModelName": _no(Text(0, 200, nullable=True)),
        "includeAllMemoryContext": _with(Switch(), False),
    },
    nullable=True,
)
_MODERATION = Record(
    {
        f"{category}Threshold": _with(Whole(0, 100), 0)
        for category in ("violence", "sexualExplicit", "political", "dangerousContent", "jailbreak")
    },
    nullable=True,
)
_EFFORT = Text(1, 50, nullable=True)
_ROUTING = Record(
    {
        f"{level}ComplexityModel{part}": _must(_NAME) if part == "Name" else _no(_EFFORT)
        for level in ("low", "medium", "high")
        for part in ("Name", "ReasoningEffort")
    },
    nullable=True,
)

PUBLISHED: dict[str, Member] = {
    "baseAddress": _must(_URL),
    "skills": _with(Items(_NAME, unique=True), []),
    "hideToolsWithoutSkill": _with(Switch(), False),
    "alwaysVisibleTools": _with(Items(_NAME, unique=True), []),
    "enableBash": _with(Switch(), False),
    "bashOptions": _no(_SHELL),
    "knowledgeCollections": _with(Items(Uuid(), maximum=100, unique=True), []),
    "knowledgeBaseMaximumResults": _with(Whole(1, 128), 5),
    "knowledgeBaseMinimumScore": _with(Number(0, 1), 0.4),
    "knowledgeUseReferences": _with(Switch(), False),
    "knowledgeUseMetaDescriptions": _with(Switch(), False),
    "queryStrategy": _with(Choice(QUERY_STRATEGIES), "Plain"),
    "queryStrategyParameters": _with(_WINDOWS, {"rewriteContextSize": 3, "concatenateContextSize": 3}),
    "apiKey": _no(Key(nullable=True)),
    "modelName": _must(_NAME),
    "temperature": _no(Number(0, 2, nullable=True)),
    "topP": _no(Number(0, 1, nullable=True)),
    "presencePenalty": _no(Number(-2, 2, nullable=True)),
    "frequencyPenalty": _no(Number(-2, 2, nullable=True)),
    "stop": _no(Text(0, 1000, nullable=True)),
    "maxCompletionTokens": _no(Whole(1, nullable=True)),
    "contextMaximumSize": _no(Whole(0, nullable=True)),
    "contextOverflowAction": _with(Choice(OVERFLOW_ACTIONS), "Throw"),
    "systemInstruction": _no(_NULL_TEXT),
    "workerScriptSource": _no(_NULL_TEXT),
    "userPromptTemplate": _no(_NULL_TEXT),
    "assistantPrefill": _no(_NULL_TEXT),
    "includePrefillingInMessages": _with(Switch(), False),
    "reasoningEffort": _no(_EFFORT),
    "verbosity": _no(_EFFORT),
    "flags": _with(Items(Choice(GATEWAY_FLAGS), unique=True), []),
    "tools": _no(Items(Mapped(), maximum=128, nullable=True)),
    "protocolFunctions": _with(Items(_FUNCTION, maximum=128), []),
    "protocolFunctionSources": _with(Items(_URL, maximum=50, unique=True), []),
    "mcpSources": _with(Items(_SOURCE, maximum=50), []),
    "systemInstructionsSources": _with(Items(_SOURCE, maximum=50), []),
    "enabledMultimodalFeatures": _with(Items(Choice(MULTIMODAL), unique=True), []),
    "toolContextCount": _no(Whole(nullable=True)),
    "sentinelOptions": _no(_SENTINEL),
    "builtinFunctionsOptions": _no(_BUILTIN),
    "moderationParameters": _no(_MODERATION),
    "knownToolHandlerName": _no(Text(0, 100, nullable=True)),
    "toolInvocationExplanations": _with(Switch(), False),
    "modelRoutingParameters": _no(_ROUTING),
    "additionalSettings": _no(Mapped(maximum=1000, nullable=True)),
}

# Seen in newer exports, not in the reference: echoed only when it was written.
RERANKER = "rerankerName"
# This server's own: which tools a person must allow, by name (``crm_*``) or by what they can do.
APPROVALS = "toolApprovals"
_APPROVALS = Record(
    {
        "names": _with(Items(_NAME, maximum=128, unique=True), []),
        "risks": _with(Items(Choice(("read", "write", "outside", "execute")), unique=True), []),
    },
    nullable=True,
)

PARAMETERS = Record(
    {**PUBLISHED, RERANKER: Member(Choice(RERANKERS)), APPROVALS: Member(_APPROVALS)}, keep_unknown=True
)
