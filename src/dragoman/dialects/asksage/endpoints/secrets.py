"""The caller's secrets: names are shown, values never."""

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation

_NAME = Field("name", required=True, aliases=("secret_name",))


@operation("get-secrets", methods=READ)
async def get_secrets(call: Call) -> dict[str, object]:
    """The names of the caller's secrets.

    Source: Ask Sage Server API, "get-secrets".
    """
    return {"response": await call.services.accounts.secret_names(call.caller)}


@operation(
    "set-secret",
    methods=CHANGE,
    fields=(_NAME, Field("value", required=True, aliases=("secret_value",))),
    sections=("user",),
)
async def set_secret(call: Call) -> dict[str, object]:
    """Keeps a secret, sealed, in the place of an earlier one of the name.

    An addition to the published pages, which read secrets but do not write them.
    """
    await call.services.accounts.set_secret(call.caller, call.inputs.text("name"), call.inputs.text("value"))
    return {"response": "OK"}


@operation("delete-secret", methods=frozenset({"POST", "DELETE"}), fields=(_NAME,), sections=("user",))
async def delete_secret(call: Call) -> dict[str, object]:
    """Removes a secret.

    An addition to the published pages.
    """
    await call.services.accounts.delete_secret(call.caller, call.inputs.text("name"))
    return {"response": "OK"}
