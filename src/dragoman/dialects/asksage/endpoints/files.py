"""Files outside datasets: their text, and how many tokens a text is."""

import orjson
from anyio import to_thread

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, file_name, operation, saved
from dragoman.domain.knowledge.attached.service import AttachedFile

_DEFAULT_TOKENIZER = "text-embedding-ada-002"


def marked_text(file: AttachedFile) -> str:
    """The text with a line before each page that names the file and the page."""
    return "\n".join(
        orjson.dumps({"asksage_metadata": {"filename": file.name, "page_number": number}}).decode()
        + "\n"
        + text
        for number, text in file.pages
    )


@operation(
    "file",
    methods=CHANGE,
    fields=(
        Field("file", "file", required=True),
        Field("strategy", choices=("auto", "fast", "hi_res"), default="auto"),
        Field("special_csv", "boolean", default=False),
    ),
)
async def extract_file(call: Call) -> dict[str, object]:
    """The text of a file, which questions may then refer to by its name for 24 hours.

    Source: Ask Sage Server API, "file".
    """
    upload = call.inputs.files["file"][0]
    name = file_name(upload)
    limit = call.services.settings.knowledge.max_upload_bytes
    path = await saved(upload, call.services.uploads, maximum_bytes=limit)
    try:
        file = await call.services.attached.read(path, name=name, media_type=upload.content_type)
    finally:
        await to_thread.run_sync(path.unlink)
    await call.services.attached.remember(call.caller, file)
    return {"response": "OK", "ret": marked_text(file), "sent_filename": name}


@operation(
    "tokenizer",
    methods=READ,
    fields=(
        Field("content", required=True),
        Field("model", default=_DEFAULT_TOKENIZER),
        Field("convert_to_asksage", "boolean", default=False),
        Field("completion_estimate", "integer", minimum=0, maximum=10_000_000, default=0),
    ),
)
async def tokenizer(call: Call) -> dict[str, object]:
    """How many tokens a text is for a model, with the answer's estimated ones if they are given.

    Source: Ask Sage Server API, "tokenizer".
    """
    counted = await call.services.tokens.total([call.inputs.text("content")], call.inputs.text("model"))
    return {"response": str(counted.tokens + (call.inputs.integer("completion_estimate") or 0))}
