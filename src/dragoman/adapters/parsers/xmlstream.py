"""XML as a stream of events, whatever its depth; entities are refused, nothing is fetched."""

from collections.abc import Iterator, Mapping
from xml.parsers import expat

from dragoman.kit.errors import InvalidInput

_PIECE = 1 << 16


class XmlEvents:
    """Reads XML piece by piece; subclasses override what they care about. Names have no namespace."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, data: str) -> None:
        """Characters of an element."""

    def feed(self, data: bytes) -> None:
        """Reads a whole file.

        Raises:
            InvalidInput: not well formed, or it declares entities.
        """
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = lambda name: self.end(name.rpartition("}")[2])
        parser.CharacterDataHandler = self.text
        parser.EntityDeclHandler = _refuse
        try:
            for at in range(0, len(data), _PIECE):
                parser.Parse(data[at : at + _PIECE], False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise InvalidInput(f"The file is damaged: its XML is not well formed ({error}).") from error

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.start(name.rpartition("}")[2], {_plain(key): value for key, value in attributes.items()})


def _plain(key: str) -> str:
    """An attribute's name; ``r:id`` keeps its letter, for it stands beside a plain ``id``."""
    space, _, name = key.rpartition("}")
    return f"r:{name}" if space.endswith("relationships") else name


def _refuse(*_: object) -> None:
    raise InvalidInput("The file declares XML entities, which are not read.")


class _Elements(XmlEvents):
    def __init__(self) -> None:
        self.found: list[tuple[str, Mapping[str, str]]] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.found.append((name, attributes))


def elements(data: bytes) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every element's name and attributes in document order: enough for indexes and relations.

    Raises:
        InvalidInput: not well formed, or it declares entities.
    """
    reader = _Elements()
    reader.feed(data)
    return iter(reader.found)
