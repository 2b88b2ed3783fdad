"""What a label forbids, and what was decided for one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

# outside: a provider that data leaves the operator's systems for. web: a tool that reaches addresses or runs code.
# public: a widget or channel that anybody may talk in.
Ban: TypeAlias = Literal["outside", "web", "public"]
Point: TypeAlias = Literal["retrieve", "infer", "tool", "channel"]

BANS: tuple[Ban, ...] = get_args(Ban)
WORDS: Mapping[Ban, str] = {
    "outside": "never to a provider outside",
    "web": "never to a web tool",
    "public": "never in a public widget or channel",
}


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """One label. ``banner`` is shown wherever its text may appear; ``description`` is for those who choose it."""

    label: str
    bans: frozenset[Ban]
    banner: str
    description: str = ""
    color: str = "#502b85"

    @property
    def sentences(self) -> tuple[str, ...]:
        """What it forbids, in words."""
        return tuple(WORDS[ban] for ban in BANS if ban in self.bans)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided at one point: whether text under the label may go to ``what``. ``ban`` None = nothing forbids it."""

    point: Point
    label: str
    ban: Ban | None
    what: str

    @property
    def allowed(self) -> bool:
        """Whether it went on."""
        return self.ban is None

    @property
    def sentence(self) -> str:
        """A refusal in words."""
        policy = WORDS[self.ban] if self.ban is not None else "nothing"
        return f"What is used here is labelled {self.label}, whose policy is {policy!r}: {self.what} was not given any of it."


class Policies:
    """Labels by name, whatever the case of their letters. One that nobody describes any more forbids everything.

    Args:
        policies: the labels there are.
        web_risks: the kinds of tools that may reach the web.
    """

    def __init__(
        self,
        policies: Iterable[LabelPolicy],
        *,
        web_risks: frozenset[str] = frozenset(["outside", "execute"]),
    ) -> None:
        self.web_risks = web_risks
        self._by_name = {policy.label.casefold(): policy for policy in policies}

    def all(self) -> tuple[LabelPolicy, ...]:
        """Those that the operator describes."""
        return tuple(self._by_name.values())

    def known(self, name: str) -> LabelPolicy | None:
        """The label of that name, as the operator writes it."""
        return self._by_name.get(name.strip().casefold())

    def of(self, label: str) -> LabelPolicy:
        """What holds for text under the label."""
        return self.known(label) or LabelPolicy(label, frozenset(BANS), label)

    def forbidding(self, labels: Iterable[str], ban: Ban) -> str | None:
        """The first of the labels that forbids it."""
        return next((label for label in labels if ban in self.of(label).bans), None)
