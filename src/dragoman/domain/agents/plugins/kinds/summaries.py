"""Summaries of texts, web pages and files."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.registry import FILE, plugin
from dragoman.domain.agents.plugins.steps import condensed
from dragoman.domain.agents.plugins.writer import marked
from dragoman.domain.knowledge.attached.service import AttachedFile
from dragoman.domain.tools.pages import WebPage
from dragoman.kit.errors import DragomanError, InvalidInput

_SUMMARY = "You summarise. Say what matters in the text, and nothing that is not in it. Keep names, numbers and dates."
_ANSWER = (
    "You answer a question about a document from what stands in it and from nothing else; if it does not hold the "
    "answer, say so."
)


def whole_text(file: AttachedFile) -> str:
    """A file's text, its pages one after the other."""
    return "\n\n".join(text for _, text in file.pages)


async def summarised(
    run: PluginRun, text: str, *, style: str = "", question: str = ""
) -> AsyncGenerator[PluginEvent]:
    """A summary of the text or, where a question is asked, its answer from the text."""
    short: list[str] = []
    async with aclosing(condensed(run.writer, text, short)) as steps:
        async for step in steps:
            yield step
    if question:
        instruction = _ANSWER
        asked = f"{marked('document', short[0])}\n\nThe question: {question}"
    else:
        instruction = _SUMMARY + (
            f" The summary's style: {style}." if style else " Write one to three short paragraphs."
        )
        asked = f"{marked('text', short[0])}\n\nThe summary:"
    yield Progress("Writing.")
    async with aclosing(run.writer.stream(instruction, asked)) as pieces:
        async for piece in pieces:
            yield piece


@plugin(
    PluginSpec(
        "summarize_text",
        "Summarize Text",
        "Summarization",
        "Summarises a text of any length; long ones are read in parts and put together.",
        (
            PluginField("text", "The text to summarise.", "textarea", required=True),
            PluginField("style", "How to write: for whom, how long, as bullet points."),
        ),
    )
)
async def summarize_text(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """A summary of the text."""
    async with aclosing(summarised(run, run.text("text"), style=run.text("style"))) as events:
        async for event in events:
            yield event


async def _page(run: PluginRun, url: str) -> WebPage:
    address = url if "://" in url else f"https://{url}"
    try:
        page = await run.parts.pages.read(address)
    except DragomanError as error:
        # What lies at an address that the caller gave is the caller's to mend, whatever went wrong there.
        raise InvalidInput(f"{url[:300]}: {error.detail}", param="url", code=error.code) from error
    if not page.text:
        raise InvalidInput(f"{url[:300]}: the page holds no text.", param="url", code="page_empty")
    return page


@plugin(
    PluginSpec(
        "summarize_website",
        "Summarize Website",
        "Summarization",
        "Fetches a public web page and summarises what it says.",
        (PluginField("url", "Address of the page.", required=True),),
    )
)
async def summarize_website(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """A summary of the page."""
    run.writer.require_writing()
    yield Progress("Fetching the page.")
    page = await _page(run, run.text("url"))
    yield Added({"url": page.url, "title": page.title, "characters": len(page.text), "cut": page.cut})
    async with aclosing(summarised(run, page.text)) as events:
        async for event in events:
            yield event


@plugin(
    PluginSpec(
        "summarize_file",
        "Summarize File",
        "Files",
        "Summarises a document, or answers a question about it.",
        (FILE, PluginField("question", "What you want to know; without it, the document is summarised.")),
    )
)
async def summarize_file(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """A summary of the file, or an answer about it."""
    run.writer.require_writing()
    yield Progress("Reading the file.")
    file = await run.read()
    text = whole_text(file)
    yield Added({"filename": file.name, "characters": len(text), "warnings": list(file.warnings)})
    async with aclosing(summarised(run, text, question=run.text("question"))) as events:
        async for event in events:
            yield event
