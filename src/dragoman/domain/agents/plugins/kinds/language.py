"""Translation and comparison."""

import difflib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from anyio import to_thread

from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.registry import plugin
from dragoman.domain.agents.plugins.steps import condensed, pieces_of
from dragoman.domain.agents.plugins.writer import marked
from dragoman.domain.messages.events import TextDelta
from dragoman.kit.errors import InvalidInput

_TRANSLATE = (
    "You translate into {language}. Give the translation of the whole text and nothing else: no remarks, no tags. "
    "Keep its layout."
)
_COMPARE = (
    "You compare two versions of a document for a careful reader. From the list of changed lines say "
    "what changed in substance and what "
    "that means, the weightiest first. Lines that begin with - are only in the first, with + only in the second."
)
_MOST_LINES = 10_000
_SHOWN_CHANGES = 400


@plugin(
    PluginSpec(
        "translate",
        "Translate",
        "Language",
        "Translates a text into another language, long ones part by part.",
        (
            PluginField("text", "The text to translate.", "textarea", required=True),
            PluginField("target_language", "The language to translate into.", required=True),
        ),
    )
)
async def translate(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The translation."""
    run.writer.require_writing()
    # A translation is about as long as its text, and both have to fit.
    pieces = pieces_of(run.text("text"), max(1000, run.writer.piece_characters // 3))
    instruction = _TRANSLATE.format(language=run.text("target_language"))
    for number, piece in enumerate(pieces, 1):
        if len(pieces) > 1:
            yield Progress(f"Translating part {number} of {len(pieces)}.")
        if number > 1:
            yield TextDelta("\n\n")
        async with aclosing(run.writer.stream(instruction, marked("text", piece))) as answer:
            async for event in answer:
                yield event


def changes(first: str, second: str) -> tuple[list[str], int, int]:
    """Changed lines of two texts with a line of context, and how many are only in the first and only in the second."""
    lines = list(difflib.unified_diff(_lines(first), _lines(second), lineterm="", n=1))[2:]
    removed = sum(line.startswith("-") for line in lines)
    added = sum(line.startswith("+") for line in lines)
    return lines, removed, added


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


@plugin(
    PluginSpec(
        "compare_documents",
        "Compare Documents",
        "Files",
        "Finds every changed line of two versions of a text and says what the changes mean.",
        (
            PluginField("text_a", "The first version.", "textarea", required=True),
            PluginField("text_b", "The second version.", "textarea", required=True),
        ),
    )
)
async def compare_documents(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The changes in words; all changed lines beside it."""
    first, second = run.text("text_a"), run.text("text_b")
    for name, text in (("text_a", first), ("text_b", second)):
        if text.count("\n") > _MOST_LINES:
            raise InvalidInput(f"'{name}' has more than {_MOST_LINES} lines.", param=name)
    lines, removed, added = await to_thread.run_sync(changes, first, second)
    if not lines:
        yield Added({"identical": True, "removed": 0, "added": 0, "diff": ""})
        yield TextDelta("The two texts are the same, line for line.")
        return
    run.writer.require_writing()
    yield Added(
        {
            "identical": False,
            "removed": removed,
            "added": added,
            "diff": "\n".join(lines[:_SHOWN_CHANGES]),
            "diff_cut": len(lines) > _SHOWN_CHANGES,
        }
    )
    yield Progress(f"{removed} lines removed, {added} added.")
    short: list[str] = []
    async with aclosing(condensed(run.writer, "\n".join(lines), short)) as steps:
        async for step in steps:
            yield step
    asked = f"{marked('changes', short[0])}\n\nWhat changed, and what does it mean?"
    async with aclosing(run.writer.stream(_COMPARE, asked)) as answer:
        async for event in answer:
            yield event
