"""Files that come with a question: as parts of the call, or by the name of an earlier upload."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from anyio import to_thread

from dragoman.dialects.asksage.operation import Call, file_name, saved
from dragoman.domain.knowledge.attached.service import AttachedFile
from dragoman.domain.knowledge.chunk import chunk
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument
from dragoman.domain.messages.citations import Citation
from dragoman.kit.errors import InvalidInput

MOST_FILES = 20
_MOST_PASSAGES = 24
_CHARACTERS_PER_TOKEN = 4
_LEAST_ROOM_TOKENS = 32
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Fitted:
    """Files' texts as they go to the model, and what the caller is told about them."""

    text: str
    notes: list[dict[str, object]]


async def attached(call: Call) -> tuple[AttachedFile, ...]:
    """The files of the call, parts first; parts are remembered like other uploads.

    Raises:
        InvalidInput: more than 20, one that cannot be read, or a name that was not uploaded by this caller.
        TooLarge: one of them is.
    """
    uploads, names = (
        call.inputs.files.get("file", ()),
        named_files(call.values.get("file", call.values.get("files"))),
    )
    if len(uploads) + len(names) > MOST_FILES:
        raise InvalidInput(f"At most {MOST_FILES} files may come with a question.", param="file")
    found: list[AttachedFile] = []
    limit = call.services.settings.knowledge.max_upload_bytes
    for upload in uploads:
        name = file_name(upload)
        path = await saved(upload, call.services.uploads, maximum_bytes=limit)
        try:
            file = await call.services.attached.read(path, name=name, media_type=upload.content_type)
        finally:
            await to_thread.run_sync(path.unlink)
        await call.services.attached.remember(call.caller, file)
        found.append(file)
    recalled = [await call.services.attached.recall(call.caller, name) for name in names]
    return (*found, *recalled)


def named_files(raw: object) -> tuple[str, ...]:
    """The names of earlier uploads in a value: one, a list, or the JSON text of a list.

    Raises:
        InvalidInput: something that is no name.
    """
    if isinstance(raw, str) and raw.lstrip().startswith("["):
        try:
            raw = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise InvalidInput("'file' must be a file, a name or a list of names.", param="file") from error
    if raw is None or raw == "":
        return ()
    listed = raw if isinstance(raw, list) else [raw]
    if not all(isinstance(name, str) for name in listed):
        raise InvalidInput("'file' must be a file, a name or a list of names.", param="file")
    return tuple(name for name in map(str, listed) if name.strip())


async def fitted(call: Call, files: Sequence[AttachedFile], *, room_tokens: int, model: str) -> Fitted:
    """The texts, cut so that all together have at most so many tokens; short files stay whole before long ones.

    Raises:
        InvalidInput: there is no room for any text.
    """
    if room_tokens < _LEAST_ROOM_TOKENS * len(files):
        raise InvalidInput(
            "The conversation leaves no room for the files in the model's context.",
            param="file",
            code="context_length_exceeded",
        )
    texts = ["\n\n".join(text for _, text in file.pages) for file in files]
    counts = [count.tokens for count in await call.services.tokens.count_each(texts, model)]
    left, kept = room_tokens, list(texts)
    for done, place in enumerate(sorted(range(len(texts)), key=counts.__getitem__)):
        share = left // (len(texts) - done)
        kept[place] = await _cut(call, texts[place], counts[place], share, model)
        left -= min(counts[place], share)
    blocks = [
        f"<file name={orjson.dumps(file.name).decode()}>\n{text}\n</file>"
        for file, text in zip(files, kept, strict=True)
    ]
    return Fitted("\n\n".join(blocks), [_note(*each) for each in zip(files, texts, kept, strict=True)])


def _note(file: AttachedFile, whole: str, kept: str) -> dict[str, object]:
    note: dict[str, object] = {"filename": file.name, "characters": len(whole), "used_characters": len(kept)}
    if len(kept) < len(whole):
        note["note"] = "The text was cut to what the model's context holds."
    if file.warnings:
        note["warnings"] = list(file.warnings)
    return note


async def _cut(call: Call, text: str, tokens: int, share: int, model: str) -> str:
    while tokens > share:
        # Density differs along a text, so a proportional cut may need another one.
        text = text[: min(len(text) - 1, int(len(text) * share / tokens * 0.98))]
        tokens = (await call.services.tokens.total([text], model)).tokens
    return text


async def passages(call: Call, files: Sequence[AttachedFile], question: str) -> tuple[Citation, ...]:
    """The passages of the files that share most words with the question, for a model that quotes."""
    target = call.services.settings.knowledge.passage_tokens
    return await to_thread.run_sync(lambda: _passages(files, question, target))


def _passages(files: Sequence[AttachedFile], question: str, target_tokens: int) -> tuple[Citation, ...]:
    found: list[Citation] = []
    for file in files:
        document = ParsedDocument(
            tuple(Page(number, (Block("paragraph", text),)) for number, text in file.pages), "text/plain"
        )
        cut = chunk(
            document,
            target_tokens=target_tokens,
            overlap_tokens=0,
            count_tokens=lambda text: -(-len(text) // _CHARACTERS_PER_TOKEN),
        )
        found += [
            Citation(
                number=0,
                collection_id="",
                document_id="",
                document_name=file.name,
                passage_id=f"{file.name}:{draft.ordinal}",
                text=draft.text,
                char_start=draft.char_start,
                char_end=draft.char_end,
                page=draft.page,
                heading_path=draft.heading_path,
                score=1.0,
                metadata={"filename": file.name},
            )
            for draft in cut.passages
        ]
    return tuple(_nearest(found, question))


def _nearest(found: list[Citation], question: str) -> list[Citation]:
    """At most two dozen, the best first; rare words of the question count more than frequent ones."""
    asked = set(_WORD.findall(question.casefold()))
    words = [asked & set(_WORD.findall(citation.text.casefold())) for citation in found]
    frequency = {word: sum(word in each for each in words) for word in asked}
    scores = [sum(1 / frequency[word] for word in each) for each in words]
    order = sorted(range(len(found)), key=lambda place: -scores[place])
    return [found[place] for place in order[:_MOST_PASSAGES]]
