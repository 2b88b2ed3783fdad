"""A question in words to a file's table: the model writes SQL, the engine runs it, what it refuses goes back to the model."""

import re
from dataclasses import dataclass
from pathlib import Path

import orjson

from dragoman.domain.agents.plugins.writer import Writer, marked
from dragoman.domain.tools.tables import TABLE, TableEngine, TableRows, TableShape, as_markdown
from dragoman.kit.errors import InvalidInput
from dragoman.kit.jsontypes import JsonObject

MOST_ROWS = 500
_ATTEMPTS = 3
_SQL = re.compile(r"\s*(select|with|from|describe|summarize)\b[\s\S]*", re.IGNORECASE)
_STARTS_AS_SENTENCE = re.compile(
    r"\s*(with|from|describe|summarize)\b(?![\s\S]*\b(select|data)\b)", re.IGNORECASE
)
_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"sql": {"type": "string", "minLength": 1}},
    "required": ["sql"],
}
_WRITE = (
    f"You write one SELECT statement in DuckDB's SQL that answers a question about the table {TABLE}. Put "
    "names of columns in double "
    'quotes, exactly as given. Nothing but reading is possible. Answer with JSON: {"sql": "..."}.'
)


@dataclass(frozen=True, slots=True)
class Answered:
    """The SQL and what it gave; ``attempts`` = 0 when the question was SQL itself."""

    sql: str
    result: TableRows
    attempts: int


def is_sql(question: str) -> bool:
    """Whether a question is written in SQL already."""
    return _SQL.fullmatch(question) is not None and _STARTS_AS_SENTENCE.match(question) is None


async def answered(engine: TableEngine, writer: Writer, path: Path, question: str, *, name: str) -> Answered:
    """The answer of a file's table to a question in words or in SQL.

    Raises:
        InvalidInput: no table, or no SQL that the engine takes, however often the model was told why.
        DeadlineExceeded: it takes too long.
        Unavailable: the engine is not installed; the message says what to install.
    """
    if is_sql(question):
        return Answered(question.strip(), await engine.query(path, question, name=name, limit=MOST_ROWS), 0)
    shape = await engine.shape(path, name=name)
    writer.require_writing()
    asked = f"{_described(shape)}\n\nThe question: {question}"
    problem = ""
    for attempt in range(1, _ATTEMPTS + 1):
        sql = str(orjson.loads(await writer.json(_WRITE, asked + problem, _SCHEMA))["sql"]).strip()
        try:
            return Answered(sql, await engine.query(path, sql, name=name, limit=MOST_ROWS), attempt)
        except InvalidInput as error:
            if attempt == _ATTEMPTS:
                advice = "It is only the demo model: name another, or" if writer.profile.demo else "You may"
                raise InvalidInput(
                    f"The model {writer.name!r} wrote no SQL that could be run. {advice} ask in SQL yourself. "
                    f"Last: {' '.join(sql.split())[:500]} - {error.detail}",
                    param="question",
                    code="sql_failed",
                ) from error
            problem = f"\n\nThis was refused: {sql}\nBecause: {error.detail}\nWrite another."
    raise AssertionError("the last attempt returns or raises")


def _described(shape: TableShape) -> str:
    columns = "\n".join(f'"{column.name}" {column.kind}' for column in shape.columns)
    sample = as_markdown([column.name for column in shape.columns], shape.sample)
    return (
        f"Columns of {TABLE} ({shape.row_count} rows):\n{marked('columns', columns)}\n\n"
        f"Its first rows:\n{marked('rows', sample)}"
    )
