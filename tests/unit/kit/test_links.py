"""Links in texts, and what asking for them comes to."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.links import LinkChecker, links_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See https://a.example/x, and http://b.example.", ["https://a.example/x", "http://b.example"]),
        (
            "[it](https://a.example/x_(y)) (https://a.example/z)",
            ["https://a.example/x_(y)", "https://a.example/z"],
        ),
        ("https://a.example https://a.example", ["https://a.example"]),
        ("ftp://a.example and a.example", []),
    ],
)
def test_links_are_found_in_prose_and_markup(text: str, found: list[str]) -> None:
    assert links_in(text) == found


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/there")
        else:
            gone = self.path == "/gone" or (self.path == "/get-only" and self.command == "HEAD")
            self.send_response(404 if gone else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_HEAD = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the tests' output quiet."""


@contextmanager
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def test_what_is_there_is_told_from_what_is_not() -> None:
    policy = EgressPolicy.parse(["127.0.0.1"])
    with site() as base:
        async with guarded_client(policy, timeout_seconds=5, max_bytes=1000) as client:
            paths = ("/there", "/moved", "/get-only", "/gone")
            states = await LinkChecker(client).check_all([base + path for path in paths])
    assert [state.status for state in states] == [200, 200, 200, 404]
    assert [state.broken for state in states] == [False, False, False, True]


async def test_inner_addresses_are_not_asked_for() -> None:
    async with guarded_client(EgressPolicy.parse([]), timeout_seconds=5, max_bytes=1000) as client:
        inner, odd = await LinkChecker(client).check_all(["http://127.0.0.1:9/", "nonsense"])
    assert inner.status is None
    assert inner.problem
    assert odd.broken
