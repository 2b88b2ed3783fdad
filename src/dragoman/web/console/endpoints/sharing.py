"""Which collections are shared with whom."""

from typing import Literal

from starlette.responses import Response
from starlette.routing import Route

from dragoman.domain.knowledge.sharing import Shared, at_least
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import Body, answer, done, read
from dragoman.web.console.gate import Visit, signed_in


class GrantBody(Body):
    """What somebody or a group may do."""

    who: str
    kind: Literal["user", "group"]
    permission: Literal["read", "edit", "admin"]


class OpenBody(Body):
    """Whether everybody of the organisation may search."""

    opened: bool


def _shown(shared: Shared) -> dict[str, JsonValue]:
    users: list[JsonValue] = [
        {"kind": "user", "who": one.email, "permission": one.permission} for one in shared.users
    ]
    groups: list[JsonValue] = [
        {"kind": "group", "who": one.name, "permission": one.permission} for one in shared.groups
    ]
    return {
        "id": shared.collection.id,
        "name": shared.collection.name,
        "permission": shared.permission,
        "mayShare": at_least(shared.permission, "admin"),
        "opened": shared.collection.visibility == "organisation",
        "grants": [*groups, *users],
    }


async def overview(visit: Visit) -> Response:
    """Every collection that the caller may search."""
    return answer([_shown(one) for one in await visit.services.sharing.overview(visit.caller)])


async def show(visit: Visit) -> Response:
    """With whom a collection is shared, and the groups there are to share it with."""
    found = await visit.services.sharing.shared(visit.caller, visit.request.path_params["collection"])
    names: list[JsonValue] = [*await visit.services.accounts.groups.names(visit.caller)]
    return answer({**_shown(found), "groupNames": names})


async def grant(visit: Visit) -> Response:
    """Lets a colleague or a group use a collection, in the place of what they may do there now."""
    given, collection = await read(visit.request, GrantBody), visit.request.path_params["collection"]
    sharing = visit.services.sharing
    give = sharing.grant if given.kind == "user" else sharing.grant_group
    await give(visit.caller, collection, given.who, given.permission)
    return done()


async def revoke(visit: Visit) -> Response:
    """Takes back what a colleague or a group may do."""
    path, sharing = visit.request.path_params, visit.services.sharing
    take = sharing.revoke if path["kind"] == "user" else sharing.revoke_group
    await take(visit.caller, path["collection"], path["who"])
    return done()


async def open_to_all(visit: Visit) -> Response:
    """Lets everybody of the organisation search a collection, or no longer."""
    given = await read(visit.request, OpenBody)
    await visit.services.sharing.open_to_organisation(
        visit.caller, visit.request.path_params["collection"], opened=given.opened
    )
    return done()


ROUTES = [
    Route("/sharing", signed_in(overview)),
    Route("/collections/{collection}/sharing", signed_in(show), methods=["GET"]),
    Route("/collections/{collection}/sharing", signed_in(grant), methods=["PUT"]),
    Route("/collections/{collection}/sharing/everybody", signed_in(open_to_all), methods=["PUT"]),
    Route("/collections/{collection}/sharing/{kind}/{who}", signed_in(revoke), methods=["DELETE"]),
]
