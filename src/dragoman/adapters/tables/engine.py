"""The engine that answers SQL about a file, over an owned pool of processes."""

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import structlog

from dragoman.domain.tools.tables import TableRows, TableShape
from dragoman.kit.errors import InvalidInput, Unavailable
from dragoman.kit.processes import ChildCrashed, ChildPool

log = structlog.get_logger(__name__)

_PACKAGE = "duckdb"
_MODULE = "dragoman.adapters.tables.duck"


def in_engine(function: str, *arguments: object) -> Any:
    """What a function of the engine's module gives; for child processes, since only they load the engine."""
    return getattr(importlib.import_module(_MODULE), function)(*arguments)


class DuckTables:
    """A ``TableEngine``; the composition root closes the pool.

    Args:
        seconds: the longest that one question may take, reading the file included.
    """

    def __init__(self, pool: ChildPool, *, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    async def shape(self, path: Path, *, name: str) -> TableShape:
        """The shape of the file's table; see the port."""
        return await self._call("shape_of", path, name)

    async def query(self, path: Path, sql: str, *, name: str, limit: int) -> TableRows:
        """What one SELECT gives; see the port."""
        return await self._call("query_of", path, name, sql, limit)

    async def _call(self, function: str, *arguments: object) -> Any:
        if find_spec(_PACKAGE) is None:
            raise Unavailable(
                f"Tables cannot be asked here: the Python package {_PACKAGE!r} is not installed; install dragoman[tools].",
                code="tables_unavailable",
            )
        try:
            return await self._pool.call(in_engine, function, *arguments, timeout_seconds=self._seconds)
        except ChildCrashed as error:
            log.warning("tables.crashed", reason=error.detail)
            raise InvalidInput(
                f"The table could not be worked on. {error.detail}", code="table_too_large"
            ) from error
