"""Long texts in steps: cut into pieces, worked on piece by piece, put together."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from dragoman.domain.agents.plugins.model import PluginEvent, Progress
from dragoman.domain.agents.plugins.writer import Writer, marked
from dragoman.kit.errors import InvalidInput
from dragoman.kit.tasks import TaskOwner

T = TypeVar("T")

_MOST_PIECES = 120
_AT_ONCE = 2
_DEEPEST = 4
_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"[.!?…。]\s+"), re.compile(r"\s+"))
_NOTES = (
    "You are given part {number} of {count} of a long text. Note its main points as short bullet points. "
    "Keep names, numbers, dates and "
    "conclusions; leave out what repeats. Write nothing but the points."
)


def pieces_of(text: str, size: int) -> list[str]:
    """The text in pieces of at most so many characters, cut at paragraphs, else lines, sentences, words.

    Raises:
        InvalidInput: it would be more pieces than are worked on.
    """
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = _cut(text, start, size)
        piece = text[start:end].strip()
        if piece:
            pieces.append(piece)
        start = end
    if len(pieces) > _MOST_PIECES:
        raise InvalidInput(
            f"The text is too long: {len(text)} characters are {len(pieces)} pieces for this model, and at most "
            f"{_MOST_PIECES} are worked on.",
            code="text_too_long",
        )
    return pieces


def _cut(text: str, start: int, size: int) -> int:
    end = start + size
    if end >= len(text):
        return len(text)
    for pattern in _BREAKS:
        last = None
        for found in pattern.finditer(text, start + size // 2, end):
            last = found.end()
        if last is not None:
            return last
    return end


async def in_turn(
    wanted: Sequence[Callable[[], Awaitable[T]]], results: list[T], what: str
) -> AsyncGenerator[Progress]:
    """Carries all out, two at a time, telling how far it is; ``results`` is filled in order at the end."""
    slots = asyncio.Semaphore(_AT_ONCE)
    owner = TaskOwner()

    async def one(work: Callable[[], Awaitable[T]]) -> T:
        async with slots:
            return await work()

    try:
        tasks = [owner.start(one(work), name="plugins.step") for work in wanted]
        waiting = set(tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            yield Progress(f"{what} {len(tasks) - len(waiting)} of {len(tasks)}.")
        results.extend(task.result() for task in tasks)
    finally:
        await owner.close()


async def condensed(
    writer: Writer, text: str, into: list[str], *, depth: int = 0
) -> AsyncGenerator[PluginEvent]:
    """Brings a text down to what fits one question, by notes on its pieces; ``into`` gets it at the end."""
    writer.require_writing()
    pieces = pieces_of(text, writer.piece_characters)
    if len(pieces) <= 1 or depth >= _DEEPEST:
        into.append(text[: writer.piece_characters])
        return
    notes: list[str] = []

    def noting(number: int, piece: str) -> Callable[[], Awaitable[str]]:
        instruction = _NOTES.format(number=number, count=len(pieces))
        # A model that repeats itself must not make the text longer at every round.
        longest = max(200, len(piece) // 2)

        async def note() -> str:
            return (await writer.ask(instruction, marked("text", piece)))[:longest]

        return note

    steps = in_turn([noting(number, piece) for number, piece in enumerate(pieces, 1)], notes, "Read part")
    async with aclosing(steps):
        async for step in steps:
            yield step
    async with aclosing(condensed(writer, "\n\n".join(notes), into, depth=depth + 1)) as further:
        async for step in further:
            yield step
