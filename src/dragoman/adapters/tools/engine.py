"""Loading an engine in a child process, where its package is installed."""

import importlib
from types import ModuleType

from dragoman.kit.errors import Unavailable

MISSING = "extra_missing"


def engine(name: str, without: str) -> ModuleType:
    """The engine of that name; ``without`` says what cannot be done when there is none.

    Raises:
        Unavailable: a package it needs is not installed.
    """
    try:
        return importlib.import_module(f"dragoman.adapters.tools.engines.{name}")
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"{without}: the Python package {error.name!r} is not installed (pip install dragoman[tools]).",
            code=MISSING,
        ) from error
