"""A tool that asks a gateway or a model."""

from dataclasses import dataclass, replace

from dragoman.dialects.mcp.tools import OfferedTool, schema, text_argument
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.request import RunRequest
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.domain.services import Services
from dragoman.kit.jsontypes import JsonObject

ORIGIN = "mcp"
_LONGEST_PROMPT = 1_000_000
_DEFAULT_DESCRIPTION = "Asks the assistant {name!r} and gives its answer."


@dataclass(frozen=True, slots=True)
class AgentTool:
    """Asks an agent for the caller. ``person`` is the end user that the client names."""

    services: Services
    caller: Caller
    agent: str
    person: str | None = None

    def offered(
        self, name: str, *, shown: str, description: str = "", title: str | None = None
    ) -> OfferedTool:
        """The tool; ``shown`` names the agent for people."""
        prompt = {"type": "string", "description": "What the assistant is asked, with all it needs to know."}
        return OfferedTool(
            name,
            description or _DEFAULT_DESCRIPTION.format(name=shown),
            schema({"prompt": prompt}, ("prompt",)),
            self._ask,
            title=title,
        )

    async def _ask(self, arguments: JsonObject) -> str:
        prompt = text_argument(arguments, "prompt", longest=_LONGEST_PROMPT)
        runner = self.services.runner
        agent = _without_client_tools(await runner.resolve(self.caller, self.agent))
        request = RunRequest(
            conversation=(Message.of_text("user", prompt),),
            user=self.person,
            origin=ORIGIN,
            dialect=ORIGIN,
        )
        answer = await fold_stream(runner.run(self.caller, agent, request))
        return answer.text or "The assistant answered nothing."


def _without_client_tools(agent: ResolvedAgent) -> ResolvedAgent:
    """Nobody is there who could carry out the tools of a client."""
    tools = agent.spec.tools.model_copy(update={"client": ()})
    return replace(agent, spec=agent.spec.model_copy(update={"tools": tools}))
