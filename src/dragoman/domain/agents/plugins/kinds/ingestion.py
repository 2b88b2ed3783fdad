"""Collections: filling them and searching them. None of it needs a model."""

import csv
import io
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

from anyio import to_thread

from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.registry import FILE, plugin
from dragoman.domain.knowledge.chunk import clean_text
from dragoman.domain.knowledge.model import DocumentDraft
from dragoman.domain.knowledge.retrieve import RetrievalQuery
from dragoman.domain.messages.events import CitationsFound, TextDelta
from dragoman.kit.digest import text_digest
from dragoman.kit.errors import InvalidInput, Unsupported

_MOST_LINES = 10_000
_NAME_LENGTH = 80
_MOST_FOUND = 10
_SIMILARITY = 0.3
_DELIMITERS = ",;\t|"
_DATASET = PluginField("dataset", "The dataset to add to; it must be your own.", "collection", required=True)
_DESCRIPTION = PluginField("description", "What the content is about; kept with it and found with it.")


def csv_rows(path: Path) -> Iterator[str]:
    """The rows of a CSV file as texts that name each value.

    Raises:
        InvalidInput: it is no CSV in UTF-8 with a line of names.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("The CSV file is not written in UTF-8.", param="file") from error
    if "\0" in text:
        raise InvalidInput("The file is no CSV: it holds NUL characters.", param="file")
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(map(str.strip, row))]
    except csv.Error as error:
        raise InvalidInput(f"The file is no CSV: {error}.", param="file") from error
    if len(rows) < 2:
        raise InvalidInput("The CSV file holds no rows below its line of names.", param="file")
    if len(rows) - 1 > _MOST_LINES:
        raise InvalidInput(f"The CSV file has more than {_MOST_LINES} rows.", param="file")
    names = [name.strip() or f"column {place}" for place, name in enumerate(rows[0], 1)]
    for row in rows[1:]:
        pairs = zip(names, row, strict=False)
        yield clean_text("; ".join(f"{name}: {value.strip()}" for name, value in pairs if value.strip()))


@plugin(
    PluginSpec(
        "csv_lines",
        "CSV Lines",
        "Ingestion",
        "Adds every row of a CSV file to a dataset as a document of its own.",
        (FILE, _DESCRIPTION, _DATASET),
        writing="nothing",
        for_paying=True,
    )
)
async def csv_lines(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """How many rows were added."""
    collection, file = await run.own_collection("dataset"), run.files["file"]
    if not file.name.lower().endswith((".csv", ".tsv", ".txt")):
        raise Unsupported(f"{file.name!r} is no CSV file.", param="file")
    rows = list(dict.fromkeys(await to_thread.run_sync(lambda: list(csv_rows(run.path())))))
    yield Progress(f"Read {len(rows)} rows.")
    context = run.text("description") or None
    texts = [
        (
            DocumentDraft(
                f"row:{text_digest(file.name + chr(0) + row)[:32]}", file.name,
                metadata={"filename": file.name}, context=context,
            ),
            row,
        )
        for row in rows if row
    ]  # fmt: skip
    tokens = await run.parts.teacher.store(run.caller, collection, texts, run.writer.origin)
    yield Added({"documents": len(texts), "tokens": tokens, "dataset": collection.name})
    yield TextDelta(f"{len(texts)} rows of {file.name} were added ({tokens} tokens).")


@plugin(
    PluginSpec(
        "content_into_dataset",
        "Content Into Dataset",
        "Ingestion",
        "Adds a text to a dataset; it is found at once.",
        (PluginField("text", "The text to add.", "textarea", required=True), _DESCRIPTION, _DATASET),
        writing="nothing",
        for_paying=True,
    )
)
async def content_into_dataset(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """That the text was added."""
    collection, text = await run.own_collection("dataset"), clean_text(run.text("text"))
    if not text:
        raise InvalidInput("'text' holds nothing that can be read.", param="text")
    about = run.text("description")
    draft = DocumentDraft(
        f"train:{text_digest(text)[:32]}",
        (about or text).strip().splitlines()[0][:_NAME_LENGTH],
        context=about or None,
    )
    tokens = await run.parts.teacher.store(run.caller, collection, [(draft, text)], run.writer.origin)
    yield Added({"documents": 1, "tokens": tokens, "dataset": collection.name})
    yield TextDelta(f"The text was added ({tokens} tokens).")


@plugin(
    PluginSpec(
        "file_into_dataset",
        "File Into Dataset",
        "Ingestion",
        "Adds a file to a dataset; it is read and indexed in the background.",
        (FILE, _DESCRIPTION, _DATASET),
        writing="nothing",
        for_paying=True,
    )
)
async def file_into_dataset(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """That the file was taken in."""
    collection, file = await run.own_collection("dataset"), run.files["file"]
    draft = DocumentDraft(
        file.name, file.name, metadata={"filename": file.name}, context=run.text("description") or None
    )
    stored = await run.parts.knowledge.put_file(
        run.caller, collection.id, draft, run.path(), media_type=file.media_type
    )
    yield Added({"document_id": stored.document.id, "outcome": stored.outcome, "dataset": collection.name})
    yield TextDelta(f"{file.name} was taken in and is being indexed.")


@plugin(
    PluginSpec(
        "search_datasets",
        "Search Datasets",
        "Ingestion",
        "Shows the passages that are nearest to a question, without a model.",
        (
            PluginField("query", "What to look for.", required=True),
            PluginField("dataset", "Where to look; without it, everywhere.", "collection"),
        ),
        writing="nothing",
    )
)
async def search_datasets(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The passages, numbered as their references are."""
    collection = await run.collection("dataset")
    found = await run.parts.retriever.retrieve(
        run.caller,
        RetrievalQuery(
            (run.text("query"),),
            None if collection is None else (collection.id,),
            limit=_MOST_FOUND,
            minimum_similarity=_SIMILARITY,
        ),
    )
    citations = found.citations()
    yield CitationsFound(citations)
    yield Added({"found": len(citations)})
    if not citations:
        yield TextDelta("Nothing was found.")
        return
    lines = [
        f"[{citation.number}] {' '.join(citation.text.split())} ({citation.document_name}"
        f"{f', page {citation.page}' if citation.page else ''})"
        for citation in citations
    ]
    yield TextDelta("\n\n".join(lines))
