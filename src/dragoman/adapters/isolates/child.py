"""V8 inside a child process: each script gets an isolate of its own, the next one made while nobody waits."""

import asyncio
import json
import re
import resource
import threading
from collections import OrderedDict
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from py_mini_racer import JSEvalException, JSOOMException, JSParseException, JSPromiseError, mini_racer

from dragoman.adapters.isolates.script import Ended, Script, Wanted
from dragoman.kit.child import ask, wear_out

_PRELUDE = Path(__file__).with_name("prelude.js")
_PARSED = "__parsed__"
_REMEMBERED_MODULES, _REMEMBERED_CHARACTERS = 64, 65_536
_PLACE = re.compile(r"<anonymous>:(\d+): (.*)")


@dataclass(slots=True)
class _Isolate:
    """An engine with the prelude in place."""

    racer: Any
    stack: AsyncExitStack
    may_fetch: list[bool] = field(default_factory=lambda: [False])


class _Engine:
    """Isolates, on an event loop that lives in a thread of its own."""

    def __init__(self, memory_bytes: int) -> None:
        self._prelude = _PRELUDE.read_text()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._spare: _Isolate | None = asyncio.run_coroutine_threadsafe(self._fresh(), self._loop).result()
        # The engine's own share is known only now; a script's buffers lie outside the heap that V8 bounds.
        self._held_bytes = _held_bytes()
        self._memory_bytes = memory_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (self._held_bytes + 3 * memory_bytes, hard))

    @property
    def is_worn(self) -> bool:
        """Whether scripts have left so much behind that a fresh process is better."""
        return _held_bytes() > self._held_bytes + 2 * self._memory_bytes

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
        self._loop.create_task(self._replace(used))

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
    is_module = script.request is not None or script.only_read
    forms = (_as_function,) if is_module else (str, _as_expression, _as_function)
    problems: list[str] = []
    known = is_module and script.code in _parsable
    for form in forms:
        source = form(script.code)
        problem = None if known else await _parse_problem(racer, source, script.code.count("\n") + 1)
        if problem is None:
            break
        problems.append(problem)
    else:
        return Ended("unparsed", problems[0])
    if is_module:
        _remember(script.code)
    if script.only_read:
        return Ended("value")
    if is_module:
        call, words = "handle", [script.code, script.request, script.env, script.may_fetch]
    else:
        call, words = "evaluate", [source, form is not str]
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


# Modules that could be parsed: workers send the same one again and again.
_parsable: OrderedDict[str, None] = OrderedDict()


def _remember(code: str) -> None:
    if len(code) > _REMEMBERED_CHARACTERS:
        return
    _parsable[code] = None
    _parsable.move_to_end(code)
    while len(_parsable) > _REMEMBERED_MODULES:
        _parsable.popitem(last=False)


def _as_function(code: str) -> str:
    """For whoever writes ``return`` or ``await`` at the top."""
    return f"(async function () {{{code}\n}})"


def _as_expression(code: str) -> str:
    """For whoever awaits one thing."""
    return f"(async function () {{ return ({code.strip().rstrip(';')}\n) }})"


async def _parse_problem(racer: Any, code: str, lines: int) -> str | None:
    """What is wrong with the code and where, None when it can be parsed. Nothing of it is run.

    Args:
        lines: how many of the code's lines are the script's own.
    """
    try:
        await racer.eval_cancelable(f"throw {json.dumps(_PARSED)};\n{code}")
    except JSParseException as error:
        return _readable(str(error), lines)
    except JSEvalException as error:
        if _PARSED in str(error) or isinstance(error, JSOOMException):
            return None
        raise
    return None


def _readable(message: str, last: int) -> str:
    lines = message.splitlines()
    found = _PLACE.match(lines[0]) if lines else None
    if found is None:
        return message.strip()
    if int(found[1]) - 1 > last:
        # It stands in what was put behind the script.
        return f"At the end of line {last}: {found[2]}"
    caret = next(
        (line.index("^") + 1 for line in lines if line.strip().strip("^") == "" and "^" in line), None
    )
    column = f", column {caret}" if caret else ""
    source = f": {lines[1].strip()[:200]}" if len(lines) > 1 and lines[1].strip() else ""
    return f"Line {max(1, int(found[1]) - 1)}{column}: {found[2]}{source}"


_engines: list[_Engine] = []


def run(script: Script) -> Ended:
    """Runs one script."""
    if not _engines:
        _engines.append(_Engine(script.memory_bytes))
    ended = _engines[0].run(script)
    if ended.kind in ("time", "memory") or _engines[0].is_worn:
        wear_out()
    return ended


def _held_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * resource.getpagesize()
