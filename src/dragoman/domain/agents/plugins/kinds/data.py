"""Data: charts from tables, questions to tables."""

from collections.abc import AsyncGenerator, Mapping
from typing import cast

import orjson

from dragoman.domain.agents.plugins.charting import (
    CHOICE_SCHEMA,
    Choice,
    Table,
    chosen,
    drawn,
    guessed,
    read_table,
)
from dragoman.domain.agents.plugins.context import PluginRun
from dragoman.domain.agents.plugins.model import Added, PluginEvent, PluginField, PluginSpec, Progress
from dragoman.domain.agents.plugins.querying import answered
from dragoman.domain.agents.plugins.registry import FILE, plugin
from dragoman.domain.agents.plugins.writer import marked
from dragoman.domain.messages.events import TextDelta
from dragoman.domain.tools.tables import as_markdown
from dragoman.kit.errors import DragomanError
from dragoman.kit.jsontypes import JsonValue

_SHOWN_ROWS = 5
_SHOWN_RESULT = 50
_CHART = (
    "You choose how to draw a table. Answer with the kind of chart (bar, line, pie, scatter, area, "
    "histogram), the column for the x axis, "
    "the columns of numbers to draw, a short title, and how rows of one label are put together (none, sum, mean, count). "
    "Use the names of the columns exactly. The columns: {columns}. Those with numbers: {numeric}."
)


async def _choice(run: PluginRun, table: Table, wish: str) -> tuple[Choice, str]:
    """Which columns to draw, and by whom that was chosen."""
    if not run.writer.writes or run.writer.profile.demo:
        return guessed(table, wish), "rules"
    first = as_markdown(table.columns, table.rows[:_SHOWN_ROWS])
    instruction = _CHART.format(
        columns=", ".join(table.columns), numeric=", ".join(table.numeric()) or "none"
    )
    asked = f"{marked('table', first)}\n\nThe chart that is wanted: {wish}"
    try:
        answer = orjson.loads(await run.writer.json(instruction, asked, CHOICE_SCHEMA))
    except DragomanError as error:
        if error.code != "structured_output_failed":
            raise
        return guessed(table, wish), "rules"
    return chosen(table, cast("Mapping[str, JsonValue]", answer), wish), "model"


@plugin(
    PluginSpec(
        "generate_chart",
        "Generate Chart",
        "Data",
        "Draws a table as a bar, line, pie, scatter, area or histogram chart, as PNG and SVG.",
        (
            PluginField("data", "CSV with a line of names first, or JSON.", "textarea", required=True),
            PluginField("description", "What the chart shall show, and what kind it is.", required=True),
        ),
        writing="data",
    )
)
async def generate_chart(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The pictures' addresses, and a sentence on what they show."""
    table = read_table(run.text("data"))
    yield Progress(f"Read {len(table.rows)} rows.")
    choice, chooser = await _choice(run, table, run.text("description"))
    chart = drawn(table, choice)
    yield Progress(f"Drawing a {chart.kind} chart.")
    png = await run.parts.charts.draw(chart, "png")
    svg = await run.parts.charts.draw(chart, "svg")
    image = await run.host("chart.png", png, "image/png")
    vector = await run.host("chart.svg", svg, "image/svg+xml")
    described: dict[str, JsonValue] = {
        "kind": chart.kind,
        "title": chart.title,
        "x": choice.x,
        "y": list(choice.y),
        "notes": list(chart.notes),
        "chosen_by": chooser,
    }
    yield Added(
        {"url": image["url"], "svg_url": vector["url"], "image": image, "svg": vector, "chart": described}
    )
    names = " and ".join(choice.y) + (f" by {choice.x}" if choice.x else "")
    notes = f" ({'; '.join(chart.notes)})" if chart.notes else ""
    yield TextDelta(f"A {chart.kind} chart of {names}{notes}: {image['url']}")


@plugin(
    PluginSpec(
        "sql_over_csv",
        "SQL Over CSV",
        "Data",
        "Answers a question about a CSV, TSV or JSON file by SQL, which the model writes; a question that is "
        "SQL itself is run as it is.",
        (
            FILE,
            PluginField(
                "question",
                "A question in words, or one SELECT over the table 'data'.",
                "textarea",
                required=True,
            ),
        ),
        writing="data",
    )
)
async def sql_over_csv(run: PluginRun) -> AsyncGenerator[PluginEvent]:
    """The result as a table, with the SQL that gave it."""
    yield Progress("Reading the table.")
    file = run.files["file"]
    found = await answered(run.parts.tables, run.writer, run.path(), run.text("question"), name=file.name)
    columns = [column.name for column in found.result.columns]
    yield Added(
        {
            "sql": found.sql,
            "columns": [{"name": column.name, "type": column.kind} for column in found.result.columns],
            "rows": [list(row) for row in found.result.rows],
            "truncated": found.result.truncated,
            "attempts": found.attempts,
        }
    )
    shown = found.result.rows[:_SHOWN_RESULT]
    text = as_markdown(columns, shown) if columns else ""
    hidden = len(found.result.rows) - len(shown)
    if hidden or found.result.truncated:
        text += (
            f"\n\n{'At least ' if found.result.truncated else ''}{hidden or 'some'} more rows are not shown."
        )
    yield TextDelta(f"{text}\n\nSQL: `{' '.join(found.sql.split())}`")
