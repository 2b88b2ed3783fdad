"""Plugins for callers: which there are, and carrying one out."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.plugins.context import PluginParts, PluginRun, read_file
from dragoman.domain.agents.plugins.model import (
    Added,
    Plugin,
    PluginEvent,
    PluginFile,
    PluginOutcome,
    PluginSpec,
)
from dragoman.domain.agents.plugins.registry import all_plugins
from dragoman.domain.agents.plugins.template import tagged
from dragoman.domain.agents.plugins.values import check_complete, file_values, missing, text_values
from dragoman.domain.agents.plugins.writer import Origin, Writer
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.inference.catalogue import DEFAULT_NAME, Catalogue
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import CitationsFound, TextDelta
from dragoman.kit.errors import Forbidden, InvalidInput, NotFound
from dragoman.kit.suggest import did_you_mean

_PAYING = "paying"


@dataclass(frozen=True, slots=True)
class PluginRules:
    """Who may use what. Empty ``allowed`` = all; an organisation's own list stands before it.

    ``for_paying`` None = as the plugins themselves say.
    """

    allowed: frozenset[str] = frozenset()
    organisations: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    for_paying: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class PluginRequest:
    """A plugin to be carried out: by name or title, with values by field, and files in their order."""

    name: str
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    files: Sequence[PluginFile] = ()
    model: str = ""
    origin: Origin = field(default_factory=lambda: Origin("native"))


class PluginExecution:
    """One plugin under way. Read ``events`` to its end, then ``outcome``."""

    def __init__(self, plugin: Plugin, run: PluginRun) -> None:
        self.spec: PluginSpec = plugin.spec
        self._plugin = plugin
        self._run = run
        self._text: list[str] = []
        self._added: dict[str, object] = {}
        self._citations: tuple[Citation, ...] = ()

    async def events(self) -> AsyncGenerator[PluginEvent]:
        """What happens; closing the iterator early ends the work.

        Raises:
            DragomanError: the plugin could not be carried out.
        """
        async with aclosing(self._plugin.work(self._run)) as events:
            async for event in events:
                match event:
                    case TextDelta(text):
                        self._text.append(text)
                    case Added(values):
                        self._added |= values
                    case CitationsFound(citations):
                        self._citations = citations
                    case _:
                        pass
                yield event

    @property
    def notice(self) -> str | None:
        """What a reader must know about how the text is made; None where no model writes it."""
        return self._run.writer.notice if self.spec.writing != "nothing" else None

    def outcome(self) -> PluginOutcome:
        """All that came of it."""
        writer = self._run.writer
        notice = self.notice if writer.model else None
        return PluginOutcome(
            text="".join(self._text).strip(),
            added=self._added,
            citations=self._citations,
            usage=writer.usage,
            model=writer.model,
            notice=notice,
        )


class PluginService:
    """What a dialect may do with plugins."""

    def __init__(
        self,
        *,
        runner: AgentRunner,
        catalogue: Catalogue,
        accounts: AccountsService,
        parts: PluginParts,
        rules: PluginRules,
    ) -> None:
        self._runner = runner
        self._catalogue = catalogue
        self._accounts = accounts
        self._parts = parts
        self._rules = rules
        self._plugins = {plugin.spec.name: plugin for plugin in all_plugins()}

    def for_paying(self, spec: PluginSpec) -> bool:
        """Whether only paying users may use it."""
        named = self._rules.for_paying
        return spec.for_paying if named is None else spec.name in named

    async def offered(self, caller: Caller) -> list[Plugin]:
        """The plugins that the caller's organisation may use, by name."""
        allowed = self._rules.allowed
        if self._rules.organisations:
            user = await self._accounts.user(caller)
            for name in (user.organisation, caller.organisation_id):
                allowed = self._rules.organisations.get(name, allowed)
        return [plugin for name, plugin in self._plugins.items() if not allowed or name in allowed]

    async def tagged(self, caller: Caller, tag: str) -> Plugin | None:
        """The plugin of that title or name, in any case, None when the caller is offered none."""
        return tagged(await self.offered(caller), tag)

    async def execution(self, caller: Caller, request: PluginRequest) -> PluginExecution:
        """A plugin ready to be carried out; nothing has been done yet.

        Raises:
            NotFound: no such plugin for this caller; or no such model (``model_not_found``).
            Forbidden: it is for paying users.
            InvalidInput: a field is missing or does not fit; ``param`` names it.
        """
        plugin = await self._permitted(caller, request.name)
        values: dict[str, object] = dict(text_values(plugin.spec, request.values))
        files, others = file_values(plugin.spec, request.files)
        values |= await self._read_instead(plugin.spec, values, others)
        check_complete(plugin.spec, {**values, **files})
        agent = await self._runner.resolve(caller, request.model or DEFAULT_NAME)
        writer = Writer(self._runner, self._catalogue, caller, agent, request.origin)
        texts = {name: str(value) for name, value in values.items()}
        run = PluginRun(caller, texts, files, writer, self._parts)
        return PluginExecution(plugin, run)

    async def _permitted(self, caller: Caller, name: str) -> Plugin:
        offered = await self.offered(caller)
        plugin = tagged(offered, name)
        if plugin is None:
            names = [one.spec.name for one in offered]
            raise NotFound(
                f"There is no plugin {name[:100]!r}{did_you_mean(name, names)}. Plugins here: {', '.join(names)}.",
                param="plugin",
                code="plugin_not_found",
            )
        if self.for_paying(plugin.spec) and (await self._accounts.settings(caller)).get(_PAYING) is False:
            raise Forbidden(f"The plugin {plugin.spec.name} is for paying users.", code="plugin_for_paying")
        return plugin

    async def _read_instead(
        self, spec: PluginSpec, values: Mapping[str, object], files: Sequence[PluginFile]
    ) -> dict[str, str]:
        """Texts of files for fields of text that are missing: a file may stand for what would be pasted."""
        wanted = [one for one in missing(spec, values) if one.kind == "textarea"]
        if len(files) > len(wanted):
            raise InvalidInput(
                f"The plugin {spec.name} takes {'no file' if not spec.takes_file else 'one file only'}"
                f"{' besides its text fields' if wanted else ''}.",
                param="file",
                code="file_not_taken",
            )
        read: dict[str, str] = {}
        for one, file in zip(wanted, files, strict=False):
            text = await read_file(self._parts.attached, file)
            read[one.name] = "\n\n".join(page for _, page in text.pages)
        return read
