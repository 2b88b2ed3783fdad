"""The results of searches, used again for a while."""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from dragoman.domain.tools.ports import Searcher, SearchQuery, WebHit

_MOST = 500


class CachedSearcher:
    """A searcher that is asked the same thing once within a time; failures are not kept."""

    def __init__(self, searcher: Searcher, seconds: float, *, clock: Callable[[], float] = monotonic) -> None:
        self._searcher = searcher
        self._seconds = seconds
        self._clock = clock
        self._known: OrderedDict[SearchQuery, tuple[float, list[WebHit]]] = OrderedDict()

    async def search(self, query: SearchQuery) -> list[WebHit]:
        """The best results, as found now or a while ago."""
        known = self._known.get(query)
        if known is not None and self._clock() - known[0] < self._seconds:
            return list(known[1])
        found = await self._searcher.search(query)
        self._known[query] = (self._clock(), list(found))
        self._known.move_to_end(query)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return found
