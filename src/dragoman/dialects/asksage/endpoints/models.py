"""The models that a caller may name."""

from datetime import UTC, datetime

from dragoman.dialects.asksage.operation import READ, Call, operation


@operation("get-models", methods=READ)
async def get_models(call: Call) -> dict[str, object]:
    """Every model of the catalogue, its usual other names, and the caller's own gateways.

    Source: Ask Sage Server API, "get-models".
    """
    services = call.services
    since = datetime.fromtimestamp(services.catalogue.since, UTC).date().isoformat()
    data = [
        {"id": entry.name, "name": entry.name, "object": "model", "owned_by": entry.owner, "created": since}
        for entry in services.catalogue.entries()
    ]
    data += [
        {
            "id": gateway.slug,
            "name": gateway.name,
            "object": "model",
            "owned_by": call.caller.email,
            "created": datetime.fromtimestamp(gateway.created_at / 1000, UTC).date().isoformat(),
        }
        for gateway in await services.agents.select(call.caller, "gateway")
    ]
    return {"object": "list", "data": data, "response": [entry["id"] for entry in data]}
