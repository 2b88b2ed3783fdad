"""Addresses of attached files for those who cannot be given the session's access key: a model, and whom it tells."""

import hmac
from collections.abc import Callable
from hashlib import sha256

from dragoman.domain.chat.uploads.model import Upload

_ID_CHARACTERS = 36
_MAC_CHARACTERS = 32


class UploadLinks:
    """Makes and knows the tokens of files; one holds for as long as its file is kept.

    Args:
        key: what proves a token.
        address: from a token and the file's name to where the file is found.
    """

    def __init__(self, key: bytes, address: Callable[[str, str], str]) -> None:
        self._key = key
        self._address = address

    def link(self, upload: Upload) -> str:
        """Where the file is found."""
        return self._address(f"{upload.id}-{self._mac(upload.id)}", upload.name)

    def upload_id(self, token: str) -> str | None:
        """The id of the file that the token is for, None when it is for none."""
        upload_id, given = token[:_ID_CHARACTERS], token[_ID_CHARACTERS:]
        proof = f"-{self._mac(upload_id)}"
        return upload_id if hmac.compare_digest(given.encode(errors="replace"), proof.encode()) else None

    def _mac(self, upload_id: str) -> str:
        return hmac.new(self._key, upload_id.encode(errors="replace"), sha256).hexdigest()[:_MAC_CHARACTERS]
