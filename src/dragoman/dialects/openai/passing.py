"""Which requests a provider may be handed as they are: those in which nothing is this server's and nothing is wrong."""

from collections.abc import Mapping

from pydantic import Field, ValidationError

from dragoman.dialects.openai.decode import MessageHead, SharedFields
from dragoman.dialects.openai.extras import ExtraFields, check_format
from dragoman.kit.errors import InvalidInput

# Fields that mean something to this server, so that it must read the answer or change the question.
_OURS = frozenset(("prompt", *ExtraFields.model_fields))


class Passed(SharedFields):
    """A request as far as it is read before it is passed on."""

    messages: list[MessageHead] = Field(min_length=1)

    @property
    def keeps_to_schema_here(self) -> bool:
        """Whether the request itself asks for its JSON to be checked here."""
        described = (self.response_format or {}).get("json_schema")
        return isinstance(described, Mapping) and "healing_options" in described

    @property
    def chooses_what_is_there(self) -> bool:
        """Whether no call is demanded of a tool that the request does not bring along."""
        choice = self.tool_choice
        if isinstance(choice, str) or choice is None:
            return choice != "required" or bool(self.tools)
        return choice.function.name in {tool.function.name for tool in self.tools or ()}


def passed(body: Mapping[str, object]) -> Passed | None:
    """The request where it may be passed on; None where ``decode`` has to read it, or say what is wrong with it."""
    if not _OURS.isdisjoint(body):
        return None
    try:
        found = Passed.model_validate(body)
        check_format(found.response_format)
    except (ValidationError, InvalidInput):
        return None
    if not found.chooses_what_is_there or any(message.lacks for message in found.messages):
        return None
    return found
