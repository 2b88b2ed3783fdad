"""Plugins."""

from dragoman.dialects.asksage.operation import READ, Call, operation


@operation("get-plugins", methods=READ)
async def get_plugins(call: Call) -> dict[str, object]:
    """The plugins that run here: none yet, so that no client offers what would fail.

    Source: Ask Sage Server API, "get-plugins".
    """
    return {"response": []}
