"""System text that stands at an address: fetched, kept for a while, kept on when the address fails."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from dragoman.domain.tools.spec import RemoteSource
from dragoman.kit.errors import DragomanError
from dragoman.kit.fetch import Fetcher

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 30.0
_KEPT_CHARACTERS = 64_000_000

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Kept:
    text: str | None = None
    fresh_until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class InstructionSources:
    """The texts behind addresses.

    A text is used for its source's cache time. When it cannot be fetched anew, the last one goes on being
    used; without one the source is left out, and asked again half a minute later.
    """

    def __init__(self, fetcher: Fetcher, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._fetcher = fetcher
        self._monotonic = monotonic
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    async def texts(self, sources: Sequence[RemoteSource]) -> tuple[str, ...]:
        """The texts there are, in the order of their sources."""
        found = await asyncio.gather(*(self._text(source) for source in sources))
        return tuple(text for text in found if text)

    async def _text(self, source: RemoteSource) -> str | None:
        # Who sends other headers may be shown another text.
        key = (source.url, tuple(sorted(source.headers.items())))
        kept = self._kept.setdefault(key, _Kept())
        self._kept.move_to_end(key)
        async with kept.lock:
            if self._monotonic() >= kept.fresh_until:
                await self._refresh(source, kept)
        self._forget_oldest()
        return kept.text

    async def _refresh(self, source: RemoteSource, kept: _Kept) -> None:
        try:
            fetched = await self._fetcher.get(source.url, source.headers)
        except DragomanError as error:
            log.warning(
                "instructions.unreadable",
                source=source.name,
                reason=error.detail,
                stale=kept.text is not None,
            )
            kept.fresh_until = self._monotonic() + _RETRY_SECONDS
            return
        kept.text = fetched.text.strip()
        kept.fresh_until = self._monotonic() + source.cache_seconds

    def _forget_oldest(self) -> None:
        size = sum(len(kept.text or "") + 500 for kept in self._kept.values())
        while size > _KEPT_CHARACTERS and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            size -= len(dropped.text or "") + 500
