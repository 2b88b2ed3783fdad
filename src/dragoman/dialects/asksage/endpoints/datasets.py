"""Datasets: list, add and delete."""

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.naming import checked_name, classification, named, owned, stored_name
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.kit.certificates import presented
from dragoman.kit.errors import Conflict, Forbidden, InvalidInput, NotFound

_CUI_PREFIX = "cui-"


@operation("get-datasets", methods=READ)
async def get_datasets(call: Call) -> dict[str, object]:
    """The full names of every dataset the caller may search.

    Source: Ask Sage Server API, "get-datasets".
    """
    visible = await call.services.collections.visible(call.caller)
    return {"response": [stored_name(collection) for collection in visible]}


@operation(
    "add-dataset",
    methods=CHANGE,
    fields=(
        Field("dataset", required=True),
        Field("classification", choices=("Unclassified", "CUI"), default="Unclassified"),
        Field("is_tabular", "boolean", default=False),
    ),
    sections=("user",),
)
async def add_dataset(call: Call) -> dict[str, object]:
    """A new, empty dataset of the caller's own.

    Source: Ask Sage User API, "add-dataset".
    """
    name = checked_name(call.inputs.text("dataset"))
    controlled = name.lower().startswith(_CUI_PREFIX) or call.inputs.text("classification") == "CUI"
    if controlled and not await _may_control(call):
        raise Forbidden("A CAC is required for a dataset with controlled information.", code="cac_required")
    label = "CUI" if controlled else None
    try:
        await call.services.collections.create(call.caller, name, label=label, alone=True)
    except Conflict as error:
        raise InvalidInput(f"There is already a dataset {name!r}.", param="dataset") from error
    return {"response": "OK"}


async def _may_control(call: Call) -> bool:
    """Whether the caller came with a smart card: this request's own certificate, or the operator's word."""
    settings = call.services.settings.asksage
    if not settings.cui_requires_cac or call.caller.email in {user.lower() for user in settings.cac_users}:
        return True
    return await call.services.certificates.prove(call.caller, presented(call.request.scope))


@operation("get-dataset-info", methods=READ, fields=(Field("dataset", required=True),))
async def get_dataset_info(call: Call) -> dict[str, object]:
    """What a dataset is: its number, name and classification.

    Source: Ask Sage Server API, second version, "get-dataset-info".
    """
    try:
        found = await named(call, call.inputs.text("dataset"))
    except InvalidInput as error:
        raise NotFound(error.detail, param="dataset", code="dataset_info_not_found") from error
    return {
        "response": {
            "id": found.key,
            "name": stored_name(found),
            "classification": classification(found),
            "is_tabular": False,
        }
    }


async def _delete(call: Call, names: tuple[str, ...]) -> dict[str, object]:
    # All names are looked up before anything is removed, so that a wrong one changes nothing.
    found = [await owned(call, name) for name in names]
    for collection_id in dict.fromkeys(collection.id for collection in found):
        await call.services.collections.delete(call.caller, collection_id)
    return {"response": "OK"}


@operation("dataset", methods=frozenset({"DELETE", "POST"}), fields=(Field("dataset", required=True),))
async def delete_server_dataset(call: Call) -> dict[str, object]:
    """Removes a dataset of the caller's own with everything in it.

    Source: Ask Sage Server API, "dataset".
    """
    return await _delete(call, (call.inputs.text("dataset"),))


@operation(
    "delete-dataset",
    "delete-datasets",
    methods=frozenset({"DELETE", "POST"}),
    fields=(Field("dataset", "list", aliases=("datasets",)),),
    sections=("user",),
)
async def delete_datasets(call: Call) -> dict[str, object]:
    """Removes one or several datasets of the caller's own with everything in them.

    Source: Ask Sage User API, "delete-dataset".
    """
    names = tuple(name for name in call.inputs.texts("dataset") if name.strip())
    if not names:
        raise InvalidInput("'dataset' is required.", param="dataset", code="dataset_missing")
    return await _delete(call, names)
