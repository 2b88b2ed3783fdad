"""Counting and removing workspaces that somebody has made difficult."""

import os
from pathlib import Path

import pytest

from dragoman.domain.sandbox import tree
from dragoman.domain.sandbox.walk import hand_over, remove_tree, usage


def _deep(root: Path, depth: int) -> None:
    folder = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)


def test_every_entry_counts_for_a_block(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x" * 5000)
    (tmp_path / "link").symlink_to("/etc")

    assert usage(tmp_path) == 4096 + 8192 + 4096


def test_what_lies_too_deep_counts_for_more_than_fits(tmp_path: Path) -> None:
    _deep(tmp_path, 250)

    assert usage(tmp_path) > 1 << 60


def test_the_deepest_tree_is_removed(tmp_path: Path) -> None:
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    _deep(doomed, 3000)

    remove_tree(doomed)

    assert not doomed.exists()
    assert list((tmp_path / ".trash").iterdir()) == []


def test_shut_folders_are_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    doomed = tmp_path / "doomed"
    (doomed / "shut").mkdir(parents=True)
    (doomed / "shut" / "file").write_text("x")
    (doomed / "link").symlink_to(kept)
    (doomed / "shut").chmod(0)

    remove_tree(doomed)

    assert not doomed.exists()
    assert (kept / "file").read_text() == "x"


def test_a_deep_folder_is_deleted_over_the_files_interface(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    _deep(root / "a", 2000)

    tree.delete_folder(root, ("a",))

    assert tree.listing(root, ()) == []


def test_a_lock_held_inside_does_not_stop_the_files_interface(tmp_path: Path) -> None:
    import fcntl

    root = tmp_path / "root"
    root.mkdir()
    held = os.open(root, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)

    tree.make_folder(root, ("a",), workspace_bytes=1 << 20)

    os.close(held)
    assert (root / "a").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_handing_over_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "folder" / "link").symlink_to(outside)

    hand_over(root, 65533)

    assert outside.stat().st_uid == 0
    assert (root / "folder").stat().st_uid == 65533
    assert (root / "folder" / "link").lstat().st_uid == 65533
