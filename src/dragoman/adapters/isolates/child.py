"""V8 inside a child process: each script gets an isolate of its own, the next one made while nobody waits."""

import asyncio
import contextlib
import json
import re
import resource
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from py_mini_racer import JSEvalException, JSOOMException, JSParseException, JSPromiseError, mini_racer

from dragoman.kit.child import ask

Kind: TypeAlias = Literal["value", "unparsed", "thrown", "time", "memory"]

_PRELUDE = Path(__file__).with_name("prelude.js")
_PARSED = "__parsed__"
_PLACE = re.compile(r"<anonymous>:(\d+): (.*)")
# What the engine itself takes beside the heaps of its isolates.
_ENGINE_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Script:
    """What to run. ``request`` makes it the body of a worker's module that answers it."""

    code: str
    seconds: float
    memory_bytes: int
    request: str | None = None
    env: str = "{}"
    may_fetch: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: its value, or the sentence that says what went wrong."""

    kind: Kind
    text: str = ""
    console: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that the parent is asked to send, as JSON; its answer is JSON as well."""

    request: str


@dataclass(slots=True)
class _Isolate:
    """An engine with the prelude in place."""

    racer: Any
    stack: AsyncExitStack
    may_fetch: list[bool] = field(default_factory=lambda: [False])


class _Engine:
    """Isolates, on an event loop that lives in a thread of its own."""

    def __init__(self, memory_bytes: int) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = memory_bytes + _ENGINE_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
        self._prelude = _PRELUDE.read_text()
        self._loop = asyncio.new_event_loop()
        self._spare: _Isolate | None = None
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, script: Script) -> Ended:
        return self._on_loop(self._run(script))

    def _on_loop(self, work: Coroutine[Any, Any, Ended]) -> Ended:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _run(self, script: Script) -> Ended:
        isolate = self._spare or await self._fresh()
        self._spare = None
        isolate.may_fetch[0] = script.may_fetch
        isolate.racer.set_hard_memory_limit(script.memory_bytes)
        try:
            async with asyncio.timeout(script.seconds):
                return await _carried_out(isolate.racer, script)
        except TimeoutError:
            return Ended("time")
        except JSOOMException:
            return Ended("memory")
        finally:
            # After the answer has gone out.
            self._loop.call_later(0.001, self._turn_over, isolate)

    def _turn_over(self, used: _Isolate) -> None:
        self._loop.create_task(self._replace(used))  # noqa: RUF006 - held until the next script by being the only one

    async def _replace(self, used: _Isolate) -> None:
        await used.stack.aclose()
        if self._spare is None:
            self._spare = await self._fresh()

    async def _fresh(self) -> _Isolate:
        stack = AsyncExitStack()
        isolate = _Isolate(stack.enter_context(mini_racer()), stack)

        async def host(*arguments: Any) -> Any:
            if not isolate.may_fetch[0]:
                return json.dumps({"error": "This script has no network."})
            return await self._loop.run_in_executor(None, ask, Wanted(str(arguments[0])))

        function = await stack.enter_async_context(isolate.racer.wrap_py_function(host))
        install = isolate.racer.eval(f"(host) => {{ globalThis.__box = ({self._prelude})(host) }}")
        install(function)
        return isolate


async def _carried_out(racer: Any, script: Script) -> Ended:
    wrapped = script.request is not None
    problem = await _parse_problem(racer, _as_function(script.code) if wrapped else script.code)
    if problem is not None and not wrapped:
        # Whoever writes `return` or `await` at the top means the body of a function.
        if await _parse_problem(racer, _as_function(script.code)) is None:
            problem, wrapped = None, True
    if problem is not None:
        return Ended("unparsed", problem)
    if script.request is None:
        words = [script.code, wrapped]
        call = "evaluate"
    else:
        words = [script.code, script.request, script.env, script.may_fetch]
        call = "handle"
    # The box is taken away first: a script finds nothing of the machinery that runs it.
    arguments = ", ".join(json.dumps(word) for word in words)
    promise = await racer.eval_cancelable(
        f"(() => {{ const box = globalThis.__box; delete globalThis.__box; return box.{call}({arguments}) }})()"
    )
    try:
        result = json.loads(await promise)
    except JSPromiseError as error:
        return Ended("thrown", str(error.reason))
    if "error" in result:
        return Ended("thrown", result["error"], result["console"])
    return Ended("value", result.get("value") or "", result["console"])


def _as_function(code: str) -> str:
    return f"(async function () {{{code}\n}})"


async def _parse_problem(racer: Any, code: str) -> str | None:
    """What is wrong with the code and where, None when it can be parsed. Nothing of it is run."""
    try:
        await racer.eval_cancelable(f"throw {json.dumps(_PARSED)};\n{code}")
    except JSParseException as error:
        return _readable(str(error))
    except JSEvalException as error:
        if _PARSED in str(error) or isinstance(error, JSOOMException):
            return None
        raise
    return None


def _readable(message: str) -> str:
    lines = message.splitlines()
    found = _PLACE.match(lines[0]) if lines else None
    if found is None:
        return message.strip()
    caret = next((line.index("^") + 1 for line in lines if line.strip().strip("^") == "" and "^" in line), None)
    column = f", column {caret}" if caret else ""
    source = f": {lines[1].strip()[:200]}" if len(lines) > 1 and lines[1].strip() else ""
    return f"Line {max(1, int(found[1]) - 1)}{column}: {found[2]}{source}"


_engines: list[_Engine] = []


def run(script: Script) -> Ended:
    """Runs one script."""
    if not _engines:
        _engines.append(_Engine(script.memory_bytes))
    return _engines[0].run(script)


def warm(memory_bytes: int) -> None:
    """Has an isolate ready for the first script."""
    with contextlib.suppress(IndexError):
        run(Script("0", 5.0, memory_bytes))
