"""Skills: instructions that an agent opens when it needs them."""

from collections.abc import Iterator
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from dragoman.dialects.aivax.auth import PrivateCaller, services_of, uuid_in_path
from dragoman.dialects.aivax.body import json_content, read_body, window
from dragoman.dialects.aivax.envelope import answer, is_wrapped, json_response, said
from dragoman.dialects.aivax.inner_addresses import refuse_inner_sources
from dragoman.dialects.aivax.multipart import uploaded_file
from dragoman.dialects.aivax.skill_lines import (
    CHANGE,
    CREATE,
    SOURCES,
    changed_draft,
    draft_of,
    listed,
    read_file,
    sources_of,
    viewed,
    write_line,
)
from dragoman.domain.skills.model import Skill
from dragoman.kit.addresses import AllowList

router = APIRouter()

SkillId = Annotated[str, Depends(uuid_in_path("skill_id"))]


@router.delete("/skills/management/clear")
async def clear_skills(request: Request, caller: PrivateCaller) -> Response:
    """Removes all skills.

    Source: AIVAX API, "Clear Skills".
    """
    await services_of(request).skills.clear(caller)
    return said(request, "Skills cleared successfully")


@router.post("/skills/management/import")
async def import_skills(request: Request, caller: PrivateCaller) -> Response:
    """Takes a JSONL file in: nothing when one line is wrong, else what is new or changed.

    Source: AIVAX API, "Import Skills JSONL".
    """
    services = services_of(request)
    bound = services.settings.knowledge.max_upload_bytes
    async with uploaded_file(request, "skills", maximum_bytes=bound) as path:
        drafts = await to_thread.run_sync(read_file, path, _allowed(request))
    done = await services.skills.import_all(caller, drafts)
    return answer(request, {"enqueued": done.stored, "skipped": done.skipped})


def _allowed(request: Request) -> AllowList:
    return AllowList.parse(services_of(request).settings.egress.allow)


def _lines(skills: list[Skill]) -> Iterator[bytes]:
    for skill in skills:
        yield write_line(skill)


@router.get("/skills/management/export.jsonl")
async def export_skills(request: Request, caller: PrivateCaller) -> Response:
    """All skills as JSON lines that the import takes; never wrapped.

    Source: AIVAX API, "Export Skills JSONL".
    """
    found = await services_of(request).skills.select(caller)
    headers = {"Content-Disposition": 'attachment; filename="skills.jsonl"'}
    return StreamingResponse(_lines(found), media_type="application/jsonl", headers=headers)


@router.get("/skills")
async def list_skills(request: Request, caller: PrivateCaller) -> Response:
    """The caller's skills, oldest first.

    Source: AIVAX API, "List Skills".
    """
    limit, offset = window(request)
    found = await services_of(request).skills.select(caller, limit=limit, offset=offset)
    return answer(request, [listed(skill) for skill in found])


@router.post("/skills", openapi_extra=json_content(CREATE))
async def create_skill(request: Request, caller: PrivateCaller) -> Response:
    """A new skill.

    Source: AIVAX API, "Create Skill".
    """
    values: dict[str, Any] = await read_body(request, CREATE)
    draft = draft_of(values)
    refuse_inner_sources(draft.sources, SOURCES, _allowed(request))
    made = await services_of(request).skills.create(caller, draft)
    sentence = "Skill created successfully"
    if is_wrapped(request):
        return json_response({"message": sentence, "data": {"id": made.id}})
    return json_response({"message": sentence, "id": made.id})


@router.get("/skills/{skill_id}")
async def view_skill(request: Request, caller: PrivateCaller, skill_id: SkillId) -> Response:
    """One skill with everything.

    Source: AIVAX API, "Get Skill".
    """
    return answer(request, viewed(await services_of(request).skills.get(caller, skill_id)))


@router.put("/skills/{skill_id}", openapi_extra=json_content(CHANGE))
async def update_skill(request: Request, caller: PrivateCaller, skill_id: SkillId) -> Response:
    """Replaces the members that are given, each as a whole.

    Source: AIVAX API, "Update Skill".
    """
    values: dict[str, Any] = await read_body(request, CHANGE)
    if "options" in values:
        refuse_inner_sources(sources_of(values["options"]), SOURCES, _allowed(request))
    await services_of(request).skills.update(caller, skill_id, lambda before: changed_draft(before, values))
    return said(request, "Skill updated successfully")


@router.delete("/skills/{skill_id}")
async def delete_skill(request: Request, caller: PrivateCaller, skill_id: SkillId) -> Response:
    """Removes a skill.

    Source: AIVAX API, "Delete Skill".
    """
    await services_of(request).skills.delete(caller, skill_id)
    return said(request, "Skill deleted successfully")
