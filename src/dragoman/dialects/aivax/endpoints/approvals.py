"""Approvals: tool calls that wait for a person, and the person's answers. This server's own."""

from typing import Annotated, get_args

from fastapi import APIRouter, Depends, Request, Response

from dragoman.dialects.aivax.auth import PrivateCaller, services_of, uuid_in_path
from dragoman.dialects.aivax.body import json_content, read_body, window
from dragoman.dialects.aivax.envelope import answer
from dragoman.dialects.aivax.fields import Choice, Member, Record, Text
from dragoman.domain.agents.approvals.model import Approval, ApprovalFilter, ApprovalState
from dragoman.kit.clock import iso
from dragoman.kit.jsontypes import JsonValue

router = APIRouter()

ApprovalId = Annotated[str, Depends(uuid_in_path("approval_id"))]
_STATES: dict[str, ApprovalState] = {state: state for state in get_args(ApprovalState)}
_STATE = Choice(tuple(_STATES))
DECISION = Record({"note": Member(Text(0, 2000, nullable=True), default=None)})


def _told(approval: Approval) -> dict[str, JsonValue]:
    decided = approval.decided_at
    return {
        "id": approval.id,
        "state": approval.state,
        "tool": approval.tool,
        "risk": approval.risk,
        "arguments": approval.arguments,
        "reason": approval.reason,
        "runId": approval.run_id,
        "gatewayId": approval.agent_id,
        "agent": approval.agent_name,
        "externalUserId": approval.person,
        "conversationToken": approval.conversation_id,
        "createdAt": iso(approval.created_at),
        "expiresAt": iso(approval.expires_at),
        "decidedAt": None if decided is None else iso(decided),
        "note": approval.note,
    }


@router.get("/approvals")
async def list_approvals(request: Request, caller: PrivateCaller) -> Response:
    """The caller's calls that wait or were decided, latest first.

    Source: this server's own.
    """
    limit, offset = window(request)
    state = (request.query_params.get("state") or "").strip()
    wanted = ApprovalFilter(
        state=_STATES[str(_STATE.read(state, "state"))] if state else None,
        agent_id=request.query_params.get("gatewayId"),
        limit=limit,
        offset=offset,
    )
    found = await services_of(request).approvals.select(caller, wanted)
    return answer(request, [_told(one) for one in found])


@router.get("/approvals/{approval_id}")
async def view_approval(request: Request, caller: PrivateCaller, approval_id: ApprovalId) -> Response:
    """One call.

    Source: this server's own.
    """
    return answer(request, _told(await services_of(request).approvals.get(caller, approval_id)))


@router.post("/approvals/{approval_id}/approve", openapi_extra=json_content(DECISION))
async def approve(request: Request, caller: PrivateCaller, approval_id: ApprovalId) -> Response:
    """Lets the call be carried out, once.

    Source: this server's own.
    """
    return await _decide(request, caller, approval_id, approve=True)


@router.post("/approvals/{approval_id}/reject", openapi_extra=json_content(DECISION))
async def reject(request: Request, caller: PrivateCaller, approval_id: ApprovalId) -> Response:
    """Declines the call.

    Source: this server's own.
    """
    return await _decide(request, caller, approval_id, approve=False)


async def _decide(request: Request, caller: PrivateCaller, approval_id: str, *, approve: bool) -> Response:
    values = await read_body(request, DECISION, optional=True)
    note = values["note"]
    decided = await services_of(request).approvals.decide(
        caller, approval_id, approve=approve, note=str(note) if note else None
    )
    return answer(request, _told(decided))
