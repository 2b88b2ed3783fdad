"""Files that visitors attach: what they are, and how messages name them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from dragoman.domain.chat.spec import InputMode
from dragoman.domain.messages.parts import AudioPart, FilePart, ImagePart, Part

_REFERENCE = "upload:"
_LONGEST_NAME = 255
# Bytes at a place by which a browser's pictures and recordings are known.
_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"\x1a\x45\xdf\xa3", "audio/webm"),
    (4, b"ftypM4A", "audio/mp4"),
    (0, b"%PDF-", "application/pdf"),
)
_DOCUMENTS: Mapping[str, str] = MappingProxyType(
    {
        ".pdf": "application/pdf",
        ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ".odt": "application/vnd.oasis.opendocument.text",
        ".ods": "application/vnd.oasis.opendocument.spreadsheet",
        ".odp": "application/vnd.oasis.opendocument.presentation",
        ".doc": "application/msword",
        ".xls": "application/vnd.ms-excel",
        ".ppt": "application/vnd.ms-powerpoint",
        ".rtf": "application/rtf",
        ".epub": "application/epub+zip",
        ".eml": "message/rfc822",
        ".html": "text/html",
        ".htm": "text/html",
        ".csv": "text/csv",
        ".tsv": "text/tab-separated-values",
        ".json": "application/json",
        ".xml": "application/xml",
        ".yaml": "application/yaml",
        ".yml": "application/yaml",
        ".md": "text/markdown",
        ".txt": "text/plain",
        ".log": "text/plain",
    }
)


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How large a file may be, and how much and how many files a session may hold."""

    file_bytes: int
    session_bytes: int
    session_files: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored file of a session. ``text`` is what is said in a recording, None where nobody could hear it."""

    id: str
    name: str
    media_type: str
    size: int
    created_at: int
    text: str | None = None

    @property
    def mode(self) -> InputMode:
        """As what it was attached."""
        return mode_of(self.media_type)

    @property
    def is_readable(self) -> bool:
        """Whether its content can be given to a model, as it is or as text."""
        return self.mode != "document" or self.media_type in _DOCUMENTS.values()

    @property
    def part(self) -> Part:
        """The part of a message that names it."""
        place = _REFERENCE + self.id
        match self.mode:
            case "image":
                return ImagePart(place)
            case "audio":
                return AudioPart(place, self.media_type.partition("/")[2])
            case "document":
                return FilePart(place, self.name)


def mode_of(media_type: str) -> InputMode:
    """As what a file of that type is attached."""
    kind = media_type.partition("/")[0]
    if kind == "image":
        return "image"
    return "audio" if kind == "audio" else "document"


def media_type_of(name: str, declared: str, data: bytes) -> str:
    """What a file is: by its first bytes where they tell, by its name then; what it says of itself counts least."""
    for place, signature, media_type in _SIGNATURES:
        if data.startswith(signature, place):
            return media_type
    known = _DOCUMENTS.get(PurePosixPath(name.lower()).suffix)
    if known is not None:
        return known
    # Without the bytes of one it is neither a picture nor a recording, whatever it says.
    return "text/plain" if declared.startswith("text/") else "application/octet-stream"


def clean_name(name: str) -> str:
    """A file's name without folders and what cannot be shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(one for one in last if one.isprintable()).strip()[-_LONGEST_NAME:] or "file"


def named(upload_id: str) -> FilePart:
    """A part that stands for an upload until it is known what that is."""
    return FilePart(_REFERENCE + upload_id)


def reference_of(part: Part) -> str | None:
    """The id of the upload that a part names, None when it carries its content itself."""
    match part:
        case ImagePart(place) | AudioPart(place) | FilePart(place):
            return place.removeprefix(_REFERENCE) if place.startswith(_REFERENCE) else None
        case _:
            return None
