"""Scripts and workers in isolates."""

import asyncio
from collections.abc import AsyncGenerator

import orjson
import pytest

from dragoman.adapters.isolates.v8 import V8Isolate
from dragoman.domain.sandbox.ports import Evaluation, Fetch, WebRequest, WebResponse
from dragoman.kit.errors import DeadlineExceeded, DragomanError, InvalidInput, Unprocessable
from dragoman.kit.processes import ChildPool


@pytest.fixture(scope="module")
async def pool(anyio_backend: str) -> AsyncGenerator[ChildPool]:
    pool = ChildPool(size=1, memory_mb=None, idle_seconds=60, name="script")
    yield pool
    await pool.close()


@pytest.fixture(scope="module")
def isolate(pool: ChildPool) -> V8Isolate:
    return V8Isolate(pool, memory_bytes=64 << 20)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("6*7", "42"),
        ("'text'", "text"),
        ("const a = [1, 2]; a.map(x => x * 2)", "[2,4]"),
        ("({a: {b: 1n}, c: new Set([1]), d: new Map([['x', 2]])})", '{"a":{"b":"1n"},"c":[1],"d":{"x":2}}'),
        ("let x = 1", "undefined"),
        ("null", "null"),
        ("10n ** 20n", "100000000000000000000n"),
        ("Symbol('s')", "Symbol(s)"),
        ("const o = {}; o.self = o; o", '{"self":"[circular]"}'),
        ("const s = {n: 1}; ({a: s, b: s})", '{"a":{"n":1},"b":{"n":1}}'),
        ("return 5", "5"),
        ("await Promise.resolve(9)", "9"),
        ("const p = await Promise.resolve(2); return p + 1", "3"),
        ("Promise.resolve(4)", "4"),
        ("new Promise(done => setTimeout(() => done('late'), 5))", "late"),
        (
            "new TextDecoder().decode(new TextEncoder().encode('ž🐴')) + btoa('abc') + atob('YWJj')",
            "ž🐴YWJjabc",
        ),
        (
            "new TextDecoder().decode(new Uint8Array([0xe2, 0x82, 0x41, 0xff, 0xf0, 0x9f]))",
            "\ufffdA\ufffd\ufffd",
        ),
        ("new URL('../x?y=1#z', 'https://A.b:443/c/d/e').href", "https://a.b/c/x?y=1#z"),
        (
            "const u = new URL('http://h/?a=1&a=2'); u.searchParams.set('a', 'ž'); u.href",
            "http://h/?a=%C5%BE",
        ),
    ],
)
async def test_a_script_has_a_value(isolate: V8Isolate, code: str, value: str) -> None:
    assert await isolate.evaluate(code, timeout_seconds=5) == Evaluation(value)


async def test_the_console_is_kept(isolate: V8Isolate) -> None:
    found = await isolate.evaluate("console.log('a', {b: [1]}); console.error('c'); 1", timeout_seconds=5)

    assert found == Evaluation("1", 'a {"b":[1]}\nc')


async def test_a_talkative_console_is_cut(isolate: V8Isolate) -> None:
    found = await isolate.evaluate(
        "for (let i = 0; i < 1e5; i++) console.log('x'.repeat(50)); 1", timeout_seconds=5
    )

    assert len(found.console) < 66_000


@pytest.mark.parametrize(
    "name",
    [
        "fetch",
        "require",
        "process",
        "XMLHttpRequest",
        "Deno",
        "host",
        "__box",
        "Response",
        "importScripts",
        "exports",
    ],
)
async def test_nothing_leads_outside(isolate: V8Isolate, name: str) -> None:
    assert (await isolate.evaluate(f"typeof {name}", timeout_seconds=5)).value == "undefined"


async def test_one_script_leaves_nothing_to_the_next(isolate: V8Isolate) -> None:
    await isolate.evaluate(
        "globalThis.left = 1; Array.prototype.map = 0; JSON.stringify = 0", timeout_seconds=5
    )

    assert (await isolate.evaluate("typeof left + [1].map(x => x)", timeout_seconds=5)).value == "undefined1"


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("let x = ;", InvalidInput, "Line 1, column 9: SyntaxError: Unexpected token ';': let x = ;"),
        ("\n\nif (", InvalidInput, "Line 3, column 5: SyntaxError"),
        ("import fs from 'fs'", InvalidInput, "Cannot use import statement outside a module"),
        ("\n\nfoo.bar()", Unprocessable, "ReferenceError: foo is not defined\n    at script.js:3:1"),
        ("throw {a: 1}", Unprocessable, 'Uncaught {"a":1}'),
        (
            "console.log('before'); throw new Error('boom')",
            Unprocessable,
            "boom\n    at script.js:1:30\nConsole:\nbefore",
        ),
        ("await import('fs')", Unprocessable, "Not supported"),
        ("(function f() { f() })()", Unprocessable, "Maximum call stack size exceeded"),
        ("while (true) {}", DeadlineExceeded, "longer than 0.5 seconds"),
        ("await 1; while (true) {}", DeadlineExceeded, "longer than 0.5 seconds"),
        ("new Promise(() => {})", DeadlineExceeded, "longer than 0.5 seconds"),
        ("const a = []; while (true) a.push('x'.repeat(1000) + a.length)", Unprocessable, "more memory"),
    ],
)
async def test_a_script_that_fails_says_what_and_where(
    isolate: V8Isolate, code: str, kind: type[DragomanError], said: str
) -> None:
    seconds = 0.5 if kind is DeadlineExceeded else 60
    with pytest.raises(kind) as failed:
        await isolate.evaluate(code, timeout_seconds=seconds)
    assert said in failed.value.detail


async def test_scripts_go_on_after_one_that_took_all_memory(isolate: V8Isolate) -> None:
    with pytest.raises(Unprocessable):
        await isolate.evaluate(
            "const a = []; while (true) a.push(new Uint8Array(1e7).fill(1))", timeout_seconds=10
        )

    assert (await isolate.evaluate("1 + 1", timeout_seconds=10)).value == "2"


async def _no_network(_request: WebRequest) -> WebResponse:
    raise InvalidInput("The address may not be called.")


async def _handled(
    isolate: V8Isolate,
    module: str,
    *,
    body: bytes = b"",
    env: dict[str, object] | None = None,
    fetch: Fetch | None = None,
) -> WebResponse:
    request = WebRequest("http://worker/path?q=1", "POST", {"content-type": "application/json"}, body)
    return await isolate.handle(module, request, env=env or {}, fetch=fetch, timeout_seconds=5)


async def test_a_worker_answers_a_request(isolate: V8Isolate) -> None:
    module = """
    export default {
      async fetch(request, env) {
        const event = await request.json();
        const url = new URL(request.url);
        return new Response(JSON.stringify({ name: event.name, env, q: url.searchParams.get("q"), method: request.method }),
          { status: 201, headers: { "Content-Type": "application/json+worker-action" } });
      }
    }
    """

    answer = await _handled(isolate, module, body='{"name": "ž"}'.encode(), env={"KEY": "v"})

    assert answer.status == 201
    assert answer.headers == {"content-type": "application/json+worker-action"}
    assert orjson.loads(answer.body) == {"name": "ž", "env": {"KEY": "v"}, "q": "1", "method": "POST"}


async def test_a_worker_fetches_through_the_server(isolate: V8Isolate) -> None:
    seen: list[WebRequest] = []

    async def fetch(request: WebRequest) -> WebResponse:
        seen.append(request)
        return WebResponse(200, {"x-y": "z", "content-type": "application/json"}, b'{"n": "\xc5\xbe"}')

    module = """
    export default {
      async fetch(request) {
        const [a, b] = await Promise.all([
          fetch("https://one.example/x", { method: "POST", body: "ž", headers: { A: "b" } }), fetch("https://two.example/")]);
        return Response.json({ a: await a.json(), b: b.headers.get("X-Y"), ok: b.ok, url: b.url });
      }
    }
    """

    answer = await _handled(isolate, module, fetch=fetch)

    assert orjson.loads(answer.body) == {"a": {"n": "ž"}, "b": "z", "ok": True, "url": "https://two.example/"}
    assert [(one.url, one.method, one.body) for one in seen] == [
        ("https://one.example/x", "POST", "ž".encode()),
        ("https://two.example/", "GET", b""),
    ]
    assert seen[0].headers == {"a": "b", "content-type": "text/plain;charset=UTF-8"}


async def test_a_worker_learns_that_an_address_is_refused(isolate: V8Isolate) -> None:
    module = """
    export default { async fetch() {
      try { await fetch("http://127.0.0.1/"); } catch (error) { return new Response(`${error}`); }
    } }
    """

    answer = await _handled(isolate, module, fetch=_no_network)

    assert answer.body == b"TypeError: The address may not be called."


async def test_bytes_pass_a_worker_unchanged(isolate: V8Isolate) -> None:
    module = (
        "export default { async fetch(r) { return new Response(new Uint8Array(await r.arrayBuffer())) } }"
    )
    body = bytes(range(256)) * 100

    assert (await _handled(isolate, module, body=body)).body == body


@pytest.mark.parametrize(
    ("module", "kind", "said"),
    [
        ("export default {}", Unprocessable, "no `export default"),
        ("addEventListener('fetch', () => {})", Unprocessable, "addEventListener is not defined"),
        ("export default { fetch() { return 5 } }", Unprocessable, "has to return a Response"),
        (
            "export default { fetch() { return new Response('', { status: 99 }) } }",
            Unprocessable,
            "between 200 and 599",
        ),
        ("\nexport default { fetch( }", InvalidInput, "Line 2, column"),
        ("import x from 'y'", InvalidInput, "Line 1: import of other modules"),
        (
            "export default {\n fetch() { throw new Error('no') } }",
            Unprocessable,
            "Error: no\n    at script.js:2:18",
        ),
        ("export default { fetch() { while (true) {} } }", DeadlineExceeded, "longer than 0.5 seconds"),
        (
            "export default { async fetch() { try { await fetch('http://x/') } catch {} while (true) {} } }",
            DeadlineExceeded,
            "0.5",
        ),
    ],
)
async def test_a_worker_that_fails_says_what_and_where(
    isolate: V8Isolate, module: str, kind: type[DragomanError], said: str
) -> None:
    with pytest.raises(kind) as failed:
        await isolate.handle(
            module, WebRequest("http://worker/"), env={}, fetch=_no_network, timeout_seconds=0.5
        )
    assert said in failed.value.detail


async def test_the_server_goes_on_while_a_script_is_busy(isolate: V8Isolate) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    async with asyncio.TaskGroup() as group:
        counting = group.create_task(count())
        with pytest.raises(DeadlineExceeded):
            await isolate.evaluate("while (true) {}", timeout_seconds=0.5)
        counting.cancel()
    assert turns > 10


@pytest.mark.parametrize(
    ("module", "where"),
    [
        ("export default {\n  async fetch(request { }\n}", "Line 2"),
        ("export default {\n  async fetch() { return 1 }", "At the end of line 2"),
        ("import x from 'y'", "Line 1"),
        ("const worker = {}", "export default"),
    ],
)
async def test_a_module_that_cannot_be_a_worker_is_told_apart_without_running_it(
    isolate: V8Isolate, module: str, where: str
) -> None:
    with pytest.raises(InvalidInput, match=where):
        await isolate.check(module)


async def test_reading_a_module_runs_nothing_of_it(isolate: V8Isolate) -> None:
    await isolate.check("while (true) {}\nexport default { fetch() {} }")
