"""Limits and summaries of usage over a data folder, for commands; also while a server uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dragoman.bootstrap.accounts import open_database_and_key, signin_bounds
from dragoman.db.database import Database
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.repository import named_in, names_in
from dragoman.domain.usage.budgets.model import Calendar
from dragoman.domain.usage.budgets.service import BudgetsService
from dragoman.domain.usage.summaries import UsageSummaries
from dragoman.settings import Settings


@dataclass(frozen=True, slots=True)
class Accounting:
    """The parts that such commands need."""

    database: Database
    accounts: AccountsService
    budgets: BudgetsService
    summaries: UsageSummaries

    async def organisation_id(self, name: str | None) -> str:
        """The organisation of that name or id; without one, the only one there is.

        Raises:
            NotFound: there is no such organisation.
            InvalidInput: none was named and there are several.
        """
        return (await self.accounts.tenants.organisation(name)).id

    async def names(self, organisation_id: str | None) -> dict[str, str]:
        """What people call users, keys and gateways, by id."""
        return await self.budgets.names(organisation_id) | await self.database.read(names_in, organisation_id)


@asynccontextmanager
async def open_accounting(settings: Settings) -> AsyncIterator[Accounting]:
    """The parts, closed at the end.

    Raises:
        Unavailable: the data folder, the key file or the database cannot be used.
    """
    async with open_database_and_key(settings) as (database, root_key):
        accounts = AccountsService(database, root_key, signin=signin_bounds(settings))
        zone = settings.limits.zone
        yield Accounting(
            database,
            accounts,
            BudgetsService(
                database, accounts.versions, Calendar(zone), refresh=_as_it_is, find_gateway=named_in
            ),
            UsageSummaries(database, refresh=_as_it_is, zone=zone),
        )


async def _as_it_is() -> None:
    """A running server takes in its own answers every second; a command does not touch its journal."""
