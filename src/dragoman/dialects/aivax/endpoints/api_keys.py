"""API keys of the account."""

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax import encode
from dragoman.dialects.aivax.auth import KeyId, PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body, window
from dragoman.dialects.aivax.envelope import answer, said
from dragoman.dialects.aivax.fields import Choice, Member, Record, Text, Whole
from dragoman.kit.errors import InvalidInput, NotFound

router = APIRouter()

_MOST_DAYS = 36_500
# A negative duration stands for a key that does not expire.
CREATE = Record(
    {
        "label": Member(Text(1, 200), required=True),
        "duration": Member(Whole(maximum=_MOST_DAYS), required=True),
        "type": Member(Choice(("Private", "Public")), default="Private"),
    }
)


@router.get("/accounts/api-key")
@router.get("/keys")
async def list_keys(request: Request, caller: PrivateCaller) -> Response:
    """The account's keys, each with only its last characters, and the salt.

    Source: AIVAX API, "List API Keys".
    """
    limit, offset = window(request)
    accounts = services_of(request).accounts
    keys = await accounts.list_keys(caller)
    listed = [encode.api_key(key) for key in keys[offset : offset + limit]]
    return answer(request, {"apiKeys": listed, "salt": await accounts.salt(caller)})


@router.post("/accounts/api-key", openapi_extra=json_content(CREATE))
@router.post("/keys", openapi_extra=json_content(CREATE))
async def create_key(request: Request, caller: PrivateCaller) -> Response:
    """A new key, shown this once; ``duration`` counts days.

    Source: AIVAX API, "Create API Key".
    """
    values = await read_body(request, CREATE)
    label, duration = values["label"], values["duration"]
    assert isinstance(label, str)
    assert isinstance(duration, int)
    if duration == 0:
        raise InvalidInput("duration must be a number of days, or negative for no end.", param="duration")
    _, key = await services_of(request).accounts.create_key(
        caller,
        label,
        days=duration if duration > 0 else None,
        kind="public" if values["type"] == "Public" else "private",
    )
    return answer(request, {"grantKey": key})


@router.delete("/accounts/api-key/{key_id}")
@router.delete("/keys/{key_id}")
async def delete_key(request: Request, caller: PrivateCaller, key_id: KeyId) -> Response:
    """Ends a key at once; one that is unknown or somebody else's is a bad request here.

    Source: AIVAX API, "Delete API Key".
    """
    try:
        await services_of(request).accounts.revoke_key(caller, key_id)
    except NotFound as error:
        raise InvalidInput(
            "The account has no API key with this id.", param="key-id", code=error.code
        ) from error
    return said(request, "API key deleted successfully.")
