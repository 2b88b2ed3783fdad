"""Tools with which an agent plans to write by itself: once, or again and again."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.schedules.planning import Conversation, Planner
from dragoman.domain.tools.model import Risk, ServerTool, ToolResult, ToolScope
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

_OWNER = "scheduled continuations"


@dataclass(frozen=True, slots=True)
class _PlanningTool:
    spec: ToolSpec
    act: Callable[[JsonObject], Awaitable[str]]
    risk: Risk = "write"
    owner: str = _OWNER

    async def call(self, arguments: JsonObject) -> ToolResult:
        return ToolResult(await self.act(arguments))


class PlanningTools:
    """The tools of agents in conversations whose client lets them plan."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    async def tools(self, scope: ToolScope) -> Sequence[ServerTool]:
        """``schedule_message``, ``schedule_recurring``, ``list_schedules`` and ``cancel_schedule``."""
        if scope.conversation_id is None or scope.origin == "api":
            return []
        talk = await self._planner.conversation(scope.caller, scope.conversation_id)
        return [] if talk is None else _tools(self._planner, scope.caller, talk)


def _tools(planner: Planner, caller: Caller, talk: Conversation) -> list[ServerTool]:
    async def once(arguments: JsonObject) -> str:
        made = await planner.once(
            caller,
            talk,
            time=_text(arguments, "time"),
            reason=_text(arguments, "reason"),
            context=_text(arguments, "context", ""),
        )
        return f"Planned for {_shown(made.scheduled_at, talk)}. Its id is {made.id}."

    async def again(arguments: JsonObject) -> str:
        most = arguments.get("max_executions")
        if most is not None and (not isinstance(most, int) or isinstance(most, bool)):
            raise InvalidInput("max_executions must be a whole number.", param="max_executions")
        made = await planner.again(
            caller, talk, cron=_text(arguments, "cron"), job=_text(arguments, "job_description"), most=most
        )
        return f"Planned by {made.cron}, first at {_shown(made.next_at, talk)}. Its id is {made.id}."

    async def listed(_: JsonObject) -> str:
        found = await planner.planned(caller, talk)
        lines = [
            f"{one.id}: once at {_shown(one.scheduled_at, talk)}: {one.reason}" for one in found.schedules
        ]
        lines += [
            f"{one.id}: by {one.cron}, next at {_shown(one.next_at, talk)}: {one.job_description}"
            for one in found.recurring
        ]
        return "\n".join(lines) or "Nothing is planned."

    async def cancel(arguments: JsonObject) -> str:
        await planner.cancel(caller, talk, _text(arguments, "id"))
        return "Called off."

    now = _shown(now_ms(), talk)
    return [
        _PlanningTool(
            _spec(
                "schedule_message",
                "Plans a message that you will write to this user by yourself later, as a reminder or a follow-up. Only use it "
                f"when the user wants it. It is {now} now.",
                {
                    "time": ("When, in ISO 8601; without an offset it is the user's own clock.", "string"),
                    "reason": ("Why you will write.", "string"),
                    "context": ("What you need to know then.", "string"),
                },
                ("time", "reason"),
            ),
            once,
        ),
        _PlanningTool(
            _spec(
                "schedule_recurring",
                "Plans a task that you carry out for this user again and again, every 15 minutes at the most. Only use it when "
                f"the user wants it. It is {now} now.",
                {
                    "cron": ("Five cron fields, in the user's own clock.", "string"),
                    "job_description": ("What to do each time.", "string"),
                    "max_executions": ("After how many times it ends.", "integer"),
                },
                ("cron", "job_description"),
            ),
            again,
        ),
        _PlanningTool(
            _spec("list_schedules", "Lists what is planned for this user.", {}, ()), listed, "read"
        ),
        _PlanningTool(
            _spec(
                "cancel_schedule",
                "Calls off something that is planned for this user.",
                {"id": ("Its id, out of list_schedules.", "string")},
                ("id",),
            ),
            cancel,
        ),
    ]


def _spec(
    name: str, description: str, arguments: dict[str, tuple[str, str]], required: tuple[str, ...]
) -> ToolSpec:
    properties: dict[str, JsonValue] = {
        argument: {"type": kind, "description": told} for argument, (told, kind) in arguments.items()
    }
    return ToolSpec(
        name, description, {"type": "object", "properties": properties, "required": list(required)}
    )


def _text(arguments: JsonObject, name: str, otherwise: str | None = None) -> str:
    value = arguments.get(name, otherwise)
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text.", param=name)
    return value


def _shown(moment_ms: int, talk: Conversation) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, talk.zone).isoformat(timespec="minutes")
