"""Labels of one run: those that its conversation bears already, and what bears them after it."""

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.request import RunRequest
from dragoman.domain.labels.handling import Handling, current_handling
from dragoman.domain.labels.keys import answer_keys, call_key, conversation_key, keys_within, last_question
from dragoman.domain.labels.model import Decision, Policies
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.messages.events import Event, TextDelta, ToolCallDelta


class RunLabels:
    """Follows one run.

    Args:
        labels: None where nothing bears labels.
    """

    def __init__(self, labels: LabelsService | None, caller: Caller, request: RunRequest) -> None:
        self._labels = labels
        self._caller = caller
        self._request = request
        self.handling = _handling(labels)
        self.handling.public = self.handling.public or request.public
        self._marked: tuple[str, ...] = ()
        self._said: list[str] = []
        self._calls: list[str] = []

    async def begin(self) -> None:
        """Takes the labels that the conversation bears.

        Raises:
            Forbidden: it may not be gone on with here.
        """
        if self._labels is None or not self._labels.watches(self._caller):
            return
        keys = [*self._own_keys(), *keys_within(self._request.conversation)]
        found = await self._labels.of(self._caller.organisation_id, keys)
        await self.handling.take(self._caller, found, "this conversation", point="channel")

    async def seen(self, event: Event) -> None:
        """Notes what is said; to be called before anybody hears it, so that what is heard bears its labels.

        Raises:
            Forbidden: it may not be spoken.
        """
        if isinstance(event, TextDelta):
            self._said.append(event.text)
        elif isinstance(event, ToolCallDelta) and event.id:
            self._calls.append(event.id)
        labels = self.handling.labels
        if labels == self._marked:
            return
        if self._request.speaker is not None:
            await self.handling.to_provider(self._caller, self._request.speaker, outside=True)
        if self._labels is not None:
            await self._labels.mark(self._caller, self._own_keys(), labels)
        self._marked = labels

    async def ended(self) -> None:
        """Lets the answer, as far as it came, bear the labels of the run."""
        labels = self.handling.labels
        if self._labels is None or not labels:
            return
        question = last_question(self._request.conversation)
        keys = [*answer_keys(question, "".join(self._said)), *map(call_key, self._calls), *self._own_keys()]
        await self._labels.mark(self._caller, keys, labels)

    def _own_keys(self) -> list[str]:
        names = (self._request.conversation_id, self._request.idempotency_key)
        return [conversation_key(name) for name in names if name]


def _handling(labels: LabelsService | None) -> Handling:
    current = current_handling()
    if current is not None:
        return current
    return Handling(Policies(()), _unnoted) if labels is None else labels.handling()


async def _unnoted(caller: Caller, decision: Decision) -> None:
    """Where no labels are kept there is no log of them."""
