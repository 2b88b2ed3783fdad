"""Web chat clients and where else they answer."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.body import json_content, read_body, window
from dragoman.dialects.aivax.chat_integrations import (
    BODY,
    kind_of,
    merged,
    read_fields,
    refuse_inner_fields,
    shown,
    type_of,
)
from dragoman.dialects.aivax.chat_parameters import CHANGE, CREATE, changed_spec, from_spec, to_spec
from dragoman.dialects.aivax.chat_paths import ClientId, route
from dragoman.dialects.aivax.endpoints.channels import connected, hook_url
from dragoman.dialects.aivax.envelope import answer, said
from dragoman.domain.chat.model import ClientDraft, ClientOverview
from dragoman.kit.addresses import AllowList
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()


def _listed(found: ClientOverview) -> dict[str, JsonValue]:
    agent = found.agent
    gateway: JsonValue = None
    if agent is not None:
        gateway = {"id": agent.id, "name": agent.name, "modelName": agent.model}
    return {
        "id": found.client.id,
        "name": found.client.draft.name,
        "color": found.client.draft.spec.primary_color,
        "activeSessions": found.active_sessions,
        "associatedGateway": gateway,
    }


@route(router, "GET", "")
async def list_clients(request: Request, caller: PrivateCaller) -> Response:
    """The caller's clients, oldest first.

    Source: AIVAX API, "List Web Chat Clients".
    """
    limit, offset = window(request)
    found = await services_of(request).chat_clients.select(caller, limit=limit, offset=offset)
    return answer(request, [_listed(one) for one in found])


@route(router, "POST", "", openapi_extra=json_content(CREATE))
async def create_client(request: Request, caller: PrivateCaller) -> Response:
    """A new client.

    Source: AIVAX API, "Create Web Chat Client".
    """
    values: dict[str, Any] = await read_body(request, CREATE)
    limits = values["limitingParameters"]
    draft = ClientDraft(
        values["name"],
        values.get("aiGatewayId"),
        limits.get("messagesPerHour", 0),
        limits.get("maxMessages", 0),
        to_spec(values["clientParameters"], title=values["name"]),
    )
    made = await services_of(request).chat_clients.create(caller, draft)
    return answer(request, {"id": made.id})


@route(router, "GET", "/{client_id}")
async def view_client(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """One client with all its parameters; secrets of integrations show their end only.

    Source: AIVAX API, "View Web Chat Client".
    """
    services = services_of(request)
    found = await services.chat_clients.get(caller, client_id)
    integrations = await services.chat_clients.integrations(caller, client_id)
    draft, agent = found.client.draft, found.agent
    return answer(
        request,
        {
            "id": client_id,
            "name": draft.name,
            "aiGateway": None if agent is None else {"id": agent.id, "name": agent.name},
            "limitingParameters": {
                "messagesPerHour": draft.messages_per_hour,
                "maxMessages": draft.most_messages,
            },
            "clientParameters": from_spec(draft.spec),
            "webhooks": {type_of(channel): hook_url(request, client_id, channel) for channel in integrations},
            "integrations": shown(integrations, in_full=services.settings.aivax.show_integration_secrets),
        },
    )


@route(router, "PUT", "/{client_id}", openapi_extra=json_content(CHANGE))
async def edit_client(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """Replaces the members and parameters that are given, each as a whole.

    Source: AIVAX API, "Edit Web Chat Client".
    """
    values: dict[str, Any] = await read_body(request, CHANGE)
    limits = values["limitingParameters"]

    def edit(before: ClientDraft) -> ClientDraft:
        return replace(
            before,
            name=values.get("name", before.name),
            agent_id=values.get("aiGatewayId", before.agent_id),
            messages_per_hour=limits.get("messagesPerHour", before.messages_per_hour),
            most_messages=limits.get("maxMessages", before.most_messages),
            spec=changed_spec(before.spec, values["clientParameters"]),
        )

    await services_of(request).chat_clients.update(caller, client_id, edit)
    return said(request, "Web client updated successfully")


@route(router, "DELETE", "/{client_id}")
async def delete_client(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """Removes a client with its sessions.

    Source: AIVAX API, "Delete Web Chat Client".
    """
    await services_of(request).chat_clients.delete(caller, client_id)
    return said(request, "Web client deleted successfully")


@route(router, "PUT", "/{client_id}/integrations", openapi_extra=json_content(BODY))
async def edit_integrations(request: Request, caller: PrivateCaller, client_id: ClientId) -> Response:
    """Sets the one integration that is named; a masked secret stands for the stored one.

    Source: AIVAX API, "Edit Web Chat Client Integrations".
    """
    values: dict[str, Any] = await read_body(request, BODY)
    kind = kind_of(values["integrationType"], "integrationType")
    fields = read_fields(kind, values["integrations"])
    refuse_inner_fields(kind, fields, AllowList.parse(services_of(request).settings.egress.allow))
    await services_of(request).chat_clients.put_integration(
        caller, client_id, kind.channel, lambda before: merged(kind, fields, before)
    )
    await connected(request, caller, client_id, kind.channel)
    return said(request, "Web client integrations updated successfully")


@route(router, "DELETE", "/{client_id}/integrations/{name}")
async def delete_integration(
    request: Request, caller: PrivateCaller, client_id: ClientId, name: str
) -> Response:
    """Removes one integration.

    Source: AIVAX API, "Delete Web Chat Client Integration".
    """
    kind = kind_of(name, "name")
    await services_of(request).chat_clients.delete_integration(caller, client_id, kind.channel)
    return said(request, "Web client integration deleted successfully")
