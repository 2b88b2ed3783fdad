"""Code: reviews, and regular expressions that are tried out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson

from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.registry import plugin
from dragoman.domain.agents.plugins.steps import pieces_of
from dragoman.domain.agents.plugins.writer import marked
from dragoman.domain.messages.events import TextDelta
from dragoman.domain.tools.patterns import Matched
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

_REVIEW = (
    "You review code. Name defects first, the gravest first: where it is, what goes wrong and when, how "
    "to mend it. Then, shortly, what "
    "could be simpler. Say so when you find nothing wrong; never invent a defect."
)
_PATTERN = (
    "You write one regular expression in Python's syntax. Between the tags are samples, one a line, or a "
    "description of what shall be "
    "found. Answer with JSON: the expression as 'pattern' and one or two sentences on how it works as 'explanation'."
)
_PATTERN_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"pattern": {"type": "string", "minLength": 1}, "explanation": {"type": "string"}},
    "required": ["pattern", "explanation"],
}
_ATTEMPTS = 3
_MOST_SAMPLES, _LONGEST_SAMPLE = 200, 2000
_FIELDS = (
    PluginField("code", "The code to review.", "textarea", required=True),
    PluginField("instructions", "What to look at."),
)


@plugin(
    PluginSpec(
        "code_review",
        "Code Review",
        "Software",
        "Reviews code: defects with their place and cure, then what could be simpler.",
        _FIELDS,
    )
)
async def code_review(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The review."""
    run.writer.require_writing()
    pieces = pieces_of(run.text("code"), run.writer.piece_characters)
    wish = run.text("instructions")
    for number, piece in enumerate(pieces, 1):
        if len(pieces) > 1:
            yield Progress(f"Reviewing part {number} of {len(pieces)}.")
            yield TextDelta(f"{'' if number == 1 else chr(10) * 2}Part {number} of {len(pieces)}\n\n")
        asked = marked("code", piece) + (f"\n\nLook above all at: {wish}" if wish else "") + "\n\nThe review:"
        async with aclosing(run.writer.stream(_REVIEW, asked)) as answer:
            async for event in answer:
                yield event


@plugin(
    PluginSpec(
        "regex_builder",
        "Regex Builder",
        "Software",
        "Writes a regular expression for samples or a description, and tries it out on every line.",
        (
            PluginField("code", "Samples, one a line, or what shall be found.", "textarea", required=True),
            PluginField("instructions", "What the expression shall find in them."),
        ),
        writing="data",
    )
)
async def regex_builder(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The expression, how it works, and what it finds in each line."""
    run.writer.require_writing()
    text = run.text("code")
    samples = [line[:_LONGEST_SAMPLE] for line in text.splitlines() if line.strip()][:_MOST_SAMPLES]
    wish = run.text("instructions")
    asked = marked("samples", text[: run.writer.piece_characters]) + (
        f"\n\nIt shall find: {wish}" if wish else ""
    )
    problem = ""
    for attempt in range(1, _ATTEMPTS + 1):
        answer = orjson.loads(await run.writer.json(_PATTERN, asked + problem, _PATTERN_SCHEMA))
        pattern = str(answer["pattern"])
        yield Progress("Trying the expression out.")
        try:
            matches = await run.parts.patterns.matches(pattern, samples)
        except InvalidInput as error:
            if attempt == _ATTEMPTS:
                raise
            problem = f"\n\nThis was refused: {pattern}\nBecause: {error.detail}\nWrite another."
            continue
        yield Added(
            {
                "pattern": pattern,
                "explanation": str(answer["explanation"]),
                "matches": [{"sample": one.sample, "found": one.found} for one in matches],
            }
        )
        yield TextDelta(_told(pattern, str(answer["explanation"]), matches))
        return


def _told(pattern: str, explanation: str, matches: list[Matched]) -> str:
    lines = [f"{'+' if one.found is not None else '-'} {one.sample}" for one in matches[:20]]
    found = sum(one.found is not None for one in matches)
    return (
        f"```\n{pattern}\n```\n\n{explanation.strip()}\n\nIt matches {found} of {len(matches)} lines:\n"
        + "\n".join(lines)
    )
