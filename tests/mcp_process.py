"""A real MCP server process for tests, ended by its handle."""

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tests.e2e.server import free_port

SCRIPT = Path(__file__).with_name("mcp_sdk_server.py")
_START_SECONDS = 60.0


@contextmanager
def mcp_server(transport: str = "http", port: int | None = None) -> Generator[str]:
    """The address of a running server of the official SDK."""
    port = port or free_port()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), transport, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        _wait(process, base)
        yield base + ("/sse" if transport == "sse" else "/mcp")
    finally:
        process.kill()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], base: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the MCP server ended"
        try:
            httpx.get(base + "/nowhere", trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the MCP server did not start")
