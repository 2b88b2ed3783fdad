"""What an erasure is asked for and what it did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Erased:
    """What was removed of a person, or would be.

    ``removed`` counts rows by kind; ``cleared`` counts rows that stay and no longer name the person; ``redacted`` counts events
    of the audit; ``files`` counts stored files and folders.
    """

    person: str
    organisation_id: str
    removed: dict[str, int]
    cleared: dict[str, int]
    redacted: int
    files: int = 0
