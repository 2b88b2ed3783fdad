"""The one error rule of this dialect: ``{"error": {"code", "message", "status"}}`` and the status."""

from collections.abc import Mapping

from dragoman.kit.errors import DragomanError

_STATUSES: Mapping[int, str] = {
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error_body(error: DragomanError, *, status: int | None = None) -> dict[str, object]:
    """The error as a body, or as the last piece of a stream."""
    code = status or error.status
    usual = "INVALID_ARGUMENT" if code < 500 else "INTERNAL"
    return {"error": {"code": code, "message": error.detail, "status": _STATUSES.get(code, usual)}}


def render(error: DragomanError) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body; for every error there is."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    return error.status, headers, error_body(error)
