"""Reads one file, inside the child process."""

import os
import tempfile
from pathlib import Path

from dragoman.adapters.parsers.detect import kind_of
from dragoman.adapters.parsers.limits import ParserLimits
from dragoman.adapters.parsers.reading import FORMATS, Budget, Reading, Source
from dragoman.domain.knowledge.document import ParsedDocument
from dragoman.kit.errors import DragomanError, InvalidInput, TooLarge

_FORMATS_PACKAGE = "dragoman.adapters.parsers.formats"


def read_file(
    path: str, name: str, media_type: str | None, limits: ParserLimits, workspace: str
) -> ParsedDocument:
    """The document in a file. Libraries that want to write do so in ``workspace``.

    Raises:
        Unsupported: no reader for this kind of file.
        InvalidInput: empty, encrypted, damaged or over a bound.
        TooLarge: the file itself is.
    """
    os.environ.update(TMPDIR=workspace, XDG_CACHE_HOME=workspace, HOME=workspace)
    tempfile.tempdir = workspace
    file = Path(path)
    if file.stat().st_size > limits.input_bytes:
        raise TooLarge(f"The file is larger than {limits.input_bytes >> 20} MB.")
    return read_source(Source(file.read_bytes(), name, media_type), Reading(Budget(limits), read_source))


def read_source(source: Source, reading: Reading) -> ParsedDocument:
    """The document in some bytes, whatever its kind."""
    if not FORMATS.names():
        FORMATS.discover(_FORMATS_PACKAGE)
    kind = kind_of(source)
    if kind.warning is not None:
        reading.warn(kind.warning)
    try:
        return kind.form.read(source, reading)
    except (DragomanError, MemoryError):
        raise
    except RecursionError as error:
        raise InvalidInput(f"The {kind.form.title} is nested too deeply to be read.") from error
    except Exception as error:
        # Readers meet broken and hostile files; whatever they stumble over, the file's owner is told.
        raise InvalidInput(
            f"The {kind.form.title} is damaged or not what it says it is ({type(error).__name__})."
        ) from error
