"""The tool that researches a question on the web in several steps."""

from pydantic import Field

from dragoman.adapters.tools.function import Arguments, FunctionTool, function_tool
from dragoman.domain.tools.model import ToolResult, ToolScope
from dragoman.domain.tools.ports import SearchQuery
from dragoman.domain.tools.research import Research
from dragoman.domain.tools.web import DATA, Web, shown

_HITS_WITHOUT_A_MODEL = 5


class AdvancedWebSearchArguments(Arguments):
    """What is to be found out."""

    prompt: str = Field(
        min_length=1,
        max_length=8000,
        description="The question, whole and with everything that matters for it.",
    )


def advanced_web_search(web: Web, scope: ToolScope) -> FunctionTool[AdvancedWebSearchArguments]:
    """The tool for one run."""

    async def run(given: AdvancedWebSearchArguments) -> ToolResult:
        if scope.ask is not None:
            return ToolResult(await Research(web, scope.ask, scope.charge).report(given.prompt))
        # A model that only quotes can plan nothing.
        hits = await web.search(SearchQuery(given.prompt[:300], _HITS_WITHOUT_A_MODEL))
        scope.charge("tools.web_search", 1, "web search")
        return ToolResult(f"{DATA}\n\n{shown(await web.with_pages(hits), web.text_characters)}")

    return function_tool(
        "advanced_web_search",
        "Researches a question on the web: several searches, pages read and compared, an answer with numbered sources. It "
        "takes a minute; for a single fact use a plain search.",
        AdvancedWebSearchArguments,
        run,
        risk="outside",
    )
