"""A headless Chromium with a microphone that plays a file, driven over its own debugging protocol."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
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


class Browser:
    """The process. A context manager that ends it."""

    def __init__(self, folder: Path, microphone: Path | None = None) -> None:
        self._folder, self._microphone = folder, microphone
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
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
            "--accept-lang=en",
        ]
        if self._microphone is not None:
            arguments.append(f"--use-file-for-fake-audio-capture={self._microphone}%noloop")
        self._process = subprocess.Popen(
            [*arguments, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    async def port(self) -> int:
        """Where it is driven, once it can be."""
        file = self._folder / "DevToolsActivePort"
        with anyio.fail_after(_START_SECONDS):
            while not file.exists() or not file.read_text().strip():  # noqa: ASYNC110 - a file of another process
                await asyncio.sleep(0.05)
        return int(file.read_text().splitlines()[0])


class Page:
    """One page, in a profile of its own. A context manager that closes it.

    ``heard`` are the events that the browser told of so far.

    Args:
        folder: of a browser for this page alone.
        browser: one that is there, in place of it.
    """

    def __init__(
        self, folder: Path, microphone: Path | None = None, *, browser: Browser | None = None
    ) -> None:
        self._own = Browser(folder, microphone) if browser is None else None
        self._browser = browser or self._own
        self.heard: list[dict[str, Any]] = []
        self._socket: ClientConnection | None = None
        self._target = ""
        self._profile = ""
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        if self._own is not None:
            self._own.__enter__()
        async with self._whole_browser():
            self._profile = (await self.ask("Target.createBrowserContext"))["browserContextId"]
            made = await self.ask("Target.createTarget", url="about:blank", browserContextId=self._profile)
            self._target = made["targetId"]
        self._socket = await connect(
            f"{await self._address()}/page/{self._target}",
            max_size=None,
            proxy=None,
            open_timeout=_START_SECONDS,
        )
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(f"{domain}.enable")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._own is not None:
            self._own.__exit__(kind, error, trace)
        elif self._profile:
            async with self._whole_browser():
                await self.ask("Target.disposeBrowserContext", browserContextId=self._profile)

    async def _address(self) -> str:
        assert self._browser is not None
        return f"ws://127.0.0.1:{await self._browser.port()}/devtools"

    @asynccontextmanager
    async def _whole_browser(self) -> AsyncGenerator[None]:
        """Within this, commands go to the browser in place of the page."""
        assert self._browser is not None
        port = await self._browser.port()
        async with httpx.AsyncClient(trust_env=False, timeout=_START_SECONDS) as client:
            version = (await client.get(f"http://127.0.0.1:{port}/json/version")).json()
        async with connect(
            version["webSocketDebuggerUrl"], max_size=None, proxy=None, open_timeout=_START_SECONDS
        ) as socket:
            self._socket = socket
            yield

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command."""
        assert self._socket is not None
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        with anyio.fail_after(_START_SECONDS):
            while True:
                answer = json.loads(await self._socket.recv())
                if "id" not in answer:
                    self.heard.append(answer)
                elif answer["id"] == number:
                    assert "error" not in answer, answer
                    return answer["result"]

    async def open(self, url: str) -> None:
        """Goes to a page and waits until it is there."""
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def run(self, script: str, *, world: int | None = None) -> Any:
        """The value of an expression, awaited where it is a promise; in another world than the page's own, when one is given."""
        place = {} if world is None else {"contextId": world}
        found = await self.ask(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
            **place,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, script: str, *, seconds: float = 60, world: int | None = None) -> Any:
        """The value of an expression once it is true."""
        with anyio.fail_after(seconds):
            while not (value := await self.run(script, world=world)):  # noqa: ASYNC110 - another process's page
                await asyncio.sleep(0.1)
        return value

    async def world(self, address: str | None = None) -> int:
        """A world of one's own over the document: of the page, or of the frame whose address holds the text, once it is there.

        Scripts in it share the document with the page's own, are bound by no policy of it, and see none of its variables.
        """
        with anyio.fail_after(_START_SECONDS):
            while (frame := await self._frame(address)) is None:  # noqa: ASYNC110 - another process's page
                await asyncio.sleep(0.1)
        made = await self.ask("Page.createIsolatedWorld", frameId=frame, worldName="tests")
        return int(made["executionContextId"])

    async def _frame(self, address: str | None) -> str | None:
        tree = (await self.ask("Page.getFrameTree"))["frameTree"]
        if address is None:
            return str(tree["frame"]["id"])
        waiting = list(tree.get("childFrames", ()))
        while waiting:
            inner = waiting.pop()
            if address in inner["frame"]["url"]:
                return str(inner["frame"]["id"])
            waiting.extend(inner.get("childFrames", ()))
        return None

    async def looks(self, *, width: int = 1000, height: int = 800, dark: bool = False) -> None:
        """Makes the window so large, and the system's colours light or dark."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])

    async def connected(self, whether: bool) -> None:
        """Takes the page off the network, or puts it back."""
        await self.ask(
            "Network.emulateNetworkConditions",
            offline=not whether,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    async def click(self, x: float, y: float) -> None:
        """Clicks with the mouse."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def write(self, text: str) -> None:
        """Puts text where the focus is, as a keyboard does."""
        await self.ask("Input.insertText", text=text)

    async def press(self, key: str, *, code: int) -> None:
        """Presses a key, by its name and its number."""
        typed = {"text": "\r"} if key == "Enter" else {}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **typed)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def picture(self, file: Path) -> None:
        """Stores what the page looks like."""
        taken = await self.ask("Page.captureScreenshot", format="png")
        await anyio.Path(file).write_bytes(base64.b64decode(taken["data"]))

    async def complaints(self) -> list[str]:
        """What the browser had to complain of so far: broken policies, failed scripts; requests that failed are none of it."""
        await self.run("0")
        found: list[str] = []
        for event in self.heard:
            told = event["params"]
            match event["method"]:
                case "Runtime.exceptionThrown":
                    found.append(str(told["exceptionDetails"].get("exception", told)))
                case "Log.entryAdded" if (
                    told["entry"]["level"] == "error" and told["entry"]["source"] != "network"
                ):
                    found.append(told["entry"]["text"])
                case "Runtime.consoleAPICalled" if told["type"] == "error":
                    found.append(str([one.get("value", one.get("description")) for one in told["args"]]))
                case _:
                    pass
        return found
