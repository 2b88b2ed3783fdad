"""Agents and all they may use: tools, sandboxes, servers of tools, the web."""

from dataclasses import dataclass, replace

from dragoman.bootstrap.agents import AgentParts, open_agents
from dragoman.bootstrap.answering import open_runner_parts
from dragoman.bootstrap.foundation import Foundation
from dragoman.bootstrap.knowing import Knowing
from dragoman.bootstrap.mcp import Mcp, open_mcp
from dragoman.bootstrap.models import EndpointModels
from dragoman.bootstrap.sandboxes import Sandboxed, open_sandboxes
from dragoman.bootstrap.tools import planning_tools
from dragoman.bootstrap.web import WebParts, open_web
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.tools.catalogue import ToolCatalogue


@dataclass(frozen=True, slots=True)
class Acting:
    """The stored agents, what runs them, and where their tools come from."""

    agents: AgentsService
    runner: AgentRunner
    sandboxed: Sandboxed
    web: WebParts
    working: AgentParts
    mcp: Mcp


async def open_acting(base: Foundation, knowing: Knowing) -> Acting:
    """All of it.

    Raises:
        Unavailable: the data folder or the database cannot be used.
        InvalidInput: the settings name a model or a service that is not there.
    """
    settings, stack, database, policy = base.settings, base.stack, base.database, base.policy
    agents = AgentsService(
        database=database, sealer=base.root_key.sealer("agents"), announce=base.accounts.versions.announce
    )
    base.accounts.versions.subscribe("agents", agents.forgotten)
    sandboxed = await open_sandboxes(
        settings,
        database=database,
        policy=policy,
        tasks=base.tasks,
        told=base.metrics.sandbox,
        stack=stack,
    )
    web = open_web(
        settings,
        policy=policy,
        parser=knowing.parser,
        database=database,
        blobs=knowing.blobs,
        address=base.address,
        stack=stack,
    )
    working = open_agents(
        settings,
        database=database,
        root_key=base.root_key,
        accounts=base.accounts,
        policy=policy,
        isolate=sandboxed.isolate,
        stack=stack,
    )
    mcp = open_mcp(
        settings,
        database=database,
        root_key=base.root_key,
        accounts=base.accounts,
        policy=policy,
        tasks=base.tasks,
    )
    parts = open_runner_parts(
        settings,
        catalogue=knowing.catalogue,
        policy=policy,
        prices=base.prices,
        retriever=knowing.retriever,
        embed=knowing.embed,
        collections=knowing.collections,
        parser=knowing.parser,
        speech=knowing.speech,
        uploads=knowing.uploads,
        tools=ToolCatalogue(
            [web.source, *working.sources, *sandboxed.sources, planning_tools(database), *mcp.sources]
        ),
        stack=stack,
    )
    runner = AgentRunner(
        catalogue=knowing.catalogue,
        agents=agents,
        retriever=knowing.retriever,
        endpoints=EndpointModels(policy, stack),
        meter=base.meter,
        limits=base.limits,
        tasks=base.tasks,
        parts=replace(working.join(parts), labels=base.labels),
    )
    return Acting(agents, runner, sandboxed, web, working, mcp)
