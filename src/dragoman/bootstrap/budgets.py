"""Limits, receipts and summaries of usage."""

from typing import TypedDict

from dragoman.bootstrap.foundation import Foundation
from dragoman.domain.agents.repository import named_in
from dragoman.domain.usage.budgets.service import BudgetsService
from dragoman.domain.usage.receipts.service import Receipts
from dragoman.domain.usage.summaries import UsageSummaries


class BudgetParts(TypedDict):
    """Those of the services that are made here."""

    budgets: BudgetsService
    receipts: Receipts
    summaries: UsageSummaries


def open_budgets(base: Foundation) -> BudgetParts:
    """The services."""
    refresh = base.loader.load
    return BudgetParts(
        budgets=BudgetsService(
            base.database,
            base.accounts.versions,
            base.limiter.calendar,
            refresh=refresh,
            find_gateway=named_in,
        ),
        receipts=Receipts(base.database, refresh=refresh),
        summaries=UsageSummaries(base.database, refresh=refresh, zone=base.settings.limits.zone),
    )
