"""The one error rule of this dialect: ``{"error": text, "details": null | {...}}`` with the HTTP status."""

import math

from dragoman.kit.errors import DragomanError
from dragoman.kit.jsontypes import JsonValue


class MethodNotAllowedError(DragomanError):
    """The path exists, the verb does not."""

    code = "method_not_allowed"
    title = "Method not allowed"
    status = 405


def render(error: DragomanError) -> tuple[int, dict[str, str], dict[str, JsonValue]]:
    """Status, headers and body of any error; ``details`` names the offending field when there is one."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    details = None if error.param is None else {"path": error.param, "code": error.code}
    return error.status, headers, {"error": error.detail, "details": details}


def render_crash(request_id: str) -> tuple[int, dict[str, JsonValue]]:
    """What an unknown failure tells: the id under which the log has it, and nothing else."""
    return 500, {"error": "The server failed to carry this out.", "details": {"requestId": request_id}}
