"""Carrying out what an agent's worker wants changed, before the model is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dragoman.domain.agents.hooks import (
    AddCallback,
    AddMessage,
    AddTool,
    AddToolServer,
    Clear,
    Edit,
    RemoveMessage,
)
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.request import RunRequest
from dragoman.domain.agents.spec import SkillsSpec
from dragoman.domain.messages.parts import Message, ToolSpec
from dragoman.domain.tools.spec import ToolsSpec


@dataclass(slots=True)
class Draft:
    """What is about to be asked: each edit changes it."""

    agent: ResolvedAgent
    request: RunRequest
    messages: list[Message]

    @property
    def tools(self) -> ToolsSpec:
        """The agent's tools as they are now."""
        return self.agent.spec.tools

    def set_tools(self, **changes: object) -> None:
        """Changes settings of the agent's tools for this run."""
        tools = self.tools.model_copy(update=changes)
        self.agent = replace(self.agent, spec=self.agent.spec.model_copy(update={"tools": tools}))


def edited(draft: Draft, edits: Sequence[Edit]) -> Draft:
    """The draft after all edits, in their order; places of messages are those that the worker was shown."""
    shown = list(draft.messages)
    for edit in edits:
        match edit:
            case Clear(what):
                for kind in ("messages", "system", "meta", "tools", "skills") if what == "all" else (what,):
                    _CLEARERS[kind](draft)
            case AddMessage(message):
                _add(draft, message)
            case RemoveMessage(index):
                if -len(shown) <= index < len(shown):
                    gone = shown[index]
                    draft.messages = [message for message in draft.messages if message is not gone]
            case AddTool(tool):
                _add_tool(draft, tool)
            case AddCallback(tool):
                draft.set_tools(callbacks=(*draft.tools.callbacks, tool))
            case AddToolServer(source):
                draft.set_tools(mcp_sources=(*draft.tools.mcp_sources, source))
    return draft


def _add(draft: Draft, message: Message) -> None:
    if message.role != "system":
        draft.messages.append(message)
        return
    for place, turn in enumerate(draft.messages):
        if turn.role == "system":
            draft.messages[place] = Message.of_text("system", f"{turn.text}\n\n{message.text}")
            return
    draft.messages.insert(0, message)


def _add_tool(draft: Draft, tool: ToolSpec) -> None:
    if draft.request.tools:
        draft.request = replace(draft.request, tools=(*draft.request.tools, tool))
        return
    # The request's tools would replace those of the agent.
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    written = {"type": "function", "function": {key: value for key, value in function.items() if value}}
    draft.set_tools(client=(*draft.tools.client, written))


def _clear_messages(draft: Draft) -> None:
    draft.messages = [message for message in draft.messages if message.role == "system"]


def _clear_system(draft: Draft) -> None:
    draft.messages = [message for message in draft.messages if message.role != "system"]


def _clear_meta(draft: Draft) -> None:
    draft.request = replace(draft.request, metadata={})


def _clear_tools(draft: Draft) -> None:
    draft.request = replace(draft.request, tools=(), builtin_tools=None, tool_choice=None)
    kept = ToolsSpec(
        protocol=draft.tools.protocol, explain=draft.tools.explain, approvals=draft.tools.approvals
    )
    draft.agent = replace(draft.agent, spec=draft.agent.spec.model_copy(update={"tools": kept}))


def _clear_skills(draft: Draft) -> None:
    draft.agent = replace(draft.agent, spec=draft.agent.spec.model_copy(update={"skills": SkillsSpec()}))


_CLEARERS = {
    "messages": _clear_messages,
    "system": _clear_system,
    "meta": _clear_meta,
    "tools": _clear_tools,
    "skills": _clear_skills,
}
