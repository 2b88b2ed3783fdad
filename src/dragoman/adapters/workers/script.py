"""Workers that are scripts."""

from collections.abc import Mapping

from dragoman.adapters.workers.worker import WORKER_SECONDS, Reply
from dragoman.domain.agents.hooks import HookScope
from dragoman.domain.sandbox.ports import Fetch, Isolate, WebRequest

_URL = "https://worker.internal/"


class ScriptWorkers:
    """Runs them in isolates.

    Args:
        fetch: sends what a script fetches.
    """

    def __init__(self, isolate: Isolate, fetch: Fetch, *, seconds: float = WORKER_SECONDS) -> None:
        self._isolate = isolate
        self._fetch = fetch
        self._seconds = seconds

    async def post(self, scope: HookScope, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The worker's answer.

        Raises:
            DragomanError: the script cannot be parsed, failed, or did not end in time.
        """
        answer = await self._isolate.handle(
            scope.source,
            WebRequest(_URL, "POST", headers, body),
            env=scope.env,
            fetch=self._fetch,
            timeout_seconds=self._seconds,
        )
        return Reply(answer.status, answer.headers, answer.body)
