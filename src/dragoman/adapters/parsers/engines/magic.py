"""Kinds of files by magika's model."""

import magika

_engine = magika.Magika()
_SURE = 0.8


def kind_of(data: bytes) -> tuple[str, str, str] | None:
    """Media type, usual extension and description, when the model is sure."""
    result = _engine.identify_bytes(data)
    if not result.ok or result.score < _SURE:
        return None
    output = result.output
    return output.mime_type, f".{output.extensions[0]}" if output.extensions else "", output.description
