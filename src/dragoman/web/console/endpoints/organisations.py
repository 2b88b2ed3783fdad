"""The organisations of the server, for owners of the one that runs it; and the groups of one."""

from starlette.responses import Response
from starlette.routing import Route

from dragoman.domain.accounts.groups.service import Group
from dragoman.domain.accounts.steward import Steward
from dragoman.domain.accounts.tenants.service import Organisation
from dragoman.kit.clock import iso
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import Body, answer, done, read
from dragoman.web.console.endpoints.people import link_shown
from dragoman.web.console.gate import Visit, signed_in
from dragoman.web.console.stewards import steward_of


class NewOrganisationBody(Body):
    """A new organisation; ``email`` is of its first owner, who gets a setup link."""

    name: str
    email: str | None = None


class GroupBody(Body):
    """A new group."""

    name: str


class MemberBody(Body):
    """Who is put into a group."""

    email: str


def _organisation(organisation: Organisation, own: str) -> dict[str, JsonValue]:
    return {
        "id": organisation.id,
        "name": organisation.name,
        "users": organisation.users,
        "groups": organisation.groups,
        "createdAt": iso(organisation.created_at),
        "own": organisation.id == own,
    }


def _group(group: Group) -> dict[str, JsonValue]:
    return {
        "id": group.id,
        "name": group.name,
        "members": list(group.members),
        "createdAt": iso(group.created_at),
    }


async def organisations(visit: Visit) -> Response:
    """Every organisation of the server."""
    accounts = visit.services.accounts
    await accounts.operators.require_owner(visit.caller)
    found = await accounts.tenants.organisations()
    return answer([_organisation(one, visit.caller.organisation_id) for one in found])


async def create(visit: Visit) -> Response:
    """A new organisation, and a setup link for its first owner when one is named."""
    accounts = visit.services.accounts
    await accounts.operators.require_owner(visit.caller)
    given = await read(visit.request, NewOrganisationBody)
    made = await accounts.tenants.create(given.name, operator=visit.caller.email)
    link: JsonValue = None
    if given.email:
        steward = Steward(made.id, operator=visit.caller.email)
        link = link_shown(visit, (await accounts.members.invite(steward, given.email, "owner"))[1])
    return answer({"id": made.id, "name": made.name, "link": link}, 201)


async def groups(visit: Visit) -> Response:
    """The organisation's groups with their members."""
    found = await visit.services.accounts.groups.select(await steward_of(visit))
    return answer([_group(one) for one in found])


async def create_group(visit: Visit) -> Response:
    """A new group without members."""
    steward, given = await steward_of(visit), await read(visit.request, GroupBody)
    return answer(_group(await visit.services.accounts.groups.create(steward, given.name)), 201)


async def delete_group(visit: Visit) -> Response:
    """Removes a group; what was shared with it is so no longer."""
    await visit.services.accounts.groups.delete(await steward_of(visit), visit.request.path_params["group"])
    return done()


async def add_member(visit: Visit) -> Response:
    """Puts a user into a group."""
    steward, given = await steward_of(visit), await read(visit.request, MemberBody)
    await visit.services.accounts.groups.add(steward, visit.request.path_params["group"], given.email)
    return done()


async def remove_member(visit: Visit) -> Response:
    """Takes a user out of a group."""
    steward, path = await steward_of(visit), visit.request.path_params
    await visit.services.accounts.groups.remove(steward, path["group"], path["email"])
    return done()


ROUTES = [
    Route("/organisations", signed_in(organisations), methods=["GET"]),
    Route("/organisations", signed_in(create), methods=["POST"]),
    Route("/groups", signed_in(groups), methods=["GET"]),
    Route("/groups", signed_in(create_group), methods=["POST"]),
    Route("/groups/{group}", signed_in(delete_group), methods=["DELETE"]),
    Route("/groups/{group}/members", signed_in(add_member), methods=["POST"]),
    Route("/groups/{group}/members/{email}", signed_in(remove_member), methods=["DELETE"]),
]
