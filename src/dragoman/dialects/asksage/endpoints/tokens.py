"""The exchange of an e-mail address and API key for a 24-hour token."""

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, Call, operation


@operation(
    "get-token-with-api-key",
    methods=CHANGE,
    fields=(Field("email", required=True), Field("api_key", required=True)),
    public=True,
    sections=("user",),
)
async def get_token(call: Call) -> dict[str, object]:
    """A token for ``x-access-tokens``.

    Source: Ask Sage User API, "get-token-with-api-key".
    """
    token = await call.services.accounts.exchange(
        call.inputs.text("email"), call.inputs.text("api_key"), address=call.address
    )
    return {"response": {"access_token": token}}
