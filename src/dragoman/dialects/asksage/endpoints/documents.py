"""What datasets hold: list it, remove it by file name, copy it to another dataset."""

from dragoman.dialects.asksage.dates import http_date
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.naming import named, owned, stored_name
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.domain.knowledge.model import Collection, Document
from dragoman.kit.errors import InvalidInput, NotFound

_MOST_COPIED = 200


def _listed(document: Document, collection: Collection) -> dict[str, object]:
    name = stored_name(collection)
    return {
        "id": document.id,
        "filename": document.name,
        "dataset": name,
        "source_string": name,
        "size": document.size,
        "chunks": document.passage_count,
        "tokens": document.token_count,
        "date_time": http_date(document.created_at),
    }


@operation("get-all-files-ingested", methods=READ)
async def get_all_files(call: Call) -> dict[str, object]:
    """Everything in the caller's own datasets; by POST in ``response`` as well.

    Source: Ask Sage Server API, "get-all-files-ingested".
    """
    visible = await call.services.collections.visible(call.caller)
    files = [
        _listed(document, collection)
        for collection in visible
        if collection.owner_id == call.caller.user_id
        for document in await call.services.copies.all(call.caller, collection.id)
    ]
    return {"response": files if call.request.method == "POST" else "OK", "files": files}


@operation(
    "delete-filename-from-dataset",
    methods=CHANGE,
    fields=(Field("dataset", required=True), Field("filename", required=True)),
)
async def delete_filename(call: Call) -> dict[str, object]:
    """Removes what has that file name from a dataset of the caller's own.

    Source: Ask Sage Server API, "delete-filename-from-dataset".
    """
    collection, name = await owned(call, call.inputs.text("dataset")), call.inputs.text("filename")
    found = await call.services.copies.named(call.caller, collection.id, name)
    if not found:
        raise InvalidInput(f"The dataset holds no file {name!r}.", param="filename")
    for document in found:
        await call.services.knowledge.delete_document(call.caller, collection.id, document.id)
    return {"response": "OK"}


@operation(
    "copy-files-dataset",
    methods=CHANGE,
    fields=(Field("dataset", required=True), Field("files", "list", required=True)),
)
async def copy_files(call: Call) -> dict[str, object]:
    """Copies files into a dataset, each from the dataset that ``source_string`` names; vectors follow.

    Source: Ask Sage Server API, "copy-files-dataset".
    """
    target = await named(call, call.inputs.text("dataset"))
    wanted = [_wanted(item, position) for position, item in enumerate(call.inputs.list("files"))]
    if len(wanted) > _MOST_COPIED:
        raise InvalidInput(f"'files' has more than {_MOST_COPIED} entries.", param="files")
    messages: list[str] = []
    failures: list[str] = []
    for name, source in wanted:
        try:
            await _copy(call, name, source, target)
        except (InvalidInput, NotFound) as error:
            failures.append(f"{name}: {error.detail}")
            messages.append(failures[-1])
        else:
            messages.append(f"{name}: copied.")
    if len(failures) == len(wanted):
        raise InvalidInput("None of the files could be copied. " + " ".join(failures), param="files")
    return {"response": messages}


def _wanted(item: object, position: int) -> tuple[str, str]:
    where = f"files[{position}]"
    if not isinstance(item, dict):
        raise InvalidInput(f"'{where}' must be an object.", param=where)
    name, source = item.get("filename"), item.get("source_string", item.get("dataset"))
    if not isinstance(name, str) or not name or not isinstance(source, str) or not source:
        raise InvalidInput(f"'{where}' needs 'filename' and 'source_string'.", param=where)
    return name, source


async def _copy(call: Call, name: str, source: str, target: Collection) -> None:
    origin = await named(call, source)
    if origin.id == target.id:
        raise InvalidInput("it is in this dataset already.", param="files")
    found = await call.services.copies.named(call.caller, origin.id, name)
    if not found:
        raise InvalidInput("the source dataset holds no such file.", param="files")
    for document in found:
        await call.services.copies.copy(call.caller, document, target.id)
