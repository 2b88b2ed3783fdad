"""For which organisation an administrator's request is meant."""

from dragoman.domain.accounts.steward import Steward
from dragoman.web.console.gate import Visit


async def steward_of(visit: Visit) -> Steward:
    """The caller as who looks after their own organisation, or the one that ``organisation`` in the query names.

    Raises:
        Forbidden: the caller is no administrator; or names another organisation and is no owner of the one that runs the
            server.
        NotFound: there is no such organisation.
    """
    wanted = visit.request.query_params.get("organisation")
    if wanted is None or wanted == visit.caller.organisation_id:
        return Steward.of(visit.caller)
    accounts = visit.services.accounts
    await accounts.operators.require_owner(visit.caller)
    found = await accounts.tenants.organisation(wanted)
    return Steward(found.id, operator=visit.caller.email)
