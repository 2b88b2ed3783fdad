"""A budget against many clients, broken answers and a killed server."""

from pathlib import Path

from bench.budget import run
from rows import Row

_KILLS = 5


def budgets(folder: Path, *, clients: int) -> list[Row]:
    """What ``bench/budget.py`` finds, as rows."""
    folder.mkdir(parents=True, exist_ok=True)
    found = run(clients=clients, kills=_KILLS, folder=folder)
    part = f"budget ({clients} clients, {found.kills} kills, {found.aborted} answers broken off)"
    return [
        Row(
            part,
            "receipts add up to what is settled",
            f"{found.receipts_tokens} and {found.settled_tokens} tokens",
            "the same",
            found.receipts_tokens == found.settled_tokens,
        ),
        Row(
            part,
            "tokens spent beyond the budget",
            str(found.overspent),
            f"<= {found.reserve}, one request's reserve",
            found.overspent <= found.reserve and found.refused > 0,
        ),
    ]
