"""Training: adding texts and files to datasets."""

from anyio import to_thread

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.naming import named
from dragoman.dialects.asksage.operation import CHANGE, Call, file_name, operation, saved
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.knowledge.model import DocumentDraft
from dragoman.domain.messages.events import Usage
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.domain.usage.meter import UsageContext, UsageKind
from dragoman.kit.clock import now_ms
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import InvalidInput

_SUMMARY_SECONDS = 120.0
_SUMMARY_PROMPT = "Summarise the following text in a few sentences. Keep names, numbers and dates."
_NAME_LENGTH = 80


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
    _meter(call, "chat", answer.model, answer.usage)
    return answer.text.strip()


def _meter(call: Call, kind: UsageKind, model: str, usage: Usage) -> None:
    context = UsageContext(
        caller=call.caller,
        agent_id=None,
        dialect="asksage",
        application=None,
        end_user=None,
        kind=kind,
        started_at=now_ms(),
    )
    call.services.meter.record(context, model=model, usage=usage, status=200)


def _embedder(call: Call) -> str:
    profile = call.services.embed.profile
    return profile.name if profile is not None else "none"


def _teach(call: Call, text: str) -> int:
    model = _embedder(call)
    tokens = call.services.tokens.count(text, model).tokens
    _meter(call, "ingest", model, Usage(prompt_tokens=tokens))
    return tokens


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
    texts = [content]
    if call.inputs.flag("summarize"):
        texts.insert(0, await _summary(call, content))
    tokens = sum([await to_thread.run_sync(_teach, call, text) for text in texts])
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
    """Stores a file in a dataset; reading and indexing follow in the background.

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
    return {"response": "Successfully imported", "embedding": [result.document.id]}
