"""What the caller used and was answered: token counts, answers, sign-ins, votes."""

from dragoman.dialects.asksage.dates import http_date
from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import READ, Call, operation
from dragoman.domain.usage.reports import month_of
from dragoman.domain.usage.repository import UsageFilter
from dragoman.kit.clock import now_ms

_MOST_LOGS = 100
_MOST_LOGINS = 100
# Without a limit clients want a number to count down from.
_UNLIMITED = 2**31 - 1


_INFERENCE = ("chat", "speech", "transcription")


async def _monthly(
    call: Call, *kinds: str, application: str | None = None, whole_organisation: bool = False
) -> int:
    since, until = month_of(now_ms())
    total = 0
    for kind in kinds:
        wanted = UsageFilter(
            since=since,
            until=until,
            kind=kind,
            application=application,
            whole_organisation=whole_organisation,
        )
        total += (await call.services.usage.totals(call.caller, wanted)).total_tokens
    return total


@operation("count-monthly-tokens", methods=READ, fields=(Field("app_name"),), sections=("server", "user"))
async def count_monthly_tokens(call: Call) -> dict[str, object]:
    """Tokens of answers in this calendar month (UTC), of one application or of all.

    Source: Ask Sage Server API, "count-monthly-tokens".
    """
    application = call.inputs.text("app_name") or None
    return {"response": await _monthly(call, *_INFERENCE, application=application)}


@operation("count-monthly-teach-tokens", methods=READ, sections=("server", "user"))
async def count_monthly_teach_tokens(call: Call) -> dict[str, object]:
    """Tokens of what was trained in this calendar month (UTC).

    Source: Ask Sage Server API, "count-monthly-teach-tokens".
    """
    return {"response": await _monthly(call, "ingest")}


@operation("count-monthly-tokens-left-with-org", methods=READ)
async def count_monthly_tokens_left(call: Call) -> dict[str, object]:
    """What the caller's limit leaves this month; without a limit, what the organisation leaves of the largest number.

    Source: Ask Sage Server API, "count-monthly-tokens-left-with-org".
    """
    limit = call.services.limits.of(call.caller).monthly_tokens
    used = await _monthly(call, *_INFERENCE, whole_organisation=limit is None)
    return {"response": max(0, (_UNLIMITED if limit is None else limit) - used)}


@operation(
    "get-user-logs",
    methods=READ,
    fields=(Field("limit", "integer", minimum=1, maximum=_MOST_LOGS, default=_MOST_LOGS),),
    sections=("user",),
)
async def get_user_logs(call: Call) -> dict[str, object]:
    """The caller's latest answers, newest first.

    Source: Ask Sage User API, "get-user-logs".
    """
    found = await call.services.answers.latest(call.caller, call.inputs.integer("limit") or _MOST_LOGS)
    return {
        "response": [
            {
                "id": answer.number,
                "uuid": answer.id,
                "date_time": http_date(answer.at),
                "prompt": answer.prompt,
                "completion": answer.completion,
                "response": answer.completion,
                "model": answer.model,
                "prompt_tokens": answer.prompt_tokens,
                "completion_tokens": answer.completion_tokens,
                "total_tokens": answer.prompt_tokens + answer.completion_tokens,
                "teach": False,
                "ip": answer.address,
                "IP": answer.address,
            }
            for answer in found
        ]
    }


@operation(
    "get-user-logins",
    methods=READ,
    fields=(Field("limit", "integer", minimum=1, maximum=_MOST_LOGINS, default=5),),
    sections=("user",),
)
async def get_user_logins(call: Call) -> dict[str, object]:
    """The caller's latest token exchanges, also those that failed, newest first.

    Source: Ask Sage User API, "get-user-logins".
    """
    found = await call.services.accounts.logins(call.caller, call.inputs.integer("limit") or 5)
    refused = call.services.settings.asksage.auth_error_status
    return {
        "response": [
            {
                "id": login.number,
                "date_time": http_date(login.at),
                "ip": login.address,
                "IP": login.address,
                "type": login.kind,
                "status": "Success" if login.succeeded else "Failure",
                "status_code": 200 if login.succeeded else refused,
            }
            for login in found
        ]
    }


@operation("vote-down", methods=READ, fields=(Field("uuid", required=True),))
async def vote_down(call: Call) -> dict[str, object]:
    """Marks one of the caller's answers as a bad one; again is no error.

    Source: Ask Sage Server API, "vote-down".
    """
    await call.services.answers.dislike(call.caller, call.inputs.text("uuid").strip().lower())
    return {"response": "OK"}
