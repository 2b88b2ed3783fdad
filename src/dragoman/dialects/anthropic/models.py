"""The models and gateways that a caller may name."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dragoman.dialects.anthropic.auth import caller_of, services_of
from dragoman.kit.errors import InvalidInput, NotFound

_MOST = 1000
_USUAL = 20


async def _all(request: Request) -> list[dict[str, object]]:
    caller, services = await caller_of(request), services_of(request)
    since = services.catalogue.since * 1000
    models = [_model(entry.name, entry.name, since) for entry in services.catalogue.entries()]
    gateways = await services.agents.select(caller, "gateway")
    return models + [_model(gateway.slug, gateway.name, gateway.created_at) for gateway in gateways]


def _model(id: str, name: str, created_ms: int) -> dict[str, object]:
    created = datetime.fromtimestamp(created_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": id, "display_name": name, "created_at": created}


async def list_models(request: Request) -> Response:
    """The catalogue's models and the caller's gateways, by pages.

    Source: Anthropic API, "List Models".
    """
    found = await _all(request)
    ids = [model["id"] for model in found]
    limit = _limit(request.query_params.get("limit"))
    start, end = 0, len(found)
    if (after := request.query_params.get("after_id")) is not None:
        start = ids.index(after) + 1 if after in ids else len(ids)
    if (before := request.query_params.get("before_id")) is not None:
        end = ids.index(before) if before in ids else 0
        start = max(start, end - limit)
    page = found[start:end][:limit]
    return JSONResponse(
        {
            "data": page,
            "has_more": start > 0 if before is not None else start + len(page) < len(found),
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
    )


def _limit(raw: str | None) -> int:
    if raw is None:
        return _USUAL
    if not raw.isascii() or not raw.isdecimal() or not 1 <= int(raw[:6]) <= _MOST:
        raise InvalidInput(f"limit: a whole number from 1 to {_MOST} is needed.", param="limit")
    return int(raw)


async def view_model(request: Request) -> Response:
    """One model or gateway; another name of a model gives the model it stands for.

    Source: Anthropic API, "Get a Model".
    """
    name = request.path_params["name"]
    found = await _all(request)
    meant = next((model for model in found if model["id"] == name), None)
    if meant is None:
        resolved = services_of(request).catalogue.resolve(name).name
        meant = next((model for model in found if model["id"] == resolved), None)
    if meant is None:
        raise NotFound(f"There is no model {name!r}.", code="model_not_found")
    return JSONResponse(meant)
