"""Personas of the caller's own beside the built-in ones."""

from dragoman.dialects.asksage.operation import Call
from dragoman.dialects.asksage.personas import Persona, persona_of
from dragoman.domain.agents.model import StoredAgent
from dragoman.domain.agents.numbers import FIRST
from dragoman.kit.errors import NotFound

EXTENSION = "asksage"


def as_persona(number: int, agent: StoredAgent) -> Persona:
    """A stored persona in this dialect's form."""
    kept = agent.extensions.get(EXTENSION)
    description = kept.get("description") if isinstance(kept, dict) else None
    return Persona(number, agent.name, str(description or ""), agent.spec.system_prompt or "")


async def persona_for(call: Call, raw: object) -> Persona:
    """The persona that a number, a number as text or a name means, built-in or the caller's own; else the first."""
    found = persona_of(raw)
    name = str(raw).strip() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    if not name or name.casefold() in (found.name.casefold(), str(found.id), "default"):
        return found
    if name.isascii() and name.isdecimal() and len(name) <= 9:
        if int(name) < FIRST:
            return found
        try:
            agent = await call.services.agent_numbers.get(call.caller, "persona", int(name))
        except NotFound:
            return found
        return as_persona(int(name), agent)
    own = await call.services.agent_numbers.numbered(call.caller, "persona")
    return next(
        (as_persona(number, agent) for number, agent in own if agent.name.casefold() == name.casefold()),
        found,
    )
