"""Which of a run's tool calls need a person's yes, and getting it."""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.approvals.model import Approval
from dragoman.domain.agents.approvals.service import Approvals, Wish
from dragoman.domain.tools.model import ServerTool
from dragoman.domain.tools.spec import ApprovalRule
from dragoman.kit.jsontypes import JsonObject

_WAITS = (
    "This call waits for a person's approval (id {id}) and has not been carried out. Do not call the tool again in this "
    "answer. Tell the user that it waits; once it is approved, they can ask you to go on."
)


@dataclass(frozen=True, slots=True)
class Consent:
    """Asks for one run. ``wish`` holds what all its calls have in common; ``seconds`` is how long an answer is waited for."""

    approvals: Approvals
    caller: Caller
    rules: tuple[ApprovalRule, ...]
    wish: Wish
    seconds: float

    def needed(self, tool: ServerTool) -> bool:
        """Whether calls of this tool must be allowed by a person."""
        name = tool.spec.name
        return any(
            tool.risk in rule.risks or any(fnmatchcase(name, pattern) for pattern in rule.names)
            for rule in self.rules
        )

    async def ask(self, tool: ServerTool, arguments: JsonObject, reason: str | None) -> Approval:
        """The question, or what was decided of this very call before."""
        wish = replace(self.wish, tool=tool.spec.name, risk=tool.risk, arguments=arguments, reason=reason)
        return await self.approvals.ask(self.caller, wish)

    async def decided(self, approval: Approval) -> Approval:
        """The decision, or the question still open when nobody decided in time."""
        return await self.approvals.decided(self.caller, approval, seconds=self.seconds)

    async def refusal(self, approval: Approval) -> str | None:
        """Why the call is not carried out, for the model; None when it is to be carried out now, once."""
        if approval.state == "approved" and await self.approvals.use(self.caller, approval):
            return None
        if approval.state == "pending":
            return _WAITS.format(id=approval.id)
        if approval.state == "rejected":
            note = f" Their note: {approval.note}" if approval.note else ""
            return f"A person declined this call; it has not been carried out.{note}"
        return "The approval of this call is used up or has expired; it has not been carried out."
