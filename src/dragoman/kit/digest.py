"""SHA-256 of texts and files, as hex."""

import hashlib
from pathlib import Path

_BLOCK_BYTES = 1 << 20


def text_digest(text: str) -> str:
    """SHA-256 of a text's UTF-8 form."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content; blocks while it reads."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
