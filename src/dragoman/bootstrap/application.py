"""The ASGI application: every dialect over the services, under its prefix."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from sqlalchemy import Connection

from dragoman.bootstrap.answering import price_table
from dragoman.bootstrap.asgi import Front, HttpMetrics, elsewhere
from dragoman.bootstrap.relaying import RelayPlan
from dragoman.bootstrap.services import Running
from dragoman.bootstrap.surfaces import add_compatible, compatible, readable
from dragoman.bootstrap.system import System
from dragoman.bootstrap.tls import certificate_header
from dragoman.dialects.aivax.app import create_app as create_aivax
from dragoman.dialects.asksage.app import create_app as create_asksage
from dragoman.dialects.mcp.app import create_app as create_mcp
from dragoman.dialects.openai.app import create_app as create_openai
from dragoman.dialects.openai.hot import HotLimits, HotRoute
from dragoman.dialects.operations.app import create_app as create_operations
from dragoman.dialects.playground.app import create_app as create_playground
from dragoman.domain.inference.relay import Relay
from dragoman.domain.labels.handling import with_handling
from dragoman.kit.asgi import Application, Receive, Scope, Send
from dragoman.kit.egress import EgressPolicy, resolve_checked
from dragoman.kit.errors import DragomanError
from dragoman.kit.http1 import Http1Client
from dragoman.kit.peers import TrustedProxies
from dragoman.web.app import create_app as create_pages
from dragoman.web.console.app import create_app as create_console
from dragoman.web.playground.app import create_app as create_playground_page

_COMPLETIONS = "/v1/chat/completions"
_MODELS = "/v1/models"
_COUNTING_MODEL = "gpt-4o"


def _http_client(policy: EgressPolicy, stack: AsyncExitStack) -> Http1Client:
    async def checked(host: str, port: int) -> list[str]:
        return [str(address) for address in await resolve_checked(policy, host, port)]

    client = Http1Client(resolver=checked)
    stack.callback(client.close)
    return client


def _registry(running: Running) -> CollectorRegistry:
    registry = running.metrics.registry
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


def _operations(
    running: Running, leaving: Callable[[], list[str]], registry: CollectorRegistry
) -> Application:
    token = running.services.settings.server.metrics_token

    async def ready() -> list[str]:
        try:
            await running.database.read(_alive)
        except DragomanError as error:
            return [*leaving(), error.detail]
        return leaving()

    return create_operations(
        ready=ready, registry=registry, metrics_token=token.get_secret_value() if token else None
    )


def build_health(running: Running, leaving: Callable[[], list[str]]) -> Application:
    """The application of a process that serves nobody but those who ask how it is."""
    return _operations(running, leaving, _registry(running))


def build_application(
    running: Running,
    stack: AsyncExitStack,
    *,
    leaving: Callable[[], list[str]] = list,
    system: System | None = None,
) -> Front:
    """The application; what needs closing is given to the stack.

    Args:
        leaving: the reasons why no more requests should come, while the server is being stopped.
        system: what the console tells of the server itself.
    """
    services = running.services
    registry = _registry(running)

    asksage = create_asksage(services)
    mcp = create_mcp(services, running.tasks)
    openai = create_openai(services)
    front = Front(
        mounts={
            **compatible(services, openai),
            "/v1": ("openai", readable(openai)),
            "/api/v1/playground": ("playground", create_playground(services)),
            "/v1/mcp": ("mcp", mcp),
            "/api/v1/mcp": ("mcp", mcp),
            "/mcp": ("mcp", mcp),
            "/api/v1": ("aivax", readable(create_aivax(services))),
            "/server": ("asksage", asksage),
            "/user": ("asksage", asksage),
            **pages_mounts(create_pages(services)),
            "/playground": ("playground page", create_playground_page()),
        },
        fallback=_operations(running, leaving, registry),
        metrics=HttpMetrics(registry),
        proxies=TrustedProxies.parse(services.settings.server.trusted_proxies),
        certificates=certificate_header(services.settings),
        around=lambda: with_handling(services.labels.handling()),
        open_ended=("/v1", "/api/v1"),
    )

    if services.settings.console.enabled:
        front.mount("/console", "console", whole(create_console(services, front.mounted, system=system)))
    hot = HotRoute(
        keys=services.accounts.keys,
        plan=RelayPlan(
            services.catalogue,
            services.agents,
            running.models.relayed,
            services.accounts.switches.known,
            lambda caller: services.limits.bounded(caller) or services.labels.watches(caller),
        ),
        relay=Relay(
            _http_client(running.policy.for_operator(), stack),
            services.meter,
            tasks=running.tasks,
            count=lambda text: services.tokens.count(text, _COUNTING_MODEL).tokens,
            guarded=_http_client(running.policy, stack),
        ),
        fallback=front.mounted,
        tasks=running.tasks,
        charges=partial(price_table(services.settings).charges, "answer"),
        limits=HotLimits(
            body_bytes=services.settings.server.max_body_bytes,
            ping_seconds=services.settings.chat.ping_seconds,
        ),
    )

    front.route("POST", _COMPLETIONS, readable(hot))
    front.route("POST", "/api" + _COMPLETIONS, readable(elsewhere(hot, _COMPLETIONS)))
    front.route("GET", "/api" + _MODELS, elsewhere(front.mounted, _MODELS))
    add_compatible(front, hot, _COMPLETIONS)
    return front


def pages_mounts(pages: Application) -> dict[str, tuple[str, Application]]:
    """The pages under each of their prefixes; their routes know the whole path."""

    return dict.fromkeys(("/chat", "/embed", "/embed.js", "/assets"), ("pages", whole(pages)))


def whole(pages: Application) -> Application:
    """The application as it is called when its routes know the whole path."""

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        await pages({**scope, "root_path": ""}, receive, send)

    return called


def _alive(connection: Connection) -> None:
    connection.execute(sa.text("select 1"))
