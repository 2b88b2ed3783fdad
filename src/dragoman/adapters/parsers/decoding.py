"""Bytes to text."""

import codecs
import importlib

from dragoman.adapters.parsers.reading import Reading

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 1 << 16
_CONTROL = bytes({*range(9), 11, *range(14, 27), *range(28, 32)})


def looks_like_text(data: bytes) -> bool:
    """Whether bytes are plausibly text in some encoding."""
    sample = data[:_SAMPLE]
    if any(sample.startswith(mark) for mark, _ in _MARKS) or _wide(sample) is not None:
        return True
    odd = len(sample) - len(sample.translate(None, _CONTROL))
    if sample.count(0) > len(sample) // 1000:
        return False
    if _is_utf8(sample):
        return odd <= len(sample) // 50
    high = sum(byte >= 0x80 for byte in sample)
    return odd <= len(sample) // 200 and high <= len(sample) * 0.95


def decode(data: bytes, reading: Reading, *, declared: str | None = None) -> str:
    """The text, by byte order mark, as UTF-8, as declared, or by a guess that the warnings mention."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, "replace")
    if wide := _wide(data[:_SAMPLE]):
        return data.decode(wide, "replace")
    if _is_utf8(data):
        return data.decode("utf-8", "replace")
    if declared is not None and (text := _declared(data, declared)) is not None:
        return text
    text, name = _guess(data)
    reading.warn(f"The text's encoding is not stated; it was read as {name}.")
    return text


def _is_utf8(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _wide(sample: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of western text is zero."""
    if len(sample) < 8 or sample.count(0) < len(sample) // 4:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 20 * (even + 1) or (even == 0 and odd > len(sample) // 3):
        return "utf-16-le"
    if even > 20 * (odd + 1) or (odd == 0 and even > len(sample) // 3):
        return "utf-16-be"
    return None


def _declared(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (LookupError, UnicodeDecodeError):
        return None


def _guess(data: bytes) -> tuple[str, str]:
    western = _declared(data, "cp1252")
    name = _modelled(data)
    if name is None:
        return (western, "cp1252") if western is not None else (data.decode("latin-1"), "latin-1")
    text = data.decode(name, "replace")
    return (text, "cp1252") if text == western else (text, name)


def _modelled(data: bytes) -> str | None:
    try:
        charset = importlib.import_module("charset_normalizer")
    except ModuleNotFoundError:
        return None
    best = charset.from_bytes(data[:_SAMPLE]).best()
    return None if best is None or best.encoding in ("ascii", "utf_8") else best.encoding
