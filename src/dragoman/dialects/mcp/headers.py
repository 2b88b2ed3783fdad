"""Settings that a client gives in headers."""

from collections.abc import Mapping, Sequence

from dragoman.kit.errors import InvalidInput

_YES = ("yes", "true", "1", "on")


class Headers:
    """The headers of a request, by lower-case names."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        """A text; the default when it is absent."""
        return self._values.get(name.lower(), "").strip() or default

    def needed(self, name: str) -> str:
        """A text.

        Raises:
            InvalidInput: it is absent.
        """
        value = self.text(name)
        if not value:
            raise InvalidInput(f"The header {name} is needed.", param=name)
        return value

    def flag(self, name: str) -> bool:
        """Whether it says yes."""
        return self.text(name).lower() in _YES

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number.

        Raises:
            InvalidInput: it is none, or out of bounds.
        """
        text = self.text(name)
        if not text:
            return default
        if not text.isdecimal() or not low <= int(text) <= high:
            raise InvalidInput(f"The header {name} must be a number from {low} to {high}.", param=name)
        return int(text)

    def fraction(self, name: str, default: float) -> float:
        """A number above 0 and up to 1.

        Raises:
            InvalidInput: it is none.
        """
        text = self.text(name)
        try:
            value = float(text) if text else default
        except ValueError:
            value = 0.0
        if not 0 < value <= 1:
            raise InvalidInput(f"The header {name} must be a number above 0 and up to 1.", param=name)
        return value

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """One of the choices.

        Raises:
            InvalidInput: it is none of them.
        """
        value = self.text(name, default).lower()
        if value not in choices:
            raise InvalidInput(f"The header {name} must be one of: {', '.join(choices)}.", param=name)
        return value
