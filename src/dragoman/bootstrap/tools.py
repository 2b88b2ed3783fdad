"""The tools that the server can carry out, from all their sources."""

from dragoman.domain.tools.catalogue import ToolCatalogue
from dragoman.domain.tools.model import ToolSource


def open_tools(*others: ToolSource) -> ToolCatalogue:
    """The catalogue; each kind of tool adds its source here."""
    sources: list[ToolSource] = [*others]
    return ToolCatalogue(sources)
