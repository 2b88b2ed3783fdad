"""The server itself, for those who look after it."""

from starlette.responses import Response
from starlette.routing import Route

from dragoman.kit.errors import Unavailable
from dragoman.web.console.answers import answer, number
from dragoman.web.console.gate import Visit, signed_in
from dragoman.web.console.system import SystemReport

_LINES = 200


async def _report(visit: Visit) -> SystemReport:
    await visit.services.accounts.operators.require(visit.caller)
    report: SystemReport | None = visit.request.app.state.system
    if report is None:
        raise Unavailable("This server was started without its own report.", code="no_system_report")
    return report


async def overview(visit: Visit) -> Response:
    """Version, models, what may be contacted, work in the background."""
    return answer(await (await _report(visit)).overview())


async def storage(visit: Visit) -> Response:
    """What the data folder holds."""
    return answer(await (await _report(visit)).storage())


async def checks(visit: Visit) -> Response:
    """What works, what does not, and what to do about it."""
    return answer(await (await _report(visit)).checks())


async def config(visit: Visit) -> Response:
    """Every setting with its origin."""
    return answer((await _report(visit)).config())


async def log_lines(visit: Visit) -> Response:
    """The latest lines of the log."""
    report, query = await _report(visit), visit.request.query_params
    limit = number(visit.request, "limit", _LINES, least=1, most=1000)
    least, text = query.get("level", "debug"), query.get("text", "").strip()[:200]
    return answer(report.log(least=least, text=text, limit=limit))


ROUTES = [
    Route("/system", signed_in(overview)),
    Route("/system/storage", signed_in(storage)),
    Route("/system/checks", signed_in(checks)),
    Route("/system/config", signed_in(config)),
    Route("/system/log", signed_in(log_lines)),
]
