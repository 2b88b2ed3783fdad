"""Callers and records for the tests of usage."""

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.usage.journal import UsageRecord
from dragoman.kit.ids import uuid7

ANNA = Caller("org-1", "anna", 1, "anna@example.org", "owner", "key-1")
BEN = Caller("org-1", "ben", 2, "ben@example.org", "viewer")
CLEO = Caller("org-2", "cleo", 3, "cleo@example.org", "owner")


def record(caller: Caller = ANNA, *, at: int = 1_000, kind: str = "chat", **changes: object) -> UsageRecord:
    """A record of 10 prompt and 5 completion tokens."""
    values: dict[str, object] = {
        "id": uuid7(),
        "at": at,
        "organisation_id": caller.organisation_id,
        "user_id": caller.user_id,
        "key_id": caller.key_id,
        "agent_id": None,
        "dialect": "openai",
        "application": None,
        "kind": kind,
        "model": "model",
        "end_user": None,
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cached_tokens": 2,
        "estimated": False,
        "cost_micro_usd": 7,
        "duration_ms": 12,
        "status": 200,
    }
    return UsageRecord(**(values | changes))  # type: ignore[arg-type]
