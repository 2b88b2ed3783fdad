"""The one error rule of this dialect: ``{"type": "error", "error": {"type", "message"}}`` and the status."""

from collections.abc import Mapping

from dragoman.kit.errors import DragomanError

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def error_body(error: DragomanError) -> dict[str, object]:
    """The error as a body, or as an event amid a stream."""
    usual = "invalid_request_error" if error.status < 500 else "api_error"
    told = {"type": _TYPES.get(error.status, usual), "message": error.detail}
    return {"type": "error", "error": told}


def render(error: DragomanError) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body; for every error there is."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    return error.status, headers, error_body(error)
