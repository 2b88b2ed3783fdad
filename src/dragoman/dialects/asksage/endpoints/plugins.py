"""Plugins: which there are, and carrying them out."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from starlette.responses import Response

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.dialects.asksage.plugin_calls import plugin_values, prepared
from dragoman.dialects.asksage.plugin_streams import in_pieces, whole
from dragoman.dialects.asksage.streaming import wants_events
from dragoman.domain.agents.plugins.model import Plugin
from dragoman.domain.agents.plugins.template import fields_of, pattern, tag_of, template
from dragoman.kit.errors import InvalidInput

_FILE = Field("file", "files", aliases=("files", "file[]", "files[]"))
_COMMON = (
    Field("model"),
    Field("live", "integer", minimum=0, maximum=2, default=0),
    Field("usage", "boolean", default=False),
    Field("streaming", "boolean"),
)
_WIRE_KINDS = {"collection": "text"}


def _described(number: int, plugin: Plugin, *, paid_only: bool) -> dict[str, object]:
    spec = plugin.spec
    return {
        "id": str(number),
        "plugin_name": spec.name,
        "title": spec.title,
        "description": spec.description,
        "category": spec.category,
        "paid_only": paid_only,
        "file_mode": spec.takes_file,
        "regex": pattern(spec),
        "prompt_template": template(spec),
        "fields": [
            {
                "name": field.name,
                "description": field.description,
                "type": _WIRE_KINDS.get(field.kind, field.kind),
                "required": field.required,
            }
            for field in spec.fields
        ],
    }


@operation("get-plugins", methods=READ)
async def get_plugins(call: Call) -> dict[str, object]:
    """The plugins that the caller's organisation may use.

    Source: Ask Sage Server API, "get-plugins".
    """
    plugins = call.services.plugins
    return {
        "response": [
            _described(number, plugin, paid_only=plugins.for_paying(plugin.spec))
            for number, plugin in enumerate(await plugins.offered(call.caller), 1)
        ]
    }


def _streams(call: Call) -> bool:
    """Whether the text is sent in pieces: as asked, else when the call came in the documented form of parts."""
    streaming = call.inputs.values.get("streaming")
    if streaming is not None:
        return streaming is True
    accept = call.request.headers.get("accept", "")
    if wants_events(accept):
        return True
    if "application/json" in accept:
        return False
    return call.request.headers.get("content-type", "").lower().startswith("multipart/form-data")


async def _carried_out(
    call: Call, name: str, values: Mapping[str, object], *, in_parts: bool, plain: bool
) -> Response:
    async with AsyncExitStack() as stack:
        execution = await prepared(call, name, values, stack)
        # From here on whoever sends the answer closes it.
        kept = stack.pop_all()
    if in_parts:
        return await in_pieces(call, execution, values, kept)
    return await whole(call, execution, values, kept, plain=plain)


@operation(
    "execute-plugin",
    methods=CHANGE,
    fields=(
        Field("plugin_name", required=True),
        Field("plugin_values", "json", required=True),
        _FILE,
        *_COMMON,
    ),
)
async def execute_plugin(call: Call) -> Response:
    """The plugin's text in pieces for a form of parts, else one answer object; ``streaming`` says it outright.

    Source: Ask Sage Server API, "execute-plugin".
    """
    values = plugin_values(call.inputs.values.get("plugin_values"))
    return await _carried_out(
        call, call.inputs.text("plugin_name"), values, in_parts=_streams(call), plain=True
    )


@operation(
    "execute-plugin-with-file",
    methods=CHANGE,
    fields=(
        Field("file", "files", required=True, aliases=("files", "file[]", "files[]")),
        Field("plugin_name", required=True),
        Field("plugin_values", "json"),
        *_COMMON,
    ),
)
async def execute_plugin_with_file(call: Call) -> Response:
    """One answer object for a plugin that is given a file.

    Source: Ask Sage Server API, "execute-plugin-with-file".
    """
    values = plugin_values(call.inputs.values.get("plugin_values"))
    in_parts = call.inputs.flag("streaming")
    return await _carried_out(call, call.inputs.text("plugin_name"), values, in_parts=in_parts, plain=False)


@operation(
    "query-plugin",
    methods=CHANGE,
    fields=(
        Field("plugin_name", aliases=("plugin_tag",)),
        Field("fields", "json", aliases=("plugin_values",)),
        Field("dataset"),
        _FILE,
        *_COMMON,
    ),
)
async def query_plugin(call: Call) -> Response:
    """One answer object of a plugin by name or tag.

    Source: Ask Sage documentation, "query-plugin".
    """
    name = call.inputs.text("plugin_name").strip().removeprefix("[[").removesuffix("]]")
    if not name:
        raise InvalidInput("'plugin_name' or 'plugin_tag' is required.", param="plugin_name")
    values = plugin_values(call.inputs.values.get("fields"), "fields")
    dataset = call.inputs.text("dataset")
    if dataset:
        values.setdefault("dataset", dataset)
    return await _carried_out(call, name, values, in_parts=call.inputs.flag("streaming"), plain=False)


async def plugin_of_prompt(call: Call) -> Response | None:
    """The answer of the plugin whose tag the message begins with; None when it begins with none that is offered."""
    message = call.values.get("message", call.values.get("messages"))
    if not isinstance(message, str) or (tag := tag_of(message)) is None:
        return None
    plugin = await call.services.plugins.tagged(call.caller, tag)
    if plugin is None:
        return None
    values: dict[str, object] = dict(fields_of(plugin.spec, message))
    return await _carried_out(
        call, plugin.spec.name, values, in_parts=call.inputs.flag("streaming"), plain=False
    )
