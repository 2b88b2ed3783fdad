"""Models, and the versions of gateways."""

from starlette.responses import Response
from starlette.routing import Route

from dragoman.domain.agents.history.model import AgentVersion
from dragoman.kit.clock import iso
from dragoman.kit.errors import NotFound
from dragoman.kit.jsontypes import JsonValue
from dragoman.web.console.answers import answer
from dragoman.web.console.gate import Visit, signed_in

_NUMBER_DIGITS = 9


async def models(visit: Visit) -> Response:
    """Every model that may be asked, also those that cannot be had now and why."""
    catalogue = visit.services.catalogue
    providers = visit.services.settings.models.providers
    return answer(
        {
            "models": [
                {
                    "name": entry.name,
                    "owner": entry.owner,
                    "inForce": entry.in_force,
                    "grounded": entry.grounded,
                    "demo": entry.demo,
                    "unavailable": entry.unavailable,
                }
                for entry in catalogue.entries()
            ],
            "aliases": dict(catalogue.aliases()),
            "providers": [
                {"name": name, "address": provider.base_url, "leavesServer": provider.outside}
                for name, provider in providers.items()
            ],
        }
    )


async def versions(visit: Visit) -> Response:
    """What a gateway was set to, the latest first."""
    found = await visit.services.agents.versions(visit.caller, "gateway", visit.request.path_params["id"])
    return answer([_version(one) for one in found])


async def restore(visit: Visit) -> Response:
    """Sets a gateway to a version again."""
    number = visit.request.path_params["number"]
    if not number.isdecimal() or len(number) > _NUMBER_DIGITS:
        raise NotFound(f"The gateway has no version {number}.", code="version_not_found")
    agent = await visit.services.agents.restore(
        visit.caller, "gateway", visit.request.path_params["id"], int(number)
    )
    return answer({"id": agent.id, "name": agent.name})


def _version(version: AgentVersion) -> dict[str, JsonValue]:
    return {
        "number": version.number,
        "name": version.name,
        "spec": version.spec.model_dump(mode="json"),
        "changedBy": version.changed_by,
        "at": iso(version.at),
    }


ROUTES = [
    Route("/models", signed_in(models)),
    Route("/gateways/{id}/versions", signed_in(versions)),
    Route("/gateways/{id}/versions/{number}/restore", signed_in(restore), methods=["POST"]),
]
