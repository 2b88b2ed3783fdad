"""What a stopped server's data folder holds: whether rows, index and files agree."""

import os
from contextlib import closing
from pathlib import Path

import numpy as np

from dragoman.db.sqlite_driver import open_connection

# Questions whose answer is 0 when rows and index agree.
_AGREEMENTS = {
    "passages without words": "select count(*) from passages where key not in (select passage_key from passage_scopes)",
    "words without a passage": "select count(*) from passage_scopes where passage_key not in (select key from passages)",
    "word rows without a scope": "select count(*) from passage_words where rowid not in "
    "(select passage_key from passage_scopes)",
    "scopes without a word row": "select count(*) from passage_scopes where passage_key not in "
    "(select rowid from passage_words)",
    "passages of no document": "select count(*) from passages where document_key not in (select key from documents)",
    "texts of no document": "select count(*) from document_texts where document_key not in (select key from documents)",
    "documents with another count": "select count(*) from documents d where passage_count != "
    "(select count(*) from passages p where p.document_key = d.key)",
    "indexed documents without all vectors": "select count(*) from documents where state = 'indexed' "
    "and embedded_count != passage_count",
    "collections with another total": "select count(*) from passage_totals t where passages != "
    "(select count(*) from passage_scopes s where s.collection_key = t.collection_key)",
    "jobs that wait": "select count(*) from jobs where state in ('queued', 'running')",
}
_VECTOR_AGREEMENTS = {
    "passages without a vector": "select count(*) from passages where key not in (select passage_key from {vectors})",
    "vectors without a passage": "select count(*) from {vectors} where passage_key not in (select key from passages)",
}


def index_problems(data: Path, *, dimensions: int | None) -> list[str]:
    """Where the database of a stopped server contradicts itself; ``dimensions`` None = no vectors are made."""
    problems: list[str] = []
    with closing(open_connection(data / "dragoman.db")) as connection:
        for pragma in ("integrity_check", "foreign_key_check"):
            rows = [row for row in connection.execute(f"pragma {pragma}") if row[0] != "ok"]
            problems += [f"{pragma}: {row}" for row in rows]
        questions = dict(_AGREEMENTS)
        if dimensions is not None:
            table = f"passage_vectors_{dimensions}"
            questions |= {name: text.format(vectors=table) for name, text in _VECTOR_AGREEMENTS.items()}
        for name, question in questions.items():
            (count,) = connection.execute(question).fetchone()
            if count:
                problems.append(f"{count} {name}")
        if dimensions is not None:
            problems += _code_problems(connection, dimensions)
    return problems


def _code_problems(connection: object, dimensions: int) -> list[str]:
    execute = connection.execute  # pyright: ignore[reportAttributeAccessIssue]
    coded: list[int] = []
    for (packed,) in execute(f"select passage_keys from passage_codes_{dimensions}"):
        coded += np.frombuffer(packed, np.int64).tolist()
    keys = {key for (key,) in execute(f"select passage_key from passage_vectors_{dimensions}")}
    if len(coded) != len(set(coded)) or set(coded) != keys:
        return [f"{len(coded)} codes for {len(keys)} vectors"]
    return []


def stored_files(data: Path) -> set[str]:
    """The keys of all files in the store, half-written ones included."""
    root = data / "blobs"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def referenced_files(data: Path) -> set[str]:
    """The keys of files that documents name."""
    with closing(open_connection(data / "dragoman.db")) as connection:
        return {
            key for (key,) in connection.execute("select blob_key from documents where blob_key is not null")
        }


def child_processes(pid: int) -> set[int]:
    """The process's children and theirs."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                after_name = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(name)] = int(after_name[1])
    found: set[int] = set()
    level = {pid}
    while level := {child for child, parent in parents.items() if parent in level} - found:
        found |= level
    return found


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
