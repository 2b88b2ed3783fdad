"""A lean HTTP/1.1 client for the hot path: kept connections, bodies as read, deadlines on every wait."""

from dragoman.kit.http1.address import Resolver
from dragoman.kit.http1.client import Http1Client, prepare_headers
from dragoman.kit.http1.connection import Response
from dragoman.kit.http1.failures import (
    BodyTooLarge,
    ConnectFailed,
    ConnectionBroken,
    HttpError,
    IdleTimeout,
    PoolExhausted,
)

__all__ = [
    "BodyTooLarge",
    "ConnectFailed",
    "ConnectionBroken",
    "Http1Client",
    "HttpError",
    "IdleTimeout",
    "PoolExhausted",
    "Resolver",
    "Response",
    "prepare_headers",
]
