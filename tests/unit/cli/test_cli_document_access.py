"""``dragoman collections access``."""

import json
from pathlib import Path

from tests.unit.cli.test_cli_skills_and_memories import Run
from tests.unit.cli.test_cli_skills_and_memories import run as run


def test_a_document_is_restricted_shown_and_opened(run: Run, tmp_path: Path) -> None:
    (tmp_path / "cost.txt").write_text("It costs ten.")
    assert run("users", "create", "--email", "bob@example.org", "--organisation", "ana@example.org")[0] == 0
    assert (
        run("ingest", str(tmp_path / "cost.txt"), "--collection", "prices", "--email", "ana@example.org")[0]
        == 0
    )
    at = ("collections", "access", "prices", "cost.txt", "--email", "ana@example.org", "--json")
    code, out, err = run(*at, "--user", "bob@example.org", "--role", "viewer")
    told = json.loads(out)
    assert (code, err, told["restricted"], told["users"], told["roles"]) == (
        0,
        "",
        True,
        ["bob@example.org"],
        ["viewer"],
    )
    assert json.loads(run(*at)[1]) == told
    assert json.loads(run(*at, "--open")[1])["restricted"] is False
    assert run(*at, "--open", "--owner-only")[0] == 2
    assert run(*at[:3], "none.txt", *at[4:])[0] == 2
