"""Pictures of text."""

from dragoman.adapters.parsers.reading import Format, Reading, Source, engine, register
from dragoman.domain.knowledge.document import ParsedDocument


def _read(source: Source, reading: Reading) -> ParsedDocument:
    return engine("ocr").read_image(source.data, reading)


register(
    Format(
        "picture",
        ("image/png", "image/jpeg", "image/tiff", "image/webp", "image/bmp", "image/gif"),
        (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif"),
        _read,
    )
)
