"""A tool as it is offered to other programs, and reading its arguments."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """``schema`` describes its arguments; ``run`` gives the text of its answer. ``changes``: whether it changes anything."""

    name: str
    description: str
    schema: JsonObject
    run: Callable[[JsonObject], Awaitable[str]]
    title: str | None = None
    changes: bool = False

    def listed(self) -> dict[str, JsonValue]:
        """The tool as it is listed."""
        entry: dict[str, JsonValue] = {
            "name": self.name,
            "description": self.description,
            "inputSchema": self.schema,
            "annotations": {
                "readOnlyHint": not self.changes,
                "destructiveHint": self.changes,
                "openWorldHint": False,
            },
        }
        return entry | ({"title": self.title} if self.title else {})


def identifier(text: str, default: str) -> str:
    """The text as part of a tool's name: lower case, digits, ``_``."""
    kept = "".join(
        character if character.isascii() and character.isalnum() else "_" for character in text.lower()
    )
    return "_".join(part for part in kept.split("_") if part)[: LONGEST_NAME - 16] or default


def text_argument(
    arguments: JsonObject, name: str, *, longest: int, required: bool = True, empty: bool = False
) -> str:
    """A text among the arguments, empty when it may be left out and is.

    Raises:
        InvalidInput: it is missing, none, or too long.
    """
    value = arguments.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not (empty or value.strip()):
        raise InvalidInput(f"The argument {name} must be a text that is not empty.", param=name)
    if len(value) > longest:
        raise InvalidInput(f"The argument {name} has at most {longest} characters.", param=name)
    return value


def texts_argument(arguments: JsonObject, name: str, *, most: int, longest: int) -> tuple[str, ...]:
    """A list of texts among the arguments, all in all of at most ``longest`` characters; one text is a list of one.

    Raises:
        InvalidInput: it is missing, none, or too long.
    """
    value = arguments.get(name)
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not items:
        raise InvalidInput(f"The argument {name} must be a list of texts.", param=name)
    texts = [item.strip() for item in items if isinstance(item, str)]
    if len(texts) < len(items) or not all(texts):
        raise InvalidInput(f"The argument {name} must be a list of texts that are not empty.", param=name)
    if len(texts) > most:
        raise InvalidInput(f"The argument {name} has at most {most} entries.", param=name)
    if sum(map(len, texts)) > longest:
        raise InvalidInput(f"The texts of {name} have at most {longest} characters together.", param=name)
    return tuple(dict.fromkeys(texts))


def schema(properties: Mapping[str, JsonValue], required: tuple[str, ...]) -> JsonObject:
    """A JSON Schema of an object."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def apart(tools: list[OfferedTool], name: str, mark: str) -> str:
    """The name, with the mark behind it when one of the tools has it already."""
    taken = {tool.name for tool in tools}
    return f"{name}_{mark}" if name in taken else name
