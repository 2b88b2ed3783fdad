"""Sampling settings of an agent and of a request, as one."""

from dataclasses import replace

from dragoman.domain.agents.spec import SamplingSpec
from dragoman.domain.inference.ports import Sampling


def merged(agent: SamplingSpec, asked: Sampling) -> Sampling:
    """The caller's settings where given, else the agent's."""
    mine = Sampling(
        temperature=agent.temperature,
        top_p=agent.top_p,
        presence_penalty=agent.presence_penalty,
        frequency_penalty=agent.frequency_penalty,
        stop=agent.stop,
        max_tokens=agent.max_tokens,
        reasoning_effort=agent.reasoning_effort,
        verbosity=agent.verbosity,
    )
    given = {name: value for name in Sampling.__slots__ if (value := getattr(asked, name)) not in (None, ())}
    return replace(mine, **given)
