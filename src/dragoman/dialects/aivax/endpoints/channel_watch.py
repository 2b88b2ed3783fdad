"""Whether messaging services reach this server, and conversations played without one. The reference publishes none of it."""

from typing import Any

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body
from dragoman.dialects.aivax.chat_integrations import kind_of, type_of
from dragoman.dialects.aivax.chat_paths import ClientId, route
from dragoman.dialects.aivax.endpoints.channels import hook_url
from dragoman.dialects.aivax.envelope import answer
from dragoman.dialects.aivax.fields import Member, Record, Text
from dragoman.domain.chat.channels.watch.model import ChannelState, Said
from dragoman.kit.clock import iso
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

_SAY = Record({"text": Member(Text(1, 4096), required=True)})


@route(router, "GET", "/{client_id}/integrations/states")
async def states(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """For each messaging service: where it has to call, when it did, what was refused, and what could not be sent."""
    found = await services_of(request).channel_watch.states(caller, client_id)
    return answer(
        request,
        [{**_state(one), "webhookUrl": hook_url(request, client_id, one.channel)} for one in found],
    )


@route(router, "POST", "/{client_id}/integrations/{name}/check")
async def check(request: Request, caller: PrivateCaller, client_id: ClientId, name: str) -> Response:
    """Asks the messaging service where it calls, where it can be asked."""
    channel = kind_of(name, "name").channel
    url = hook_url(request, client_id, channel)
    found = await services_of(request).channel_watch.check(caller, client_id, channel)
    return answer(
        request,
        {
            "webhookUrl": url,
            "asked": found is not None,
            "calls": None if found is None else found.url,
            "right": None if found is None else found.url == url,
            "problem": None if found is None else found.problem,
        },
    )


@route(
    router, "POST", "/{client_id}/integrations/{name}/simulated-messages", openapi_extra=json_content(_SAY)
)
async def simulate(request: Request, caller: PrivateCaller, client_id: ClientId, name: str) -> Response:
    """Takes a text as if somebody had written it on the service; the answer stays here."""
    values: dict[str, Any] = await read_body(request, _SAY)
    watch = services_of(request).channel_watch
    channel = kind_of(name, "name").channel
    await watch.simulate(caller, client_id, channel, values["text"])
    return answer(request, [_said(one) for one in await watch.simulated(caller, client_id, channel)])


@route(router, "GET", "/{client_id}/integrations/{name}/simulated-messages")
async def simulated(request: Request, caller: PrivateCaller, client_id: ClientId, name: str) -> Response:
    """What was said in the played conversation."""
    found = await services_of(request).channel_watch.simulated(
        caller, client_id, kind_of(name, "name").channel
    )
    return answer(request, [_said(one) for one in found])


def _moment(at: int | None) -> str | None:
    return None if at is None else iso(at)


def _state(state: ChannelState) -> dict[str, JsonValue]:
    return {
        "integrationType": type_of(state.channel),
        "calledAt": _moment(state.calls.called_at),
        "refusedAt": _moment(state.calls.refused_at),
        "refusedWhy": state.calls.refused_why,
        "receivedAt": _moment(state.traffic.received_at),
        "sentAt": _moment(state.traffic.sent_at),
        "waitingAfterFailure": state.traffic.waiting,
        "lastError": state.traffic.failure,
        "notSent": state.traffic.dead,
        "notAnswered": state.traffic.unanswered,
    }


def _said(one: Said) -> dict[str, JsonValue]:
    return {
        "id": one.id,
        "role": one.role,
        "text": one.text,
        "fileName": one.filename,
        "state": one.state,
        "error": one.error,
        "createdAt": iso(one.at),
    }
