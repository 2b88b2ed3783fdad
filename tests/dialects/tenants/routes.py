"""The routes of applications that have no document."""

import re
from collections.abc import Sequence
from typing import Any, cast

from starlette.routing import BaseRoute, Mount, Route

from dragoman.domain.services import Services
from dragoman.web.console.app import create_app as create_console


def routes(given: Sequence[BaseRoute], before: str = "") -> dict[str, set[str]]:
    """Every path with its methods."""
    found: dict[str, set[str]] = {}
    for route in given:
        if isinstance(route, Mount) and route.routes:
            for path, methods in routes(route.routes, before + route.path).items():
                found.setdefault(path, set()).update(methods)
        elif isinstance(route, Route):
            path = before + re.sub(r"\{(\w+):path\}", r"{\1}", route.path).rstrip("/")
            found.setdefault(path, set()).update(route.methods or ())
    return found


async def _nothing(*_: Any) -> None: ...


def console_routes() -> dict[str, set[str]]:
    """The console's own API."""
    every = routes(create_console(cast("Services", None), _nothing).routes)
    return {path: methods for path, methods in every.items() if path.startswith("/console/api/")}
