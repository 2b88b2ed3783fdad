"""What a role in an organisation allows, asked once at the top of every operation that changes something."""

from collections.abc import Mapping
from typing import Literal

from dragoman.domain.accounts.caller import Caller, Role
from dragoman.kit.errors import Forbidden

# use: models, agents, what is shared, chats, own keys and memories. create: make, change and delete own things.
# manage: other users, groups, limits, policies, audit. own: delete, hand over or export the organisation.
Right = Literal["use", "create", "manage", "own"]

_RIGHTS: Mapping[Role, frozenset[Right]] = {
    "viewer": frozenset(["use"]),
    "editor": frozenset(["use", "create"]),
    "admin": frozenset(["use", "create", "manage"]),
    "owner": frozenset(["use", "create", "manage", "own"]),
}
_REFUSALS: Mapping[Right, tuple[str, str]] = {
    "use": ("may not do this", "viewer"),
    "create": ("may use what there is but not create, change or delete it", "editor"),
    "manage": ("may not administer the organisation", "admin"),
    "own": ("may not hand over, export or delete the organisation", "owner"),
}


def may(caller: Caller, right: Right) -> bool:
    """Whether the caller's role includes the right."""
    return right in _RIGHTS[caller.role]


def require(caller: Caller, right: Right) -> None:
    """Returns when the caller's role includes the right.

    Raises:
        Forbidden: it does not; the message says which role would.
    """
    if not may(caller, right):
        refused, needed = _REFUSALS[right]
        raise Forbidden(
            f"Your role in the organisation is {caller.role}, which {refused}: this needs the role {needed}.",
            code="role_needed",
        )
