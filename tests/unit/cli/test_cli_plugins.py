"""The commands for plugins."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

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


def test_plugins_are_listed_and_run(run: Run, tmp_path: Path) -> None:
    code, out, err = run("plugins", "list", "--json")
    assert (code, err) == (0, "")
    assert "check_links" in [one["name"] for one in json.loads(out)]
    table = tmp_path / "sales.csv"
    table.write_text("city,sales\nLyon,3\nLyon,4\n")
    question = "question=SELECT sum(sales) AS total FROM data"
    code, out, err = run(
        "plugins", "run", "sql_over_csv", "--file", str(table), "--value", question, "--json"
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["added"]["rows"] == [[7]]
    code, out, _ = run("plugins", "run", "search_datasets", "--value", "query=x")
    assert code == 0
    assert "Nothing was found." in out


def test_what_is_wrong_with_a_run_is_said_in_one_line(run: Run, tmp_path: Path) -> None:
    for words, said in (
        (("check_links",), "'content'"),
        (("nonsense",), "no plugin"),
        (("check_links", "--value", "content"), "FIELD=VALUE"),
        (("summarize_file", "--file", str(tmp_path / "gone")), "no file"),
    ):
        code, _, err = run("plugins", "run", *words)
        assert code != 0
        assert said in err
        assert "Traceback" not in err


def test_a_user_who_does_not_pay_is_refused_what_is_for_paying_users(run: Run) -> None:
    assert run("plugins", "paying", "--email", "ana@example.org", "no")[0] == 0
    words = ("plugins", "run", "content_into_dataset", "--value", "text=x", "--value", "dataset=y")
    assert "paying" in run(*words)[2]
    assert run("plugins", "paying", "--email", "ana@example.org", "yes")[0] == 0
    assert "paying" not in run(*words)[2]
