"""Checks of a gateway that need more than the value itself: addresses, tool names, collections, skills."""

from collections.abc import Iterator, Mapping, Sequence

from dragoman.dialects.aivax.fields import wrong
from dragoman.dialects.aivax.functions import is_own, read_search
from dragoman.dialects.aivax.inner_addresses import refuse_inner
from dragoman.dialects.aivax.parameters import INTEGRATED
from dragoman.dialects.aivax.words import snake
from dragoman.domain.inference.healing import checked_schema
from dragoman.domain.knowledge.model import Collection
from dragoman.domain.skills.model import Skill
from dragoman.domain.tools.names import builtin_names
from dragoman.kit.addresses import AllowList
from dragoman.kit.jsontypes import JsonObject, JsonValue

# A source in the place of an address: a program that the operator has named.
_PROGRAM = "stdio:"
_REMOTE = ("http://", "https://")


def check_addresses(parameters: JsonObject, allow: AllowList) -> None:
    """Refuses what is no http(s) URL or plainly leads inside; the egress guard looks names up at use.

    Raises:
        InvalidInput: ``param`` names the offending one.
    """
    for path, url in _addresses(parameters):
        refuse_inner(url, path, allow)


def _addresses(parameters: JsonObject) -> Iterator[tuple[str, str]]:
    base = parameters.get("baseAddress")
    if isinstance(base, str) and base.strip().lower() != INTEGRATED:
        yield "parameters.baseAddress", base
    worker = parameters.get("workerScriptSource")
    if isinstance(worker, str) and worker.strip().lower().startswith(_REMOTE):
        yield "parameters.workerScriptSource", worker.strip()
    for position, url in enumerate(_list(parameters, "protocolFunctionSources")):
        yield f"parameters.protocolFunctionSources[{position}]", str(url)
    for name, member in (
        ("protocolFunctions", "callbackUrl"),
        ("mcpSources", "url"),
        ("systemInstructionsSources", "url"),
    ):
        for position, entry in enumerate(_list(parameters, name)):
            url = str(entry[member]) if isinstance(entry, dict) else ""
            if name == "protocolFunctions" and is_own(url):
                read_search(url, f"parameters.{name}[{position}].{member}")
            elif not (name == "mcpSources" and url.startswith(_PROGRAM)):
                yield f"parameters.{name}[{position}].{member}", url


def _list(parameters: JsonObject, name: str) -> Sequence[JsonValue]:
    value = parameters.get(name)
    return value if isinstance(value, list) else []


def check_tool_names(parameters: JsonObject) -> None:
    """Refuses two tools of one name; a model could not tell them apart.

    Raises:
        InvalidInput: the message names both owners.
    """
    owners: dict[str, str] = {}
    for path, name in _tool_names(parameters):
        if owners.get(name) == path:
            continue
        if name in owners:
            raise wrong(path, f"repeats the tool name {name!r} of {owners[name]}")
        owners[name] = path


def _tool_names(parameters: JsonObject) -> Iterator[tuple[str, str]]:
    sentinel = parameters.get("sentinelOptions")
    enabled = sentinel.get("enabledFunctions") if isinstance(sentinel, dict) else None
    for function in enabled if isinstance(enabled, list) else []:
        for name in builtin_names(snake(str(function))):
            yield f"the built-in function {function}", name
    if parameters.get("skills"):
        yield "the gateway's skills", "read_skill"
    if parameters.get("enableBash"):
        yield "the shell", "shell"
    if parameters.get("queryStrategy") == "QueryFunction" and parameters.get("knowledgeCollections"):
        yield "the gateway's knowledge", "search_knowledge"
    for position, tool in enumerate(_list(parameters, "tools")):
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            yield f"parameters.tools[{position}].function.name", str(function["name"])
    for position, function in enumerate(_list(parameters, "protocolFunctions")):
        if isinstance(function, dict):
            yield f"parameters.protocolFunctions[{position}].name", str(function["name"])


def check_tools(parameters: JsonObject) -> None:
    """Refuses tools that no model could be told of: no functions with names, or arguments by what is no schema.

    Raises:
        InvalidInput: ``param`` names the first such member.
    """
    for position, tool in enumerate(_list(parameters, "tools")):
        path = f"parameters.tools[{position}]"
        function = tool.get("function") if isinstance(tool, Mapping) else None
        name = function.get("name") if isinstance(function, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(name, str) or not name:
            raise wrong(path, 'must be {"type": "function", "function": {"name": ...}}')
        _check_schema(function.get("parameters"), f"{path}.function.parameters")
    for position, function in enumerate(_list(parameters, "protocolFunctions")):
        if isinstance(function, Mapping):
            _check_schema(
                function.get("contentFormat"), f"parameters.protocolFunctions[{position}].contentFormat"
            )


def _check_schema(schema: JsonValue, path: str) -> None:
    if isinstance(schema, Mapping):
        checked_schema(schema, param=path)


def script_of(parameters: JsonObject) -> str | None:
    """The worker's script, None when the worker is an address or there is none."""
    worker = parameters.get("workerScriptSource")
    if not isinstance(worker, str) or not worker.strip():
        return None
    return None if worker.strip().lower().startswith(_REMOTE) else worker


def known_skills(parameters: JsonObject, found: Sequence[Skill]) -> None:
    """Refuses skills that the caller does not have.

    Raises:
        InvalidInput: ``param`` names the first such id or slug.
    """
    names = {name for skill in found for name in (skill.id, skill.draft.slug)}
    for position, name in enumerate(_list(parameters, "skills")):
        if name not in names:
            raise wrong(f"parameters.skills[{position}]", f"names no skill of yours: {name}")


def known_collections(parameters: JsonObject, found: Sequence[Collection]) -> None:
    """Refuses ids of collections that the caller cannot search.

    Raises:
        InvalidInput: ``param`` names the first such id.
    """
    ids = {collection.id for collection in found}
    for position, collection_id in enumerate(_list(parameters, "knowledgeCollections")):
        if collection_id not in ids:
            raise wrong(
                f"parameters.knowledgeCollections[{position}]",
                f"names no collection of yours: {collection_id}",
            )
