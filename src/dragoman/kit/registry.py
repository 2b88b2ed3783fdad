"""A named set of implementations that fills itself from the files of a package."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Names to implementations of one port.

    A module that cannot be imported because its extra is not installed makes only that implementation unavailable;
    the reason is kept under its name in ``unavailable``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.unavailable: dict[str, str] = {}
        self._entries: dict[str, T] = {}

    def add(self, name: str, implementation: T) -> T:
        """Registers under a name.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = implementation
        return implementation

    def get(self, name: str) -> T | None:
        """The implementation of that name, or None."""
        return self._entries.get(name)

    def names(self) -> list[str]:
        """The registered names, sorted."""
        return sorted(self._entries)

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter(sorted(self._entries.items()))

    def discover(self, package: str) -> None:
        """Imports every module of the package once, so that each registers what it holds."""
        root = importlib.import_module(package)
        for module in pkgutil.iter_modules(root.__path__):
            try:
                importlib.import_module(f"{package}.{module.name}")
            except ModuleNotFoundError as error:
                if error.name is not None and error.name.startswith("dragoman"):
                    raise
                self.unavailable[module.name] = f"the Python package {error.name!r} is not installed"
