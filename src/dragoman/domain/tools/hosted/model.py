"""What a hosted file is."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

# A page is shown in a browser as what it is; anything else is a file.
HostedKind: TypeAlias = Literal["page", "media"]


@dataclass(frozen=True, slots=True)
class HostedFile:
    """A file at a public address. ``blob`` names its content in the store of files, ``size`` is in bytes."""

    kind: HostedKind
    name: str
    media_type: str
    size: int
    blob: str
