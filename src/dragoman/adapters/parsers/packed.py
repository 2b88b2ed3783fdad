"""ZIP files within the budget: nothing is ever written out, so names cannot lead anywhere."""

import io
import lzma
import zipfile
import zlib

from dragoman.adapters.parsers.reading import Encrypted, Reading
from dragoman.kit.errors import InvalidInput

_PIECE = 1 << 18
_ENCRYPTED = 0x1


class Packed:
    """The members of a ZIP file.

    Raises:
        InvalidInput: no ZIP, damaged or truncated.
    """

    def __init__(self, data: bytes, reading: Reading) -> None:
        self._reading = reading
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise InvalidInput(
                "The file is damaged or truncated: its table of contents cannot be read."
            ) from error
        if len(self._archive.namelist()) > reading.budget.limits.members:
            reading.budget.members = reading.budget.limits.members
            reading.budget.add_member()
        if reading.depth == 0:
            reading.budget.packed_bytes = max(reading.budget.packed_bytes, len(data))

    def names(self) -> list[str]:
        """The names of the files, in the archive's order."""
        return [info.filename for info in self._archive.infolist() if not info.is_dir()]

    def __contains__(self, name: str) -> bool:
        return name in self._archive.NameToInfo

    def read(self, name: str) -> bytes:
        """A member's content.

        Raises:
            OverBound: the document unpacks to too much.
            Encrypted: it has a password.
            InvalidInput: it is damaged, missing, or packed in an unknown way.
        """
        info = self._archive.NameToInfo.get(name)
        if info is None:
            raise InvalidInput(f"The file is damaged: its part {name} is missing.")
        if info.flag_bits & _ENCRYPTED:
            raise Encrypted("It is protected with a password.")
        pieces: list[bytes] = []
        try:
            with self._archive.open(info) as member:
                while piece := member.read(_PIECE):
                    self._reading.budget.add_unpacked(len(piece))
                    pieces.append(piece)
        except (
            zipfile.BadZipFile,
            zlib.error,
            lzma.LZMAError,
            EOFError,
            OSError,
            NotImplementedError,
            ValueError,
            RuntimeError,
        ) as error:
            raise InvalidInput(
                f"The file is damaged or truncated: its part {name} cannot be unpacked."
            ) from error
        return b"".join(pieces)
