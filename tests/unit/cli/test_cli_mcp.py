"""The command for MCP servers."""

import json

import pytest
from test_cli_skills_and_memories import Run, run  # noqa: F401 - a fixture


def test_servers_are_added_listed_and_deleted(run: Run) -> None:  # noqa: F811
    words = (
        "mcp",
        "add",
        "orders",
        "https://tools.example.com/mcp",
        "--header",
        "Authorization=Bearer s3cret",
    )
    code, out, err = run(*words, "--description", "Finds orders.", "--json")
    assert (code, err) == (0, "")
    number = json.loads(out)["id"]
    code, out, _ = run("mcp", "list", "--json")
    rows = json.loads(out)
    assert [(row["id"], row["name"], row["url"]) for row in rows] == [
        (number, "orders", "https://tools.example.com/mcp")
    ]
    assert "s3cret" not in out
    assert run("mcp", "delete", str(number))[:2] == (0, "deleted MCP server orders\n")
    assert run("mcp", "list", "--json")[1].strip() == "[]"


def test_what_cannot_be_added_or_found_is_said(run: Run) -> None:  # noqa: F811
    code, _, err = run("mcp", "add", "orders", "ftp://tools.example.com")
    assert (code, "http" in err) == (2, True)
    code, _, err = run("mcp", "add", "orders", "https://tools.example.com", "--header", "Authorization")
    assert (code, "NAME=TEXT" in err) == (2, True)
    code, _, err = run("mcp", "test", "nothing")
    assert (code, "no MCP server 'nothing'" in err) == (2, True)


def test_a_server_inside_the_network_is_not_added_unless_let_through(
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, _, err = run("mcp", "add", "inner", "http://127.0.0.1:9/mcp")
    assert (code, "egress.allow" in err) == (2, True)
    monkeypatch.setenv("DRAGOMAN_EGRESS__ALLOW", '["127.0.0.1"]')
    assert run("mcp", "add", "inner", "http://127.0.0.1:9/mcp")[0] == 0


def test_a_dead_server_fails_the_test_with_its_reason(
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DRAGOMAN_EGRESS__ALLOW", '["127.0.0.1"]')
    assert run("mcp", "add", "inner", "http://127.0.0.1:9/mcp")[0] == 0
    code, _, err = run("mcp", "test", "inner")
    assert code == 1, err
    assert "no connection to the MCP server" in err
