"""Sharing datasets: with single colleagues, with groups, or with the whole organisation."""

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.naming import classification, named, stored_name
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.domain.knowledge.sharing import Permission, at_least
from dragoman.kit.errors import InvalidInput, NotFound

_DATASET = Field("dataset", required=True)
_EMAIL = Field("email", required=True)
_GROUP = Field("group", required=True)
_NO_ACCOUNT: dict[str, object] = {"response": "No account.", "error": "No account.", "status": 410}
_GRANTED: dict[str, Permission] = {"read": "read", "edit": "edit", "admin": "admin"}


async def _grant(call: Call, permission: Permission) -> dict[str, object]:
    collection = await named(call, call.inputs.text("dataset"))
    try:
        await call.services.sharing.grant(call.caller, collection.id, call.inputs.text("email"), permission)
    except NotFound as error:
        if error.code != "user_not_found":
            raise
        return _NO_ACCOUNT
    return {"response": "OK"}


@operation("assign-dataset", methods=CHANGE, fields=(_DATASET, _EMAIL), sections=("user",))
async def assign_dataset(call: Call) -> dict[str, object]:
    """Lets a colleague search a dataset; for others HTTP 200 with the status 410 in the body.

    Source: Ask Sage User API, second version, "assign-dataset".
    """
    return await _grant(call, "read")


@operation("deassign-dataset", methods=CHANGE, fields=(_DATASET, _EMAIL), sections=("user",))
async def deassign_dataset(call: Call) -> dict[str, object]:
    """Takes a dataset away from a colleague again.

    Source: Ask Sage User API, second version, "deassign-dataset".
    """
    collection = await named(call, call.inputs.text("dataset"))
    try:
        await call.services.sharing.revoke(call.caller, collection.id, call.inputs.text("email"))
    except NotFound as error:
        if error.code != "user_not_found":
            raise
        return _NO_ACCOUNT
    return {"response": "OK"}


@operation(
    "update-permission-dataset",
    methods=CHANGE,
    fields=(
        _DATASET,
        _EMAIL,
        Field("permissions", choices=tuple(_GRANTED), default="read", aliases=("permission",)),
    ),
    sections=("user",),
)
async def update_permission(call: Call) -> dict[str, object]:
    """Sets what a colleague may do with a dataset: read, edit or admin.

    Source: Ask Sage User API, second version, "update-permission-dataset".
    """
    return await _grant(call, _GRANTED[call.inputs.text("permissions")])


@operation(
    "get-datasets-with-permissions",
    methods=READ,
    fields=(Field("check_permissions", "boolean", default=True),),
    sections=("user",),
)
async def get_with_permissions(call: Call) -> dict[str, object]:
    """Every dataset the caller may search, with what the caller may do there.

    Source: Ask Sage User API, second version, "get-datasets-with-permissions".
    """
    return {
        "response": [
            {
                "dataset": stored_name(collection),
                "classification": classification(collection),
                "permissions": permission,
            }
            for collection, permission in await call.services.sharing.visible(call.caller)
        ]
    }


@operation(
    "get-dataset-permissions",
    methods=READ,
    fields=(_DATASET, Field("permissions", choices=(*_GRANTED, "owner"), default="read")),
    sections=("user",),
)
async def get_permissions(call: Call) -> dict[str, object]:
    """Whether the caller may do this with a dataset.

    Source: Ask Sage User API, second version, "get-dataset-permissions".
    """
    try:
        collection = await named(call, call.inputs.text("dataset"))
    except InvalidInput:
        return {"response": False}
    held = await call.services.sharing.permission(call.caller, collection.id)
    return {"response": at_least(held, call.inputs.text("permissions"))}


@operation("get-dataset-assignments", methods=READ, fields=(_DATASET,), sections=("user",))
async def get_assignments(call: Call) -> dict[str, object]:
    """Everybody whom a dataset was shared with.

    Source: Ask Sage User API, second version, "get-dataset-assignments".
    """
    collection = await named(call, call.inputs.text("dataset"))
    found = await call.services.sharing.grants(call.caller, collection.id)
    return {
        "response": [
            {"id": grant.user_number, "email": grant.email, "permissions": grant.permission}
            for grant in found
        ]
    }


@operation(
    "update-dataset-organization",
    methods=CHANGE,
    fields=(_DATASET, Field("enable", "boolean", required=True)),
    sections=("user",),
)
async def update_organization(call: Call) -> dict[str, object]:
    """Lets everybody of the organisation search a dataset, or no longer.

    Source: Ask Sage User API, second version, "update-dataset-organization".
    """
    collection = await named(call, call.inputs.text("dataset"))
    opened = call.inputs.flag("enable")
    await call.services.sharing.open_to_organisation(call.caller, collection.id, opened=opened)
    return {"response": "OK"}


@operation("get-dataset-organization", methods=READ, fields=(_DATASET,), sections=("user",))
async def get_organization(call: Call) -> dict[str, object]:
    """1 when everybody of the organisation may search a dataset, else 0.

    Source: Ask Sage User API, second version, "get-dataset-organization".
    """
    collection = await named(call, call.inputs.text("dataset"))
    return {"response": int(collection.visibility != "private")}


@operation(
    "assign-dataset-to-group",
    methods=CHANGE,
    fields=(
        _DATASET,
        _GROUP,
        Field("permissions", choices=tuple(_GRANTED), default="read", aliases=("permission",)),
    ),
    sections=("user",),
)
async def assign_to_group(call: Call) -> dict[str, object]:
    """Lets everybody in a group of the organisation use a dataset: read, edit or admin. An addition of this server."""
    collection = await named(call, call.inputs.text("dataset"))
    permission = _GRANTED[call.inputs.text("permissions")]
    group = call.inputs.text("group")
    await call.services.sharing.grant_group(call.caller, collection.id, group, permission)
    return {"response": "OK"}


@operation("deassign-dataset-from-group", methods=CHANGE, fields=(_DATASET, _GROUP), sections=("user",))
async def deassign_from_group(call: Call) -> dict[str, object]:
    """Takes a dataset away from a group again. An addition of this server."""
    collection = await named(call, call.inputs.text("dataset"))
    await call.services.sharing.revoke_group(call.caller, collection.id, call.inputs.text("group"))
    return {"response": "OK"}


@operation("get-dataset-groups", methods=READ, fields=(_DATASET,), sections=("user",))
async def get_groups(call: Call) -> dict[str, object]:
    """Every group that a dataset was shared with. An addition of this server."""
    collection = await named(call, call.inputs.text("dataset"))
    found = await call.services.sharing.group_grants(call.caller, collection.id)
    return {
        "response": [
            {"id": grant.group_id, "group": grant.name, "permissions": grant.permission} for grant in found
        ]
    }
