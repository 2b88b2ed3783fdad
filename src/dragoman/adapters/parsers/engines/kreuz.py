"""Formats read by kreuzberg."""

import kreuzberg

from dragoman.adapters.parsers.reading import Encrypted
from dragoman.kit.errors import InvalidInput

_CONFIG = kreuzberg.ExtractionConfig(
    use_cache=False, ocr=None, output_format="markdown", enable_quality_processing=False
)


def markdown(data: bytes, media_type: str) -> str:
    """The file's text as Markdown.

    Raises:
        Encrypted: it has a password.
        InvalidInput: it cannot be read.
    """
    try:
        return kreuzberg.extract_bytes_sync(data, media_type, _CONFIG).content
    except kreuzberg.KreuzbergError as error:
        if "password" in str(error).lower() or "encrypt" in str(error).lower():
            raise Encrypted("The document is protected with a password.") from error
        raise InvalidInput(f"The file is damaged or not what it says it is ({str(error)[:200]}).") from error
