"""Which tools an agent has beside those that a caller brings along, and how they are set up."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

_STRICT = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ShellOptions(BaseModel):
    """How the shell is set up. ``moves``: the ``tools`` become shell commands, or all but these do."""

    model_config = _STRICT

    persistent: bool = False
    tools: tuple[str, ...] = ()
    moves: Literal["listed", "unlisted"] = "listed"


class RemoteSource(BaseModel):
    """Something read from an address: a tool server or a text of instructions."""

    model_config = _STRICT

    name: str
    description: str | None = None
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    cache_seconds: int = 600


class CollectionSearch(BaseModel):
    """A search in one collection. ``maximum`` and ``minimum_score`` None = as usual; ``references``: related documents too."""

    model_config = _STRICT

    collection_id: str
    maximum: int | None = Field(default=None, ge=1, le=128)
    minimum_score: float | None = Field(default=None, ge=0, le=1)
    references: bool = False


class ApprovalRule(BaseModel):
    """Which tools need a person's yes: those whose name fits a pattern (``crm_*``), and those of a kind of risk."""

    model_config = _STRICT

    names: tuple[str, ...] = ()
    risks: tuple[Literal["read", "write", "outside", "execute"], ...] = ()


class CallbackTool(BaseModel):
    """A tool carried out by calling the user's own address. ``parameters`` is its arguments' JSON Schema.

    With ``search`` nothing is called: it searches one of the owner's collections, and ``url`` is empty.
    """

    model_config = _STRICT

    name: str
    description: str
    headers: dict[str, str] = Field(default_factory=dict)
    url: str
    parameters: JsonValue = None
    search: CollectionSearch | None = None


class BuiltinToolOptions(BaseModel):
    """Settings of the platform's own tools."""

    model_config = _STRICT

    web_search_mode: Literal["full", "summarized"] = "full"
    web_search_results: int = Field(default=10, ge=1, le=25)
    image_results: int = Field(default=1, ge=1, le=4)
    image_quality: Literal["low", "medium", "high", "highest"] = "medium"
    image_mature_content: bool = False
    image_references: bool = True
    image_model: str | None = None
    all_memories: bool = False


class ToolsSpec(BaseModel):
    """Tools beside those a caller brings along.

    ``client`` are OpenAI tool objects that the caller carries out. ``builtin`` names tools of the platform,
    None = never set. ``protocol``: None or ``native`` = the provider's own tool calls, ``text`` = calls written in the
    text; with any other the agent cannot answer.
    ``explain`` asks the model why it calls a tool. ``approvals`` tells which calls a person must allow first.
    ``registered`` names tools of the servers that the caller has registered, ``TOOL`` or ``SERVER/TOOL``.
    """

    model_config = _STRICT

    client: tuple[JsonValue, ...] = ()
    callbacks: tuple[CallbackTool, ...] = ()
    callback_sources: tuple[str, ...] = ()
    mcp_sources: tuple[RemoteSource, ...] = ()
    registered: tuple[str, ...] = ()
    builtin: tuple[str, ...] | None = None
    builtin_options: BuiltinToolOptions | None = None
    shell: bool = False
    shell_options: ShellOptions | None = None
    protocol: str | None = None
    explain: bool = False
    approvals: ApprovalRule | None = None

    @property
    def any_tools(self) -> bool:
        """Whether there are any tools, whoever carries them out."""
        named = (self.client, self.callbacks, self.callback_sources, self.mcp_sources, self.registered)
        return self.shell or any((*named, self.builtin))
