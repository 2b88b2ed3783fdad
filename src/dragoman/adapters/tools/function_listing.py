"""Lists of functions at addresses: fetched, checked, kept for ten minutes."""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.tools.spec import CallbackTool
from dragoman.kit.egress import parse_url
from dragoman.kit.errors import DragomanError, InvalidInput, ProviderError
from dragoman.kit.fetch import Fetcher

log = structlog.get_logger(__name__)

KEPT_SECONDS = 600.0
_REMEMBERED = 5000
_MOST_FUNCTIONS = 128
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{2,63}")
_NONCE_HEADER = "X-Request-Nonce"


@dataclass(slots=True)
class _Kept:
    functions: tuple[CallbackTool, ...] = ()
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Listings:
    """The functions behind addresses, by account and address."""

    def __init__(
        self,
        fetcher: Fetcher,
        nonce_of: Callable[[Caller], Awaitable[str]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetcher = fetcher
        self._nonce_of = nonce_of
        self._monotonic = monotonic
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def functions(self, caller: Caller, url: str) -> tuple[CallbackTool, ...]:
        """The functions that the address lists.

        Raises:
            ProviderError: it cannot be read, or is no list of functions.
        """
        key = (caller.user_id, url)
        kept = self._kept.setdefault(key, _Kept())
        self._kept.move_to_end(key)
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        async with kept.lock:
            if self._monotonic() >= kept.until:
                kept.functions = await self._fetched(caller, url)
                kept.until = self._monotonic() + KEPT_SECONDS
            return kept.functions

    async def _fetched(self, caller: Caller, url: str) -> tuple[CallbackTool, ...]:
        try:
            fetched = await self._fetcher.get(url, {_NONCE_HEADER: await self._nonce_of(caller)})
            return _read(fetched.data)
        except DragomanError as error:
            log.warning("functions.unreadable", code=error.code, reason=error.detail)
            raise ProviderError(
                f"A source of functions cannot be read: {error.detail}", code="function_source_failed"
            ) from error


def _read(data: bytes) -> tuple[CallbackTool, ...]:
    try:
        whole = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("it is no JSON") from error
    listed = whole.get("functions") if isinstance(whole, dict) else None
    if not isinstance(listed, list):
        raise InvalidInput("it has no list 'functions'")
    if len(listed) > _MOST_FUNCTIONS:
        raise InvalidInput(f"it lists more than {_MOST_FUNCTIONS} functions")
    return tuple(_function(entry, f"functions[{place}]") for place, entry in enumerate(listed))


def _function(entry: Any, where: str) -> CallbackTool:
    if not isinstance(entry, Mapping):
        raise InvalidInput(f"{where} is no object")
    name, description = entry.get("name"), entry.get("description")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(f"{where}.name must be an identifier of 3 to 64 characters")
    if not isinstance(description, str):
        raise InvalidInput(f"{where}.description must be a text")
    headers = entry.get("headers") or {}
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise InvalidInput(f"{where}.headers must be texts by name")
    schema = entry.get("contentFormat")
    if schema is not None and not isinstance(schema, Mapping):
        raise InvalidInput(f"{where}.contentFormat must be a JSON Schema")
    url = entry.get("callbackUrl")
    try:
        parse_url(url if isinstance(url, str) else "")
    except InvalidInput as error:
        raise InvalidInput(f"{where}.callbackUrl: {error.detail}") from error
    return CallbackTool(
        name=name,
        description=description,
        headers=dict(headers),
        url=str(url),
        parameters=dict(schema) if schema is not None else None,
    )
