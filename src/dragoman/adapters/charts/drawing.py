"""Charts by Matplotlib, for child processes: nothing of a pyplot state, one figure a picture."""

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dragoman.domain.tools.charts import Chart, Series

# Okabe and Ito's colours, told apart with every kind of colour vision; grey for black, on which nothing can be read.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_SETTINGS: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.prop_cycle": cycler(color=_COLORS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "text.parse_math": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "dragoman",
}
_DOTS_PER_INCH = 144
_MANY_LABELS = 8
_MOST_TICKS = 16
_BINS = 30
_NAN = float("nan")


def picture(chart: Chart, form: str) -> bytes:
    """The chart as a file of that format; blocks."""
    with matplotlib.rc_context(_SETTINGS):
        tall = max(5.0, 1.2 + 0.32 * len(chart.labels)) if chart.horizontal else 5.0
        figure = Figure(figsize=(9, min(tall, 22.0)), layout="constrained")
        FigureCanvasAgg(figure)
        axes: Axes = figure.add_subplot()
        _DRAWERS[chart.kind](axes, chart)
        axes.set_title(chart.title, loc="left", fontsize=13, wrap=True, pad=12)
        file = io.BytesIO()
        metadata = {"Date": None} if form == "svg" else {"Software": "Dragoman"}
        figure.savefig(file, format=form, dpi=_DOTS_PER_INCH, metadata=metadata)
        return file.getvalue()


def _numbers(series: Series) -> list[float]:
    return [_NAN if value is None else value for value in series.values]


def _places(chart: Chart) -> list[float]:
    count = len(chart.series[0].values)
    return list(chart.positions) if chart.positions is not None else [float(place) for place in range(count)]


def _label_axes(axes: Axes, chart: Chart) -> None:
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    if len(chart.series) > 1:
        axes.legend(frameon=False, loc="best")


def _name_places(axes: Axes, labels: Sequence[str], *, vertical_axis: bool = False) -> None:
    step = 1 if vertical_axis else max(1, math.ceil(len(labels) / _MOST_TICKS))
    places = list(range(0, len(labels), step))
    shown = [labels[place] for place in places]
    if vertical_axis:
        axes.set_yticks(places, shown)
        return
    slanted = len(shown) > _MANY_LABELS or max((len(label) for label in shown), default=0) > 10
    axes.set_xticks(places, shown, rotation=35 if slanted else 0, ha="right" if slanted else "center")


def _bar(axes: Axes, chart: Chart) -> None:
    places, count = _places(chart), len(chart.series)
    width = 0.8 if chart.stacked else 0.8 / count
    low, high = [0.0] * len(places), [0.0] * len(places)
    for number, series in enumerate(chart.series):
        values = [0.0 if math.isnan(value) else value for value in _numbers(series)]
        base = [(high if value >= 0 else low)[place] for place, value in enumerate(values)]
        for place, value in enumerate(values):
            (high if value >= 0 else low)[place] += value
        shift = 0.0 if chart.stacked else (number - (count - 1) / 2) * width
        at = [place + shift for place in places]
        bottom = base if chart.stacked else [0.0] * len(places)
        if chart.horizontal:
            axes.barh(at, values, height=width, left=bottom, label=series.name)
        else:
            axes.bar(at, values, width=width, bottom=bottom, label=series.name)
    _label_axes(axes, chart)
    if chart.horizontal:
        axes.set_xlabel(chart.y_label)
        axes.set_ylabel(chart.x_label)
        axes.invert_yaxis()
    axes.grid(visible=False, axis="y" if chart.horizontal else "x")
    if chart.labels:
        _name_places(axes, chart.labels, vertical_axis=chart.horizontal)


def _line(axes: Axes, chart: Chart) -> None:
    places = _places(chart)
    dots = "o" if len(places) <= 40 else ""
    for series in chart.series:
        axes.plot(places, _numbers(series), marker=dots, markersize=4, linewidth=2, label=series.name)
    _label_axes(axes, chart)
    if chart.labels:
        _name_places(axes, chart.labels)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=chart.positions is None))


def _area(axes: Axes, chart: Chart) -> None:
    places = _places(chart)
    if chart.stacked:
        stacks = [
            [0.0 if math.isnan(value) else value for value in _numbers(series)] for series in chart.series
        ]
        axes.stackplot(places, stacks, labels=[series.name for series in chart.series], alpha=0.85)
        _label_axes(axes, chart)
        if chart.labels:
            _name_places(axes, chart.labels)
        return
    for series in chart.series:
        axes.fill_between(places, _numbers(series), alpha=0.25)
    _line(axes, chart)


def _scatter(axes: Axes, chart: Chart) -> None:
    places = _places(chart)
    for series in chart.series:
        axes.scatter(places, _numbers(series), s=28, alpha=0.8, label=series.name)
    _label_axes(axes, chart)
    if chart.labels:
        _name_places(axes, chart.labels)


def _histogram(axes: Axes, chart: Chart) -> None:
    values = [value for value in chart.series[0].values if value is not None]
    axes.hist(values, bins=min(_BINS, max(5, math.isqrt(len(values)))), edgecolor="white")
    axes.set_xlabel(chart.series[0].name)
    axes.set_ylabel("count")
    axes.grid(visible=False, axis="x")


def _pie(axes: Axes, chart: Chart) -> None:
    values = [0.0 if math.isnan(value) else value for value in _numbers(chart.series[0])]
    labels = chart.labels or [str(place) for place in range(1, len(values) + 1)]
    kept = [(label, value) for label, value in zip(labels, values, strict=False) if value > 0]
    axes.grid(visible=False)
    if not kept:
        axes.axis("off")
        return
    axes.pie(
        [value for _, value in kept],
        labels=[label for label, _ in kept],
        autopct=lambda share: f"{share:.0f} %" if share >= 3 else "",
        startangle=90,
        counterclock=False,
        wedgeprops={"edgecolor": "white"},
    )
    axes.set_aspect("equal")


_DRAWERS = {
    "bar": _bar,
    "line": _line,
    "area": _area,
    "scatter": _scatter,
    "histogram": _histogram,
    "pie": _pie,
}
