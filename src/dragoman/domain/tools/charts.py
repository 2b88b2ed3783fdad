"""Charts: what one shows, checked against the data it is drawn from."""

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

ChartKind: TypeAlias = Literal["bar", "line", "pie", "scatter", "area", "histogram"]
ChartFormat: TypeAlias = Literal["png", "svg"]
CHART_KINDS: tuple[ChartKind, ...] = ("bar", "line", "pie", "scatter", "area", "histogram")


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers under one name; None where there is none."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart ready to be drawn.

    ``labels`` name the places along the x axis; ``positions`` are their numbers, where they are numbers.
    ``horizontal`` lays bars down, ``stacked`` piles series up.
    """

    kind: ChartKind
    title: str
    series: tuple[Series, ...]
    labels: tuple[str, ...] = ()
    positions: tuple[float, ...] | None = None
    x_label: str = ""
    y_label: str = ""
    horizontal: bool = False
    stacked: bool = False
    notes: tuple[str, ...] = field(default=())


class ChartDrawer(Protocol):
    """Draws charts."""

    async def draw(self, chart: Chart, form: ChartFormat) -> bytes:
        """The picture.

        Raises:
            Unavailable: no library that draws is installed; the message says what to install.
            DeadlineExceeded: it takes too long.
        """
        ...
