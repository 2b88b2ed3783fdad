"""Whatever kind of write was acknowledged is there after the server was killed amid others."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from tests.e2e.server import Server

_ROUNDS = 2
_WRITING_SECONDS = 60.0
_MODEL = {"baseAddress": "@integrated", "modelName": "extractive"}
_SHELL = {"X-Shell-User-Id": "ana"}

# A write gives what to look for; a look tells whether it is there.
Write = Callable[[httpx.Client, int], str]
Look = Callable[[httpx.Client, str], bool]


def _json(answer: httpx.Response) -> Any:
    assert answer.status_code in (200, 204), answer.text
    return answer.json() if answer.content else None


class Kinds:
    """Every kind of thing that the administrative operations write, with how to see it again."""

    def __init__(self, client: httpx.Client) -> None:
        self.gateway = _json(client.post("/api/v1/ai-gateways", json={"name": "g", "parameters": _MODEL}))[
            "aiGatewayId"
        ]
        body = {"name": "c", "aiGatewayId": self.gateway}
        self.chat = _json(client.post("/api/v1/web-chat-client", json=body))["id"]
        client.put(
            "/api/v1/accounts", json={"name": "Ana", "parameters": {"allowConversationsLogging": True}}
        )

    def all(self) -> dict[str, tuple[Write, Look]]:
        return {
            "gateway": (self._make_gateway, self._sees("/api/v1/ai-gateways/{}")),
            "gateway change": (self._change_gateway, self._sees_change),
            "key": (self._make_key, self._key_works),
            "skill": (self._make_skill, self._sees("/api/v1/skills/{}")),
            "chat client": (self._make_client, self._sees("/api/v1/web-chat-client/{}")),
            "session": (self._make_session, self._sees("/api/v1/public/chat-clients/{}")),
            "prompt": (self._prompt, self._said),
            "shell file": (self._put_file, self._file_is_there),
            "conversation": (self._converse, self._kept),
        }

    @staticmethod
    def _sees(path: str) -> Look:
        return lambda client, found: client.get(path.format(found)).status_code == 200

    def _make_gateway(self, client: httpx.Client, number: int) -> str:
        body = {"name": f"g {number}", "parameters": _MODEL}
        return str(_json(client.post("/api/v1/ai-gateways", json=body))["aiGatewayId"])

    def _change_gateway(self, client: httpx.Client, number: int) -> str:
        _json(
            client.patch(f"/api/v1/ai-gateways/{self.gateway}", json={"parameters": {f"own{number}": number}})
        )
        return f"own{number}"

    def _sees_change(self, client: httpx.Client, found: str) -> bool:
        return found in _json(client.get(f"/api/v1/ai-gateways/{self.gateway}"))["parameters"]

    def _make_key(self, client: httpx.Client, number: int) -> str:
        body = {"label": f"k {number}", "duration": 30}
        return str(_json(client.post("/api/v1/accounts/api-key", json=body))["grantKey"])

    def _key_works(self, client: httpx.Client, found: str) -> bool:
        return client.get("/v1/models", headers={"authorization": f"Bearer {found}"}).status_code == 200

    def _make_skill(self, client: httpx.Client, number: int) -> str:
        body = {"slug": f"skill-{number}", "instructions": "x", "options": {}}
        return str(_json(client.post("/api/v1/skills", json=body))["id"])

    def _make_client(self, client: httpx.Client, number: int) -> str:
        return str(_json(client.post("/api/v1/web-chat-client", json={"name": f"c {number}"}))["id"])

    def _make_session(self, client: httpx.Client, number: int) -> str:
        path = f"/api/v1/web-chat-client/{self.chat}/sessions"
        return str(_json(client.post(path, json={"expires": 3600, "tag": f"t{number}"}))["accessKey"])

    def _prompt(self, client: httpx.Client, number: int) -> str:
        # A session of its own: a turn that is cut off holds its session for a while.
        key = self._make_session(client, number)
        body = {"prompt": {"role": "user", "content": f"say {number}."}}
        _json(client.post(f"/api/v1/public/chat-clients/{key}/prompt", json=body))
        return key

    def _said(self, client: httpx.Client, found: str) -> bool:
        messages = _json(client.get(f"/api/v1/public/chat-clients/{found}/transcript.json"))["messages"]
        return [message["role"] for message in messages] == ["user", "assistant"]

    def _put_file(self, client: httpx.Client, number: int) -> str:
        params = {"path": f"f{number}"}
        _json(client.post("/api/v1/shell/io/file", params=params, content=b"x" * 1000, headers=_SHELL))
        return f"f{number}"

    def _file_is_there(self, client: httpx.Client, found: str) -> bool:
        answer = client.get("/api/v1/shell/io/file", params={"path": found}, headers=_SHELL)
        return answer.content == b"x" * 1000

    def _converse(self, client: httpx.Client, number: int) -> str:
        body = {"model": self.gateway, "prompt": f"tell {number}.", "idempotency_key": f"c{number}"}
        _json(client.post("/v1/chat/completions", json=body))
        return f"tell {number}."

    def _kept(self, client: httpx.Client, found: str) -> bool:
        listed = _json(client.get("/api/v1/conversations", params={"filter": f'"{found}"'}))
        return [one["preview"] for one in listed] == [found]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"DRAGOMAN_EMBEDDING__PROVIDER": "none", "DRAGOMAN_MODELS__LOCAL__ENABLED": "false"}
    with Server(tmp_path_factory.mktemp("writes") / "data", settings) as started:
        yield started


def test_every_kind_of_acknowledged_write_is_there_after_a_kill(server: Server) -> None:
    with server.client() as client:
        kinds = Kinds(client).all()
    acknowledged: dict[str, list[str]] = {name: [] for name in kinds}
    numbers = itertools.count()
    for _ in range(_ROUNDS):
        threads = [
            threading.Thread(target=_write, args=(server, write, numbers, acknowledged[name]))
            for name, (write, _) in kinds.items()
        ]
        for thread in threads:
            thread.start()
        _wait_for_more(acknowledged)
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
    with server.client() as client:
        lost = {
            name: [one for one in acknowledged[name] if not look(client, one)]
            for name, (_, look) in kinds.items()
        }
    assert lost == {name: [] for name in kinds}


def _wait_for_more(acknowledged: dict[str, list[str]]) -> None:
    """Until every kind was written at least once more."""
    before = {name: len(written) for name, written in acknowledged.items()}
    deadline = time.monotonic() + _WRITING_SECONDS
    while any(len(acknowledged[name]) == count for name, count in before.items()):
        assert time.monotonic() < deadline, acknowledged
        time.sleep(0.02)


def _write(server: Server, write: Write, numbers: Iterator[int], acknowledged: list[str]) -> None:
    """Writes until the server is gone; a write that is cut off promises nothing."""
    with server.client() as client, suppress(httpx.TransportError):
        while True:
            acknowledged.append(write(client, next(numbers)))
