"""The server process: settings to listening socket, and what it says when it is up."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

import structlog
import uvicorn
import uvloop

from dragoman import __version__
from dragoman.bootstrap.application import build_application
from dragoman.bootstrap.housekeeping import keep_house
from dragoman.bootstrap.services import Running, open_running
from dragoman.domain.accounts.admin import NewUser
from dragoman.kit.errors import Unavailable
from dragoman.settings import Settings

log = structlog.get_logger(__name__)

_FIRST_USER = "owner@localhost.localdomain"
_FIRST_ORGANISATION = "Default"
_GRACE_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75
_SOCKET_BYTES = 16 * 1024 * 1024
_STOPPING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Welcome:
    """What is printed once the server listens. ``first_key`` is shown at the very first start only."""

    first_key: str | None
    email: str | None


async def _first_account(running: Running) -> Welcome:
    """Makes the configured account, or at the very first start one with a key to begin with."""
    admin = running.services.accounts.admin
    wanted = running.services.settings.bootstrap
    if wanted.email is not None:
        key = wanted.api_key.get_secret_value() if wanted.api_key is not None else None
        user = await admin.ensure_bootstrap(wanted.email, key)
        return Welcome(None, user.email)
    users = await admin.users()
    if users:
        return Welcome(None, users[0].email)
    user = await admin.create_user(NewUser(_FIRST_USER, _FIRST_ORGANISATION, "owner"))
    _, key = await admin.create_key(user.email, "first key")
    return Welcome(key, user.email)


def _say(running: Running, welcome: Welcome, address: str) -> None:
    services = running.services
    program = sys.argv[0] if os.path.basename(sys.argv[0]) == "dragoman" else "dragoman"
    lines = [
        f"Dragoman {__version__}",
        f"  data folder  {services.settings.data_dir}",
        f"  address      {address}",
        f"  model        {services.catalogue.default().name}"
        + (" (only for trying out)" if services.catalogue.default().profile.demo else ""),
    ]
    if services.embed.reason is not None:
        lines.append(f"  search       by words only: {services.embed.reason}")
    if welcome.first_key is not None:
        lines.append(f"  first key    {welcome.first_key}   (shown this once; user {welcome.email})")
    lines += [
        "Next:",
        f"  {program} ingest docs/ --collection handbook",
        f'  {program} query "how long is the notice period?" --collection handbook',
        f"  {program} chat",
    ]
    print("\n".join(lines), flush=True)


class _Server(uvicorn.Server):
    """A uvicorn server that tells when it listens and leaves ending the process to its caller."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: object = None) -> None:
        """Listens, then tells."""
        await super().startup(sockets=sockets)  # pyright: ignore[reportArgumentType]
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stops serving at SIGINT and SIGTERM; uvicorn's own raises them again before anything is closed."""
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _STOPPING:
                loop.remove_signal_handler(number)

    def port(self) -> int:
        """The port that was taken."""
        return int(self.servers[0].sockets[0].getsockname()[1])


async def _serve(settings: Settings) -> int:
    async with open_running(settings, work=True) as running, AsyncExitStack() as stack:
        welcome = await _first_account(running)
        services = running.services
        # What is there by now stays; full collections need not look through it again and again.
        gc.freeze()
        services.accounts.versions.start(running.tasks)
        services.accounts.keys.start(running.tasks)
        running.tasks.start(running.ingestion.catch_up(), name="knowledge.catch_up")
        running.tasks.start(keep_house(services), name="housekeeping")
        running.tasks.start(running.leftovers.run(), name="knowledge.leftovers")
        running.tasks.start(services.hosted.run(), name="hosted.expired")
        running.tasks.start(running.sandboxed.backends.reports(), name="sandbox.choose")
        server = _Server(
            uvicorn.Config(
                build_application(running, stack),
                host=settings.server.host,
                port=settings.server.port,
                http="httptools",
                ws="websockets-sansio",
                ws_max_size=_SOCKET_BYTES,
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )

        async def announce() -> None:
            await server.listening.wait()
            running.address.listening(server.port())
            address = running.address.own
            _say(running, welcome, address)
            log.info("server.started", address=address)

        running.tasks.start(announce(), name="server.announce")
        try:
            await server.serve()
        except SystemExit as error:
            raise Unavailable(
                f"The server could not listen on {settings.server.host} port {settings.server.port}."
            ) from error
    return 0


def serve(settings: Settings) -> int:
    """Runs the server until it is told to stop; gives the exit code.

    Raises:
        Unavailable: the data folder, the database or the port cannot be used.
        InvalidInput: the settings contradict themselves.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))
