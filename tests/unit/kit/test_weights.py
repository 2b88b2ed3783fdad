"""The pinned model files and their check."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.kit import weights
from dragoman.kit.errors import Unavailable
from dragoman.kit.weights import KNOWN, SMOLLM2, WeightFile, locate, missing, verify

CHECKOUT = Path(__file__).resolve().parents[3]


def known_file(content: bytes) -> WeightFile:
    return WeightFile("some/model.bin", hashlib.sha256(content).hexdigest(), SMOLLM2.source, "model.bin")


def test_a_file_with_the_pinned_content_is_located(tmp_path: Path) -> None:
    file = known_file(b"right")
    path = tmp_path / file.name
    path.parent.mkdir()
    path.write_bytes(b"right")
    assert locate(tmp_path, file) == path


def test_a_missing_file_names_the_script_that_fetches_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="scripts/fetch-weights") as caught:
        locate(tmp_path, SMOLLM2)
    assert caught.value.code == "weights_missing"


def test_a_file_with_other_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"wrong")
    with pytest.raises(Unavailable, match="not the expected file") as caught:
        verify(path, hashlib.sha256(b"right").hexdigest())
    assert caught.value.code == "weights_mismatch"


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    real = weights.file_digest

    def counted(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(weights, "file_digest", counted)
    path = tmp_path / "model.bin"
    path.write_bytes(b"one")
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    verify(path, one)
    verify(path, one)
    assert len(hashed) == 1
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    with pytest.raises(Unavailable):
        verify(path, one)
    assert verify(path, two) == path
    assert len(hashed) == 2


def test_every_known_file_is_pinned_and_stays_inside_the_folder() -> None:
    assert len({file.name for file in KNOWN}) == len(KNOWN)
    for file in KNOWN:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert re.fullmatch(r"[0-9a-f]{64}", file.source.sha256)
        assert not Path(file.name).is_absolute()
        assert ".." not in Path(file.name).parts


def test_missing_names_only_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / SMOLLM2.name).write_bytes(b"")
    assert SMOLLM2.name not in missing(tmp_path)
    assert len(missing(tmp_path)) == len(KNOWN) - 1
    assert missing(tmp_path, SMOLLM2) == []


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = CHECKOUT / "scripts" / "fetch_weights.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_the_script_says_what_is_missing_or_altered_and_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / SMOLLM2.name).write_bytes(b"something else")
    done = run_script("--check", str(tmp_path))
    assert done.returncode == 1
    assert f"altered: {SMOLLM2.name}" in done.stdout
    assert done.stdout.count("missing: ") == len(KNOWN) - 1
    assert [path.name for path in tmp_path.iterdir()] == [SMOLLM2.name]


@pytest.mark.weights
def test_the_script_has_nothing_to_do_when_all_is_there(weights_dir: Path) -> None:
    done = run_script(str(weights_dir))
    assert done.returncode == 0
    assert "nothing to do" in done.stdout
