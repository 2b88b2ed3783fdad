"""Labels for all that handle text: what there are, and which conversations bear them."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Connection

from dragoman.db.database import Database
from dragoman.domain.accounts.audit.record import record
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.versions import Versions
from dragoman.domain.labels import repository
from dragoman.domain.labels.handling import Handling, current_handling
from dragoman.domain.labels.keys import answer_keys, conversation_key, keys_within
from dragoman.domain.labels.model import WORDS, Decision, LabelPolicy, Policies
from dragoman.domain.messages.parts import Message
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import InvalidInput
from dragoman.kit.suggest import did_you_mean

TOPIC = "labels"
LONGEST = 64


class LabelsService:
    """What labels forbid is the operator's to say; what bears them is kept in the database.

    Args:
        policies: the labels there are.
    """

    def __init__(self, database: Database, versions: Versions, policies: Policies) -> None:
        self.policies = policies
        self._database = database
        self._versions = versions
        self._bearing: set[str] = set()
        self._sources: list[Callable[[], Awaitable[set[str]]]] = []
        versions.subscribe(TOPIC, self.reload)

    def count_in(self, organisations: Callable[[], Awaitable[set[str]]]) -> None:
        """Names further organisations in which something bears labels, whenever that is looked up."""
        self._sources.append(organisations)

    async def reload(self) -> None:
        """Looks up in which organisations anything bears labels; to be called once before the others."""
        found = await self._database.read(repository.marked)
        for source in self._sources:
            found |= await source()
        self._bearing = found

    def watches(self, caller: Caller) -> bool:
        """Whether anything in the caller's organisation bears labels, so that conversations have to be looked at."""
        return caller.organisation_id in self._bearing

    def handling(self, *, public: bool = False) -> Handling:
        """For one request."""
        return Handling(self.policies, self._refused, public=public)

    def checked(self, label: str | None) -> str | None:
        """The label as the operator writes it; None and the empty text mean none.

        Raises:
            InvalidInput: there is no such label; those there are are named.
        """
        if label is None or not label.strip():
            return None
        known = self.policies.known(label)
        if known is None:
            names = [policy.label for policy in self.policies.all()]
            raise InvalidInput(
                f"There is no label {label[:LONGEST]!r}{did_you_mean(label, names) or '.'} "
                f"The labels here are: {', '.join(names) or 'none'}.",
                param="label",
                code="unknown_label",
            )
        return known.label

    async def of_conversation(self, organisation_id: str, conversation_id: str) -> list[LabelPolicy]:
        """The labels that a conversation kept here bears."""
        found = await self.of(organisation_id, [conversation_key(conversation_id)])
        return [self.policies.of(label) for label in found]

    async def of(self, organisation_id: str, keys: Sequence[str]) -> list[str]:
        """The labels that these keys bear."""
        if not keys or organisation_id not in self._bearing:
            return []
        return await self._database.read(repository.labels_of, organisation_id, keys)

    async def mark(self, caller: Caller, keys: Sequence[str], labels: Sequence[str]) -> None:
        """Lets the keys bear the labels from now on; durable when it returns.

        Raises:
            Unavailable: the database cannot be written to.
        """
        if not keys or not labels:
            return

        def store(connection: Connection) -> None:
            repository.put(connection, caller.organisation_id, keys, labels, now_ms())
            if caller.organisation_id not in self._bearing:
                self._versions.announce(connection, TOPIC)

        await self._database.write(store)
        self._bearing.add(caller.organisation_id)

    async def reopen(self, caller: Caller, conversation: Sequence[Message]) -> None:
        """Lets the request at hand bear what a conversation bears that it goes on with.

        Raises:
            Forbidden: it may not be gone on with here.
        """
        handling = current_handling()
        if handling is not None and self.watches(caller):
            found = await self.of(caller.organisation_id, keys_within(conversation))
            await handling.take(caller, found, "this conversation", point="channel")

    async def resume(self, caller: Caller, conversation_id: str) -> None:
        """Lets the request at hand bear what a conversation kept here bears.

        Raises:
            Forbidden: it may not be gone on with here.
        """
        handling = current_handling()
        if handling is not None:
            found = await self.of(caller.organisation_id, [conversation_key(conversation_id)])
            await handling.take(caller, found, "this conversation", point="channel")

    async def bind(self, caller: Caller, label: str | None, what: str) -> None:
        """Lets the request at hand bear a label.

        Raises:
            Forbidden: its text may not be used here.
        """
        handling = current_handling()
        if handling is not None:
            await handling.take(caller, [label], what)

    async def answered(self, caller: Caller, question: str, answer: str) -> None:
        """Lets an answer bear the labels of the request at hand.

        Raises:
            Unavailable: the database cannot be written to.
        """
        handling = current_handling()
        if handling is not None and handling.labels:
            await self.mark(caller, answer_keys(question, answer), handling.labels)

    async def _refused(self, caller: Caller, decision: Decision) -> None:
        await self._database.write(
            record,
            caller,
            "label.refused",
            decision.what,
            outcome="refused",
            label=decision.label,
            point=decision.point,
            policy=None if decision.ban is None else WORDS[decision.ban],
        )
