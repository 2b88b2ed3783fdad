"""What kill rounds tell of calls that were answered as they must not be."""

import os
from pathlib import Path

import httpx
from tests.e2e.crash import CrashRun
from tests.e2e.server import Server


def _answer(request: httpx.Request) -> httpx.Response:
    """Of a server that refuses every file and knows nothing."""
    if request.url.path == "/server/train-with-file":
        return httpx.Response(400, json={"detail": "The file could not be read."}, request=request)
    if request.method == "GET" or request.url.path == "/api/v1/query":
        return httpx.Response(200, json=[], request=request)
    return httpx.Response(503, request=request)


class _Refusing(Server):
    @property
    def pid(self) -> int:
        return os.getpid()

    def client(self, key: str = "") -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(_answer), base_url="http://refusing")


def test_a_write_that_was_refused_for_good_is_among_the_problems(tmp_path: Path) -> None:
    run = CrashRun(_Refusing(tmp_path / "data"), seed=1, documents=2)
    run.round(lambda: None)
    (problem,) = run.problems()
    assert "/server/train-with-file answered 400" in problem
    assert "could not be read" in problem
