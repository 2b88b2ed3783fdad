"""The commands for skills and memories."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from dragoman.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command over a data folder with one user; gives its exit code and what it wrote."""
    for name in [name for name in os.environ if name.startswith("DRAGOMAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DRAGOMAN_EMBEDDING__PROVIDER", "none")
    monkeypatch.setenv("DRAGOMAN_MODELS__LOCAL__ENABLED", "false")
    monkeypatch.chdir(tmp_path)
    hook, root = sys.excepthook, logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def command(*words: str) -> tuple[int, str, str]:
        try:
            code = main([*words, "--data", str(tmp_path / "data")])
        except SystemExit as end:
            code = int(end.code or 0)
        written = capsys.readouterr()
        return code, written.out, written.err

    assert command("users", "create", "--email", "ana@example.org")[0] == 0
    yield command
    sys.excepthook = hook
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def _json(result: tuple[int, str, str]) -> Any:
    code, out, err = result
    assert (code, err) == (0, "")
    return json.loads(out)


def test_skills_are_made_listed_exported_imported_and_deleted(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "refunds.md"
    text.write_text("Ask first.\n")
    made = _json(
        run("skills", "create", "refunds", str(text), "--tool", "order", "--tool", "order", "--json")
    )
    assert (made["slug"], made["tools"]) == ("refunds", 1)
    assert run("skills", "create", "refunds", str(text))[0] == 1
    assert run("skills", "create", "two words", str(text))[0] == 2
    assert run("skills", "create", "x", str(tmp_path / "absent"))[0] == 2
    code, exported, _ = run("skills", "export")
    assert code == 0
    assert json.loads(exported)["instructions"] == "Ask first.\n"
    folder = tmp_path / "folder"
    assert run("skills", "export", str(folder))[0] == 0
    assert (folder / "refunds" / "SKILL.md").read_text().startswith("---\nname: refunds\n")
    assert _json(run("skills", "import", str(folder), "--json")) == {"stored": 0, "skipped": 1}
    lines = tmp_path / "skills.jsonl"
    lines.write_text(exported + '{"slug":"other","instructions":"x"}\n')
    assert _json(run("skills", "import", str(lines), "--json")) == {"stored": 1, "skipped": 1}
    assert [row["slug"] for row in _json(run("skills", "list", "--json"))] == ["refunds", "other"]
    lines.write_text("{")
    code, _, err = run("skills", "import", str(lines))
    assert code == 2
    assert "Line 1" in err
    assert "refunds" in run("skills", "list")[1]
    assert run("skills", "delete", "refunds")[1] == "deleted skill refunds\n"
    assert run("skills", "delete", "refunds")[0] == 2


def test_memories_are_made_listed_and_deleted(run: Run) -> None:
    made = _json(run("memories", "create", "carl@s1", "likes  tea", "--days", "10", "--json"))
    run("memories", "create", "carl@s2", "x" * 100)
    run("memories", "create", "carl", '{"title":"dentist"}', "--format", "date-reminder")
    assert made["expires_at"] > made["created_at"]
    rows = _json(run("memories", "list", "--filter", "carl", "--json"))
    assert [row["expires_at"] is None for row in rows] == [True, True, False]
    table = run("memories", "list")[1]
    assert "likes tea" in table
    assert "x" * 59 + "…" in table
    assert run("memories", "create", "carl", "x", "--days", "400")[0] == 2
    assert run("memories", "create", "carl", "x", "--gateway", "nobody")[0] == 1
    assert run("memories", "delete", made["id"])[1] == "deleted 1 memory\n"
    assert run("memories", "delete", made["id"])[0] == 1
    assert _json(run("memories", "delete", "--user", "carl", "--json")) == {"deleted": 1}
    assert len(_json(run("memories", "list", "--json"))) == 1
    assert run("memories", "delete")[0] == 2
    assert run("memories", "delete", made["id"], "--user", "carl")[0] == 2
