"""Which optional parts are installed, by the package's own list of them."""

import re
from importlib import metadata

_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?.*?;.*extra\s*==\s*['\"]([A-Za-z0-9_-]+)['\"]"
)
_OWN_NAME = "dragoman"


def installed_extras() -> dict[str, list[str]]:
    """For each extra, its packages that are not installed; an empty list means that it can be used."""
    extras: dict[str, list[str]] = {}
    for requirement in metadata.requires(_OWN_NAME) or []:
        match = _REQUIREMENT.match(requirement)
        if match is None or match[1].lower() == _OWN_NAME:
            continue
        absent = extras.setdefault(match[2], [])
        if not _is_installed(match[1]):
            absent.append(match[1])
    return extras


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
