"""Bounds on reading one document."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """How much one document may cost. Sizes are of the whole document with all it contains."""

    timeout_seconds: float = 180.0
    input_bytes: int = 512 << 20
    pages: int = 5000
    ocr_pages: int = 50
    ocr_dpi: int = 170
    text_characters: int = 50_000_000
    members: int = 5000
    depth: int = 3
    unpacked_bytes: int = 512 << 20
    unpack_ratio: int = 200
