"""Agents: the caller's gateways and personas, listed and carried out by number."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from starlette.responses import Response, StreamingResponse

from dragoman.dialects.asksage.answering import Question
from dragoman.dialects.asksage.attachments import attached
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.endpoints.query import with_files
from dragoman.dialects.asksage.errors import status_of
from dragoman.dialects.asksage.messages import conversation
from dragoman.dialects.asksage.metering import APPLICATION
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.dialects.asksage.own_personas import as_persona
from dragoman.dialects.asksage.streaming import wants_events
from dragoman.domain.agents.model import ResolvedAgent, StoredAgent
from dragoman.domain.agents.run import RunRequest
from dragoman.domain.messages.events import Event, TextDelta
from dragoman.domain.messages.fold import Folder, fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.kit.errors import DragomanError

_NODE = "llm_1"


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


@operation("list-agents", methods=READ, auth_error_status=401)
async def list_agents(call: Call) -> dict[str, object]:
    """The caller's gateways and personas, each with a number that ``execute-agent`` takes.

    Source: Ask Sage Server API, second version, "list-agents".
    """
    found = await call.services.agent_numbers.numbered(call.caller, None)
    listed = [
        {
            "id": number,
            "uuid": agent.id,
            "name": agent.name,
            "description": as_persona(number, agent).description,
            "agent_mode": "single",
            "primary_workflow_uuid": agent.id,
            "current_version": 1,
            "is_published": True,
            "created_at": _moment(agent.created_at),
            "updated_at": _moment(agent.updated_at),
        }
        for number, agent in found
    ]
    return {"response": listed, "count": len(listed)}


@dataclass(frozen=True, slots=True)
class _Execution:
    """One run of an agent, and how it is told."""

    number: int
    agent: StoredAgent
    question: Question
    started: float

    def told(self, answer: Mapping[str, object]) -> dict[str, object]:
        """The whole run."""
        output = {"response": answer["message"], "type": "text", "source": _NODE}
        return {
            **answer,
            "execution_status": "completed",
            "execution_id": int(self.started * 1000),
            "duration_ms": round((time.time() - self.started) * 1000),
            "response": output,
            "workflow": {
                "id": self.number,
                "uuid": self.agent.id,
                "name": self.agent.name,
                "version": 1,
            },
            "node_executions": [
                {
                    "node_id": _NODE,
                    "node_type": "llm",
                    "status": "completed",
                    "output": output,
                    "error": None,
                    "metadata": {"model": self.question.report.model},
                }
            ],
            "error": None,
        }


@operation(
    "execute-agent",
    methods=CHANGE,
    fields=(
        Field("agent_id", "integer", required=True, minimum=1, maximum=2**31),
        Field("message", "json", required=True),
        Field("streaming", "boolean", default=True),
        Field("variables", "object"),
        Field("conversation_history", "list"),
        Field("file", "files", aliases=("files", "file[]", "files[]")),
    ),
    auth_error_status=401,
    stops=True,
)
async def execute_agent(call: Call) -> Response | dict[str, object]:
    """What one of the caller's agents answers, as events unless ``streaming`` is false.

    Source: Ask Sage Server API, second version, "execute-agent".
    """
    number = call.inputs.integer("agent_id") or 0
    agent = await call.services.agent_numbers.get(call.caller, None, number)
    execution = _Execution(number, agent, await _question(call, agent), time.time())
    if not call.inputs.flag("streaming"):
        answer = await fold_stream(execution.question.events())
        return execution.told(await execution.question.finished(answer))
    events = execution.question.events()
    try:
        first = await anext(events)
    except BaseException:
        await events.aclose()
        raise
    as_events = wants_events(call.request.headers.get("accept", ""))
    return StreamingResponse(
        _frames(execution, first, events),
        media_type="text/event-stream" if as_events else "text/plain; charset=utf-8",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


async def _question(call: Call, agent: StoredAgent) -> Question:
    variables = call.inputs.values.get("variables")
    values = (
        {str(name): str(value) for name, value in variables.items()} if isinstance(variables, dict) else {}
    )
    spoken = conversation(call.values.get("message"))
    earlier = call.inputs.list("conversation_history")
    turns = (*(conversation(list(earlier)) if earlier else ()), *spoken)
    turns = tuple(_filled(turn, values) for turn in turns)
    prompt = agent.spec.system_prompt
    spec = agent.spec.model_copy(update={"system_prompt": prompt and _replaced(prompt, values)})
    key = call.services.agents.secrets(agent).endpoint_key
    resolved = ResolvedAgent(agent.id, agent.slug, spec, key)
    added: dict[str, object] = {}
    if files := await attached(call):
        turns, added["files"] = await with_files(call, resolved, turns, files)
    request = RunRequest(conversation=turns, dialect="asksage", application=APPLICATION)
    asked = next((turn.text for turn in reversed(spoken) if turn.role == "user"), "")
    return Question(call, resolved, request, asked, True, None, added)


def _filled(turn: Message, values: Mapping[str, str]) -> Message:
    if not values or not turn.text:
        return turn
    return Message.of_text(turn.role, _replaced(turn.text, values))


def _replaced(text: str, values: Mapping[str, str]) -> str:
    """The text with ``{{name}}`` replaced by the variable's value."""
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _frame(event: str, data: Mapping[str, object]) -> bytes:
    told = {"event": event, "data": data, "timestamp": _moment(int(time.time() * 1000))}
    return b"data: " + orjson.dumps(told) + b"\n\n"


async def _frames(
    execution: _Execution, first: Event, events: AsyncGenerator[Event]
) -> AsyncGenerator[bytes]:
    folder, question = Folder(), execution.question
    try:
        yield _frame("workflow_started", {"workflow_id": execution.number, "name": execution.agent.name})
        async with aclosing(events):
            event: Event | None = first
            while event is not None:
                folder.add(event)
                if isinstance(event, TextDelta):
                    yield _frame("node_output", {"node_id": _NODE, "delta": event.text})
                event = await anext(events, None)
        told = execution.told(await question.finished(folder.answer()))
        output = told["response"]
        yield _frame("node_completed", {"node_id": _NODE, "output": output})
        yield _frame("workflow_completed", {"output": output})
        yield _frame("agent_response", told)
    except DragomanError as error:
        status = status_of(error, auth_error_status=401)
        yield _frame("node_error", {"node_id": _NODE, "error": error.detail, "status": status})
