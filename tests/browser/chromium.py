"""A headless Chromium with a microphone that plays a file, driven over its own debugging protocol."""

import asyncio
import itertools
import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import httpx
from websockets.asyncio.client import ClientConnection, connect

_START_SECONDS = 60


def chromium() -> str | None:
    """The program, when it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One page. A context manager that ends the browser."""

    def __init__(self, folder: Path, microphone: Path | None = None) -> None:
        self._folder, self._microphone = folder, microphone
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: ClientConnection | None = None
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        program = chromium()
        assert program is not None
        arguments = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._folder}",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            "--disable-features=WebRtcHideLocalIpsWithMdns",
        ]
        if self._microphone is not None:
            arguments.append(f"--use-file-for-fake-audio-capture={self._microphone}%noloop")
        self._process = subprocess.Popen(  # noqa: ASYNC220 - starting takes a moment, once
            [*arguments, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        port = await self._port()
        async with httpx.AsyncClient(trust_env=False) as client:
            pages = (await client.get(f"http://127.0.0.1:{port}/json/list")).json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self._socket = await connect(address, max_size=None, proxy=None)
        await self.ask("Page.enable")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    async def _port(self) -> int:
        file = self._folder / "DevToolsActivePort"
        with anyio.fail_after(_START_SECONDS):
            while not file.exists() or not file.read_text().strip():  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.05)
        return int(file.read_text().splitlines()[0])

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command."""
        assert self._socket is not None
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        with anyio.fail_after(_START_SECONDS):
            while True:
                answer = json.loads(await self._socket.recv())
                if answer.get("id") == number:
                    assert "error" not in answer, answer
                    return answer["result"]

    async def open(self, url: str) -> None:
        """Goes to a page and waits until it is there."""
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        found = await self.ask(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, script: str, *, seconds: float = 60) -> Any:
        """The value of an expression once it is true."""
        with anyio.fail_after(seconds):
            while not (value := await self.run(script)):  # noqa: ASYNC110 - another process's page
                await asyncio.sleep(0.1)
        return value
