"""The one error rule of this dialect: ``{"error": {"message", "type", "param", "code"}}`` and the status."""

from collections.abc import Mapping

from dragoman.kit.errors import DragomanError

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}


def error_body(error: DragomanError) -> dict[str, object]:
    """The error as a body, or as an event amid a stream."""
    usual = "invalid_request_error" if error.status < 500 else "server_error"
    return {
        "error": {
            "message": error.detail,
            "type": _TYPES.get(error.status, usual),
            "param": error.param,
            "code": error.code,
        }
    }


def render(error: DragomanError) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body; for every error there is."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return error.status, headers, error_body(error)
