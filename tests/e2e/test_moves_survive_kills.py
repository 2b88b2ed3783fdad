"""Killed while it leaves or arrives, an organisation is there whole or not at all, and the next try works."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.in_process import in_process, settings_in
from tests.e2e.server import EMAIL, environment

from dragoman.bootstrap.moving import export_organisation, import_organisation
from dragoman.settings import Settings

_DOCUMENTS = 400
_BOUND_SECONDS = 60.0


@pytest.fixture(scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Settings:
    """A server whose one organisation has documents, files and a workspace."""
    settings = settings_in(tmp_path_factory.mktemp("home") / "data")
    async with in_process(settings) as app:
        made = await app.dataset("birds")
        lines = [
            json.dumps({"docid": f"bird-{number}", "text": f"Kestrel {number} nests in tower {number}."})
            for number in range(_DOCUMENTS)
        ]
        files = {"documents": ("birds.jsonl", "\n".join(lines).encode())}
        stored = await app.client.post(f"/api/v1/collections/{made}/documents", files=files)
        assert stored.status_code == 200, stored.text
        for number in range(5):
            file = {"file": (f"file-{number}.md", f"# File {number}\n\nA heron.".encode())}
            taught = await app.client.post("/server/train-with-file", files=file, data={"dataset": "birds"})
            assert taught.status_code == 200, taught.text
        await app.settled(made)
        caller = await app.running.services.accounts.admin.caller(EMAIL)
        folder = settings.workspaces_dir / caller.user_id / "shell"
        folder.mkdir(parents=True)
        (folder / "kept.txt").write_text("kept")
    return settings


def _killed_when(seen: Callable[[], bool], folder: Path, *words: str) -> None:
    """Runs a command and kills it as soon as something is seen, if it has not ended before."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman", *words],
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + _BOUND_SECONDS
    while process.poll() is None and not seen():
        assert time.monotonic() < end
        time.sleep(0.001)
    process.kill()
    process.wait(10)


def _organisations(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", "organisations", "list", "--json"],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
        timeout=_BOUND_SECONDS,
    )
    return json.loads(done.stdout)


def test_a_kill_during_an_export_leaves_the_old_file_and_the_next_one_works(
    home: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "file.tar"
    file.write_bytes(b"the old one")
    stage = home.data_dir / "exports" / "under-way"
    rows = stage / "tables" / "passages.jsonl"
    _killed_when(rows.exists, home.data_dir, "organisations", "export", EMAIL, "--to", str(file))
    assert file.read_bytes() == b"the old one"
    done = export_organisation(home, EMAIL, file, passphrase=None)
    assert done.rows["documents"] == _DOCUMENTS + 5
    assert not stage.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.tar"]


def test_a_kill_during_an_import_leaves_nothing_or_all_and_the_next_one_works(
    home: Settings, tmp_path: Path
) -> None:
    file, there = tmp_path / "file.tar", settings_in(tmp_path / "there")
    export_organisation(home, EMAIL, file, passphrase=None)
    moments: list[Callable[[], bool]] = [
        (there.data_dir / "imports" / "under-way" / "tables" / "passages.jsonl").exists,
        lambda: any(names for _, _, names in os.walk(there.data_dir / "blobs")),
        lambda: any(names for _, _, names in os.walk(there.workspaces_dir)),
    ]
    for moment in moments:
        _killed_when(moment, there.data_dir, "organisations", "import", str(file))
        found = _organisations(there.data_dir)
        assert [one["name"] for one in found] in ([], [EMAIL])
        if found:
            break
    else:
        done = import_organisation(there, file, passphrase=None)
        assert done.rows["documents"] == _DOCUMENTS + 5
        assert not (there.data_dir / "imports" / "under-way").exists()
    again = export_organisation(there, EMAIL, tmp_path / "again.tar", passphrase=None)
    assert (again.rows["passages"], again.files > 10) == (_DOCUMENTS + 5, True)
    assert again.lost == []
    (workspace,) = there.workspaces_dir.glob("*/shell/kept.txt")
    assert workspace.read_text() == "kept"
