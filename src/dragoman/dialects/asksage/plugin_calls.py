"""From a call of an operation to a plugin ready to be carried out, and from what came of it to the answer object."""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import orjson
from anyio import Path as AsyncPath

from dragoman.dialects.asksage.attachments import named_files
from dragoman.dialects.asksage.encode import answer_object
from dragoman.dialects.asksage.metering import APPLICATION
from dragoman.dialects.asksage.naming import named
from dragoman.dialects.asksage.operation import Call, file_name, saved
from dragoman.domain.agents.plugins.model import PluginFile, PluginOutcome
from dragoman.domain.agents.plugins.service import PluginExecution, PluginRequest
from dragoman.domain.agents.plugins.writer import Origin
from dragoman.domain.agents.run import RunReport
from dragoman.domain.messages.fold import Answer
from dragoman.domain.usage.answers.service import KeptAnswer
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import Forbidden, InvalidInput

_LONGEST_PROMPT = 20_000
_MOST_FILES = 20


def plugin_values(raw: object, name: str = "plugin_values") -> dict[str, object]:
    """The values of a plugin's fields: an object, or its JSON text.

    Raises:
        InvalidInput: neither.
    """
    if raw is None or raw == "":
        return {}
    if isinstance(raw, str):
        try:
            raw = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(f"'{name}' is not valid JSON: {error}.", param=name) from error
    if not isinstance(raw, Mapping):
        raise InvalidInput(f"'{name}' must be a JSON object.", param=name)
    return {str(key): value for key, value in raw.items()}


async def _files(call: Call, stack: AsyncExitStack, named_in: Sequence[object]) -> list[PluginFile]:
    """The files of a call: its parts, saved until the stack closes, then those it names."""
    uploads = call.inputs.files.get("file", ())
    if len(uploads) > _MOST_FILES:
        raise InvalidInput(f"At most {_MOST_FILES} files may come with a call.", param="file")
    limit = call.services.settings.knowledge.max_upload_bytes
    files: list[PluginFile] = []
    for upload in uploads:
        path = await saved(upload, call.services.uploads, maximum_bytes=limit)
        stack.push_async_callback(AsyncPath(path).unlink)
        files.append(PluginFile(file_name(upload), path, upload.content_type))
    names = named_files(call.values.get("file", call.values.get("files")))
    for name in (*names, *(str(one) for one in named_in if isinstance(one, str) and one.strip())):
        recalled = await call.services.attached.recall(call.caller, name)
        files.append(PluginFile(recalled.name, text=recalled))
    return files


async def prepared(
    call: Call, name: str, values: Mapping[str, object], stack: AsyncExitStack
) -> PluginExecution:
    """The plugin with its values and files; what needs removing afterwards is given to the stack.

    Raises:
        InvalidInput: no such plugin, or a value that does not fit.
        Forbidden: it is for paying users.
    """
    given = dict(values)
    plugin = await call.services.plugins.tagged(call.caller, name)
    named_in: list[object] = []
    for field in () if plugin is None else plugin.spec.fields:
        value = given.get(field.name)
        if field.kind == "file":
            named_in.append(given.pop(field.name, None))
        elif (
            field.kind == "collection" and isinstance(value, str) and value.strip().lower() not in ("", "all")
        ):
            given[field.name] = (await named(call, value.strip())).id
        elif field.kind == "collection":
            given.pop(field.name, None)
    request = PluginRequest(
        name,
        given,
        await _files(call, stack, named_in),
        model=call.inputs.text("model"),
        origin=Origin("asksage", APPLICATION),
    )
    try:
        return await call.services.plugins.execution(call.caller, request)
    except Forbidden as error:
        # The published page has one status for every refusal of this operation.
        raise InvalidInput(error.detail, param="plugin_name", code=error.code) from error


async def finished(call: Call, execution: PluginExecution, values: Mapping[str, object]) -> dict[str, object]:
    """The answer object; it is in the caller's log, safe from a crash, before this returns."""
    outcome, answer_id = execution.outcome(), str(uuid.uuid4())
    text = outcome.text
    if outcome.notice and execution.spec.writing == "prose":
        text = f"{text}\n\n({outcome.notice})"
    prompt = f"[[{execution.spec.title}]] {orjson.dumps(values, default=str).decode()}"
    await call.services.answers.keep(
        call.caller,
        KeptAnswer(
            id=answer_id,
            at=now_ms(),
            dialect="asksage",
            model=outcome.model,
            prompt=prompt[:_LONGEST_PROMPT],
            completion=text,
            prompt_tokens=outcome.usage.prompt_tokens,
            completion_tokens=outcome.usage.completion_tokens,
            address=call.address,
        ),
    )
    return _encoded(call, execution, outcome, text, answer_id)


def _encoded(
    call: Call, execution: PluginExecution, outcome: PluginOutcome, text: str, answer_id: str
) -> dict[str, object]:
    added: dict[str, object] = {"plugin": execution.spec.name, **outcome.added}
    if outcome.notice:
        added["notice"] = outcome.notice
    answer = Answer(text, "", (), outcome.citations, "stop", outcome.usage, outcome.model)
    body = answer_object(
        answer, RunReport(), uuid=answer_id, with_usage=call.inputs.flag("usage"), added=added
    )
    return {**body, "type": "plugin"}
