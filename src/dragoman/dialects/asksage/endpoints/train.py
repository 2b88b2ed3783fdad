"""Training: adding texts and files to datasets."""

from collections.abc import Iterator, Mapping, Sequence

from anyio import to_thread

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.metering import record, teach
from dragoman.dialects.asksage.naming import named
from dragoman.dialects.asksage.operation import CHANGE, Call, file_name, operation, saved
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.knowledge.model import DocumentDraft, Stored
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import InvalidInput

_SUMMARY_SECONDS = 120.0
# Clients give up after thirty.
_SECONDS_TO_READ = 15.0
_SUMMARY_PROMPT = "Summarise the following text in a few sentences. Keep names, numbers and dates."
_NAME_LENGTH = 80
_FILE_NAME_LENGTH = 255
_INLINE_ITEMS = 50
_MOST_ITEMS = 10_000


async def _summary(call: Call, content: str) -> str:
    model = call.services.catalogue.resolve(
        call.inputs.text("summarize_model") or call.services.catalogue.default().name
    )
    if model.profile.quotes_only:
        raise InvalidInput(
            "'summarize' needs a language model; the one in force only quotes documents.", param="summarize"
        )
    request = ChatRequest(
        messages=(Message.of_text("system", _SUMMARY_PROMPT), Message.of_text("user", content)),
        sampling=Sampling(temperature=0, max_tokens=400),
    )
    answer = await fold_stream(complete(model, request, deadline_seconds=_SUMMARY_SECONDS))
    await record(call, "chat", answer.model, answer.usage)
    return answer.text.strip()


@operation(
    "train",
    methods=CHANGE,
    fields=(
        Field("content", required=True),
        Field("context"),
        Field("summarize", "boolean", default=False),
        Field("summarize_model"),
        Field("force_dataset", aliases=("dataset",)),
        Field("skip_vectordb", "boolean", default=False),
        Field("return_vector", "boolean", default=False),
    ),
    sections=("server", "user"),
)
async def train(call: Call) -> dict[str, object]:
    """Embeds a text and, with ``force_dataset``, stores it there, findable at once.

    Source: Ask Sage Server API, "train"; User API, "train".
    """
    content, context = call.inputs.text("content"), call.inputs.text("context")
    dataset = call.inputs.text("force_dataset")
    stored = bool(dataset) and not call.inputs.flag("skip_vectordb")
    collection = await named(call, dataset) if stored else None
    if collection is not None:
        await call.services.labels.bind(call.caller, collection.label, f"the collection {collection.name!r}")
    texts = [content]
    if call.inputs.flag("summarize"):
        texts.insert(0, await _summary(call, content))
    tokens = await teach(call, texts)
    embedding = text_digest(content)[:32]
    answer: dict[str, object] = {}
    if collection is not None:
        for text in texts:
            name = (context or text).strip().splitlines()[0][:_NAME_LENGTH]
            draft = DocumentDraft(f"train:{text_digest(text)[:32]}", name, context=context or None)
            result = await call.services.knowledge.put_text(call.caller, collection.id, draft, text)
            embedding = result.document.id
    elif call.services.embed.available and (
        call.inputs.flag("skip_vectordb") or call.inputs.flag("return_vector")
    ):
        answer["vector"] = (await call.services.embed.passages([content]))[0].tolist()
    response = f"The server has learned this content ({tokens} tokens)."
    answer |= {"response": response, "embedding": embedding}
    if "user" in call.request.scope.get("root_path", ""):
        answer["result"] = response
    return answer


@operation(
    "train-with-file",
    methods=CHANGE,
    fields=(Field("file", "file", required=True), Field("dataset", required=True)),
)
async def train_with_file(call: Call) -> dict[str, object]:
    """Stores a file in a dataset, findable at once when it is read soon; a long one goes on in the background.

    A file that cannot be read is refused with the reason: nothing new stays behind, and what it was to replace stays.

    Source: Ask Sage Server API, "train-with-file".
    """
    collection = await named(call, call.inputs.text("dataset"))
    upload = call.inputs.files["file"][0]
    name = file_name(upload)
    limits = call.services.settings.knowledge
    path = await saved(upload, call.services.uploads, maximum_bytes=limits.max_upload_bytes)
    try:
        draft = DocumentDraft(name, name, metadata={"filename": name})
        result = await call.services.knowledge.put_file(
            call.caller, collection.id, draft, path, media_type=upload.content_type
        )
    finally:
        await to_thread.run_sync(path.unlink)
    await _read_or_refused(call, collection.id, result)
    return {"response": "Successfully imported", "embedding": [result.document.id]}


async def _read_or_refused(call: Call, collection_id: str, stored: Stored) -> None:
    knowledge, document_id = call.services.knowledge, stored.document.id
    document = await knowledge.settled(call.caller, collection_id, document_id, seconds=_SECONDS_TO_READ)
    # What was there before is in force again when what came in its place could not be read.
    restored = document.version == stored.document.version and document.sha256 != stored.document.sha256
    if document.state == "failed" or restored:
        if stored.outcome == "created":
            await knowledge.delete_document(call.caller, collection_id, document_id)
        reason = document.state_detail or "The file could not be read."
        raise InvalidInput(f"{document.name}: {reason}", param="file", code="unreadable_file")


def _array(call: Call) -> Sequence[object]:
    raw = call.values.get("data")
    if isinstance(raw, str) and not raw.lstrip().startswith("["):
        raise InvalidInput("'data' must be a JSON array of texts.", param="data")
    items = call.inputs.list("data")
    if not items:
        raise InvalidInput("'data' is required: at least one text.", param="data")
    return items


def _flat(items: Sequence[object], where: str = "data") -> Iterator[str]:
    """The texts of an array, whose items may be arrays of texts themselves."""
    for position, item in enumerate(items):
        place = f"{where}[{position}]"
        if isinstance(item, list):
            yield from _flat(item, place)
        elif isinstance(item, str) and item.strip():
            yield item
        else:
            raise InvalidInput(f"'{place}' must be text that is not empty.", param=place)


async def _put_array(call: Call, collection_id: str, drafts: Mapping[str, tuple[DocumentDraft, str]]) -> None:
    if len(drafts) <= _INLINE_ITEMS:
        for draft, text in drafts.values():
            await call.services.knowledge.put_text(call.caller, collection_id, draft, text)
    else:
        await call.services.knowledge.import_texts(call.caller, collection_id, list(drafts.values()))


@operation(
    "train-with-array",
    methods=CHANGE,
    fields=(
        Field("data", "list", required=True),
        Field("dataset", required=True),
        Field("context"),
        Field("filename"),
    ),
)
async def train_with_array(call: Call) -> dict[str, object]:
    """Stores an array of texts in a dataset, each found by itself; above a few dozen in the background.

    Source: Ask Sage Server API, "train-with-array".
    """
    texts = list(_flat(_array(call)))
    if len(texts) > _MOST_ITEMS:
        raise InvalidInput(f"'data' has more than {_MOST_ITEMS} texts.", param="data")
    collection = await named(call, call.inputs.text("dataset"))
    context, file = call.inputs.text("context") or None, call.inputs.text("filename")[:_FILE_NAME_LENGTH]
    ids = [f"train:{text_digest(file + chr(0) + text)[:32]}" for text in texts]
    drafts = {
        external_id: (
            DocumentDraft(
                external_id,
                file or (context or text).strip().splitlines()[0][:_NAME_LENGTH],
                metadata={"filename": file} if file else {},
                context=context,
            ),
            text,
        )
        for external_id, text in zip(ids, texts, strict=True)
    }
    await _put_array(call, collection.id, drafts)
    tokens = await teach(call, texts)
    stored = await call.services.copies.by_external_ids(call.caller, collection.id, list(drafts))
    return {
        "response": f"The server has learned this content ({tokens} tokens).",
        "embedding": [stored[external_id].id for external_id in ids],
    }
