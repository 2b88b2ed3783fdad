"""Every kind of chart is drawn from data as people have it."""

import itertools
import struct
from collections.abc import AsyncGenerator

import pytest

from dragoman.adapters.charts.drawer import ChildDrawer
from dragoman.domain.agents.plugins.charting import chosen, drawn, guessed, number, read_table
from dragoman.domain.tools.charts import CHART_KINDS, Chart, ChartKind, Series
from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.processes import ChildPool

_SALES = "month,north,south\nJan,1,4\nFeb,2,5\nMar,,6\n"


@pytest.fixture(scope="module")
async def drawer(anyio_backend: str) -> AsyncGenerator[ChildDrawer]:
    pool = ChildPool(size=1, memory_mb=768, idle_seconds=60, name="charts")
    yield ChildDrawer(pool)
    await pool.close()


@pytest.mark.parametrize(
    ("kind", "horizontal", "stacked"),
    [*((kind, False, False) for kind in CHART_KINDS), ("bar", True, True), ("area", False, True)],
)
async def test_every_kind_is_drawn(
    drawer: ChildDrawer, kind: ChartKind, horizontal: bool, stacked: bool
) -> None:
    chart = Chart(
        kind,
        "Costs in $ and shares_of 100 %",
        (Series("a$b", (1.0, None, 3.0)), Series("_hidden", (2.0, 5.0, 1.0))),
        labels=("first", "second <b>", "third 日本"),
        horizontal=horizontal,
        stacked=stacked,
    )
    png = await drawer.draw(chart, "png")
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">I", png[16:20])[0] > 800


async def test_a_picture_of_lines_is_the_same_each_time(drawer: ChildDrawer) -> None:
    chart = Chart("line", "t", (Series("s", (1.0, 2.0)),), labels=("a", "b"))
    first, second = await drawer.draw(chart, "svg"), await drawer.draw(chart, "svg")
    assert first == second
    assert b"<script" not in first


async def test_without_its_package_it_says_what_to_install(
    drawer: ChildDrawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.adapters.charts.drawer.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"dragoman\[tools\]"):
        await drawer.draw(Chart("bar", "t", (Series("s", (1.0,)),)), "png")


@pytest.mark.parametrize(
    "data",
    [
        _SALES,
        _SALES.replace(",", ";"),
        _SALES.replace(",", "\t"),
        '[{"month": "Jan", "north": 1, "south": 4}, {"month": "Feb", "north": 2, "south": 5}, {"month": "Mar", "south": 6}]',
        '[["month", "north", "south"], ["Jan", 1, 4], ["Feb", 2, 5], ["Mar", null, 6]]',
        '{"month": ["Jan", "Feb", "Mar"], "north": [1, 2], "south": [4, 5, 6]}',
        '{"rows": [["month", "north", "south"], ["Jan", 1, 4], ["Feb", 2, 5], ["Mar", "", 6]]}',
    ],
)
def test_the_same_table_is_read_out_of_every_form(data: str) -> None:
    table = read_table(data)
    assert table.columns == ("month", "north", "south")
    assert table.numeric() == ["north", "south"]
    chart = drawn(table, guessed(table, "bars of north and south"))
    assert chart.labels == ("Jan", "Feb", "Mar")
    assert [series.values for series in chart.series] == [(1.0, 2.0, None), (4.0, 5.0, 6.0)]


def test_numbers_by_name_are_a_table() -> None:
    table = read_table('{"apples": 3, "pears": 4.5}')
    chart = drawn(table, guessed(table, "pie"))
    assert (chart.kind, chart.labels, chart.series[0].values) == ("pie", ("apples", "pears"), (3.0, 4.5))


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1,234.5", 1234.5), ("1,234", 1234.0), ("3,5", 3.5), ("-7", -7.0), ("12 %", 12.0), ("$ 1.50", 1.5), ("1e3", 1000.0),
        ("", None), ("n/a", None), ("2024-01-05", None), ("1/2", None), ("North", None), ("nan", None), ("9" * 60, None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(cell: str, value: float | None) -> None:
    assert number(cell) == value


def test_rows_of_one_label_are_put_together() -> None:
    table = read_table("city,sales\nLyon,1\nPorto,5\nLyon,3\n")
    summed = drawn(table, guessed(table, "sales by city"))
    assert (summed.labels, summed.series[0].values) == (("Lyon", "Porto"), (4.0, 5.0))
    counted = drawn(
        table, chosen(table, {"kind": "bar", "x": "city", "y": ["city"], "aggregate": "count"}, "count")
    )
    assert counted.series[0].values == (2.0, 1.0)
    mean = drawn(
        table, chosen(table, {"kind": "bar", "x": "CITY", "y": ["Sales"], "aggregate": "mean"}, "mean")
    )
    assert mean.series[0].values == (2.0, 5.0)


def test_a_choice_that_names_what_is_not_there_is_mended() -> None:
    table = read_table(_SALES)
    choice = chosen(
        table, {"kind": "radar", "x": "nowhere", "y": ["month", "nothing"], "title": ""}, "line of south"
    )
    assert (choice.kind, choice.x, choice.y) == ("line", "month", ("south",))


@pytest.mark.parametrize(
    "data", ["", "{}", "[]", "a,b\n", "[1, ", "a,b\nx,y", '"text"', "a\n" + "1\n" * 5001]
)
def test_data_that_cannot_be_drawn_is_refused(data: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        guessed(read_table(data), "chart")
    assert refused.value.param == "data"


def test_a_pie_of_negative_numbers_is_refused() -> None:
    table = read_table("a,b\nx,-1\ny,2\n")
    with pytest.raises(InvalidInput, match="negative"):
        drawn(table, guessed(table, "pie chart"))


def test_every_wish_gives_a_chart_that_has_something_in_it() -> None:
    tables = [read_table(text) for text in (_SALES, "a,b\n1,2\n3,4\n", "1\n2\n3", "x,y\nk,1\nk,2\n")]
    wishes = ("bars", "trend over time", "pie", "scatter", "histogram", "area", "")
    for table, wish in itertools.product(tables, wishes):
        chart = drawn(table, guessed(table, wish))
        assert chart.series
        assert any(value is not None for value in chart.series[0].values)
