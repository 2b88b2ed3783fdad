"""The published words of this dialect and what the domain calls the same things."""

import re
from collections.abc import Sequence

QUERY_STRATEGIES = ("Plain", "Concatenate", "FullRewrite", "UserRewrite", "QueryFunction")
MULTIMODAL = ("Image", "Audio", "Video", "File", "OtherFiles", "All")
# Of the published model flags these may be set on a gateway; the others are badges of the catalogue.
GATEWAY_FLAGS = (
    "NoSystemInstruct",
    "NoTemperature",
    "ThinkingProcess",
    "NoAssistantPrefilling",
    "ReturnReasoningTokens",
    "DisableMultiModalInput",
    "DiffusingStream",
    "OpenAiStrictJson",
    "StructuredOutputSupport",
    "PreserveThinkingTokens",
    "NoStopParameter",
    "NoReasoningEffort",
    "RewriteToolCallsAsUserMessages",
    "DisableReasoningSummary",
    "DisableReasoningDetails",
    "IncludeStoredReasoning",
    "StrictUserAssistantTurns",
)
OVERFLOW_ACTIONS = ("Throw", "Truncate")
BUILTIN_FUNCTIONS = (
    "WebSearch",
    "Code",
    "OpenUrl",
    "Remember",
    "ImageGeneration",
    "XPostsSearch",
    "GenerateDocument",
    "GenerateWebPage",
    "AdvancedWebUsage",
    "Request",
    "Calendar",
)
SHELL_TOOL_MODES = ("WhiteList", "BlackList")
WEB_SEARCH_MODES = ("Full", "Summarized")
IMAGE_QUALITIES = ("Low", "Medium", "High", "Highest")
RERANKERS = ("none", "rrf", "lexical", "smart")
DOCUMENT_STATES = ("Queued", "Cancelled", "Indexed")


def snake(word: str) -> str:
    """``OpenUrl`` as ``open_url``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", word).lower()


def snaked(words: Sequence[str]) -> dict[str, str]:
    """Every word with its snake form."""
    return {word: snake(word) for word in words}
