"""The server process: settings to listening socket, and what it says when it is up."""

import asyncio
import gc
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from dragoman import __version__
from dragoman.bootstrap.application import build_application
from dragoman.bootstrap.draining import Drain, make_server
from dragoman.bootstrap.machines import drain_seconds
from dragoman.bootstrap.offline import keep_offline, loop_factory
from dragoman.bootstrap.services import Running, open_running
from dragoman.bootstrap.system import System
from dragoman.bootstrap.tls import connection_options
from dragoman.bootstrap.work import start_upkeep
from dragoman.domain.accounts.admin import NewUser
from dragoman.kit.descriptors import raise_open_files
from dragoman.kit.errors import Conflict, Unavailable
from dragoman.kit.recent import RecentLines
from dragoman.settings import LoadedSettings

log = structlog.get_logger(__name__)

_FIRST_USER = "owner@localhost.localdomain"
_FIRST_ORGANISATION = "Default"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What is printed once the server listens. ``first_key`` is shown at the very first start only.

    ``setup_token`` lets the first user set a password; there is one as long as nobody has any.
    """

    first_key: str | None
    email: str | None
    setup_token: str | None = None


async def _first_account(running: Running) -> Welcome:
    """Makes the configured account, or at the very first start one with a key to begin with."""
    admin = running.services.accounts.admin
    wanted = running.services.settings.bootstrap
    if wanted.email is not None:
        key = wanted.api_key.get_secret_value() if wanted.api_key is not None else None
        user = await admin.ensure_bootstrap(wanted.email, key)
        # Who came with a key of their own signs in by it; a link in a log would be one secret more.
        return Welcome(None, user.email, None if key else await _setup_token(running, user.email))
    users = await admin.users()
    if users:
        return Welcome(None, users[0].email, await _setup_token(running, users[0].email))
    try:
        user = await admin.create_user(NewUser(_FIRST_USER, _FIRST_ORGANISATION, "owner"))
    except Conflict:
        # Another process of this database was quicker, and has shown the key.
        return Welcome(None, _FIRST_USER)
    _, key = await admin.create_key(user.email, "first key")
    return Welcome(key, user.email, await _setup_token(running, user.email))


async def _setup_token(running: Running, email: str) -> str | None:
    signin = running.services.accounts.signin
    if not running.services.settings.console.enabled or not await signin.nobody_can():
        return None
    return (await signin.setup_link(email)).token


def _say(running: Running, loaded: LoadedSettings, welcome: Welcome, address: str) -> None:
    services = running.services
    program = os.path.normpath(sys.argv[0]) if os.path.basename(sys.argv[0]) == "dragoman" else "dragoman"
    # What was said to this command only has to be said to the next ones, too.
    here = f" --data {services.settings.data_dir}" if loaded.origin(("data_dir",)) == "command line" else ""
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
    if services.settings.console.enabled:
        lines.append(f"  console      {address}/console")
    if welcome.setup_token is not None:
        minutes = services.settings.console.setup_link_minutes
        lines += [
            f"  setup link   {address}/console/setup#{welcome.setup_token}",
            f"               (sets the password of {welcome.email}; once, within {minutes} minutes)",
        ]
    lines += [
        "Next:",
        f"  {program} ingest docs/ --collection handbook{here}",
        f'  {program} query "how do I restore a backup?" --collection handbook{here}',
        f"  {program} chat{here}",
    ]
    print("\n".join(lines), flush=True)


async def _serve(loaded: LoadedSettings) -> int:
    settings, recent = loaded.settings, RecentLines()
    recent.watch()
    async with open_running(settings, work=settings.machines.work) as running, AsyncExitStack() as stack:
        welcome = await _first_account(running)
        services = running.services
        services.accounts.versions.start(running.tasks)
        services.accounts.keys.start(running.tasks)
        running.tasks.start(running.metrics.watch_queue(running.database), name="metrics.queue")
        embedders = running.metrics.watch_embedders(running.services.reembedding)
        running.tasks.start(embedders, name="metrics.embedders")
        if settings.machines.work:
            start_upkeep(running)
        running.tasks.start(running.sandboxed.backends.reports(), name="sandbox.choose")
        drain = Drain()
        server = make_server(
            build_application(running, stack, leaving=drain.reasons, system=System(running, loaded, recent)),
            settings,
            drain,
            port=settings.server.port,
            drain_seconds=drain_seconds(settings),
            connection=connection_options(settings),
        )

        async def announce() -> None:
            await server.listening.wait()
            # What is there by now stays; full collections need not look through it again and again.
            gc.freeze()
            running.address.listening(server.port())
            address = running.address.own
            _say(running, loaded, welcome, address)
            log.info("server.started", address=address)

        running.tasks.start(announce(), name="server.announce")
        try:
            await server.serve()
        except SystemExit as error:
            raise Unavailable(
                f"The server could not listen on {settings.server.host} port {settings.server.port}."
            ) from error
    return 0


def serve(loaded: LoadedSettings) -> int:
    """Runs the server until it is told to stop; gives the exit code.

    Raises:
        Unavailable: the data folder, the database or the port cannot be used.
        InvalidInput: the settings contradict themselves.
    """
    keep_offline(loaded.settings)
    raise_open_files()
    with asyncio.Runner(loop_factory=loop_factory(loaded.settings)) as runner:
        return runner.run(_serve(loaded))
