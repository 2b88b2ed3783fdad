"""A tool made of typed arguments and a function: the schema for the model and the checking come from the type."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.tools.model import Risk, ToolResult
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

OWNER = "the built-in functions"


class Arguments(BaseModel):
    """The arguments of a tool. What a model adds of its own is left aside."""

    model_config = ConfigDict(extra="ignore", frozen=True)


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class FunctionTool(Generic[A]):
    """A tool that is one function."""

    spec: ToolSpec
    arguments: type[A]
    run: Callable[[A], Awaitable[ToolResult]]
    risk: Risk
    owner: str = OWNER

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Carries it out.

        Raises:
            InvalidInput: the arguments do not fit; the message names the one that does not.
            DragomanError: the function failed.
        """
        try:
            given = self.arguments.model_validate(arguments)
        except ValidationError as error:
            raise InvalidInput(_said(error), code="invalid_arguments") from error
        return await self.run(given)


def function_tool(
    name: str,
    description: str,
    arguments: type[A],
    run: Callable[[A], Awaitable[ToolResult]],
    *,
    risk: Risk,
) -> FunctionTool[A]:
    """The tool, with the schema of its arguments."""
    return FunctionTool(ToolSpec(name, description, _schema(arguments)), arguments, run, risk)


def _schema(arguments: type[Arguments]) -> JsonObject:
    made = cast("dict[str, JsonValue]", arguments.model_json_schema())
    properties = cast("dict[str, dict[str, JsonValue]]", made.get("properties", {}))
    for one in properties.values():
        one.pop("title", None)
        if not one.get("default"):
            one.pop("default", None)
    schema: dict[str, JsonValue] = {"type": "object", "properties": cast("JsonValue", properties)}
    if "required" in made:
        schema["required"] = made["required"]
    return schema


def _said(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(step) for step in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors()[:5]
    ]
    return f"The arguments do not fit: {'; '.join(problems)}."
