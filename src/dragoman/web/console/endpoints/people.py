"""The users of the organisation, and API keys."""

from typing import Literal

from starlette.responses import Response
from starlette.routing import Route

from dragoman.domain.accounts.caller import Role
from dragoman.domain.accounts.members import Member
from dragoman.domain.accounts.model import ApiKey
from dragoman.domain.accounts.roles import may
from dragoman.domain.accounts.signin.model import SetupLink
from dragoman.domain.accounts.steward import Steward
from dragoman.kit.clock import iso
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import Body, answer, done, read
from dragoman.web.console.gate import Visit, base_of, signed_in
from dragoman.web.console.stewards import steward_of


class InviteBody(Body):
    """A new user."""

    email: str
    role: Role
    name: str | None = None


class UserBody(Body):
    """What is to change of a user."""

    role: Role | None = None
    disabled: bool | None = None


class KeyBody(Body):
    """A new key; without ``days`` one that does not expire."""

    label: str
    days: int | None = None
    kind: Literal["private", "public"] = "private"


def member_shown(member: Member) -> dict[str, JsonValue]:
    user = member.user
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "disabled": user.disabled,
        "hasPassword": member.has_password,
        "createdAt": iso(user.created_at),
    }


def link_shown(visit: Visit, link: SetupLink) -> dict[str, JsonValue]:
    return {
        "email": link.email,
        "url": f"{base_of(visit.request)}/console/setup#{link.token}",
        "expiresAt": iso(link.expires_at),
    }


def _key(key: ApiKey, own: str) -> dict[str, JsonValue]:
    return {
        "id": key.id,
        "email": key.email,
        "label": key.label,
        "lastSix": key.last_six,
        "kind": key.kind,
        "createdAt": iso(key.created_at),
        "expiresAt": None if key.expires_at is None else iso(key.expires_at),
        "usedAt": None if key.used_at is None else iso(key.used_at),
        "own": key.user_id == own,
    }


async def users(visit: Visit) -> Response:
    """Everybody in the organisation."""
    return answer(
        [member_shown(one) for one in await visit.services.accounts.members.select(await steward_of(visit))]
    )


async def invite(visit: Visit) -> Response:
    """A new user, and the link by which they set a password."""
    steward, given = await steward_of(visit), await read(visit.request, InviteBody)
    user, link = await visit.services.accounts.members.invite(
        steward, given.email, given.role, name=given.name or None
    )
    return answer({"id": user.id, "link": link_shown(visit, link)}, 201)


async def change(visit: Visit) -> Response:
    """Another role for a user, or locks them out or lets them in."""
    steward, given = await steward_of(visit), await read(visit.request, UserBody)
    members, user_id = visit.services.accounts.members, visit.request.path_params["user"]
    if given.role is not None:
        await members.set_role(steward, user_id, given.role)
    if given.disabled is not None:
        await members.set_disabled(steward, user_id, given.disabled)
    return done()


async def setup_link(visit: Visit) -> Response:
    """Another link for a user to set a password."""
    steward, user = await steward_of(visit), visit.request.path_params["user"]
    link = await visit.services.accounts.members.setup_link(steward, user)
    return answer(link_shown(visit, link), 201)


async def end_sessions(visit: Visit) -> Response:
    """Signs a user out of all pages."""
    steward, user = await steward_of(visit), visit.request.path_params["user"]
    await visit.services.accounts.members.end_sessions(steward, user)
    return done()


async def keys(visit: Visit) -> Response:
    """The keys of everybody for an administrator, else one's own."""
    accounts = visit.services.accounts
    if may(visit.caller, "manage"):
        found = await accounts.members.keys(Steward.of(visit.caller))
    else:
        found = await accounts.list_keys(visit.caller)
    return answer([_key(one, visit.caller.user_id) for one in found])


async def create_key(visit: Visit) -> Response:
    """A new key of one's own; its text is in this answer only."""
    given = await read(visit.request, KeyBody)
    key_id, key = await visit.services.accounts.create_key(
        visit.caller, given.label, days=given.days, kind=given.kind
    )
    return answer({"id": key_id, "key": key}, 201)


async def revoke_key(visit: Visit) -> Response:
    """Ends a key: of anybody for an administrator, else one's own."""
    accounts, key_id = visit.services.accounts, visit.request.path_params["key"]
    if may(visit.caller, "manage"):
        await accounts.members.revoke_key(Steward.of(visit.caller), key_id)
    else:
        await accounts.revoke_key(visit.caller, key_id)
    return done()


ROUTES = [
    Route("/users", signed_in(users), methods=["GET"]),
    Route("/users", signed_in(invite), methods=["POST"]),
    Route("/users/{user}", signed_in(change), methods=["PATCH"]),
    Route("/users/{user}/setup-link", signed_in(setup_link), methods=["POST"]),
    Route("/users/{user}/sessions", signed_in(end_sessions), methods=["DELETE"]),
    Route("/keys", signed_in(keys), methods=["GET"]),
    Route("/keys", signed_in(create_key), methods=["POST"]),
    Route("/keys/{key}", signed_in(revoke_key), methods=["DELETE"]),
]
