"""The one error rule of this dialect: ``{"detail", "code", "message"}``; for fields ``detail`` is a list with paths."""

from collections.abc import Sequence

from pydantic import ValidationError

from dragoman.kit.errors import DragomanError, Unprocessable

_FREE = "metadata"


class InvalidFieldsError(Unprocessable):
    """Fields that cannot be used, each with its path."""

    code = "invalid_input"

    def __init__(self, problems: Sequence[tuple[tuple[str | int, ...], str, str]]) -> None:
        path, message = ".".join(map(str, problems[0][0])), problems[0][1]
        super().__init__(f"{path}: {message}" if path else message, param=path or None)
        self.problems = problems


def invalid_field(path: str, message: str) -> InvalidFieldsError:
    """One field that cannot be used; the path has dots."""
    return InvalidFieldsError([(tuple(path.split(".")), message, "value_error")])


def from_validation(error: ValidationError) -> InvalidFieldsError:
    """Everything that a check found; the values themselves are not repeated."""
    return InvalidFieldsError(
        [
            (_field(problem["loc"]), problem["msg"].removeprefix("Value error, "), problem["type"])
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        ]
    )


def _field(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The path of the field; what is free inside a ``metadata`` is no field."""
    return path[: path.index(_FREE) + 1] if _FREE in path else path


def error_body(error: DragomanError) -> dict[str, object]:
    """The error as a body."""
    detail: object = error.detail
    if isinstance(error, InvalidFieldsError):
        detail = [
            {"loc": ["body", *path], "msg": message, "type": kind} for path, message, kind in error.problems
        ]
    return {"detail": detail, "code": error.code, "message": error.detail}


def render(error: DragomanError) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body; for every error there is."""
    headers: dict[str, str] = {}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_seconds)))
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return error.status, headers, error_body(error)
