"""AI gateways: stored agents with the published 45 parameters."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary, WeakValueDictionary

import orjson
from fastapi import APIRouter, Request, Response

from dragoman.dialects.aivax import encode
from dragoman.dialects.aivax.auth import PrivateCaller, services_of
from dragoman.dialects.aivax.body import LISTED, json_content, read_body, window
from dragoman.dialects.aivax.envelope import answer, encoded_answer, said
from dragoman.dialects.aivax.fields import Anything, Mapped, Member, Record, Text
from dragoman.dialects.aivax.gateway import base_address, from_agent, to_agent
from dragoman.dialects.aivax.gateway_checks import (
    check_addresses,
    check_tool_names,
    check_tools,
    known_collections,
    known_skills,
    script_of,
)
from dragoman.dialects.aivax.parameters import MASK, PARAMETERS
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.agents.listing import Listing
from dragoman.domain.agents.model import AgentSecrets, AgentSummary, StoredAgent
from dragoman.domain.services import Services
from dragoman.kit.addresses import AllowList
from dragoman.kit.errors import Conflict, InvalidInput, NotFound
from dragoman.kit.ids import is_uuid
from dragoman.kit.jsontypes import JsonObject, JsonValue

router = APIRouter()

_ATTEMPTS = 20
_NAME = Text(1, 200)
CREATE = Record({"name": Member(_NAME, required=True), "parameters": Member(PARAMETERS, required=True)})
# What is changed is checked after it was merged into what there is.
# A listing never changes and is kept while nothing does, so its encoded form is as good for as long.
_whole_lists: WeakKeyDictionary[Listing, bytes] = WeakKeyDictionary()
# Changes of one gateway take turns here; only those of other processes can still come in between.
_turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
PATCH = Record({"name": Member(_NAME), "parameters": Member(Mapped(Anything(), maximum=1000))})


async def _check(request: Request, caller: Caller, parameters: JsonObject, *, given: JsonObject) -> None:
    """Checks what needs more than the value itself; of a change only what is given anew."""
    services = services_of(request)
    check_tool_names(parameters)
    anew = {name: parameters[name] for name in parameters if name in given}
    check_tools(anew)
    check_addresses(anew, AllowList.parse(services.settings.egress.allow))
    if given.get("knowledgeCollections"):
        known_collections(parameters, await services.collections.visible(caller))
    if skills := given.get("skills"):
        assert isinstance(skills, list)
        known_skills(parameters, await services.skills.named(caller, [str(name) for name in skills]))
    script = script_of(anew)
    if script is not None:
        await _check_script(services, script)


async def _check_script(services: Services, script: str) -> None:
    path = "parameters.workerScriptSource"
    try:
        await services.isolate.check(script)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error.detail}", param=path, code=error.code) from error


async def _find(request: Request, caller: Caller, name: str) -> StoredAgent:
    """The caller's gateway by UUID or slug."""
    agents = services_of(request).agents
    if is_uuid(name):
        return await agents.get(caller, "gateway", name.lower())
    if ":" not in name:
        raise InvalidInput(f"{name!r} is neither a UUID nor a slug such as support-bot:50c3.", param="id")
    found = await agents.find(caller, name)
    if found is None or found.id is None:
        raise NotFound("There is no gateway with this id.", code="gateway_not_found")
    return await agents.get(caller, "gateway", found.id)


def _secrets(parameters: JsonObject) -> AgentSecrets:
    key = parameters.get("apiKey")
    return AgentSecrets(str(key) if key and key != MASK else None)


@router.post("/ai-gateways", openapi_extra=json_content(CREATE))
async def create_gateway(request: Request, caller: PrivateCaller) -> Response:
    """A new gateway of the caller's own.

    Source: AIVAX API, "CreateGateway".
    """
    values = await read_body(request, CREATE)
    parameters = values["parameters"]
    assert isinstance(parameters, Mapping)
    await _check(request, caller, parameters, given=parameters)
    spec, extensions = to_agent(parameters)
    made = await services_of(request).agents.create(
        caller, "gateway", str(values["name"]), spec, secrets=_secrets(parameters), extensions=extensions
    )
    return answer(request, {"aiGatewayId": made.id})


@router.get("/ai-gateways")
async def list_gateways(request: Request, caller: PrivateCaller) -> Response:
    """The caller's gateways, those whose name, model, slug or id holds the filter.

    Source: AIVAX API, "ListAiGateways".
    """
    limit, offset = window(request)
    listing = await services_of(request).agents.listing(caller, "gateway")
    wanted = request.query_params.get("filter")
    if wanted or offset or limit < LISTED:
        return encoded_answer(request, _encoded(listing.select(wanted, limit=limit, offset=offset)))
    whole = _whole_lists.get(listing)
    if whole is None:
        whole = _whole_lists[listing] = _encoded(listing.select(None, limit=LISTED, offset=0))
    return encoded_answer(request, whole)


def _encoded(rows: Iterable[AgentSummary]) -> bytes:
    return orjson.dumps([encode.listed_gateway(one, base_address=base_address(one)) for one in rows])


@router.patch("/ai-gateways/{name}", openapi_extra=json_content(PATCH))
async def edit_gateway(request: Request, caller: PrivateCaller, name: str) -> Response:
    """Replaces the members that are given, each as a whole; the masked key stands for the stored one.

    Source: AIVAX API, "EditGateway".
    """
    values = await read_body(request, PATCH)
    turn = _turns.setdefault((caller.user_id, name), asyncio.Lock())
    async with turn:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await _merge(request, caller, name, values)
                break
            except Conflict:
                # Somebody else's change came between reading and writing: merge into theirs.
                if attempt == _ATTEMPTS:
                    raise
    return said(request, "The AI gateway was edited successfully.")


async def _merge(request: Request, caller: Caller, name: str, values: JsonObject) -> None:
    given: JsonValue = values.get("parameters", {})
    assert isinstance(given, Mapping)
    before = await _find(request, caller, name)
    merged = PARAMETERS.read_object({**from_agent(before), **given}, "parameters")
    await _check(request, caller, merged, given=given)
    spec, extensions = to_agent(merged)
    changed = replace(
        before,
        name=str(values.get("name", before.name)),
        spec=spec,
        extensions={**before.extensions, **extensions},
    )
    secrets = None if given.get("apiKey", MASK) == MASK else _secrets(merged)
    await services_of(request).agents.update(caller, changed, secrets=secrets)


@router.get("/ai-gateways/{name}")
async def view_gateway(request: Request, caller: PrivateCaller, name: str) -> Response:
    """One gateway with all its parameters.

    Source: AIVAX API, "ViewAiGateway".
    """
    found = await _find(request, caller, name)
    return answer(
        request,
        {"id": found.id, "name": found.name, "slug": found.slug, "parameters": from_agent(found)},
    )


@router.delete("/ai-gateways/{name}")
async def delete_gateway(request: Request, caller: PrivateCaller, name: str) -> Response:
    """Removes a gateway.

    Source: AIVAX API, "DeleteAiGateway".
    """
    found = await _find(request, caller, name)
    await services_of(request).agents.delete(caller, "gateway", found.id)
    return said(request, "The AI gateway was deleted successfully.")
