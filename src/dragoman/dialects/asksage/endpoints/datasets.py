"""Datasets: list and add."""

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.naming import checked_name, stored_name
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.kit.errors import Forbidden, InvalidInput

_CUI_PREFIX = "cui-"


@operation("get-datasets", methods=READ)
async def get_datasets(call: Call) -> dict[str, object]:
    """The full names of every dataset the caller may search.

    Source: Ask Sage Server API, "get-datasets".
    """
    visible = await call.services.knowledge.collections(call.caller)
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
    if controlled and call.services.settings.asksage.cui_requires_cac:
        raise Forbidden("A CAC is required for a dataset with controlled information.", code="cac_required")
    visible = await call.services.knowledge.collections(call.caller)
    if any(item.name == name and item.owner_id == call.caller.user_id for item in visible):
        raise InvalidInput(f"There is already a dataset {name!r}.", param="dataset")
    await call.services.knowledge.create_collection(call.caller, name, label="CUI" if controlled else None)
    return {"response": "OK"}
