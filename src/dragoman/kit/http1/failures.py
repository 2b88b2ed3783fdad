"""How an exchange with another server can fail."""


class HttpError(Exception):
    """The exchange did not come to its end; the text says why and names no secret."""


class ConnectFailed(HttpError):
    """No connection to any of the host's addresses within the deadline."""


class PoolExhausted(HttpError):
    """All connections allowed to this host stayed busy until the deadline."""


class ConnectionBroken(HttpError):
    """The connection ended, or what came over it was not HTTP/1.1.

    ``answered``: at least one byte of the response had come.
    """

    def __init__(self, detail: str, *, answered: bool) -> None:
        super().__init__(detail)
        self.answered = answered


class IdleTimeout(HttpError):
    """The other side sent nothing for longer than the idle deadline."""


class BodyTooLarge(HttpError):
    """The body is above the bound that the reader set."""
