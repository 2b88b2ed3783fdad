"""Text for the conversation from an address that the session names."""

import httpx
import structlog

from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import DragomanError

log = structlog.get_logger(__name__)

SECONDS = 5.0
MOST_BYTES = 256 * 1024


class ContextReader:
    """Reads such texts, always afresh. A text that cannot be had is left out: the conversation goes on without it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def read(self, url: str) -> str | None:
        """The text behind the address, None when it cannot be had."""
        try:
            response = await self._client.get(url)
        except (DragomanError, httpx.HTTPError) as error:
            log.warning("chat.context_failed", reason=str(error) or type(error).__name__)
            return None
        if not response.is_success:
            log.warning("chat.context_failed", reason=f"status {response.status_code}")
            return None
        return response.text.strip() or None


def context_client(policy: EgressPolicy) -> httpx.AsyncClient:
    """The client for ``ContextReader``; whoever asked closes it."""
    return guarded_client(policy, timeout_seconds=SECONDS, max_bytes=MOST_BYTES, follow_redirects=True)
