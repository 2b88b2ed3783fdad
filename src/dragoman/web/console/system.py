"""What the page of the server itself has to be told; the composition root knows it."""

from typing import Protocol

from dragoman.kit.jsontypes import JsonValue


class SystemReport(Protocol):
    """The server as a whole. Nothing here holds what people wrote, and secrets are masked."""

    async def overview(self) -> dict[str, JsonValue]:
        """Version, place, models, what may be contacted, and the work in the background."""
        ...

    async def storage(self) -> dict[str, JsonValue]:
        """How much each part of the data folder takes; walks through all of it."""
        ...

    async def checks(self) -> list[JsonValue]:
        """The findings of ``dragoman doctor``; takes seconds."""
        ...

    def config(self) -> list[JsonValue]:
        """Every setting with its value and where that came from."""
        ...

    def log(self, *, least: str, text: str, limit: int) -> list[JsonValue]:
        """The latest lines of this process's log."""
        ...
