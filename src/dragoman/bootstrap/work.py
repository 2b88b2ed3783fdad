"""The process that carries out background work and serves nobody but those who ask how it is."""

import asyncio
import sys

import structlog

from dragoman import __version__
from dragoman.bootstrap.application import build_health
from dragoman.bootstrap.draining import Drain, make_server
from dragoman.bootstrap.housekeeping import keep_house, sweeps_of
from dragoman.bootstrap.offline import keep_offline, loop_factory
from dragoman.bootstrap.services import Running, open_running
from dragoman.kit.descriptors import raise_open_files
from dragoman.kit.errors import Unavailable
from dragoman.settings import Settings

log = structlog.get_logger(__name__)


def start_upkeep(running: Running) -> None:
    """Begins, in the background, what is done again and again beside the jobs; any number of processes may."""
    services = running.services
    running.tasks.start(running.ingestion.catch_up(), name="knowledge.catch_up")
    running.tasks.start(keep_house(sweeps_of(services, running.database)), name="housekeeping")
    running.tasks.start(services.reembedding.catch_up(), name="knowledge.reembedding")
    running.tasks.start(running.leftovers.run(), name="knowledge.leftovers")
    running.tasks.start(running.mending.run(), name="knowledge.index_mending")
    running.tasks.start(services.hosted.run(), name="hosted.expired")


async def _work(settings: Settings) -> int:
    async with open_running(settings, work=True) as running:
        running.services.accounts.versions.start(running.tasks)
        running.services.accounts.keys.start(running.tasks)
        running.tasks.start(running.metrics.watch_queue(running.database), name="metrics.queue")
        embedders = running.metrics.watch_embedders(running.services.reembedding)
        running.tasks.start(embedders, name="metrics.embedders")
        start_upkeep(running)
        drain = Drain()
        server = make_server(
            build_health(running, drain.reasons),
            settings,
            drain,
            port=settings.machines.work_port,
            drain_seconds=0,
        )

        async def announce() -> None:
            await server.listening.wait()
            health = f"http://{settings.server.host}:{server.port()}/health/ready"
            sys.stdout.write(f"Dragoman {__version__} works\n  health       {health}\n")
            sys.stdout.flush()
            log.info("worker.started", port=server.port())

        running.tasks.start(announce(), name="worker.announce")
        try:
            await server.serve()
        except SystemExit as error:
            raise Unavailable(
                f"The worker could not listen on {settings.server.host} port {settings.machines.work_port}."
            ) from error
    return 0


def work(settings: Settings) -> int:
    """Carries out background work until it is told to stop; gives the exit code.

    Raises:
        Unavailable: the data folder, the database or the port cannot be used.
        InvalidInput: the settings contradict themselves.
    """
    keep_offline(settings)
    raise_open_files()
    with asyncio.Runner(loop_factory=loop_factory(settings)) as runner:
        return runner.run(_work(settings))
