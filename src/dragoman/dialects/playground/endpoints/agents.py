"""Stored voice agents, which tokens are asked for by ``agent_id``."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from dragoman.dialects.playground.auth import caller_of, services_of
from dragoman.dialects.playground.body import json_object
from dragoman.dialects.playground.config import AgentConfig
from dragoman.dialects.playground.errors import invalid_field
from dragoman.dialects.playground.merge import merged, unknown_names, without_nulls
from dragoman.dialects.playground.resolve import EXTENSION, check_addresses, checked, kept_secrets
from dragoman.domain.agents.model import AgentSecrets, StoredAgent
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.services import Services
from dragoman.kit.clock import iso

router = APIRouter(prefix="/agents")

_LONGEST_NAME = 200
_SECRET_PARTS = ("llm", "tts", "stt")


def _shown(agent: StoredAgent) -> dict[str, object]:
    return {
        "id": agent.id,
        "name": agent.name,
        "agent_config": agent.extensions.get(EXTENSION) or {},
        "created_at": iso(agent.created_at),
        "updated_at": iso(agent.updated_at),
    }


def _parts(services: Services, raw: dict[str, Any]) -> tuple[str | None, dict[str, Any], dict[str, str]]:
    """Name, settings without secrets, and the secrets; everything is checked as a token's settings are."""
    body = without_nulls(raw)
    name = body.get("name")
    if name is not None and not (isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME):
        raise invalid_field("name", f"must be a text of 1 to {_LONGEST_NAME} characters")
    config = body.get("agent_config", {})
    check_addresses(services, checked({"agent_config": config}).agent_config)
    for path in unknown_names(AgentConfig, config):
        raise invalid_field(f"agent_config.{path}", "is not known")
    keys: dict[str, str] = {}
    for part in _SECRET_PARTS:
        model = config.get(part, {}).get("model")
        if model and "api_key" in model:
            keys[part] = model["api_key"]
            rest = {name: value for name, value in model.items() if name != "api_key"}
            config = {**config, part: {**config[part], "model": rest}}
    return name, config, keys


@router.post("")
async def create_agent(request: Request) -> Response:
    """A new voice agent."""
    caller = await caller_of(request)
    services = services_of(request)
    name, config, keys = _parts(services, await json_object(request))
    model = config.get("llm", {}).get("model", {}).get("model") or services.catalogue.default().name
    agent = await services.agents.create(
        caller,
        "voice",
        name or config.get("agent", {}).get("full_name") or "Voice agent",
        AgentSpec(model=model),
        secrets=AgentSecrets(headers=keys),
        extensions={EXTENSION: config},
    )
    return JSONResponse(_shown(agent), status_code=201)


@router.get("")
async def list_agents(request: Request) -> Response:
    """The caller's voice agents, oldest first."""
    caller = await caller_of(request)
    services = services_of(request)
    found = await services.agents.select(caller, "voice")
    agents = [await services.agents.get(caller, "voice", agent.id) for agent in found]
    return JSONResponse({"agents": [_shown(agent) for agent in agents]})


@router.get("/{agent_id}")
async def view_agent(request: Request, agent_id: str) -> Response:
    """One of the caller's voice agents; keys are never shown."""
    caller = await caller_of(request)
    return JSONResponse(_shown(await services_of(request).agents.get(caller, "voice", agent_id)))


@router.patch("/{agent_id}")
async def change_agent(request: Request, agent_id: str) -> Response:
    """The agent with the given settings changed, field by field."""
    caller = await caller_of(request)
    services = services_of(request)
    name, config, keys = _parts(services, await json_object(request))
    agent = await services.agents.get(caller, "voice", agent_id)
    kept = agent.extensions.get(EXTENSION)
    before = kept if isinstance(kept, dict) else {}
    headers = {**kept_secrets(before, config, services.agents.secrets(agent).headers), **keys}
    config = merged(before, config)
    extensions = {**agent.extensions, EXTENSION: config}
    changed = replace(agent, name=name or agent.name, extensions=extensions)
    stored = await services.agents.update(caller, changed, secrets=AgentSecrets(headers=headers))
    return JSONResponse(_shown(stored))


@router.delete("/{agent_id}")
async def delete_agent(request: Request, agent_id: str) -> Response:
    """Nothing, once the agent is gone."""
    caller = await caller_of(request)
    await services_of(request).agents.delete(caller, "voice", agent_id)
    return Response(status_code=204)
