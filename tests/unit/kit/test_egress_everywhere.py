"""Nothing in the program calls an address by another way than the egress guard."""

import ast
from pathlib import Path

import dragoman

_SOURCE = Path(dragoman.__file__).parent
# Modules that call addresses by themselves, whatever they are asked for.
_CALLERS = (
    "requests", "urllib3", "urllib.request", "aiohttp", "http.client", "ftplib", "smtplib", "imaplib", "poplib", "telnetlib",
    "pycurl", "websocket", "primp", "ddgs",
)  # fmt: skip
_HTTPX = frozenset(
    {
        "AsyncClient",
        "Client",
        "AsyncHTTPTransport",
        "HTTPTransport",
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "head",
    }
    | {"options", "request", "stream"}
)
_CONNECTING = frozenset({"open_connection", "create_connection", "urlopen", "urlretrieve"})
# Why each of these may connect by itself.
_ALLOWED = {
    "adapters/sandboxes/proxy.py": "connects to the addresses that the guard has resolved and checked",
    "adapters/tools/mcp/egress.py": "is the guard in the form that the MCP library's client takes",
    "adapters/tools/mcp/engine.py": "makes its client with that guard as the transport",
    "cli/channels.py": "calls a server on this machine only, whose address it checks to be loopback",
    "bootstrap/doctor.py": "asks at the server's own address, out of the settings, whether a Dragoman listens there",
    "kit/egress.py": "is the guard",
    "kit/http1/pool.py": "connects to the addresses that its resolver gives, which is the guard's",
}


def _unguarded(source: str) -> set[str]:
    """What in a module calls addresses past the guard, with its lines."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, called = node.func.value, node.func.attr
            http = isinstance(owner, ast.Name) and owner.id in ("httpx", "httpx2")
            if (http and called in _HTTPX) or called in _CONNECTING:
                found.add(f"{called} in line {node.lineno}")
        for name in names:
            if any(name == caller or name.startswith(f"{caller}.") for caller in _CALLERS):
                found.add(f"{name} in line {getattr(node, 'lineno', 0)}")
            if name.rpartition(".")[0] in ("httpx", "httpx2") and name.rpartition(".")[2] in _HTTPX:
                found.add(f"{name} in line {getattr(node, 'lineno', 0)}")
    return found


def test_no_module_makes_a_client_of_its_own() -> None:
    found = {
        str(path.relative_to(_SOURCE)): calls
        for path in _SOURCE.rglob("*.py")
        if (calls := _unguarded(path.read_text()))
    }
    unknown = {path: calls for path, calls in found.items() if path not in _ALLOWED}
    assert not unknown, (
        "These call addresses past the egress guard. Use kit.egress.guarded_client (with policy.for_operator() for "
        f"addresses out of the server's own settings): {unknown}"
    )
    assert set(_ALLOWED) <= set(found)


def test_the_search_for_such_clients_finds_them() -> None:
    for line in (
        "import requests",
        "from urllib.request import urlopen",
        "from urllib import request",
        "import httpx\nhttpx.AsyncClient()",
        "import httpx\nhttpx.get('http://a')",
        "from httpx import AsyncClient",
        "import httpx2\nhttpx2.Client()",
        "import asyncio\nasyncio.open_connection('a', 80)",
    ):
        assert _unguarded(line), line
    assert not _unguarded("import httpx\nfrom urllib.parse import quote\nhttpx.URL('a')\nclient.get('b')")
