"""Limits set by a command hold in a running server, and the report adds up what it answered."""

import csv
import io
import json
import time
from pathlib import Path

import httpx
from tests.e2e.server import EMAIL, Server
from tests.e2e.upstream import Upstream

_QUESTION = {"model": "plain", "messages": [{"role": "user", "content": "Hello?"}]}
_BOUND_SECONDS = 60.0


def _config(upstream: Upstream) -> str:
    return (
        '[models]\ndefault = "plain"\n[models.local]\nenabled = false\n'
        f'[models.providers.fake]\nbase_url = "{upstream.base_url}"\napi_key = "sk-upstream-key"\n'
        'models = ["plain"]\n'
    )


def _ask(client: httpx.Client) -> httpx.Response:
    return client.post("/v1/chat/completions", json=_QUESTION)


def test_a_limit_refuses_in_the_running_server_until_it_is_removed(tmp_path: Path) -> None:
    with Upstream() as upstream, Server(tmp_path / "data", config=_config(upstream)) as server:
        with server.client() as client:
            answered = _ask(client)
            assert answered.status_code == 200
            assert answered.headers["x-dragoman-receipt"]
            words = ("--scope", "user", "--subject", EMAIL, "--requests", "1", "--every", "month")
            limit = json.loads(server.command("limits", "set", *words, "--json").stdout)
            assert (limit["measure"], limit["amount"], limit["set_by_operator"]) == ("requests", 1, True)
            refused = _until(client, 429)
            assert "x-dragoman-receipt" not in refused.headers
            assert int(refused.headers["retry-after"]) >= 1
            assert "limit of 1 request a month is used up" in refused.json()["error"]["message"]

            assert [one["id"] for one in json.loads(server.command("limits", "list", "--json").stdout)] == [
                limit["id"]
            ]
            assert EMAIL in server.command("limits", "list").stdout
            server.command("limits", "remove", limit["id"])
            assert _until(client, 200).headers["x-dragoman-receipt"]
            assert json.loads(server.command("limits", "list", "--json").stdout) == []
            assert server.command("limits", "remove", limit["id"], check=False).returncode == 1
        assert server.stop() == 0

        (row,) = json.loads(server.command("usage", "report", "--by", "user", "--json").stdout)
        assert row["name"] == EMAIL
        assert row["requests"] == len(upstream.bodies)
        assert (row["prompt_tokens"], row["completion_tokens"]) == (
            11 * len(upstream.bodies),
            7 * len(upstream.bodies),
        )
        table = server.command("usage", "report", "--by", "model", "--csv").stdout
        (line,) = csv.DictReader(io.StringIO(table))
        assert (line["name"], line["requests"]) == ("plain", str(len(upstream.bodies)))
        assert server.command("usage", "report", "--since", "soon", check=False).returncode == 2


def _until(client: httpx.Client, status: int) -> httpx.Response:
    """The first answer of that status."""
    deadline = time.monotonic() + _BOUND_SECONDS
    while (response := _ask(client)).status_code != status:
        assert time.monotonic() < deadline, response.text
    return response
