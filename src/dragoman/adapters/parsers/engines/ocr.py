"""Text of pictures, by ocrust."""

import io

import ocrust
from PIL import Image, ImageSequence, UnidentifiedImageError

from dragoman.adapters.parsers.reading import OverBound, Reading
from dragoman.domain.knowledge.document import Block, Page, ParsedDocument
from dragoman.kit.errors import InvalidInput, Unsupported

_PIXELS = 60_000_000
_THREADS = 2

# Pillow only warns up to twice its bound; every picture is measured before it is decoded.
Image.MAX_IMAGE_PIXELS = _PIXELS


class _Engine:
    """The recognizer, loaded with the first picture."""

    def __init__(self) -> None:
        self._ocr: ocrust.Ocr | None = None

    def scan(self, image: Image.Image) -> "ocrust.Document":
        if self._ocr is None:
            try:
                self._ocr = ocrust.Ocr(threads=_THREADS, word_boxes=False, max_pixels=_PIXELS)
            except ocrust.OcrustError as error:
                raise Unsupported(f"Pictures cannot be read here: {error}") from error
        return self._ocr.scan(image)


_engine = _Engine()


def picture_blocks(image: Image.Image) -> list[Block]:
    """The paragraphs and tables of a picture, in reading order."""
    blocks: list[Block] = []
    for page in _engine.scan(image).pages:
        blocks += [
            Block("table" if block.kind == "table" else "paragraph", block.text)
            for block in page.blocks
            if block.text.strip()
        ]
    return blocks


def read_image(data: bytes, reading: Reading) -> ParsedDocument:
    """The text of a picture; a page for each frame of a scan."""
    try:
        image = Image.open(io.BytesIO(data))
        frames = getattr(image, "n_frames", 1)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InvalidInput("The picture is damaged or truncated.") from error
    except Image.DecompressionBombError as error:
        raise OverBound("The picture has too many pixels.") from error
    # An animation is one picture many times over.
    wanted = frames if image.format == "TIFF" else 1
    pages: list[Page] = []
    for number, frame in enumerate(ImageSequence.Iterator(image), 1):
        if number > wanted:
            break
        reading.budget.add_page()
        if not reading.budget.take_ocr_page():
            reading.warn(f"Only the first {reading.budget.limits.ocr_pages} pictures were read.")
            break
        pages.append(Page(number if wanted > 1 else None, tuple(_frame(frame))))
    return ParsedDocument(
        tuple(pages), f"image/{(image.format or 'png').lower()}", None, {}, tuple(reading.warnings)
    )


def _frame(frame: Image.Image) -> list[Block]:
    width, height = frame.size
    if width * height > _PIXELS:
        raise OverBound("The picture has too many pixels.")
    try:
        plain = frame.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise InvalidInput("The picture is damaged or truncated.") from error
    return picture_blocks(plain)
