"""Workers that are scripts."""

from collections.abc import Mapping

from dragoman.adapters.workers.worker import Reply
from dragoman.domain.agents.hooks import HookScope
from dragoman.kit.errors import Unavailable


class NoScripts:
    """Where no script can be run safely, a worker that is one allows nothing."""

    async def post(self, scope: HookScope, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Never an answer.

        Raises:
            Unavailable: always.
        """
        raise Unavailable("Scripts of workers cannot be run on this server.")
