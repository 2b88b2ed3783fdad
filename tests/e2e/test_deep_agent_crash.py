"""A deep agent outlives the server that carries it out: killed amid a step, it goes on from the last one."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e import upstream as provider
from tests.e2e.server import Server
from tests.e2e.upstream import Upstream

_SECONDS = 60.0
_SLOW, _QUICK = 0.4, 0.0


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


def _config(upstream: Upstream) -> str:
    return (
        '[models]\ndefault = "plain"\n[models.local]\nenabled = false\n[embedding]\nprovider = "none"\n'
        f'[egress]\nallow = ["127.0.0.1"]\n[models.providers.fake]\nbase_url = "{upstream.base_url}"\nmodels = ["plain"]\n'
    )


def _told(client: httpx.Client, number: int, until: str) -> list[dict[str, Any]]:
    """What the deep agent told, up to the first line of that type."""
    lines: list[dict[str, Any]] = []
    deadline = time.monotonic() + _SECONDS
    with client.stream("POST", "/server/get-deep-agent", json={"deep_agent_id": number}) as answer:
        for line in answer.iter_lines():
            assert time.monotonic() < deadline, lines
            if line:
                lines.append(json.loads(line))
                if lines[-1]["type"] == until:
                    return lines
    raise AssertionError(f"it ended without {until!r}: {lines}")


def _asked(upstream: Upstream, of: str) -> int:
    return sum(of in body["messages"][0]["content"] for body in upstream.bodies)


def test_a_deep_agent_goes_on_after_kills_from_its_last_step(
    tmp_path: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_PACE_SECONDS", _SLOW)
    with Server(tmp_path / "data", config=_config(upstream)) as server:
        with server.client() as client:
            assert client.post("/user/add-dataset", json={"dataset": "terms"}).status_code == 200
            body = {"content": "The notice period is three months.", "force_dataset": "terms"}
            assert client.post("/server/train", json=body).status_code == 200
            asked = {"message": "How long is the notice period?", "mode": "deep_agent", "dataset": "terms"}
            number = client.post("/server/query", json=asked).json()["deep_agent_id"]
        deadline = time.monotonic() + _SECONDS
        while not upstream.bodies:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.kill()
        server.start()
        with server.client() as client:
            before = _told(client, number, "note")
        planned = _asked(upstream, "You plan a research")
        server.kill()
        monkeypatch.setattr(provider, "_PACE_SECONDS", _QUICK)
        server.start()
        with server.client() as client:
            lines = _told(client, number, "done")
            assert _told(client, number, "done") == lines
            logged = client.post("/user/get-user-logs").json()["response"]
        assert lines[: len(before)] == before
        assert _asked(upstream, "You plan a research") == planned
        assert [line["type"] for line in lines].count("note") == 1
        assert lines[-1]["message"] == "Three months."
        assert lines[-1]["references"].startswith("[1] The notice period is three months.")
        assert [entry["uuid"] for entry in logged] == [lines[-1]["uuid"]]
