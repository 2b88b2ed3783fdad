"""What is noted of one request while it is carried out, wherever that leads: its receipt's id, warnings for its answer."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

# Headers of answers: the receipt's id, and sentences on limits that are used up but do not refuse.
RECEIPT = b"x-dragoman-receipt"
WARNING = b"x-dragoman-limit-warning"
_MOST_WARNINGS = 8
_REFUSED = 400
_slip: ContextVar["Slip | None"] = ContextVar("slip", default=None)


@dataclass(slots=True)
class Slip:
    """``counted``: the request has been counted by the limits. ``opened``: something was or will be used for it, so that
    there is a receipt.
    """

    id: str
    counted: bool = False
    opened: bool = False
    warnings: list[str] = field(default_factory=list[str])

    def headers(self, status: int) -> list[tuple[bytes, bytes]]:
        """The headers of an answer with that status, as far as is known by now. What was refused before anything was used
        has no receipt.
        """
        receipt = self.counted or (self.opened and status < _REFUSED)
        headers = [(RECEIPT, self.id.encode("ascii"))] if receipt else []
        if self.warnings:
            headers.append((WARNING, " ".join(self.warnings).encode("latin-1", "replace")))
        return headers

    def warn(self, warnings: Iterable[str]) -> None:
        """Keeps sentences for the answer's header, each once."""
        for warning in warnings:
            if warning not in self.warnings and len(self.warnings) < _MOST_WARNINGS:
                self.warnings.append(warning)


def current_slip() -> Slip | None:
    """The slip of the request at hand; None in the server's own work and in commands."""
    return _slip.get()


def open_slip() -> None:
    """Notes that something will be used for the request at hand, so that its answer names the receipt."""
    slip = _slip.get()
    if slip is not None:
        slip.opened = True


@contextmanager
def with_slip(slip: Slip) -> Generator[Slip]:
    """What runs inside, tasks included, belongs to this request."""
    token = _slip.set(slip)
    try:
        yield slip
    finally:
        _slip.reset(token)
