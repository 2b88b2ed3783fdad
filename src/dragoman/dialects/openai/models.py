"""The models and gateways that a caller may name."""

import orjson
from fastapi import APIRouter, Request, Response

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import AgentSummary, StoredAgent
from dragoman.domain.services import Services
from dragoman.kit.errors import NotFound

router = APIRouter()


def _catalogue(services: Services) -> list[dict[str, object]]:
    since = services.catalogue.since
    return [
        {"id": entry.name, "object": "model", "created": since, "owned_by": entry.owner}
        for entry in services.catalogue.entries()
    ]


def _gateway(gateway: AgentSummary | StoredAgent, caller: Caller) -> dict[str, object]:
    return {
        "id": gateway.id,
        "object": "model",
        "created": gateway.created_at // 1000,
        "owned_by": caller.email,
        "slug": gateway.slug,
    }


@router.get("/models")
async def list_models(request: Request) -> Response:
    """The catalogue's models and the caller's gateways.

    Source: AIVAX API, "List models"; OpenAI API, "List models".
    """
    caller = await caller_of(request)
    services = services_of(request)
    gateways = await services.agents.select(caller, "gateway")
    models = _catalogue(services) + [_gateway(gateway, caller) for gateway in gateways]
    return _json({"object": "list", "data": models})


@router.get("/models/{name:path}")
async def view_model(request: Request, name: str) -> Response:
    """One model or gateway, by id or slug.

    Source: OpenAI API, "Retrieve model".
    """
    caller = await caller_of(request)
    services = services_of(request)
    for model in _catalogue(services):
        if model["id"] == name:
            return _json(model)
    missing = NotFound(f"There is no model {name!r}.", param="model", code="model_not_found")
    found = await services.agents.find(caller, name)
    if found is None or found.id is None:
        raise missing
    try:
        return _json(_gateway(await services.agents.get(caller, "gateway", found.id), caller))
    except NotFound:
        raise missing from None


def _json(body: dict[str, object]) -> Response:
    # Ten thousand gateways would take the framework's own encoder a second.
    return Response(orjson.dumps(body), media_type="application/json")
