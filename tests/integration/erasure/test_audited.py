"""What somebody would want to ask about later is in the audit: who, what, and from where."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from tests.dialects.tenants.house import House, house


@pytest.fixture
async def inhabited(tmp_path: Path, anyio_backend: str) -> AsyncGenerator[House]:
    with pytest.MonkeyPatch.context() as patch:
        async with house(tmp_path / "data", patch) as made:
            yield made


async def test_sharing_roles_keys_limits_access_and_exports_are_recorded(inhabited: House) -> None:
    ana, things = inhabited.ana, inhabited.ana.things
    api, collection = ana.client, f"/api/v1/collections/{things['collection_id']}"
    colleague = inhabited.colleague
    console = (await ana.at_the_console()).client
    number = (await inhabited.app.running.services.accounts.admin.caller(colleague.email)).user_number
    for verb, path, body in (
        ("POST", "/user/assign-dataset", {"dataset": things["dataset"], "email": colleague.email}),
        ("POST", "/user/update-dataset-organization", {"dataset": things["dataset"], "enable": True}),
        ("PUT", f"{collection}/documents/{things['document_id']}/access", {"restricted": True}),
        ("GET", f"{collection}/export.jsonl", None),
        ("GET", "/api/v1/conversations/management/export.jsonl", None),
        ("DELETE", f"/api/v1/conversations/{things['conversation_id']}", None),
        ("POST", "/user/admin-update-user-tokens", {"id": number, "tokens": 10}),
        ("POST", f"/api/v1/approvals/{things['approval_id']}/reject", {}),
    ):
        answer = await api.request(verb, path, json=body)
        assert answer.status_code in (200, 201, 204), f"{path}: {answer.text}"
    changed = await console.patch(f"/console/api/users/{colleague.things['user_id']}", json={"role": "admin"})
    assert changed.is_success, changed.text
    assert (await console.get("/console/api/audit.jsonl")).status_code == 200
    audit = inhabited.app.running.services.accounts.audit
    events = [event async for event in audit.export() if event.told()["actor"] == ana.email]
    assert {
        "collection.shared",
        "collection.visibility_set",
        "document.access_set",
        "collection.exported",
        "conversations.exported",
        "conversation.deleted",
        "user.limit_set",
        "key.created",
        "approval.answered",
        "user.role_changed",
        "audit.exported",
        "session.opened",
    } <= {event.action for event in events}
    restricted = [event.told()["address"] for event in events if event.action == "document.access_set"]
    assert restricted
    assert all(address == "127.0.0.1" for address in restricted)
    assert all(chain.problem is None for chain in await audit.verify())
