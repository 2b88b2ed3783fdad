"""The caller's API keys."""

from dragoman.dialects.asksage.dates import http_date
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.kit.errors import InvalidInput


@operation("get-user-api-keys", methods=READ, sections=("user",))
async def get_api_keys(call: Call) -> dict[str, object]:
    """The caller's keys, each by its last six characters.

    Source: Ask Sage User API, second version, "get-user-api-keys".
    """
    return {
        "response": [
            {
                "id": key.id,
                "name": key.label,
                "api_key": f"…{key.last_six}",
                "date_creation": http_date(key.created_at),
                "date_last_use": None if key.used_at is None else http_date(key.used_at),
                "date_expiration": None if key.expires_at is None else http_date(key.expires_at),
            }
            for key in await call.services.accounts.list_keys(call.caller)
        ]
    }


@operation(
    "user-api-key",
    methods=CHANGE | {"DELETE"},
    fields=(Field("name"), Field("id")),
    sections=("user",),
)
async def user_api_key(call: Call) -> dict[str, object]:
    """By POST a new key, shown this once; by DELETE the end of the one with this id.

    Source: Ask Sage User API, second version, "user-api-key".
    """
    if call.request.method == "DELETE":
        return await _revoke(call)
    name = call.inputs.text("name").strip()
    if not name:
        raise InvalidInput("'name' is required.", param="name")
    key_id, text = await call.services.accounts.create_key(call.caller, name)
    return {"response": {"id": key_id, "name": name, "api_key": text}, "api_key": text}


async def _revoke(call: Call) -> dict[str, object]:
    key_id = call.inputs.text("id").strip()
    if not key_id:
        raise InvalidInput("'id' is required.", param="id")
    await call.services.accounts.revoke_key(call.caller, key_id)
    return {"response": "OK"}
