"""Plugins and what only they use: processes for tables, charts and expressions, a client for links."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain
from typing import TypedDict

from dragoman.adapters.charts.drawer import ChildDrawer
from dragoman.adapters.tables.engine import DuckTables
from dragoman.db.database import Database
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.plugins.context import PluginParts
from dragoman.domain.agents.plugins.links import LinkChecker
from dragoman.domain.agents.plugins.registry import all_plugins
from dragoman.domain.agents.plugins.service import PluginRules, PluginService
from dragoman.domain.agents.plugins.taught import Teacher
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.embed import EmbedService
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.inference.tokenize import TokenCounter
from dragoman.domain.knowledge.attached.service import AttachedFiles
from dragoman.domain.knowledge.collections import CollectionsService
from dragoman.domain.knowledge.retrieve import Retriever
from dragoman.domain.knowledge.service import KnowledgeService
from dragoman.domain.tools.hosted.service import HostedFiles
from dragoman.domain.tools.patterns import PatternTrial
from dragoman.domain.tools.tables import TableEngine
from dragoman.domain.tools.web import Web
from dragoman.domain.usage.meter import Meter
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import InvalidInput
from dragoman.kit.processes import ChildPool
from dragoman.kit.suggest import did_you_mean
from dragoman.settings import Settings

_IDLE_SECONDS = 60.0
_LINK_BYTES = 1024 * 1024
_PATTERN_MB = 256


@dataclass(frozen=True, slots=True)
class Beneath:
    """The parts of the server that plugins stand on."""

    database: Database
    accounts: AccountsService
    runner: AgentRunner
    catalogue: Catalogue
    collections: CollectionsService
    knowledge: KnowledgeService
    retriever: Retriever
    attached: AttachedFiles
    embed: EmbedService
    counter: TokenCounter
    meter: Meter
    web: Web
    hosted: HostedFiles
    speech: SpeechService
    policy: EgressPolicy


class PluginServices(TypedDict):
    """Those of the services that are made here."""

    plugins: PluginService
    tables: TableEngine


def plugin_rules(settings: Settings) -> PluginRules:
    """Who may use which plugin.

    Raises:
        InvalidInput: the settings name a plugin that is not there.
    """
    wanted = settings.plugins
    known = [plugin.spec.name for plugin in all_plugins()]
    for name in [
        *wanted.allowed,
        *(wanted.paid_only or ()),
        *chain.from_iterable(wanted.organisations.values()),
    ]:
        if name not in known:
            raise InvalidInput(f"plugins: there is no plugin {name!r}{did_you_mean(name, known)}.")
    return PluginRules(
        frozenset(wanted.allowed),
        {organisation: frozenset(names) for organisation, names in wanted.organisations.items()},
        None if wanted.paid_only is None else frozenset(wanted.paid_only),
    )


def open_plugins(settings: Settings, beneath: Beneath, stack: AsyncExitStack) -> PluginServices:
    """The services; what needs closing is given to the stack.

    Raises:
        InvalidInput: the settings name a plugin that is not there.
    """
    rules = plugin_rules(settings)

    def pool(name: str, memory_mb: int) -> ChildPool:
        made = ChildPool(size=1, memory_mb=memory_mb, idle_seconds=_IDLE_SECONDS, name=name)
        stack.push_async_callback(made.close)
        return made

    links = guarded_client(
        beneath.policy,
        timeout_seconds=settings.plugins.link_seconds,
        max_bytes=_LINK_BYTES,
        follow_redirects=True,
    )
    stack.push_async_callback(links.aclose)
    tables = DuckTables(pool("tables", settings.plugins.memory_mb), seconds=settings.plugins.query_seconds)
    parts = PluginParts(
        attached=beneath.attached,
        collections=beneath.collections,
        knowledge=beneath.knowledge,
        retriever=beneath.retriever,
        teacher=Teacher(beneath.knowledge, beneath.embed, beneath.counter, beneath.meter),
        pages=beneath.web.pages,
        links=LinkChecker(links),
        tables=tables,
        charts=ChildDrawer(pool("charts", settings.plugins.memory_mb)),
        patterns=PatternTrial(pool("patterns", _PATTERN_MB)),
        hosted=beneath.hosted,
        speech=beneath.speech,
        meter=beneath.meter,
    )
    service = PluginService(
        runner=beneath.runner,
        catalogue=beneath.catalogue,
        accounts=beneath.accounts,
        parts=parts,
        rules=rules,
    )
    return PluginServices(plugins=service, tables=tables)
