"""The drawer of charts, over an owned pool of processes."""

import importlib
from importlib.util import find_spec

from dragoman.domain.tools.charts import Chart, ChartFormat
from dragoman.kit.errors import Unavailable
from dragoman.kit.processes import ChildPool

_PACKAGE = "matplotlib"
_MODULE = "dragoman.adapters.charts.drawing"
_SECONDS = 60.0


def drawn(chart: Chart, form: str) -> bytes:
    """The picture; for child processes, since only they load the library."""
    picture: bytes = importlib.import_module(_MODULE).picture(chart, form)
    return picture


class ChildDrawer:
    """A ``ChartDrawer``; the composition root closes the pool."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    async def draw(self, chart: Chart, form: ChartFormat) -> bytes:
        """The picture; see the port."""
        if find_spec(_PACKAGE) is None:
            raise Unavailable(
                f"Charts cannot be drawn here: the Python package {_PACKAGE!r} is not installed; install dragoman[tools].",
                code="charts_unavailable",
            )
        return await self._pool.call(drawn, chart, form, timeout_seconds=_SECONDS)
