"""What everything else stands on: the database, accounts, usage, and what may be contacted."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from anyio import to_thread

from dragoman.bootstrap.accounts import open_database_and_key, signin_bounds
from dragoman.bootstrap.answering import price_table
from dragoman.bootstrap.labels import open_labels
from dragoman.bootstrap.machines import check_shared
from dragoman.bootstrap.metrics import Metrics
from dragoman.bootstrap.offline import Denials
from dragoman.db.database import Database
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.inference.pricing import PriceTable
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.usage.budgets.limiter import Limiter
from dragoman.domain.usage.budgets.model import Calendar
from dragoman.domain.usage.budgets.service import TOPIC
from dragoman.domain.usage.journal import Journal
from dragoman.domain.usage.limits.service import LimitsService
from dragoman.domain.usage.loader import JournalLoader
from dragoman.domain.usage.meter import Meter
from dragoman.domain.usage.reports import UsageReports
from dragoman.kit.crypto import RootKey
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.public_address import PublicAddress
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings


@dataclass(frozen=True, slots=True)
class Foundation:
    """The lowest parts; whoever is made later and needs closing gives that to ``stack``."""

    settings: Settings
    stack: AsyncExitStack
    database: Database
    root_key: RootKey
    tasks: TaskOwner
    policy: EgressPolicy
    denials: Denials
    accounts: AccountsService
    loader: JournalLoader
    usage: UsageReports
    limits: LimitsService
    prices: PriceTable
    meter: Meter
    limiter: Limiter
    metrics: Metrics
    address: PublicAddress
    labels: LabelsService


async def open_foundation(settings: Settings, stack: AsyncExitStack) -> Foundation:
    """The parts, opened.

    Raises:
        Unavailable: the data folder or the database cannot be used.
    """
    database, root_key = await stack.enter_async_context(open_database_and_key(settings))
    await check_shared(settings, database, root_key)
    tasks, metrics = TaskOwner(), Metrics()
    denials = Denials(settings, tasks, metrics)
    stack.push_async_callback(tasks.close)
    accounts = AccountsService(
        database, root_key, signin=signin_bounds(settings), operators=settings.console.operators
    )
    journal = await to_thread.run_sync(Journal, settings.data_dir / "journal")
    stack.push_async_callback(to_thread.run_sync, journal.close)
    limiter = Limiter(database, journal, Calendar(settings.limits.zone))
    accounts.versions.subscribe(TOPIC, limiter.reload)
    loader = JournalLoader(journal, database, limiter=limiter)
    usage = UsageReports(database, loader)
    prices = price_table(settings)
    meter = Meter(
        journal,
        price=prices.micro_usd,
        price_of_use=prices.use_micro_usd,
        limiter=limiter,
        answer_tokens=settings.limits.answer_tokens,
        told=metrics.used,
    )
    return Foundation(
        settings=settings,
        stack=stack,
        database=database,
        root_key=root_key,
        tasks=tasks,
        policy=EgressPolicy.parse(settings.egress.allow, offline=settings.offline, on_refused=denials.note),
        denials=denials,
        accounts=accounts,
        loader=loader,
        usage=usage,
        limits=LimitsService(database, accounts.versions, usage, meter=meter),
        prices=prices,
        meter=meter,
        limiter=limiter,
        metrics=metrics,
        labels=open_labels(settings, database, accounts.versions),
        address=PublicAddress(
            settings.server.public_url,
            settings.server.host,
            settings.server.port,
            secure=settings.tls.certificate is not None,
        ),
    )
