"""The memories of one person as one agent works with them, and the form of the tools for it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from dragoman.domain.memories.model import Memory, MemoryFilter, MemoryFormat, person_of
from dragoman.domain.memories.service import MemoriesService, MemoryDraft
from dragoman.domain.messages.parts import ToolSpec
from dragoman.domain.tools.model import Risk, ToolResult, ToolScope
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject, JsonValue

_OWNER = "built-in functions"
MOST_FOUND = 50
TEXT: MemoryFormat = "text"
DATE: MemoryFormat = "date_reminder"

Run = Callable[["Desk", JsonObject], Awaitable[str]]

ID: JsonObject = {"type": "string", "description": "The entry's id, as it is told in square brackets."}
QUERY: JsonObject = {"type": "string", "description": "Words to look for; empty gives the latest."}


@dataclass(frozen=True, slots=True)
class Desk:
    """The memories of one person, as one agent sees them."""

    memories: MemoriesService
    scope: ToolScope

    @property
    def user(self) -> str:
        """Whose memories.

        Raises:
            InvalidInput: nobody is known.
        """
        person = self.scope.person
        if person is None or not person_of(person):
            raise InvalidInput(
                "Nobody in particular is talking here, so nothing can be remembered: the request names no user."
            )
        return person

    def wanted(self, kind: MemoryFormat) -> MemoryFilter:
        """What this agent may see of the person's memories."""
        return MemoryFilter(format=kind, agent_id=self.scope.agent_id)

    @property
    def labels(self) -> tuple[str, ...]:
        """What binds everything that is written down now."""
        handling = self.scope.handling
        return () if handling is None else handling.labels

    async def read(self, found: Sequence[Memory]) -> str:
        """The entries as models read them; the run bears their labels from now on.

        Raises:
            Forbidden: they may not be used here.
        """
        if self.scope.handling is not None:
            labels = [label for one in found for label in one.labels]
            await self.scope.handling.take(self.scope.caller, labels, "a memory")
        return "\n".join(map(told, found))

    async def change(self, memory: Memory, content: str, days: int | None = None) -> None:
        """Gives an entry another content."""
        await self.memories.update(self.scope.caller, memory.id, content, days=days, labels=self.labels)

    async def own(self, memory_id: JsonValue, kind: MemoryFormat) -> Memory:
        """The person's memory of that id.

        Raises:
            InvalidInput: there is none.
        """
        found = await self.memories.select(
            self.scope.caller,
            MemoryFilter(format=kind, agent_id=self.scope.agent_id, person=person_of(self.user)),
        )
        known = next((one for one in found if one.id == memory_id), None)
        if known is None:
            raise InvalidInput(f"There is no entry with the id {memory_id!r}.")
        return known

    async def save(self, content: str, kind: MemoryFormat, days: int | None) -> Memory:
        """A new memory."""
        draft = MemoryDraft(self.user, content, kind, days, self.scope.agent_id, self.labels)
        return await self.memories.save(self.scope.caller, draft)

    async def clear(self, kind: MemoryFormat) -> int:
        """Removes what this agent sees of one kind; gives how many there were."""
        found = await self.memories.select(
            self.scope.caller,
            MemoryFilter(format=kind, agent_id=self.scope.agent_id, person=person_of(self.user)),
        )
        for one in found:
            await self.memories.remove(self.scope.caller, one.id)
        return len(found)


@dataclass(frozen=True, slots=True)
class MemoryTool:
    """One of the tools."""

    spec: ToolSpec
    desk: Desk
    run: Run
    risk: Risk

    @property
    def owner(self) -> str:
        """Where it comes from."""
        return _OWNER

    async def call(self, arguments: JsonObject) -> ToolResult:
        """Carries it out.

        Raises:
            InvalidInput: nobody is known, or there is no such entry.
        """
        return ToolResult(await self.run(self.desk, arguments))


@dataclass(frozen=True, slots=True)
class Declared:
    """A tool before it has a scope."""

    name: str
    description: str
    properties: Mapping[str, JsonValue]
    required: tuple[str, ...]
    run: Run
    risk: Risk

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        schema: JsonObject = {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": False,
        }
        return ToolSpec(self.name, self.description, schema)


def told(memory: Memory) -> str:
    """An entry with its id, as models read it."""
    return f"[{memory.id}] {memory.content}"


async def found_by_words(desk: Desk, arguments: JsonObject, kind: MemoryFormat, nothing: str) -> str:
    """The person's entries that hold the words of ``query``; ``nothing`` when none does."""
    found = await desk.memories.search(
        desk.scope.caller,
        desk.user,
        str(arguments.get("query") or ""),
        wanted=desk.wanted(kind),
        most=MOST_FOUND,
    )
    return await desk.read(found) or nothing
