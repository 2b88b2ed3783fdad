"""What is sealed with a server's own key: opened for the move, sealed under a passphrase, and with the other server's key."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dragoman.domain.moving.rows import Row
from dragoman.kit.crypto import RootKey, Sealer
from dragoman.kit.errors import InvalidInput, Unavailable

_CHECK = b"dragoman export"
_CHECK_CONTEXT = "export/check"
_COST, _BLOCK, _LANES = 2**16, 8, 1
_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """``without``: what becomes of a row whose value does not come along: it goes, has none, or gets a new one there."""

    table: str
    column: str
    purpose: str
    context: Callable[[Mapping[str, Any]], str]
    without: Literal["row", "none", "new"]
    called: str


SEALED = (
    SealedColumn(
        "secrets", "sealed", "accounts/secrets", lambda r: f"{r['user_id']}:{r['name']}", "row", "secret"
    ),
    SealedColumn(
        "agents", "sealed", "agents", lambda r: f"agent:{r['id']}", "none", "keys and headers of agent"
    ),
    SealedColumn(
        "agents", "sealed_headers", "agents", lambda r: f"agent/headers:{r['id']}", "none", "headers of agent"
    ),
    SealedColumn(
        "skills", "sealed_headers", "skills", lambda r: f"skill/headers:{r['id']}", "none", "headers of skill"
    ),
    SealedColumn(
        "tool_servers",
        "metadata",
        "tools/servers",
        lambda r: str(r["owner_id"]),
        "new",
        "settings of tool server",
    ),
    SealedColumn(
        "chat_integrations",
        "sealed",
        "chat",
        lambda r: f"integration:{r['client_id']}:{r['channel']}",
        "row",
        "integration",
    ),
    SealedColumn(
        "chat_sessions", "sealed_key", "chat", lambda r: f"session:{r['id']}", "new", "access key of session"
    ),
)


class Envelope:
    """Seals under a passphrase. ``parameters`` are what the other side needs beside it."""

    def __init__(self, passphrase: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Takes the passphrase, and for opening what ``parameters`` gave when it was sealed.

        Raises:
            InvalidInput: it is too short, or another than that it was sealed with.
        """
        if len(passphrase) < _SHORTEST:
            raise InvalidInput(f"A passphrase has at least {_SHORTEST} characters.", param="passphrase")
        salt = os.urandom(16) if parameters is None else bytes.fromhex(parameters["salt"])
        self.sealer = Sealer(
            Scrypt(salt=salt, length=32, n=_COST, r=_BLOCK, p=_LANES).derive(passphrase.encode())
        )
        if parameters is None:
            check = self.sealer.seal(_CHECK, _CHECK_CONTEXT).hex()
            self.parameters: dict[str, Any] = {
                "kdf": "scrypt",
                "n": _COST,
                "salt": salt.hex(),
                "check": check,
            }
            return
        self.parameters = dict(parameters)
        if parameters.get("kdf") != "scrypt" or parameters.get("n") != _COST:
            raise InvalidInput("The archive's secrets are sealed in a newer way.", code="export_too_new")
        try:
            self.sealer.open(bytes.fromhex(parameters["check"]), _CHECK_CONTEXT)
        except Unavailable as error:
            raise InvalidInput("This is not the archive's passphrase.", code="wrong_passphrase") from error


class Secrets:
    """Takes sealed values from one key to another, row by row.

    Args:
        root: the server's key.
        envelope: what they travel under; None leaves them out.
    """

    def __init__(self, root: RootKey, envelope: Envelope | None) -> None:
        self._root = root
        self._envelope = envelope
        self.left: list[str] = []

    def packed(self, table: str, row: Row, named: Callable[[str, Row], str]) -> Row | None:
        """The row for the archive, None when nothing of it goes along; what does not is noted in ``left``."""
        for one in _of(table):
            value = row[one.column]
            if value is None:
                continue
            row[one.column] = self._repacked(one, row, value)
            if row[one.column] is not None:
                continue
            if table != "chat_sessions":
                self.left.append(f"{one.called} {named(table, row)}")
            if one.without == "row":
                return None
        return row

    def _repacked(self, one: SealedColumn, row: Row, value: bytes) -> bytes | None:
        if self._envelope is None:
            return None
        try:
            plain = self._root.sealer(one.purpose).open(value, one.context(row))
        except Unavailable:
            # It did not open here either, so nothing is lost by leaving it out; it is in the list.
            return None
        return self._envelope.sealer.seal(plain, f"{table_context(one)}:{one.context(row)}")

    def unpacked(self, table: str, row: Row) -> Row | None:
        """The row for the database, None when there is nothing in it without its secret; other values that are not to be had
        become None.
        """
        for one in _of(table):
            value = row[one.column]
            if value is None:
                continue
            row[one.column] = None
            if self._envelope is not None:
                plain = self._envelope.sealer.open(value, f"{table_context(one)}:{one.context(row)}")
                row[one.column] = self.sealed(one, row, plain)
            elif one.without == "row":
                return None
        return row

    def sealed(self, one: SealedColumn, row: Row, plain: bytes) -> bytes:
        """A value sealed with this server's key."""
        return self._root.sealer(one.purpose).seal(plain, one.context(row))

    def missing(self, table: str, row: Row) -> list[SealedColumn]:
        """The columns of the row that must hold something and do not."""
        return [one for one in _of(table) if one.without == "new" and row[one.column] is None]


def table_context(one: SealedColumn) -> str:
    """Keeps values of different columns apart."""
    return f"{one.table}.{one.column}"


def _of(table: str) -> list[SealedColumn]:
    return [one for one in SEALED if one.table == table]
