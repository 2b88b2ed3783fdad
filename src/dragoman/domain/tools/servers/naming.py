"""Names of tools: as servers give them, and as models take them."""

import hashlib
import re
from collections.abc import Sequence

import structlog

from dragoman.domain.tools.servers.model import ListedTool

log = structlog.get_logger(__name__)

_LONGEST = 64
_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


def valid_name(name: str) -> str:
    """The name as every provider takes it: letters, digits, ``_`` and ``-``, at most 64 of them.

    Names that are different stay so when they are too long.
    """
    fit = _UNFIT.sub("_", name).strip("_") or "tool"
    if len(fit) <= _LONGEST:
        return fit
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{fit[: _LONGEST - 9]}_{digest}"


def named_apart(tools: Sequence[ListedTool], server: str) -> dict[str, ListedTool]:
    """A server's tools by valid names. Of two that come to the same name the first stays; the other is logged."""
    named: dict[str, ListedTool] = {}
    for tool in tools:
        name = valid_name(tool.name)
        if name in named:
            log.warning(
                "mcp.duplicate_tool", server=server, tool=tool.name[:200], kept=named[name].name[:200]
            )
            continue
        named[name] = tool
    return named
