"""Which tools each address offers to a caller."""

from collections.abc import Awaitable, Callable

from dragoman.dialects.mcp.asking import AgentTool
from dragoman.dialects.mcp.headers import Headers
from dragoman.dialects.mcp.searching import CollectionTools, SearchSettings, rerank_mode
from dragoman.dialects.mcp.tools import OfferedTool, apart, identifier
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.services import Services
from dragoman.kit.errors import InvalidInput, NotFound

Offer = Callable[[Services, Caller, Headers], Awaitable[list[OfferedTool]]]

_MOST_COLLECTIONS = 100
_MOST_OFFERED = 250
_LONGEST_TEXT = 2000


async def collections(services: Services, caller: Caller, headers: Headers) -> list[OfferedTool]:
    """Search in the collections that a header names, and writing where another allows it.

    Source: AIVAX documentation, "Collections MCP".
    """
    ids = [part.strip().lower() for part in headers.needed("X-Mcp-Collection-Id").split(",") if part.strip()]
    if not 1 <= len(ids) <= _MOST_COLLECTIONS:
        raise InvalidInput(
            f"The header X-Mcp-Collection-Id names 1 to {_MOST_COLLECTIONS} collections.",
            param="X-Mcp-Collection-Id",
        )
    found = [await services.collections.get(caller, one) for one in dict.fromkeys(ids)]
    settings = SearchSettings(
        limit=headers.whole("X-Mcp-Top-K", 5, 1, 128),
        minimum_score=headers.fraction("X-Mcp-Min-Score", 0.4),
        rerank=rerank_mode(headers.text("X-Mcp-Reranker", "rrf").lower()),
        # The published value that switches references on is the word "none".
        references=headers.text("X-Mcp-Use-References").lower() == "none"
        or headers.flag("X-Mcp-Use-References"),
    )
    tools = CollectionTools(services, caller, tuple(found), settings)
    name = identifier(headers.text("X-Mcp-Collection-Name"), "collection")
    convention = headers.choice("X-Mcp-Naming-Convention", "default", ("default", "agent"))

    def called(verb: str, noun: str = "") -> str:
        words = (verb, name, noun) if convention == "agent" else (name, verb, noun)
        return "_".join(word for word in words if word)

    offered = [tools.search(called("search"))]
    if headers.flag("X-Mcp-Allow-Write"):
        offered += [tools.save(called("save", "document")), tools.delete(called("delete", "document"))]
    return offered


async def inference(services: Services, caller: Caller, headers: Headers) -> list[OfferedTool]:
    """One tool that asks the model or gateway that a header names.

    Source: AIVAX documentation, "Inference MCP".
    """
    model = headers.needed("X-Mcp-Model-Name")
    try:
        agent = await services.runner.resolve(caller, model)
    except NotFound as error:
        raise InvalidInput(f"X-Mcp-Model-Name: {error.detail}", param="X-Mcp-Model-Name") from error
    tool = AgentTool(services, caller, model, headers.text("X-Mcp-User")[:256] or None)
    name = identifier(headers.text("X-Mcp-Tool-Name"), "ai_model")
    return [
        tool.offered(
            f"invoke_{name}",
            shown=agent.name,
            description=headers.text("X-Mcp-Tool-Description")[:_LONGEST_TEXT],
            title=headers.text("X-Mcp-Tool-Title")[:_LONGEST_TEXT] or None,
        )
    ]


async def everything(services: Services, caller: Caller, headers: Headers) -> list[OfferedTool]:
    """Search in each of the caller's collections, and asking each of the caller's gateways."""
    tools: list[OfferedTool] = []
    for collection in (await services.collections.visible(caller))[:_MOST_OFFERED]:
        name = apart(tools, f"search_{identifier(collection.name, 'collection')}", collection.id[-12:])
        tools.append(CollectionTools(services, caller, (collection,), SearchSettings()).search(name))
    for agent in await services.agents.select(caller, "gateway", limit=_MOST_OFFERED):
        name = apart(tools, f"ask_{identifier(agent.name, 'gateway')}", agent.id[-12:])
        person = headers.text("X-Mcp-User")[:256] or None
        tools.append(AgentTool(services, caller, agent.id, person).offered(name, shown=agent.name))
    return tools
