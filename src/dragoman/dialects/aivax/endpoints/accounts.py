"""The account: its name, its switches, and the salt that signs calls to the user's own servers."""

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body
from dragoman.dialects.aivax.envelope import said
from dragoman.dialects.aivax.fields import Member, Record, Switch, Text
from dragoman.domain.accounts.switches import HEAL_JSON, LOG_CONVERSATIONS
from dragoman.kit.jsontypes import JsonObject, JsonValue

router = APIRouter()

UPDATE = Record(
    {
        "name": Member(Text(1, 200), required=True),
        "parameters": Member(
            Record(
                {"allowConversationsLogging": Member(Switch()), "automaticJsonHealing": Member(Switch())},
            ),
            default={},
        ),
    }
)
_SWITCHES = {"allowConversationsLogging": LOG_CONVERSATIONS, "automaticJsonHealing": HEAL_JSON}


def _changes(parameters: JsonObject) -> dict[str, JsonValue]:
    return {_SWITCHES[given]: value for given, value in parameters.items()}


@router.put("/accounts", openapi_extra=json_content(UPDATE))
async def update_account(request: Request, caller: PrivateCaller) -> Response:
    """Sets the account's name and the switches that are given.

    Source: AIVAX API, "Update Account".
    """
    values = await read_body(request, UPDATE)
    parameters = values["parameters"]
    assert isinstance(parameters, dict)
    accounts = services_of(request).accounts
    await accounts.change_settings(caller, _changes(parameters), name=str(values["name"]))
    return said(request, "Parameters updated successfully.")


@router.post("/accounts/roll-salt")
@router.post("/account/salt/roll")
async def roll_salt(request: Request, caller: PrivateCaller) -> Response:
    """A new salt; the old one stops verifying at once.

    Source: AIVAX API, "Roll Salt".
    """
    await services_of(request).accounts.roll_salt(caller)
    return said(request, "Salt rolled successfully.")
