"""The outermost ASGI application: finds the dialect by its prefix, gives each request an id, counts it."""

import re
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import structlog
from prometheus_client import CollectorRegistry

from dragoman.bootstrap.head_requests import answer_head
from dragoman.bootstrap.metrics import ANSWER_SECONDS, HTTP_REQUESTS, HTTP_SECONDS, counter, histogram
from dragoman.kit.asgi import Application, Message, Receive, Scope, Send
from dragoman.kit.certificates import CertificateHeader
from dragoman.kit.ids import uuid7
from dragoman.kit.origin import asked_from
from dragoman.kit.peers import TrustedProxies
from dragoman.kit.public_address import came_by
from dragoman.kit.slip import Slip, with_slip

log = structlog.get_logger(__name__)

_SLASHES = re.compile("//+")


class HttpMetrics:
    """Requests and their durations by dialect."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = counter(HTTP_REQUESTS, registry)
        self._seconds = histogram(HTTP_SECONDS, registry, ANSWER_SECONDS)

    def count(self, dialect: str, status: int, seconds: float) -> None:
        """Takes one answered request."""
        self._requests.labels(dialect, f"{status // 100}xx").inc()
        self._seconds.labels(dialect).observe(seconds)


class Front:
    """Dispatches by the longest prefix; exact routes (the hot path) come first and see the request untouched.

    Args:
        mounts: names and applications by prefix.
        fallback: answers under all other paths.
        metrics: counts requests.
        proxies: those that are believed about addresses.
        certificates: the header in which proxies tell of them.
        around: is entered anew for each request.
        open_ended: prefixes under which a slash at the end of a path means nothing.
    """

    def __init__(
        self,
        *,
        mounts: Mapping[str, tuple[str, Application]],
        fallback: Application,
        metrics: HttpMetrics,
        proxies: TrustedProxies | None = None,
        certificates: CertificateHeader | None = None,
        around: Callable[[], AbstractContextManager[object]] = nullcontext,
        open_ended: Collection[str] = (),
    ) -> None:
        self._exact: dict[tuple[str, str], Application] = {}
        self._mounts = sorted(mounts.items(), key=lambda item: -len(item[0]))
        self._fallback = fallback
        self._metrics = metrics
        self._around = around
        self._open_ended = frozenset(open_ended)
        self._proxies = proxies or TrustedProxies(())
        self._certificates = certificates

    def mount(self, prefix: str, name: str, application: Application) -> None:
        """Gives a prefix to an application that calls on the others, and so is made after them."""
        self._mounts = sorted([*self._mounts, (prefix, (name, application))], key=lambda item: -len(item[0]))

    def route(self, method: str, path: str, application: Application) -> None:
        """Gives one path to an application that is called before all others, without any wrapping."""
        self._exact[(method, path)] = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            # Before it is asked for whom a proxy calls: a certificate is taken from the proxy itself only.
            if self._certificates is not None and self._proxies.include(scope):
                self._certificates.take(scope)
            self._proxies.resolve(scope)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        if "//" in scope["path"]:
            # A base address with a slash at its end, and a path with one at its start.
            scope["path"] = _SLASHES.sub("/", scope["path"])
        hot = self._exact.get((scope["method"], scope["path"]))
        if hot is not None:
            await hot(scope, receive, send)
            return
        await self.mounted(scope, receive, send)

    async def mounted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers by the application under the path's longest prefix."""
        prefix, name, application = self._find(scope["path"])
        inner = {**scope, "root_path": scope.get("root_path", "") + prefix}
        if prefix in self._open_ended and scope["path"].endswith("/"):
            inner["path"] = scope["path"].rstrip("/")
        if scope["method"] == "HEAD":
            application = partial(answer_head, application)
        await self._observed(name, application, inner, receive, send)

    def _find(self, path: str) -> tuple[str, str, Application]:
        for prefix, (name, application) in self._mounts:
            if path == prefix or path.startswith(prefix + "/"):
                return prefix, name, application
        return "", "operations", self._fallback

    async def _observed(
        self, name: str, application: Application, scope: Scope, receive: Receive, send: Send
    ) -> None:
        request_id = uuid7()
        slip = Slip(request_id)
        status = 500
        started = time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = (b"x-request-id", request_id.encode())
                message["headers"] = [*message.get("headers", ()), own, *slip.headers(status)]
            await send(message)

        bound = structlog.contextvars.bound_contextvars(request_id=request_id, dialect=name)
        with bound, came_by(scope), asked_from(scope), with_slip(slip), self._around():
            try:
                await application(scope, receive, sending)
            except Exception as error:
                # The dialect has answered, or its answer breaks off here; what it could not foresee is logged once.
                log.exception("http.crashed", path=scope["path"], error=type(error).__name__)
            finally:
                self._metrics.count(name, status, time.perf_counter() - started)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a WebSocket to the application under its path; one that nobody serves is refused."""
        prefix, name, application = self._find(scope["path"])
        if not prefix:
            await receive()
            await send({"type": "websocket.close", "code": 4404})
            return
        inner = {**scope, "root_path": scope.get("root_path", "") + prefix}
        with structlog.contextvars.bound_contextvars(request_id=uuid7(), dialect=name), self._around():
            try:
                await application(inner, receive, send)
            except Exception as error:
                log.exception("websocket.crashed", path=scope["path"], error=type(error).__name__)


def elsewhere(application: Application, path: str) -> Application:
    """The application as if it had been called at another path."""

    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, "path": path, "raw_path": path.encode()}, receive, send)

    return moved
