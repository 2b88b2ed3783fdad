"""Skills: slugs, changes, import and export."""

from typing import Any

import httpx
import orjson
import pytest
from aivax_server import Dialect

UNKNOWN = "01986000-0000-7000-8000-000000000000"
FULL = {
    "slug": "refunds",
    "description": "How money comes back",
    "instructions": "Ask for the order first.",
    "options": {
        "instructionSources": [
            {
                "name": "rules",
                "description": None,
                "url": "https://example.com/rules.txt",
                "headers": {"X-Team": "a"},
                "cacheDuration": 60,
            }
        ],
        "allowedToolsNames": ["order_status"],
    },
}
EMPTY_OPTIONS = {"instructionSources": [], "allowedToolsNames": []}


async def create(client: httpx.AsyncClient, **changed: Any) -> httpx.Response:
    body = {"slug": "greeting", "instructions": "Say hello.", **changed}
    return await client.post("/api/v1/skills", json=body)


async def load(client: httpx.AsyncClient, lines: bytes, field: str = "skills") -> httpx.Response:
    files = {field: ("skills.jsonl", lines, "application/jsonl")}
    return await client.post("/api/v1/skills/management/import", files=files)


async def slugs(client: httpx.AsyncClient) -> list[str]:
    return [skill["slug"] for skill in (await client.get("/api/v1/skills")).json()]


async def test_a_skill_comes_back_as_it_was_written(dialect: Dialect) -> None:
    made = await dialect.client.post("/api/v1/skills", json=FULL)
    assert made.status_code == 200
    assert made.json()["message"] == "Skill created successfully"
    viewed = (await dialect.client.get(f"/api/v1/skills/{made.json()['id']}")).json()
    assert {name: viewed[name] for name in FULL} == FULL
    assert viewed["id"] == made.json()["id"]
    assert viewed["createdAt"].endswith("Z")
    assert viewed["updatedAt"] == viewed["createdAt"]
    listed = (await dialect.client.get("/api/v1/skills")).json()
    assert listed == [
        {
            "id": viewed["id"],
            "createdAt": viewed["createdAt"],
            "slug": "refunds",
            "description": "How money comes back",
            "allowedToolsCount": 1,
        }
    ]


async def test_the_id_of_a_new_skill_comes_wrapped_too(dialect: Dialect) -> None:
    headers = {"X-Response-Envelope": "wrapped"}
    body = {"slug": "a", "instructions": "b"}
    made = (await dialect.client.post("/api/v1/skills", json=body, headers=headers)).json()
    assert made["message"] == "Skill created successfully"
    assert (await dialect.client.get(f"/api/v1/skills/{made['data']['id']}")).status_code == 200


@pytest.mark.parametrize("slug", ["A-z_0.9", "x", "x" * 64])
async def test_slugs_of_letters_digits_and_three_signs_are_taken(dialect: Dialect, slug: str) -> None:
    assert (await create(dialect.client, slug=slug)).status_code == 200


@pytest.mark.parametrize("slug", ["", "two words", "x" * 65, "ärger", "a/b", "a\n", None, 7])
async def test_other_slugs_are_refused(dialect: Dialect, slug: Any) -> None:
    response = await create(dialect.client, slug=slug)
    assert response.status_code == 400
    assert response.json()["details"]["path"] == "slug"
    assert await slugs(dialect.client) == []


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"instructions": ""}, "instructions"),
        ({"instructions": None}, "instructions"),
        ({"options": {"allowedToolsNames": [1]}}, "options.allowedToolsNames[0]"),
        ({"options": {"instructionSources": [{"name": "x"}]}}, "options.instructionSources[0].url"),
        (
            {"options": {"instructionSources": [{"name": "x", "url": "file:///etc/passwd"}]}},
            "options.instructionSources[0].url",
        ),
        (
            {"options": {"instructionSources": [{"name": "x", "url": "http://10.1.2.3/rules"}]}},
            "options.instructionSources[0].url",
        ),
    ],
)
async def test_what_does_not_fit_is_named(dialect: Dialect, changed: dict[str, Any], path: str) -> None:
    response = await create(dialect.client, **changed)
    assert response.status_code == 400
    assert response.json()["details"]["path"] == path


async def test_a_slug_is_taken_once_for_each_account(dialect: Dialect) -> None:
    assert (await create(dialect.client)).status_code == 200
    assert (await create(dialect.client)).status_code == 409
    assert (await create(dialect.stranger)).status_code == 200


async def test_a_change_keeps_what_it_leaves_out(dialect: Dialect) -> None:
    skill = (await dialect.client.post("/api/v1/skills", json=FULL)).json()["id"]
    changed = await dialect.client.put(f"/api/v1/skills/{skill}", json={"description": None})
    assert changed.json() == {"message": "Skill updated successfully"}
    viewed = (await dialect.client.get(f"/api/v1/skills/{skill}")).json()
    assert {name: viewed[name] for name in FULL} == {**FULL, "description": None}
    await dialect.client.put(f"/api/v1/skills/{skill}", json={"slug": "money", "options": {}})
    viewed = (await dialect.client.get(f"/api/v1/skills/{skill}")).json()
    assert (viewed["slug"], viewed["options"]) == ("money", EMPTY_OPTIONS)


async def test_a_change_cannot_take_another_skills_slug(dialect: Dialect) -> None:
    await create(dialect.client, slug="one")
    two = (await create(dialect.client, slug="two")).json()["id"]
    assert (await dialect.client.put(f"/api/v1/skills/{two}", json={"slug": "one"})).status_code == 409
    assert (await dialect.client.put(f"/api/v1/skills/{two}", json={"slug": "t w o"})).status_code == 400
    assert await slugs(dialect.client) == ["one", "two"]


async def test_the_import_takes_what_the_export_gave(dialect: Dialect) -> None:
    await dialect.client.post("/api/v1/skills", json=FULL)
    await create(dialect.client)
    exported = await dialect.client.get("/api/v1/skills/management/export.jsonl")
    assert exported.headers["content-type"] == "application/jsonl"
    lines = [orjson.loads(line) for line in exported.content.splitlines()]
    assert lines[0] == FULL
    assert lines[1]["options"] == EMPTY_OPTIONS
    assert (await load(dialect.stranger, exported.content)).json() == {"enqueued": 2, "skipped": 0}
    again = await dialect.stranger.get("/api/v1/skills/management/export.jsonl")
    assert again.content == exported.content


async def test_an_import_changes_what_differs_and_skips_the_rest(dialect: Dialect) -> None:
    first = b'{"slug":"a","instructions":"one"}\n\n{"slug":"b","instructions":"two"}'
    assert (await load(dialect.client, first)).json() == {"enqueued": 2, "skipped": 0}
    ids = {skill["slug"]: skill["id"] for skill in (await dialect.client.get("/api/v1/skills")).json()}
    assert (await load(dialect.client, first)).json() == {"enqueued": 0, "skipped": 2}
    second = (
        b'{"slug":"a","instructions":"one"}\n{"slug":"b","instructions":"x"}\n{"slug":"b","instructions":"y"}'
    )
    assert (await load(dialect.client, second)).json() == {"enqueued": 1, "skipped": 2}
    viewed = (await dialect.client.get(f"/api/v1/skills/{ids['b']}")).json()
    assert viewed["instructions"] == "y"
    assert await slugs(dialect.client) == ["a", "b"]


@pytest.mark.parametrize(
    "line", [b"{", b'{"slug":"b"}', b'{"slug":"b b","instructions":"x"}', b'["b"]', b'{"instructions":"x"}']
)
async def test_one_wrong_line_is_named_and_nothing_is_stored(dialect: Dialect, line: bytes) -> None:
    response = await load(dialect.client, b'{"slug":"a","instructions":"x"}\n' + line)
    assert response.status_code == 400
    assert response.json()["error"].startswith("Line 2")
    assert await slugs(dialect.client) == []


async def test_the_import_wants_its_field_and_a_form(dialect: Dialect) -> None:
    assert (await load(dialect.client, b"", field="documents")).status_code == 400
    response = await dialect.client.post("/api/v1/skills/management/import", json={})
    assert response.status_code == 415


async def test_clearing_removes_ones_own_skills_only(dialect: Dialect) -> None:
    await create(dialect.client)
    await create(dialect.stranger)
    cleared = await dialect.client.delete("/api/v1/skills/management/clear")
    assert cleared.json() == {"message": "Skills cleared successfully"}
    assert await slugs(dialect.client) == []
    assert await slugs(dialect.stranger) == ["greeting"]


async def test_somebody_elses_skill_is_unknown(dialect: Dialect) -> None:
    skill = (await create(dialect.client)).json()["id"]
    for client, name in ((dialect.stranger, skill), (dialect.client, UNKNOWN)):
        for verb, body in (("GET", None), ("PUT", {"instructions": "x"}), ("DELETE", None)):
            response = await client.request(verb, f"/api/v1/skills/{name}", json=body)
            assert response.status_code == 404, verb
    assert (await dialect.client.get("/api/v1/skills/nonsense")).status_code == 400
    deleted = await dialect.client.delete(f"/api/v1/skills/{skill}")
    assert deleted.json() == {"message": "Skill deleted successfully"}
    assert (await dialect.client.get(f"/api/v1/skills/{skill}")).status_code == 404
