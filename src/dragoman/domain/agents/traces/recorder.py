"""Taking down what a run does while it does it."""

from dataclasses import replace

from dragoman.domain.agents.traces.model import Ending, RunTrace, Step, StepKind
from dragoman.domain.messages.events import Usage
from dragoman.kit.clock import now_ms

_MOST_STEPS = 500
_LONGEST_ARGUMENTS = 4000
_LONGEST_NOTE = 500
_LONGEST_NAME = 230


class Recorder:
    """The steps of one run, the first five hundred.

    Args:
        begun: the run without what is known at its end.
        content: whether arguments are taken down; what was said never is.
    """

    def __init__(self, begun: RunTrace, *, content: bool) -> None:
        self._begun = begun
        self._content = content
        self._steps: list[Step] = []
        self.ending: Ending = "failed"
        self.kept = False
        self.told = False
        self.round = 0
        self.usage = Usage()

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._begun.id

    def step(
        self,
        kind: StepKind,
        name: str,
        *,
        started_at: int | None = None,
        state: str = "completed",
        arguments: str = "",
        size: int = 0,
        usage: Usage | None = None,
        note: str = "",
    ) -> None:
        """Takes one step down; it began then and ends now."""
        if len(self._steps) >= _MOST_STEPS:
            return
        now = now_ms()
        began = now if started_at is None else started_at
        self._steps.append(
            Step(
                kind,
                clean(name, _LONGEST_NAME),
                self.round,
                began,
                max(0, now - began),
                state,
                clean(arguments, _LONGEST_ARGUMENTS) if self._content else "",
                size,
                usage.prompt_tokens if usage else 0,
                usage.completion_tokens if usage else 0,
                clean(note, _LONGEST_NOTE),
            )
        )

    def trace(self, *, model: str, cost_micro_usd: int) -> RunTrace:
        """The run as it is now."""
        return replace(
            self._begun,
            model=clean(model, _LONGEST_NAME),
            ended_at=now_ms(),
            ended=self.ending,
            rounds=self.round,
            prompt_tokens=self.usage.prompt_tokens,
            completion_tokens=self.usage.completion_tokens,
            cost_micro_usd=cost_micro_usd,
            steps=tuple(self._steps),
        )


def clean(text: str, most: int) -> str:
    """The text as both databases can hold it."""
    return text[:most].replace("\0", "").encode("utf-8", "replace").decode("utf-8")
