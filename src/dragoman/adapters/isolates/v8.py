"""JavaScript in V8 isolates, in child processes of ours."""

import asyncio
from collections.abc import Mapping

import orjson

from dragoman.adapters.isolates.modules import as_script, has_default
from dragoman.adapters.isolates.script import Ended, Script, Wanted, is_installed, run
from dragoman.domain.sandbox.ports import Evaluation, Fetch, WebRequest, WebResponse
from dragoman.kit.errors import DeadlineExceeded, DragomanError, InvalidInput, Unavailable, Unprocessable
from dragoman.kit.processes import ChildCrashed, ChildPool, ChildTimeout

_GRACE_SECONDS = 0.5
_LONGEST = 1 << 20
# Nothing of the module is run while it is read, so only the machine can be slow.
_READ_SECONDS = 30.0


class V8Isolate:
    """Runs each script in an isolate of its own.

    Args:
        pool: the children; a crash of the engine ends one of them and no more.
        memory_bytes: the most that one script's heap takes.
    """

    def __init__(self, pool: ChildPool, *, memory_bytes: int) -> None:
        self._pool = pool
        self._memory_bytes = memory_bytes

    async def evaluate(self, code: str, *, timeout_seconds: float) -> Evaluation:
        """See the port."""
        _check_size(code)
        script = Script(code, timeout_seconds, self._memory_bytes)
        ended = await self._run(script, None)
        return Evaluation(_value(ended, script), ended.console)

    async def check(self, module: str) -> None:
        """See the port."""
        _check_size(module)
        code = as_script(module)
        if is_installed():
            script = Script(code, _READ_SECONDS, self._memory_bytes, only_read=True)
            _value(await self._run(script, None), script)
        if not has_default(code):
            raise InvalidInput(
                "The script has no `export default { async fetch(request, env) { ... } }`.",
                code="script_invalid",
            )

    async def handle(
        self,
        module: str,
        request: WebRequest,
        *,
        env: Mapping[str, object],
        fetch: Fetch | None,
        timeout_seconds: float,
    ) -> WebResponse:
        """See the port."""
        _check_size(module)
        script = Script(
            code=as_script(module),
            seconds=timeout_seconds,
            memory_bytes=self._memory_bytes,
            request=_dumped(request),
            env=orjson.dumps(dict(env)).decode(),
            may_fetch=fetch is not None,
        )
        answer = orjson.loads(_value(await self._run(script, fetch), script))
        return WebResponse(answer["status"], answer["headers"], answer["body"].encode("latin-1"))

    async def _run(self, script: Script, fetch: Fetch | None) -> Ended:
        if not is_installed():
            raise Unavailable(
                "JavaScript cannot be run here: pip install 'dragoman[tools]'", code="isolate_missing"
            )

        async def answer(wanted: Wanted) -> str:
            assert fetch is not None
            return await _fetched(fetch, wanted.request)

        try:
            return await self._pool.call(
                run,
                script,
                timeout_seconds=script.seconds + _GRACE_SECONDS,
                answer=answer if fetch is not None else None,
            )
        except ChildTimeout:
            return Ended("time")
        except ChildCrashed:
            return Ended("memory")


def _check_size(code: str) -> None:
    if len(code) > _LONGEST:
        raise InvalidInput(f"A script has at most {_LONGEST} characters.", code="script_invalid")


def _dumped(request: WebRequest) -> str:
    body = request.body.decode("latin-1")
    whole = {"url": request.url, "method": request.method, "headers": dict(request.headers), "body": body}
    return orjson.dumps(whole).decode()


async def _fetched(fetch: Fetch, request: str) -> str:
    """The answer to a script's request, or why there is none, as JSON."""
    wanted = orjson.loads(request)
    try:
        response = await fetch(
            WebRequest(wanted["url"], wanted["method"], wanted["headers"], wanted["body"].encode("latin-1"))
        )
    except DragomanError as error:
        return orjson.dumps({"error": error.detail}).decode()
    body = response.body.decode("latin-1")
    whole = {"url": wanted["url"], "status": response.status, "headers": dict(response.headers), "body": body}
    return (await asyncio.to_thread(orjson.dumps, whole)).decode()


def _value(ended: Ended, script: Script) -> str:
    """The script's value.

    Raises:
        DragomanError: why there is none.
    """
    if ended.kind == "value":
        return ended.text
    written = f"\nConsole:\n{ended.console}" if ended.console else ""
    if ended.kind == "unparsed":
        raise InvalidInput(f"The script cannot be parsed. {ended.text}", code="script_invalid")
    if ended.kind == "thrown":
        raise Unprocessable(f"The script failed: {ended.text}{written}", code="script_failed")
    if ended.kind == "time":
        raise DeadlineExceeded(
            f"The script was stopped: it took longer than {script.seconds:g} seconds.", code="script_timeout"
        )
    raise Unprocessable(
        "The script was stopped: it needed more memory than it may have.", code="script_memory"
    )
