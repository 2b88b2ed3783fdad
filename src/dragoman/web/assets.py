"""Built scripts and styles, under addresses that change with their content, so that browsers may keep them for ever."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_DIGEST_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Asset:
    """A file: what it is called in addresses, its content and media type."""

    address: str
    content: bytes
    media_type: str


class Assets:
    """All of them, read once."""

    def __init__(self) -> None:
        self._by_name = {path.name: _asset(path) for path in _FOLDER.iterdir() if path.suffix in _TYPES}
        self._by_address = {asset.address: asset for asset in self._by_name.values()}

    def address(self, name: str) -> str:
        """The path of a file on this server."""
        return f"/assets/{self._by_name[name].address}"

    def named(self, name: str) -> Asset:
        """The file of that name."""
        return self._by_name[name]

    def at(self, address: str) -> Asset | None:
        """The file at an address; None when it is none of this version's."""
        return self._by_address.get(address)


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:_DIGEST_CHARACTERS]
    return Asset(f"{path.stem}.{digest}{path.suffix}", content, _TYPES[path.suffix])
