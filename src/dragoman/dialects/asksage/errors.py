"""The one error rule of this dialect: ``{"response", "error", "status"}`` with the HTTP status alike."""

from starlette.requests import Request
from starlette.responses import JSONResponse

from dragoman.kit.errors import DragomanError, NotFound, Unauthenticated, Unsupported


def status_of(error: DragomanError, *, auth_error_status: int) -> int:
    """The status by the published letter: 400 for nearly every refusal, a few with their own."""
    if isinstance(error, Unauthenticated):
        return auth_error_status
    if isinstance(error, NotFound | Unsupported) and error.code not in (
        "unknown_url",
        "mcp_server_not_found",
        "dataset_info_not_found",
        "agent_not_found",
    ):
        return 400
    published = {"dataset_name_too_long": 406, "cac_required": 407, "dataset_missing": 408}
    if error.code in published:
        return published[error.code]
    if error.status == 402:
        # Running out of anything has one status here.
        return 429
    return error.status if error.status in (403, 404, 405, 413, 429, 500, 502, 503, 504) else 400


def render(
    request: Request, error: DragomanError, *, auth_error_status: int, in_body: bool = False
) -> JSONResponse:
    """The error as this dialect writes it; ``in_body`` or with ``x-error-mode: body`` the HTTP status is 200."""
    status = status_of(error, auth_error_status=auth_error_status)
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    body = {"response": error.detail, "error": error.detail, "status": status}
    in_body = in_body or request.headers.get("x-error-mode", "").lower() == "body"
    return JSONResponse(body, status_code=200 if in_body else status, headers=headers)
