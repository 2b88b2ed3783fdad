"""Secrets at rest: one key file outside the database, and a separate key derived from it for every
purpose.
"""

import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dragoman.kit.errors import Unavailable

_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_FORMAT = b"\x01"


class Sealer:
    """Seals small values with AES-256-GCM; a sealed value opens only under the context it was sealed for."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> bytes:
        """The sealed value; sealing the same bytes twice gives different ones."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """The bytes that were sealed.

        Raises:
            Unavailable: altered, sealed for another context, or with another key file.
        """
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        if sealed[:1] != _FORMAT or len(body) < _TAG_BYTES:
            raise Unavailable(
                "A stored secret is not in a form this version reads.", code="secret_unreadable"
            )
        try:
            return self._cipher.decrypt(nonce, body, context.encode())
        except InvalidTag as error:
            raise Unavailable(
                "A stored secret does not open with this server's key file; set the secret again.",
                code="secret_unreadable",
            ) from error


class RootKey:
    """The server's one secret; never used itself, only to derive keys."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a root key has {_KEY_BYTES} bytes")
        self._key = key

    def derive(self, purpose: str) -> bytes:
        """32 bytes that are always the same for a purpose and tell nothing about those of another."""
        info = f"dragoman/{purpose}".encode()
        return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(self._key)

    def sealer(self, purpose: str) -> Sealer:
        """A sealer with the purpose's own key."""
        return Sealer(self.derive(purpose))


def load_or_create_key(path: Path) -> RootKey:
    """The key of the file, which is made (mode 0600) when there is none; safe when several processes start
    at once.

    Raises:
        Unavailable: the file cannot be read or written, is open to other users of the machine, or is no key
            file.
    """
    try:
        if not path.exists():
            _create(path)
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a key file"
        raise Unavailable(f"The key file {path} cannot be used: {reason}.", code="key_file") from error
    if mode & 0o077:
        raise Unavailable(
            f"The key file {path} is open to other users of this machine: run chmod 600 on it.",
            code="key_file",
        )
    try:
        return RootKey(bytes.fromhex(text))
    except ValueError as error:
        raise Unavailable(f"The key file {path} does not hold a key.", code="key_file") from error


def _create(path: Path) -> None:
    """Puts a new key in place whole, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_bytes(_KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            return
        _sync_folder(path.parent)
    finally:
        part.unlink()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
