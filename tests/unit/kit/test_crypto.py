import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dragoman.kit.crypto import RootKey, load_or_create_key
from dragoman.kit.errors import Unavailable

ROOT = RootKey(bytes(range(32)))


def test_a_sealed_value_opens_under_its_own_context_only() -> None:
    sealer = ROOT.sealer("secrets")
    sealed = sealer.seal(b"value", "user:name")
    assert sealer.open(sealed, "user:name") == b"value"
    assert b"value" not in sealed
    with pytest.raises(Unavailable):
        sealer.open(sealed, "user:other")


def test_sealing_twice_gives_different_values() -> None:
    sealer = ROOT.sealer("secrets")
    assert sealer.seal(b"value", "c") != sealer.seal(b"value", "c")


@pytest.mark.parametrize("position", [0, 1, 12, 13, -1])
def test_an_altered_value_does_not_open(position: int) -> None:
    sealer = ROOT.sealer("secrets")
    altered = bytearray(sealer.seal(b"value", "c"))
    altered[position] ^= 1
    with pytest.raises(Unavailable):
        sealer.open(bytes(altered), "c")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(20)])
def test_a_value_that_is_too_short_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unavailable):
        ROOT.sealer("secrets").open(sealed, "c")


def test_each_purpose_has_its_own_key_that_does_not_change() -> None:
    assert ROOT.derive("a") == RootKey(bytes(range(32))).derive("a")
    assert ROOT.derive("a") != ROOT.derive("b")
    with pytest.raises(Unavailable):
        ROOT.sealer("b").open(ROOT.sealer("a").seal(b"value", "c"), "c")


def test_the_key_file_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret.key"
    first = load_or_create_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_key(path).derive("a") == first.derive("a")
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    with ThreadPoolExecutor(8) as pool:
        keys = {key.derive("a") for key in pool.map(lambda _: load_or_create_key(path), range(32))}
    assert len(keys) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    load_or_create_key(path)
    path.chmod(0o640)
    with pytest.raises(Unavailable, match="chmod 600"):
        load_or_create_key(path)


@pytest.mark.parametrize("content", [b"", b"abc", b"zz" * 32, b"00" * 31, b"\xff\xfe" * 32])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Unavailable):
        load_or_create_key(path)
