"""The models and gateways that a caller may name."""

from weakref import WeakKeyDictionary

import orjson
from fastapi import APIRouter, Request, Response

from dragoman.dialects.openai.auth import caller_of, services_of
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.listing import Listing
from dragoman.domain.agents.model import AgentSummary, StoredAgent
from dragoman.domain.services import Services
from dragoman.kit.errors import NotFound

router = APIRouter()

_LISTED = 10_000


def _catalogue(services: Services) -> list[dict[str, object]]:
    since = services.catalogue.since
    return [
        {"id": entry.name, "object": "model", "created": since, "owned_by": entry.owner}
        for entry in services.catalogue.entries()
    ] + [
        {"id": name, "object": "model", "created": since, "owned_by": "speech"}
        for name in services.speech.models
    ]


def _gateway(gateway: AgentSummary | StoredAgent, owner: str) -> dict[str, object]:
    return {
        "id": gateway.id,
        "object": "model",
        "created": gateway.created_at // 1000,
        "owned_by": owner,
        "slug": gateway.slug,
    }


async def _owner(services: Services, caller: Caller) -> str:
    """What the account is called."""
    user = await services.accounts.user(caller)
    return user.name or user.email


# A listing never changes and is kept while nothing does; ten thousand gateways take a while to encode.
_encoded: WeakKeyDictionary[Listing, tuple[str, bytes]] = WeakKeyDictionary()


def _encoded_gateways(listing: Listing, owner: str) -> bytes:
    """The gateways as JSON without the brackets around them."""
    known = _encoded.get(listing)
    if known is None or known[0] != owner:
        rows = listing.select(None, limit=_LISTED, offset=0)
        text = orjson.dumps([_gateway(gateway, owner) for gateway in rows])[1:-1]
        known = _encoded[listing] = (owner, text)
    return known[1]


@router.get("/models")
async def list_models(request: Request) -> Response:
    """The catalogue's models and the caller's gateways.

    Source: AIVAX API, "List models"; OpenAI API, "List models".
    """
    caller = await caller_of(request)
    services = services_of(request)
    listing = await services.agents.listing(caller, "gateway")
    gateways = _encoded_gateways(listing, await _owner(services, caller)) if listing.rows else b""
    models = orjson.dumps(_catalogue(services))[1:-1]
    data = b",".join(part for part in (models, gateways) if part)
    return Response(b'{"object":"list","data":[%b]}' % data, media_type="application/json")


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
        gateway = await services.agents.get(caller, "gateway", found.id)
        return _json(_gateway(gateway, await _owner(services, caller)))
    except NotFound:
        raise missing from None


def _json(body: dict[str, object]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
