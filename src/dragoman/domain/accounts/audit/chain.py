"""Events and the arithmetic of their chain. Pure."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from dragoman.kit.jsontypes import JsonValue

Outcome = Literal["done", "refused"]
ProblemKind = Literal[
    "changed", "dropped", "reordered", "redacted_unrecorded", "head_missing", "unsealed", "added"
]
START = "0" * 64
REDACTED = "audit.redacted"


@dataclass(frozen=True, slots=True)
class Event:
    """One row. ``content`` is canonical JSON, None once redacted; ``at`` is in milliseconds."""

    organisation_id: str
    number: int
    at: int
    action: str
    outcome: str
    content: str | None
    content_hash: str
    previous: str
    hash: str

    def told(self) -> dict[str, JsonValue]:
        """Who, from where, to what, and details; empty once redacted or when it cannot be read."""
        try:
            found: object = json.loads(self.content or "{}")
        except ValueError:
            return {}
        return cast("dict[str, JsonValue]", found) if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    organisation_id: str
    number: int
    hash: str
    seal: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing wrong with a chain. ``number`` is the row's, or that of the first row missing."""

    organisation_id: str
    number: int
    kind: ProblemKind
    detail: str


def canonical(value: Mapping[str, JsonValue]) -> str:
    """The one way in which a value is written down to be hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(text: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def row_hash(
    *, organisation_id: str, number: int, at: int, action: str, outcome: str, content_hash: str, previous: str
) -> str:
    """The hash that stands for a row and, through ``previous``, for all before it."""
    return digest(
        canonical(
            {
                "organisation": organisation_id,
                "number": number,
                "at": at,
                "action": action,
                "outcome": outcome,
                "content": content_hash,
                "previous": previous,
            }
        )
    )


def seal_of(key: bytes, organisation_id: str, number: int, row: str) -> str:
    """What only the holder of the server's key can set on the end of a chain."""
    return hmac.new(key, f"{organisation_id}:{number}:{row}".encode(), hashlib.sha256).hexdigest()


class Walk:
    """Follows one chain from its first row on and stops at the first thing wrong."""

    def __init__(self, head: Head, key: bytes | None) -> None:
        self._head = head
        self._key = key
        self._number = 0
        self._hash: str = START
        self._bare: set[int] = set()

    def take(self, events: Iterable[Event]) -> Problem | None:
        """The first problem among the next rows, which come in the order of their numbers."""
        for event in events:
            problem = self._next(event)
            if problem is not None:
                return problem
        return None

    def end(self) -> Problem | None:
        """What is wrong once all rows were taken: an end cut off, a head set back, words removed in silence."""
        head = self._head
        if self._number < head.number:
            return self._problem(
                self._number + 1, "dropped", f"rows {self._number + 1} to {head.number} are gone"
            )
        if self._hash != head.hash:
            return self._problem(head.number, "changed", "the head does not name the last row")
        if self._key is not None and not hmac.compare_digest(
            head.seal or "", seal_of(self._key, head.organisation_id, head.number, head.hash)
        ):
            return self._problem(head.number, "unsealed", "the end was not sealed with this server's key")
        if self._bare:
            return self._problem(
                min(self._bare), "redacted_unrecorded", "its content is gone and no row says why"
            )
        return None

    def _next(self, event: Event) -> Problem | None:
        expected = self._number + 1
        if event.number != expected:
            gone = (
                f"row {expected} is"
                if event.number == expected + 1
                else f"rows {expected} to {event.number - 1} are"
            )
            return self._problem(expected, "dropped", f"{gone} gone")
        if event.number > self._head.number:
            return self._problem(event.number, "added", "it lies behind the end of the chain")
        if event.content is not None and digest(event.content) != event.content_hash:
            return self._problem(event.number, "changed", "its content is not what was recorded")
        if event.previous != self._hash:
            return self._problem(event.number, "reordered", "it does not follow the row before it")
        if event.hash != _own_hash(event):
            return self._problem(event.number, "changed", "it is not what was recorded")
        if event.content is None:
            self._bare.add(event.number)
        if event.action == REDACTED:
            self._bare -= _redacted(event)
        self._number, self._hash = event.number, event.hash
        return None

    def _problem(
        self,
        number: int,
        kind: ProblemKind,
        detail: str,
    ) -> Problem:
        return Problem(self._head.organisation_id, number, kind, detail)


def _own_hash(event: Event) -> str:
    return row_hash(
        organisation_id=event.organisation_id,
        number=event.number,
        at=event.at,
        action=event.action,
        outcome=event.outcome,
        content_hash=event.content_hash,
        previous=event.previous,
    )


def _redacted(event: Event) -> set[int]:
    details = event.told().get("details")
    numbers = details.get("numbers") if isinstance(details, dict) else None
    return (
        {int(number) for number in numbers if isinstance(number, int)} if isinstance(numbers, list) else set()
    )
