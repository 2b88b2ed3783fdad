"""The one tree of errors a caller may see.

Every class carries a stable ``code``, a ``title`` and the HTTP ``status`` that the boundary answers with. Each dialect has one
total function from these to its own body; nothing else in the program decides a status.
"""

from typing import ClassVar


class DragomanError(Exception):
    """A refusal or failure with a sentence that may be shown to the caller.

    Args:
        detail: what went wrong and, where it helps, what to do next; never a secret, never a stack trace.
        param: path of the offending field (``parameters.topP``), when one field is to blame.
        code: overrides the class's stable code for a more precise one (``model_not_found``).
        retry_after_seconds: when trying again makes sense.
    """

    code: str = "error"
    title: ClassVar[str] = "Error"
    status: ClassVar[int] = 500

    def __init__(
        self,
        detail: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        if code is not None:
            self.code = code


class InvalidInput(DragomanError):
    """The caller's request cannot be carried out as written."""

    code = "invalid_input"
    title = "Invalid input"
    status = 400


class Unauthenticated(DragomanError):
    """No credential, or one that is unknown, revoked or expired."""

    code = "unauthenticated"
    title = "Unauthenticated"
    status = 401


class PaymentRequired(DragomanError):
    """A budget or balance is used up."""

    code = "payment_required"
    title = "Payment required"
    status = 402


class Forbidden(DragomanError):
    """A known caller who may not do this."""

    code = "forbidden"
    title = "Forbidden"
    status = 403


class NotFound(DragomanError):
    """The thing does not exist, or exists for somebody else."""

    code = "not_found"
    title = "Not found"
    status = 404


class Conflict(DragomanError):
    """The thing's present state does not allow this."""

    code = "conflict"
    title = "Conflict"
    status = 409


class TooLarge(DragomanError):
    """A body, file or batch above its bound."""

    code = "too_large"
    title = "Too large"
    status = 413


class Unsupported(DragomanError):
    """A media type or format that cannot be read here."""

    code = "unsupported"
    title = "Unsupported"
    status = 415


class Unprocessable(DragomanError):
    """A request that is well written and yet cannot come to its end."""

    code = "unprocessable"
    title = "Unprocessable"
    status = 422


class QuotaExceeded(DragomanError):
    """A rate or quota is used up for now."""

    code = "quota_exceeded"
    title = "Quota exceeded"
    status = 429


class ProviderError(DragomanError):
    """A model provider failed or answered nonsense; ``retryable`` says whether the same call may go through later."""

    code = "provider_error"
    title = "Provider error"
    status = 502

    def __init__(
        self, detail: str, *, retryable: bool = False, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(detail, param=param, code=code)
        self.retryable = retryable


class Unavailable(DragomanError):
    """A part that is needed is not configured, not installed, or not reachable now."""

    code = "unavailable"
    title = "Unavailable"
    status = 503


class DeadlineExceeded(DragomanError):
    """A bounded piece of work did not end in time."""

    code = "timeout"
    title = "Timeout"
    status = 504
