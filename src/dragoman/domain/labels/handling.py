"""The labels that one request has come to bear, and the doors that they close: enforced wherever text would go on."""

from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.labels.model import Ban, Decision, Point, Policies
from dragoman.kit.errors import Forbidden

CODE = "label_policy"
# Notes a refusal in the audit log.
Note: TypeAlias = Callable[[Caller, Decision], Awaitable[None]]
_handling: ContextVar["Handling | None"] = ContextVar("handling", default=None)
_MOST_DECISIONS = 50


class Handling:
    """What one request handles. It only ever gains labels.

    Args:
        policies: what labels forbid.
        note: takes refusals down.
        public: whether anybody may talk here.
    """

    def __init__(self, policies: Policies, note: Note, *, public: bool = False) -> None:
        self.policies = policies
        self.public = public
        self._note = note
        self._caller: Caller | None = None
        self._labels: dict[str, None] = {}
        self._decisions: dict[Decision, None] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it bears, in the order in which they came."""
        return tuple(self._labels)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What was decided, each decision once."""
        return tuple(self._decisions)

    def forbids(self, ban: Ban) -> bool:
        """Whether any of its labels forbids it."""
        return self.policies.forbidding(self._labels, ban) is not None

    async def take(
        self, caller: Caller, labels: Iterable[str | None], what: str, *, point: Point = "retrieve"
    ) -> None:
        """Bears these labels from now on, because text under them is about to be used.

        Raises:
            Forbidden: one of them may not be used where this takes place; none of its text may go on then.
        """
        wanted = [label for label in dict.fromkeys(labels) if label and label not in self._labels]
        if not wanted:
            return
        if self.public or caller.key_kind == "public":
            await self._check(caller, point, wanted, "public", what)
        self._caller = caller
        for label in wanted:
            self._labels[label] = None
            self._decided(Decision(point, label, None, what))

    async def to_provider(self, caller: Caller, name: str, *, outside: bool) -> None:
        """Returns when text may go to the provider of that name.

        Raises:
            Forbidden: it leaves the operator's systems, and a label forbids that.
        """
        if self._labels and outside:
            await self._check(caller, "infer", self._labels, "outside", f"the provider outside of {name!r}")
        for label in self._labels:
            self._decided(Decision("infer", label, None, name))

    async def to_model(self, name: str, *, outside: bool) -> None:
        """As ``to_provider``, for whoever does not know on whose behalf.

        Raises:
            Forbidden: as there.
        """
        if self._caller is not None:
            await self.to_provider(self._caller, name, outside=outside)

    async def to_tool(self, caller: Caller, name: str, risk: str) -> None:
        """Returns when the tool may be called with what was used here.

        Raises:
            Forbidden: it reaches the web, and a label forbids that.
        """
        if self._labels and risk in self.policies.web_risks:
            await self._check(caller, "tool", self._labels, "web", f"the tool {name!r}")
        for label in self._labels:
            self._decided(Decision("tool", label, None, name))

    async def _check(self, caller: Caller, point: Point, labels: Iterable[str], ban: Ban, what: str) -> None:
        label = self.policies.forbidding(labels, ban)
        if label is None:
            return
        decision = Decision(point, label, ban, what)
        if decision not in self._decisions:
            self._decided(decision)
            await self._note(caller, decision)
        raise Forbidden(decision.sentence, code=CODE)

    def _decided(self, decision: Decision) -> None:
        if len(self._decisions) < _MOST_DECISIONS:
            self._decisions[decision] = None


def current_handling() -> Handling | None:
    """What the request at hand handles; None in the server's own work and in commands."""
    return _handling.get()


@contextmanager
def with_handling(handling: Handling) -> Generator[Handling]:
    """What runs inside, tasks included, is handled together."""
    token = _handling.set(handling)
    try:
        yield handling
    finally:
        _handling.reset(token)
