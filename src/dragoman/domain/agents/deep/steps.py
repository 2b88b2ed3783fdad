"""The steps of a research: plan, read (once for each question), look for gaps, write. Each begins where the last ended."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

import orjson

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.deep.citing import cited
from dragoman.domain.agents.deep.model import (
    DeepAnswer,
    DeepProgress,
    DeepRun,
    Exchange,
    Note,
    Source,
    StepOutcome,
    Told,
)
from dragoman.domain.agents.deep.sources import Finder
from dragoman.domain.agents.plugins.writer import Origin, Writer, marked
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.agents.structured import added
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.chat import complete
from dragoman.domain.inference.ports import ChatModel, ChatRequest
from dragoman.domain.labels.handling import with_handling
from dragoman.domain.labels.service import LabelsService
from dragoman.domain.messages.events import Usage
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DeadlineExceeded, Unprocessable
from dragoman.kit.jsontypes import JsonObject

STEP_SECONDS = 900.0
_QUOTING_SECONDS = 120.0
_MOST_QUESTIONS, _MOST_GAPS = 5, 3
_SHOWN = 300
_NUMBERS = (
    "Put the number of its source in square brackets behind each statement, like [2]. Use no other numbers."
)
_PLAN = (
    "You plan a research. Split the task into one to five questions that can be looked up one by one, "
    "each understandable by itself. "
    'Answer with JSON: {"questions": ["...", "..."]}.'
)
_READ = (
    "You note what numbered sources say on a question: short statements, names, figures, contradictions. "
    f"{_NUMBERS} Say so where they say nothing."
)
_CHECK = (
    "You check a research before it is written up. Name up to three further questions that must be "
    "looked up so that the task can be "
    'answered, none that was looked up already; none at all if nothing is missing. Answer with JSON: {"questions": []}.'
)
_WRITE = (
    "You write the result of a research for the person who gave the task: an answer first, then what it "
    "rests on, structured with short "
    f"headings where it is long. Use the notes and nothing else; say what stayed open. {_NUMBERS}"
)
_QUESTIONS: JsonObject = {
    "type": "object",
    "properties": {
        "questions": {"type": "array", "items": {"type": "string", "minLength": 3}, "maxItems": 8}
    },
    "required": ["questions"],
}
_NOTHING = "Nothing was found on this."


@dataclass(frozen=True, slots=True)
class StepParts:
    """What steps work with."""

    runner: AgentRunner
    catalogue: Catalogue
    finder: Finder
    meter: Meter
    labels: LabelsService


class Step:
    """One step of one research."""

    def __init__(self, parts: StepParts, caller: Caller, run: DeepRun, writer: Writer) -> None:
        self._parts = parts
        self._caller = caller
        self._run = run
        self._progress = run.progress
        self._writer = writer
        self._quoting = _quoting_model(parts.catalogue, writer)

    async def take(self) -> StepOutcome:
        """What the step does; nothing is stored here.

        Raises:
            DragomanError: the model or the search failed.
        """
        stages = {"plan": self._plan, "read": self._read, "check": self._check, "write": self._write}
        handling = self._parts.labels.handling()
        try:
            with with_handling(handling):
                async with asyncio.timeout(STEP_SECONDS):
                    known = [source.label for source in self._progress.sources]
                    await handling.take(self._caller, known, "a source of the research")
                    outcome = await stages[self._progress.stage]()
                    if outcome.answer is not None:
                        await self._parts.labels.answered(
                            self._caller, self._run.question, outcome.answer.text
                        )
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"A step of the research took longer than {STEP_SECONDS:g} seconds."
            ) from error
        used = self._writer.usage
        progress = outcome.progress.model_copy(
            update={
                "prompt_tokens": outcome.progress.prompt_tokens + used.prompt_tokens,
                "completion_tokens": outcome.progress.completion_tokens + used.completion_tokens,
                "model": self._writer.model or outcome.progress.model,
            }
        )
        return replace(outcome, progress=progress)

    def _next(self, **changes: object) -> DeepProgress:
        return self._progress.model_copy(update=changes)

    async def _plan(self) -> StepOutcome:
        questions = await self._asked_for_questions(_PLAN, self._task(), _MOST_QUESTIONS)
        questions = questions or [self._run.question]
        told = (
            Told("plan", {"questions": list(questions)}),
            Told("status", {"message": f"Planned {len(questions)} questions to look up."}),
        )
        return StepOutcome(self._next(stage="read", questions=tuple(questions), next_question=0), told)

    async def _asked_for_questions(self, instruction: str, text: str, most: int) -> list[str]:
        if self._quoting is not None:
            return []
        try:
            answer = orjson.loads(await self._writer.json(instruction, text, _QUESTIONS))
        except Unprocessable:
            # A small model that cannot write JSON can still answer the question as it stands.
            return []
        asked = [" ".join(str(one).split())[:500] for one in answer["questions"]]
        return list(dict.fromkeys(one for one in asked if one))[:most]

    def _task(self) -> str:
        earlier = "\n\n".join(
            f"{marked('earlier-question', one.question)}\n{marked('earlier-answer', one.answer[:4000])}"
            for one in self._progress.history[-3:]
        )
        wish = self._run.settings.system_prompt
        parts = (
            earlier,
            f"How to go about it: {wish}" if wish else "",
            marked("task", self._run.question[:20_000]),
        )
        return "\n\n".join(part for part in parts if part)

    async def _read(self) -> StepOutcome:
        progress = self._progress
        place, count = progress.next_question, len(progress.questions)
        question = progress.questions[place]
        found = await self._parts.finder.find(self._caller, self._run.settings, question, progress.sources)
        new = found.sources[len(progress.sources) :]
        told = [Told("status", {"message": f"Looking up {place + 1} of {count}: {question}"})]
        if found.web_problem and found.web_problem != progress.web_problem:
            told.append(Told("status", {"message": f"The web was not searched: {found.web_problem}"}))
        told += [Told("source", _shown(source)) for source in new]
        wanted = [source for source in found.sources if source.number in found.numbers]
        note = await self._noted(question, wanted) if wanted else _NOTHING
        told.append(Told("note", {"question": question, "message": note}))
        last = place + 1 == count
        then = "write" if progress.checked or self._quoting is not None else "check"
        return StepOutcome(
            self._next(
                stage=then if last else "read",
                next_question=place + 1,
                sources=found.sources,
                notes=(*progress.notes, Note(question=question, text=note)),
                web_problem=found.web_problem,
            ),
            tuple(told),
        )

    async def _noted(self, question: str, sources: Sequence[Source]) -> str:
        if self._quoting is not None:
            return await self._quoted(question, sources)
        room = self._writer.piece_characters // len(sources)
        shown = "\n\n".join(f"[{source.number}] {source.title}\n{source.text[:room]}" for source in sources)
        text = f"{marked('sources', shown)}\n\nThe question: {question}"
        return await self._writer.ask(_READ, text) or _NOTHING

    async def _quoted(self, question: str, sources: Sequence[Source]) -> str:
        """Sentences of the sources, by a model that only quotes."""
        assert self._quoting is not None
        request = ChatRequest(
            messages=(Message.of_text("user", question),),
            citations=tuple(source.citation(source.number) for source in sources),
            grounded=True,
        )
        async with aclosing(complete(self._quoting, request, deadline_seconds=_QUOTING_SECONDS)) as events:
            answer = await fold_stream(events)
        self._writer.usage = added(self._writer.usage, answer.usage)
        self._writer.model = answer.model
        await asyncio.to_thread(self._record, answer.model, answer.usage)
        return answer.text.strip() or _NOTHING

    def _record(self, model: str, usage: Usage) -> None:
        settings = self._run.settings
        context = UsageContext(
            caller=self._caller,
            dialect=settings.dialect,
            application=settings.application,
            kind="chat",
            started_at=now_ms(),
        )
        self._parts.meter.record(context, model=model, usage=usage, status=200)

    async def _check(self) -> StepOutcome:
        text = f"{self._task()}\n\n{marked('notes', self._notes())}"
        asked = await self._asked_for_questions(_CHECK, text, _MOST_GAPS)
        done = {one.casefold() for one in self._progress.questions}
        more = [one for one in asked if one.casefold() not in done]
        message = f"{len(more)} further questions." if more else "Nothing more to look up."
        told = (Told("status", {"message": f"Checked for gaps: {message}"}),)
        questions = (*self._progress.questions, *more)
        stage = "read" if more else "write"
        return StepOutcome(self._next(stage=stage, questions=questions, checked=True), told)

    async def _write(self) -> StepOutcome:
        if self._quoting is not None:
            text = self._gathered()
        else:
            asked = f"{self._task()}\n\n{marked('notes', self._notes())}\n\nThe result:"
            text = await self._writer.ask(_WRITE, asked)
        text, citations = cited(text, self._progress.sources)
        notice = self._notice()
        history = (*self._progress.history, Exchange(question=self._run.question, answer=text))
        return StepOutcome(self._next(history=history), (), DeepAnswer(text, citations, notice))

    def _gathered(self) -> str:
        """What a model that only quotes can give: the quotations by question."""
        notes = self._progress.notes[-len(self._progress.questions) :]
        if len(notes) == 1:
            return notes[0].text
        return "\n\n".join(f"{note.question}\n{note.text}" for note in notes)

    def _notes(self) -> str:
        notes = "\n\n".join(f"{note.question}\n{note.text}" for note in self._progress.notes)
        return notes[: self._writer.piece_characters]

    def _notice(self) -> str | None:
        if self._quoting is not None:
            return (
                f"Put together from quotations by {self._quoting.name}, which writes nothing of its own. For a research in "
                "sentences the operator connects a language model (models.providers or models.local.gguf)."
            )
        return self._writer.notice


def _quoting_model(catalogue: Catalogue, writer: Writer) -> ChatModel | None:
    """The model that quotes in the place of one that cannot be relied on; None where the model writes by itself."""
    spec = writer.agent.spec
    if spec.endpoint is not None:
        return None
    model = catalogue.for_grounded(spec.model)
    return model if model.profile.quotes_only else None


def _shown(source: Source) -> JsonObject:
    return {"number": source.number, "title": source.title, "url": source.url, "text": source.text[:_SHOWN]}


async def writer_for(parts: StepParts, caller: Caller, run: DeepRun) -> Writer:
    """The model that a research was asked of.

    Raises:
        NotFound: it is no longer there.
    """
    settings = run.settings
    agent = await parts.runner.resolve(caller, settings.model)
    return Writer(
        parts.runner, parts.catalogue, caller, agent, Origin(settings.dialect, settings.application)
    )
