"""The models and gateways that a caller may name."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dragoman.dialects.gemini.auth import caller_of, services_of
from dragoman.domain.inference.ports import ModelProfile
from dragoman.kit.errors import InvalidInput, NotFound

_METHODS = ["generateContent", "streamGenerateContent", "countTokens"]
_USUAL, _MOST = 50, 1000


def _model(id: str, name: str, profile: ModelProfile) -> dict[str, object]:
    return {
        "name": f"models/{id}",
        "baseModelId": id,
        "version": "1",
        "displayName": name,
        "inputTokenLimit": profile.context_tokens,
        "outputTokenLimit": profile.max_output_tokens or profile.context_tokens,
        "supportedGenerationMethods": _METHODS,
    }


async def _all(request: Request) -> list[dict[str, object]]:
    caller, services = await caller_of(request), services_of(request)
    catalogue = services.catalogue
    found = [
        _model(entry.name, entry.name, catalogue.resolve(entry.name).profile)
        for entry in catalogue.entries()
        if entry.unavailable is None
    ]
    gateways = await services.agents.select(caller, "gateway")
    return found + [_model(gateway.slug, gateway.name, ModelProfile()) for gateway in gateways]


async def list_models(request: Request) -> Response:
    """The catalogue's models and the caller's gateways, by pages.

    Source: Gemini API, "models.list".
    """
    found = await _all(request)
    size = _number(request, "pageSize", _USUAL, 1, _MOST)
    start = _number(request, "pageToken", 0, 0, len(found))
    body: dict[str, object] = {"models": found[start : start + size]}
    if start + size < len(found):
        body["nextPageToken"] = str(start + size)
    return JSONResponse(body)


def _number(request: Request, name: str, usual: int, least: int, most: int) -> int:
    raw = request.query_params.get(name)
    if not raw:
        return usual
    if not raw.isascii() or not raw.isdecimal() or len(raw) > 9 or not least <= int(raw):
        raise InvalidInput(f"{name}: a whole number from {least} is needed.", param=name)
    return min(int(raw), most)


async def view_model(request: Request) -> Response:
    """One model or gateway.

    Source: Gemini API, "models.get".
    """
    name = request.path_params["called"].rstrip("/")
    found = await _all(request)
    for model in found:
        if model["baseModelId"] == name:
            return JSONResponse(model)
    resolved = services_of(request).catalogue.resolve(name)
    meant = next((model for model in found if model["baseModelId"] == resolved.name), None)
    if meant is None:
        raise NotFound(f"There is no model {name!r}.", code="model_not_found")
    return JSONResponse(meant)
