"""Whose workspaces there are: folders are called by a digest, so each name is kept in a file beside them. Everything blocks."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dragoman.domain.sandbox.walk import usage
from dragoman.kit.ids import uuid7

_NAMES = ".names"


@dataclass(frozen=True, slots=True)
class WorkspaceUse:
    """A workspace, how much it takes, and when something was last put at its top. ``user`` None is not known any more."""

    user: str | None
    size: int
    modified_at: int


def remember(home: Path, digest: str, user: str) -> None:
    """Keeps the name that a folder of ``home`` belongs to."""
    file = home / _NAMES / digest
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    coming = file.parent / f".{uuid7()}"
    coming.write_text(user, "utf-8")
    os.replace(coming, file)


def workspaces(home: Path) -> list[WorkspaceUse]:
    """Every workspace in ``home``, the one changed last first."""
    found: list[WorkspaceUse] = []
    with suppress(FileNotFoundError):
        for folder in home.iterdir():
            if folder.name.startswith(".") or folder.is_symlink() or not folder.is_dir():
                continue
            with suppress(FileNotFoundError):
                changed = int(folder.stat().st_mtime * 1000)
                found.append(WorkspaceUse(_name(home, folder.name), usage(folder), changed))
    return sorted(found, key=lambda one: -one.modified_at)


def forget_person(home: Path, person: str) -> int:
    """Removes the workspaces in ``home`` of somebody whom agents talk to; gives how many.

    Theirs are those that are called as they are, or so up to the first '@'.
    """
    names, gone = home / _NAMES, 0
    for digest in os.listdir(names) if names.is_dir() else ():
        user = None if digest.startswith(".") else _name(home, digest)
        if user is not None and person_of(user) == person_of(person):
            shutil.rmtree(home / digest, ignore_errors=True)
            (names / digest).unlink(missing_ok=True)
            gone += 1
    return gone


def person_of(user: str) -> str:
    """Who a name for a workspace stands for."""
    return user.split("@", 1)[0]


def _name(home: Path, digest: str) -> str | None:
    try:
        return (home / _NAMES / digest).read_text("utf-8")
    except FileNotFoundError:
        return None
