"""What is in a workspace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder. Times are in milliseconds, ``size`` in bytes and None for a folder.

    The file system keeps no time of creation: ``created_at`` is the earliest that it still knows.
    """

    name: str
    is_directory: bool
    size: int | None
    created_at: int
    modified_at: int


@dataclass(frozen=True, slots=True)
class FileDetails:
    """A file and what its content seems to be."""

    entry: Entry
    media_type: str
    is_plain_text: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much goes into one file and into one workspace, in bytes."""

    file_bytes: int
    workspace_bytes: int
