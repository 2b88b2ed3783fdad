"""Pages of a PDF as pictures, by PDFium, with a passage marked."""

import io

import pypdfium2
from PIL import Image, ImageChops, ImageDraw

from dragoman.kit.errors import NotFound

_WIDTH = 1100
_LONGEST = 2600
_MARKER = (255, 226, 89)


def draw_page(data: bytes, number: int, marked: str) -> bytes:
    """The page, counted from 1, as PNG.

    Raises:
        NotFound: the file cannot be opened, or has no such page.
    """
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise NotFound("There is no picture of this page.", code="page_picture_not_found") from error
    try:
        if not 1 <= number <= len(document):
            raise NotFound("There is no picture of this page.", code="page_picture_not_found")
        page = document[number - 1]
        width, height = max(page.get_width(), 1.0), max(page.get_height(), 1.0)
        scale = min(_WIDTH / width, _LONGEST / height)
        picture = page.render(scale=scale).to_pil().convert("RGB")
        boxes = _boxes(page, marked)
        _highlight(picture, [_placed(box, scale, height) for box in boxes])
        page.close()
    finally:
        document.close()
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=False)
    return written.getvalue()


def _boxes(page: pypdfium2.PdfPage, marked: str) -> list[tuple[float, float, float, float]]:
    """Where the text stands: left, bottom, right, top of each line, in points. Spaces and line ends do not count."""
    textpage = page.get_textpage()
    try:
        text = textpage.get_text_range() if textpage.count_chars() else ""
        places, units = list[int](), 0
        solid = ""
        for character in text:
            if not character.isspace():
                solid += character
                places.append(units)
            # PDFium counts UTF-16 units.
            units += 1 + (character > "\uffff")
        found = list[tuple[float, float, float, float]]()
        for first, last in _runs(solid, marked):
            start = places[first]
            rectangles = textpage.count_rects(start, places[last - 1] - start + 1)
            found += [textpage.get_rect(index) for index in range(rectangles)]
        return found
    finally:
        textpage.close()


def _runs(solid: str, marked: str) -> list[tuple[int, int]]:
    """The stretches of the page's text that are the marked one: all of it at once, else line by line."""
    wanted = "".join(marked.split())
    start = solid.find(wanted) if wanted else -1
    if start >= 0:
        return [(start, start + len(wanted))]
    runs, after = list[tuple[int, int]](), 0
    for line in marked.splitlines():
        piece = "".join(line.split()).lstrip("#*-|")
        start = solid.find(piece, after) if len(piece) > 3 else -1
        if start >= 0:
            after = start + len(piece)
            runs.append((start, after))
    return runs


def _placed(
    box: tuple[float, float, float, float], scale: float, height: float
) -> tuple[float, float, float, float]:
    left, bottom, right, top = box
    return left * scale - 2, (height - top) * scale - 2, right * scale + 2, (height - bottom) * scale + 2


def _highlight(picture: Image.Image, boxes: list[tuple[float, float, float, float]]) -> None:
    if not boxes:
        return
    marker = Image.new("RGB", picture.size, "white")
    pen = ImageDraw.Draw(marker)
    for box in boxes:
        pen.rectangle(box, fill=_MARKER)
    picture.paste(ImageChops.multiply(picture, marker))
