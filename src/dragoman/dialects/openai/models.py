"""The models and gateways that a caller may name."""

from fastapi import APIRouter, Request

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.kit.errors import NotFound

router = APIRouter()


async def _listed(request: Request) -> list[dict[str, object]]:
    caller = await caller_of(request)
    services = services_of(request)
    models: list[dict[str, object]] = [
        {"id": entry.name, "object": "model", "created": services.catalogue.since, "owned_by": entry.owner}
        for entry in services.catalogue.entries()
    ]
    gateways = await services.agents.select(caller, "gateway")
    models += [
        {
            "id": gateway.id,
            "object": "model",
            "created": gateway.created_at // 1000,
            "owned_by": caller.email,
            "slug": gateway.slug,
        }
        for gateway in gateways
    ]
    return models


@router.get("/models")
async def list_models(request: Request) -> dict[str, object]:
    """The catalogue's models and the caller's gateways.

    Source: AIVAX API, "List models"; OpenAI API, "List models".
    """
    return {"object": "list", "data": await _listed(request)}


@router.get("/models/{name:path}")
async def view_model(request: Request, name: str) -> dict[str, object]:
    """One model or gateway, by id or slug.

    Source: OpenAI API, "Retrieve model".
    """
    for model in await _listed(request):
        if name in (model["id"], model.get("slug")):
            return model
    raise NotFound(f"There is no model {name!r}.", param="model", code="model_not_found")
