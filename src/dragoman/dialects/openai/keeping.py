"""A completion as the account's log of conversations keeps it."""

from collections.abc import Mapping

import structlog

from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.run import RunRequest
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.usage.conversations.model import Asked
from dragoman.kit.jsontypes import JsonObject, JsonValue

_ORIGIN = "Api"


def asked_of(run: RunRequest, agent: ResolvedAgent, model: str, *, schema: JsonObject | None) -> Asked:
    """What is known of a request before it is answered."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return Asked(
        origin=_ORIGIN,
        conversation=run.conversation,
        model=model,
        agent_id=agent.id,
        key=run.idempotency_key,
        end_user=run.user,
        request_id=None if request_id is None else str(request_id),
        tools=tuple(_tool(tool) for tool in run.tools) or _tools_of(agent),
        response_schema=schema or _schema_in(run.response_format),
        metadata=run.metadata,
    )


def _tools_of(agent: ResolvedAgent) -> tuple[JsonObject, ...]:
    return tuple(tool for tool in agent.spec.tools.client if isinstance(tool, Mapping))


def _tool(tool: ToolSpec) -> JsonObject:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def _schema_in(response_format: JsonObject | None) -> JsonObject | None:
    described: JsonValue = (response_format or {}).get("json_schema")
    schema = described.get("schema") if isinstance(described, Mapping) else None
    return schema if isinstance(schema, Mapping) else None
