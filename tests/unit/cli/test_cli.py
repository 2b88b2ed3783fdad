import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog

from dragoman import __version__
from dragoman.bootstrap.accounts import open_accounts
from dragoman.bootstrap.extras import installed_extras
from dragoman.cli import main
from dragoman.kit.weights import KNOWN
from dragoman.settings import Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs a command in this process; gives its exit code and what it wrote."""
    for name in [name for name in os.environ if name.startswith(("DRAGOMAN_", "OPENAI_"))]:
        monkeypatch.delenv(name)
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


def test_a_user_and_a_key_made_on_the_command_line_let_a_client_in(run: Run, tmp_path: Path) -> None:
    user = _json(run("users", "create", "--email", "Ann@example.org", "--organisation", "Acme", "--json"))
    assert (user["email"], user["organisation"], user["role"]) == ("ann@example.org", "Acme", "owner")
    made = _json(
        run("keys", "create", "--email", "ann@example.org", "--label", "ci", "--days", "3", "--json")
    )

    async def authenticate() -> str:
        async with open_accounts(Settings(data_dir=tmp_path / "data")) as accounts:
            return (await accounts.keys.authenticate_slow(made["key"])).user_id

    assert asyncio.run(authenticate()) == user["id"]
    (listed,) = _json(run("keys", "list", "--email", "ann@example.org", "--json"))
    assert (listed["id"], listed["label"], listed["state"]) == (made["id"], "ci", "in force")
    assert made["key"] not in json.dumps(listed)
    assert run("keys", "revoke", made["id"])[0] == 0
    assert _json(run("keys", "list", "--json"))[0]["state"] == "revoked"
    assert run("keys", "revoke", made["id"])[0] == 1


def test_lists_for_the_eye_have_a_heading_and_a_line_a_row(run: Run) -> None:
    run("users", "create", "--email", "ann@example.org")
    code, out, _ = run("users", "list")
    heading, row = out.splitlines()
    assert code == 0
    assert heading.split() == ["ID", "EMAIL", "ORGANISATION", "ROLE", "DISABLED", "CREATED", "AT"]
    assert row.split()[1:5] == ["ann@example.org", "ann@example.org", "owner", "no"]


def test_a_key_is_printed_alone_so_that_a_script_can_take_it(run: Run) -> None:
    run("users", "create", "--email", "ann@example.org")
    _, out, _ = run("keys", "create", "--email", "ann@example.org")
    assert out.startswith("sk-")
    assert len(out.strip()) == 64


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("keys", "create", "--email", "nobody@example.org"), 1, "no user nobody@example.org"),
        (("keys", "list", "--email", "nobody@example.org"), 1, "no user nobody@example.org"),
        (("users", "disable", "--email", "nobody@example.org"), 1, "no user nobody@example.org"),
        (("users", "create", "--email", "nonsense"), 2, "not an e-mail"),
        (("users", "create"), 2, "--email"),
        (("users", "create", "--email", "a@b.example", "--role", "king"), 2, "invalid choice: 'king'"),
        (("users", "create", "--email", "a@b.example", "--rol", "viewer"), 2, "--rol"),
        (("users",), 2, "ACTION"),
        (("nonsense",), 2, "invalid choice: 'nonsense'"),
        (("keys", "create", "--email", "a@b.example", "--days", "soon"), 2, "invalid int value: 'soon'"),
    ],
)
def test_what_goes_wrong_is_one_line_on_stderr(
    run: Run, words: tuple[str, ...], code: int, said: str
) -> None:
    result, out, err = run(*words)
    assert (result, out) == (code, "")
    assert said in err
    assert err.startswith("dragoman")
    assert err.count("\n") == 1


def test_a_wrong_setting_is_misuse_and_names_its_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_SERVER__PROT", "1")
    code, _, err = run("users", "list")
    assert code == 2
    assert err == "dragoman: DRAGOMAN_SERVER__PROT is no setting; did you mean 'DRAGOMAN_SERVER__PORT'?\n"


def test_a_damaged_database_is_a_failure_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dragoman.db").write_bytes(b"not a database at all" * 500)
    code, out, err = run("users", "list")
    assert (code, out) == (1, "")
    assert err.startswith("dragoman: ")
    assert err.count("\n") == 1


def test_the_data_folder_can_be_named_before_the_verb(tmp_path: Path, run: Run) -> None:
    assert main(["--data", str(tmp_path / "other"), "users", "list"]) == 0
    assert (tmp_path / "other" / "dragoman.db").exists()
    assert not (tmp_path / "data").exists()


def test_shown_settings_say_where_each_comes_from_and_hide_secrets(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DRAGOMAN_BOOTSTRAP__EMAIL", "root@example.org")
    monkeypatch.setenv("DRAGOMAN_BOOTSTRAP__API_KEY", "sk-hunter2")
    (tmp_path / "dragoman.toml").write_text("[server]\nport = 9000\n")
    rows = {row["name"]: row for row in _json(run("config", "show", "--json"))}
    assert rows["server.port"]["value"] == 9000
    assert rows["server.port"]["origin"] == f"file {tmp_path / 'dragoman.toml'}"
    assert rows["bootstrap.email"]["origin"] == "environment DRAGOMAN_BOOTSTRAP__EMAIL"
    assert rows["data_dir"]["origin"] == "command line"
    assert rows["log.level"]["origin"] == "default"
    for words in (("config", "show", "--json"), ("config", "show", "--origin"), ("config", "show")):
        code, out, _ = run(*words)
        assert code == 0
        assert "hunter2" not in out
    _, out, _ = run("config", "show", "--origin")
    assert 'bootstrap.email = "root@example.org"  # environment DRAGOMAN_BOOTSTRAP__EMAIL' in out


def test_looking_at_settings_makes_no_data_folder(run: Run, tmp_path: Path) -> None:
    assert run("config", "show")[0] == 0
    assert run("doctor")[0] in (0, 1)
    assert not (tmp_path / "data").exists()


def test_the_version_is_said(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("version")[1] == f"dragoman {__version__}\n"
    assert _json(run("version", "--json"))["version"] == __version__


class _Answer(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _checks(run: Run) -> tuple[int, dict[str, dict[str, str]]]:
    code, out, _ = run("doctor", "--json")
    return code, {check["name"]: check for check in json.loads(out)}


def test_doctor_tells_a_free_port_our_own_server_and_a_strangers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("DRAGOMAN_SERVER__PORT", str(server.server_port))
        monkeypatch.setattr(_Answer, "body", b'{"name": "dragoman", "version": "9.9"}')
        code, checks = _checks(run)
        assert (code, checks["port"]["state"]) == (0, "ok")
        assert "served by dragoman 9.9" in checks["port"]["detail"]
        monkeypatch.setattr(_Answer, "body", b"[]")
        code, checks = _checks(run)
        assert (code, checks["port"]["state"]) == (1, "broken")
        server.shutdown()
        thread.join()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("DRAGOMAN_SERVER__PORT", str(port))
    assert _checks(run)[1]["port"]["detail"].endswith("is free")


def test_doctor_calls_altered_weights_and_an_open_key_file_broken(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run("users", "create", "--email", "ann@example.org")
    weights = tmp_path / "weights"
    monkeypatch.setenv("DRAGOMAN_WEIGHTS__DIR", str(weights))
    code, checks = _checks(run)
    assert (code, checks["weights"]["state"], checks["key file"]["state"]) == (0, "warning", "ok")
    assert checks["sqlite"]["state"] == "ok"
    assert checks["accounts"]["detail"] == "1 users"
    for file in KNOWN:
        (weights / file.name).parent.mkdir(parents=True, exist_ok=True)
        (weights / file.name).write_bytes(b"something else")
    code, checks = _checks(run)
    assert (code, checks["weights"]["state"]) == (1, "broken")
    monkeypatch.setenv("DRAGOMAN_WEIGHTS__DIR", str(tmp_path / "none"))
    (tmp_path / "data" / "secret.key").chmod(0o644)
    code, checks = _checks(run)
    assert (code, checks["key file"]["state"]) == (1, "broken")


def test_doctor_says_which_providers_are_not_called_offline(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "true")
    monkeypatch.setenv("DRAGOMAN_MODELS__PROVIDERS__FAR__BASE_URL", "https://far.example/v1")
    _, checks = _checks(run)
    assert checks["provider"]["state"] == "warning"
    assert "far.example" in checks["provider"]["detail"]


def test_the_packages_own_list_of_extras_is_read() -> None:
    extras = installed_extras()
    assert {"documents", "embeddings", "local", "postgres", "tokenizers"} <= set(extras)
    assert all(isinstance(absent, list) for absent in extras.values())


def test_an_unforeseen_error_is_one_line_in_a_real_process(tmp_path: Path) -> None:
    program = (
        "import dragoman.cli.program as program, sys\n"
        "program.VERBS['version'] = ('json', 'x')\n"  # a module without configure
        "sys.exit(program.main(['version']))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "unexpected AttributeError" in done.stderr


def test_output_that_nobody_reads_any_more_ends_without_a_traceback(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    command = f"{sys.executable} -m dragoman config reference --data {tmp_path} | head -c 10"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=30
    )
    assert done.stdout == "# Settings"
    assert done.stderr == ""
