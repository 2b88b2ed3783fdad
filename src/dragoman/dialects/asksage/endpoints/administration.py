"""What administrators of an organisation see of its users' tokens, and the limits they set."""

from dragoman.dialects.asksage.decode import Field
from dragoman.dialects.asksage.operation import CHANGE, READ, Call, operation
from dragoman.domain.usage.limits.service import SORT_KEYS, LimitKind, Member, SortKey

_MOST = 1000
_SORTED: dict[str, SortKey] = {"train_tokens": "teach_tokens"}
_SORTED |= {key: key for key in SORT_KEYS}
_LIMIT_FIELDS = (
    Field("id", "integer", required=True, minimum=0, maximum=2**53),
    Field("tokens", "integer", required=True, minimum=-1, maximum=2**53),
)


def _object(member: Member) -> dict[str, object]:
    return {
        "id": member.number,
        "email": member.email,
        "name": member.name,
        "role": member.role,
        "is_admin": member.role in ("owner", "admin"),
        "banned": member.disabled,
        "max_tokens": member.monthly_tokens,
        "max_train_tokens": member.monthly_teach_tokens,
        "tokens": member.tokens,
        "train_tokens": member.teach_tokens,
    }


@operation(
    "admin-get-all-users-with-tokens",
    methods=READ,
    fields=(
        Field("start", "integer", minimum=0, maximum=10**9, default=0),
        Field("limit", "integer", minimum=1, maximum=_MOST, default=100),
        Field("email"),
        Field("sort_by", choices=tuple(_SORTED), default="id"),
        Field("sort_direction", choices=("asc", "desc"), default="asc"),
    ),
    sections=("user",),
)
async def get_users(call: Call) -> dict[str, object]:
    """Users of the caller's organisation with their limits and what they used this month.

    Source: Ask Sage User API, second version, "admin-get-all-users-with-tokens".
    """
    members = await call.services.limits.members(
        call.caller,
        email=call.inputs.text("email"),
        sort_by=_SORTED[call.inputs.text("sort_by")],
        descending=call.inputs.text("sort_direction") == "desc",
        start=call.inputs.integer("start") or 0,
        limit=call.inputs.integer("limit") or _MOST,
    )
    return {"response": [_object(member) for member in members]}


async def _limited(call: Call, kind: LimitKind) -> dict[str, object]:
    tokens = call.inputs.integer("tokens")
    limit = None if tokens is None or tokens < 0 else tokens
    await call.services.limits.set(call.caller, call.inputs.integer("id") or 0, kind, limit)
    return {"response": "OK"}


@operation("admin-update-user-tokens", methods=CHANGE, fields=_LIMIT_FIELDS, sections=("user",))
async def update_tokens(call: Call) -> dict[str, object]:
    """Sets how many inference tokens a user may use in a month; -1 lifts the limit.

    Source: Ask Sage User API, second version, "admin-update-user-tokens".
    """
    return await _limited(call, "monthly_tokens")


@operation("admin-update-user-train-tokens", methods=CHANGE, fields=_LIMIT_FIELDS, sections=("user",))
async def update_train_tokens(call: Call) -> dict[str, object]:
    """Sets how many tokens a user may teach in a month; -1 lifts the limit.

    Source: Ask Sage User API, second version, "admin-update-user-train-tokens".
    """
    return await _limited(call, "monthly_teach_tokens")
