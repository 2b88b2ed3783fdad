"""Memories: listing, cutting, removing."""

import pytest
from aivax_server import Dialect

from dragoman.domain.memories.model import Memory
from dragoman.domain.memories.service import MemoryDraft

UNKNOWN = "01986000-0000-7000-8000-000000000000"


async def save(dialect: Dialect, user: str, content: str, **more: object) -> Memory:
    draft = MemoryDraft(user, content, **more)  # pyright: ignore[reportArgumentType]
    return await dialect.services.memories.save(dialect.caller, draft)


async def contents(dialect: Dialect, **params: str) -> list[str]:
    listed = await dialect.client.get("/api/v1/memories", params=params)
    assert listed.status_code == 200, listed.text
    return [memory["content"] for memory in listed.json()]


async def test_memories_are_listed_newest_first_and_by_filter(dialect: Dialect) -> None:
    await save(dialect, "ana", "likes tea")
    await save(dialect, "bob", "likes coffee")
    kept = await save(dialect, "ana@s1", '{"title":"dentist"}', format="date_reminder", agent_id=UNKNOWN)
    assert await contents(dialect) == ['{"title":"dentist"}', "likes coffee", "likes tea"]
    assert await contents(dialect, filter="ana") == ['{"title":"dentist"}', "likes tea"]
    assert await contents(dialect, filter="COFFEE") == ["likes coffee"]
    assert await contents(dialect, filter="100%") == []
    assert await contents(dialect, filter=kept.id) == ['{"title":"dentist"}']
    assert await contents(dialect, format="text") == ["likes coffee", "likes tea"]
    assert await contents(dialect, gatewayId=UNKNOWN) == ['{"title":"dentist"}']
    assert await contents(dialect, limit="1", offset="1") == ["likes coffee"]
    first = (await dialect.client.get("/api/v1/memories")).json()[0]
    assert set(first) == {"id", "externalUserId", "content", "format"}
    assert (first["externalUserId"], first["format"]) == ("ana@s1", "DateReminder")


async def test_long_contents_are_cut_in_the_list_and_whole_in_the_view(dialect: Dialect) -> None:
    exact, longer = await save(dialect, "u", "a" * 120), await save(dialect, "u", "b" * 121)
    assert await contents(dialect) == ["b" * 120, "a" * 120]
    viewed = (await dialect.client.get(f"/api/v1/memories/{longer.id}")).json()
    assert viewed["content"] == "b" * 121
    assert viewed["createdAt"].endswith("Z")
    assert viewed["expiresAt"] > viewed["createdAt"]
    assert (await dialect.client.get(f"/api/v1/memories/{exact.id}")).json()["content"] == "a" * 120


async def test_a_memory_without_an_end_says_so(dialect: Dialect) -> None:
    kept = await save(dialect, "u", "for ever", days=None)
    assert (await dialect.client.get(f"/api/v1/memories/{kept.id}")).json()["expiresAt"] is None


async def test_removing_by_user_counts_what_went_in_that_format(dialect: Dialect) -> None:
    for user, form in (("ana@1", "text"), ("ana@2", "text"), ("ana", "date_reminder"), ("anabel", "text")):
        await save(dialect, user, "x", format=form)
    params = {"externalUserId": "ana@7", "format": "Text"}
    removed = await dialect.client.delete("/api/v1/memories", params=params)
    assert removed.json() == {
        "message": "Memories deleted successfully.",
        "removedCount": 2,
        "externalUserId": "ana@7",
        "format": "Text",
    }
    assert (await dialect.client.delete("/api/v1/memories", params=params)).json()["removedCount"] == 0
    left = (await dialect.client.get("/api/v1/memories")).json()
    assert [memory["externalUserId"] for memory in left] == ["anabel", "ana"]


async def test_removing_by_id_tells_whose_it_was(dialect: Dialect) -> None:
    kept = await save(dialect, "ana", "x", format="date_reminder")
    removed = await dialect.client.delete("/api/v1/memories", params={"id": kept.id})
    assert removed.json()["removedCount"] == 1
    assert (removed.json()["externalUserId"], removed.json()["format"]) == ("ana", "DateReminder")
    assert (await dialect.client.delete("/api/v1/memories", params={"id": kept.id})).status_code == 404


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"id": UNKNOWN, "externalUserId": "ana", "format": "Text"},
        {"externalUserId": "ana"},
        {"externalUserId": "ana", "format": "Nonsense"},
        {"externalUserId": "", "format": "Text"},
        {"externalUserId": "@x", "format": "Text"},
        {"format": "Text"},
        {"id": "nonsense"},
    ],
)
async def test_a_removal_that_is_not_clear_is_refused(dialect: Dialect, params: dict[str, str]) -> None:
    await save(dialect, "ana", "x")
    assert (await dialect.client.delete("/api/v1/memories", params=params)).status_code == 400
    assert await contents(dialect) == ["x"]


async def test_somebody_elses_memory_is_unknown(dialect: Dialect) -> None:
    kept = await save(dialect, "ana", "x")
    stranger = dialect.stranger
    assert (await stranger.get("/api/v1/memories")).json() == []
    assert (await stranger.get(f"/api/v1/memories/{kept.id}")).status_code == 404
    assert (await stranger.delete("/api/v1/memories", params={"id": kept.id})).status_code == 404
    params = {"externalUserId": "ana", "format": "Text"}
    assert (await stranger.delete("/api/v1/memories", params=params)).json()["removedCount"] == 0
    assert await contents(dialect) == ["x"]


async def test_unknown_formats_and_ids_are_refused(dialect: Dialect) -> None:
    assert (await dialect.client.get("/api/v1/memories?format=Audio")).status_code == 400
    assert (await dialect.client.get("/api/v1/memories?gatewayId=x")).status_code == 400
    assert (await dialect.client.get("/api/v1/memories/x")).status_code == 400
    assert (await dialect.client.get(f"/api/v1/memories/{UNKNOWN}")).status_code == 404
