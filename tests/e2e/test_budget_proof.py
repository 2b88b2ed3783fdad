"""A budget holds whatever clients and the server go through; the whole round is run by ``scripts/bench budget``."""

from pathlib import Path

from bench.budget import run


def test_receipts_add_up_to_what_is_settled_and_the_budget_is_kept(tmp_path: Path) -> None:
    outcome = run(clients=12, kills=1, seed=7, folder=tmp_path)
    assert outcome.problems == []
    assert outcome.aborted
    assert outcome.kills == 1
    assert 0 < outcome.reserve < 500
