"""Links: whether what a text points to is there."""

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import READ, Call, operation
from dragoman.kit.errors import InvalidInput
from dragoman.kit.links import LinkState, links_in

_MOST = 100


@operation(
    "check-link-status", methods=READ, fields=(Field("link", required=True, aliases=("url",)),), stops=True
)
async def check_link(call: Call) -> dict[str, object]:
    """The HTTP status that an address answers with, or ``error``.

    Source: Ask Sage Server API, second version, "check-link-status".
    """
    state = await call.services.links.check(call.inputs.text("link").strip())
    told: dict[str, object] = {"response": "error" if state.status is None else str(state.status)}
    return told if state.problem is None else {**told, "error": state.problem}


@operation("analyze-all-links", methods=READ, fields=(Field("content", required=True),), stops=True)
async def analyze_links(call: Call) -> dict[str, object]:
    """What every link in a text answers, a line each, and how many are broken.

    Source: Ask Sage Server API, second version, "analyze-all-links".
    """
    found = links_in(call.inputs.text("content"))
    if len(found) > _MOST:
        raise InvalidInput(f"'content' has more than {_MOST} links.", param="content")
    states = await call.services.links.check_all(found)
    return {
        "response": "\n".join(_line(state) for state in states) or "There are no links.",
        "error_count": sum(state.broken for state in states),
        "links": [
            {"link": state.url, "status_code": state.status, "error": state.problem} for state in states
        ],
    }


def _line(state: LinkState) -> str:
    return f"{state.url}: {state.problem if state.status is None else state.status}"
