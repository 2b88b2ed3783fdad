"""The only way from a sandbox to the network: an HTTP proxy of the server's, which lets named hosts through."""

import asyncio
import contextlib
import re
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

from dragoman.kit.egress import EgressPolicy, resolve_checked
from dragoman.kit.errors import DragomanError, Forbidden, InvalidInput, ProviderError
from dragoman.kit.hosts import HostPatterns

log = structlog.get_logger(__name__)

# The most that the head of a request takes.
LIMIT = 32 << 10
_HEAD_SECONDS = 10.0
_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 60.0
_PIECE = 1 << 16
_AT_ONCE = 32
_REQUEST = re.compile(r"([A-Z]+) (\S+) HTTP/1\.[01]")
_AUTHORITY = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")
_DROPPED = ("proxy-connection", "proxy-authorization", "connection", "keep-alive", "host")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whom the program wants to reach, and what is to be sent first; None for a tunnel."""

    host: str
    port: int
    head: bytes | None


class FilteringProxy:
    """Lets connections through to the hosts of a list, at addresses that the policy permits."""

    def __init__(self, hosts: HostPatterns, policy: EgressPolicy) -> None:
        self._hosts = hosts
        self._policy = policy
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection of a program, to its end."""
        async with self._slots:
            try:
                await self._through(reader, writer)
            except DragomanError as error:
                await _refuse(writer, error)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                pass  # one of both sides has gone
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _through(self, reader: StreamReader, writer: StreamWriter) -> None:
        wanted = _wanted(await _head(reader))
        if not self._hosts.match(wanted.host):
            log.info("sandbox.network_refused", host=wanted.host)
            raise Forbidden(f"{wanted.host} is not among the hosts that programs may reach here.")
        far_reader, far_writer = await self._connected(wanted)
        try:
            if wanted.head is None:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far_writer.write(wanted.head)
            await _both_ways((reader, writer), (far_reader, far_writer))
        finally:
            far_writer.close()

    async def _connected(self, wanted: _Wanted) -> tuple[StreamReader, StreamWriter]:
        addresses = await resolve_checked(self._policy, wanted.host, wanted.port)
        for address in addresses:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(str(address), wanted.port)
        raise ProviderError(f"{wanted.host} cannot be reached.")


async def _head(reader: StreamReader) -> bytes:
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise InvalidInput("The head of the request is too large.") from error


def _wanted(head: bytes) -> _Wanted:
    lines = head.decode("latin-1").split("\r\n")
    request = _REQUEST.fullmatch(lines[0])
    if request is None:
        raise InvalidInput("This is no HTTP request.")
    method, target = request.groups()
    if method == "CONNECT":
        authority = _AUTHORITY.fullmatch(target)
        if authority is None:
            raise InvalidInput("CONNECT needs a host and a port.")
        return _Wanted(authority[1].strip("[]"), _port(authority[2]), None)
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname or parts.username is not None:
        raise InvalidInput("A proxy is asked for whole http:// addresses.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [line for line in lines[1:] if line and line.split(":")[0].strip().lower() not in _DROPPED]
    # One request for each connection: the next one might be for another host.
    own = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", *kept, "", ""]
    return _Wanted(parts.hostname, _port(str(parts.port or 80)), "\r\n".join(own).encode("latin-1"))


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise InvalidInput("There is no such port.")
    return port


async def _both_ways(near: tuple[StreamReader, StreamWriter], far: tuple[StreamReader, StreamWriter]) -> None:
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(_copied(near[0], far[1]))
        await _copied(far[0], near[1])
        # Who has been answered has nothing more to say.
        asking.cancel()


async def _copied(source: StreamReader, target: StreamWriter) -> None:
    """Passes on what comes until one side has gone or nothing comes for long."""
    with contextlib.suppress(OSError, TimeoutError):
        while True:
            async with asyncio.timeout(_IDLE_SECONDS):
                piece = await source.read(_PIECE)
            if not piece:
                break
            target.write(piece)
            await target.drain()
        target.write_eof()


async def _refuse(writer: StreamWriter, error: DragomanError) -> None:
    body = f"{error.detail}\n".encode()
    status = 403 if isinstance(error, Forbidden | InvalidInput) else 502
    head = f"HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(OSError):
        writer.write(head.encode() + body)
        await writer.drain()
