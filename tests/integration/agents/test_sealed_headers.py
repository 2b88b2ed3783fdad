"""Headers and a worker's environment hold keys: a copy of the database does not tell them."""

from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy import Connection
from tests.integration.agents.test_listing import ROOT_KEY, caller_named, process

from dragoman.db.database import Database
from dragoman.domain.agents.model import AgentSecrets
from dragoman.domain.agents.numbers import AgentNumbers
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.skills.model import SkillDraft, SkillSource
from dragoman.domain.skills.service import SkillsService
from dragoman.domain.tools.spec import CallbackTool, RemoteSource, ToolsSpec

HIDDEN = {"Authorization": "Bearer wh1sper"}
SPEC = AgentSpec(
    model="m",
    tools=ToolsSpec(
        mcp_sources=(
            RemoteSource(name="open", url="http://mcp.example.org/"),
            RemoteSource(name="shut", url="http://mcp.example.org/", headers=HIDDEN),
        ),
        callbacks=(CallbackTool(name="order", description="d", url="http://x.example.org/", headers=HIDDEN),),
    ),
    instruction_sources=(RemoteSource(name="s", url="http://x.example.org/", headers=HIDDEN),),
    worker_env={"KEY": "wh1sper"},
)
EXTENSIONS = {"aivax": {"parameters": {"odd": [{"headers": {"X-Key": "wh1sper"}}], "kept": 1}}}


async def rows_hold(database: Database, table: str, text: str) -> bool:
    def read(connection: Connection) -> bool:
        rows = connection.execute(sa.text(f"select * from {table}")).all()
        return any(text in str(value) for row in rows for value in row)

    return await database.read(read)


async def test_an_agents_headers_are_given_back_and_not_stored_in_clear(database: Database) -> None:
    ana, agents = await caller_named(database, "ana@example.org"), process(database)
    made = await agents.create(
        ana, "gateway", "one", SPEC, secrets=AgentSecrets("k3y"), extensions=EXTENSIONS
    )
    assert (made.spec, made.extensions) == (SPEC, EXTENSIONS)
    assert not await rows_hold(database, "agents", "wh1sper")
    assert await rows_hold(database, "agents", "mcp.example.org")

    for process_of_it in (agents, process(database)):
        got = await process_of_it.get(ana, "gateway", made.id)
        assert (got.spec, got.extensions) == (SPEC, EXTENSIONS)
        found = await process_of_it.find(ana, "one")
        assert found is not None
        assert (found.spec, found.endpoint_key) == (SPEC, "k3y")
    numbers = AgentNumbers(database, agents.vault)
    [(number, listed)] = await numbers.numbered(ana, None)
    assert listed.spec == (await numbers.get(ana, "gateway", number)).spec == SPEC


async def test_a_change_seals_anew_and_keeps_the_other_secrets(database: Database) -> None:
    ana, agents = await caller_named(database, "ana@example.org"), process(database)
    made = await agents.create(ana, "gateway", "one", SPEC, secrets=AgentSecrets("k3y"), extensions={})
    renamed = await agents.update(ana, replace(made, name="two"), secrets=None)
    assert renamed.spec == SPEC
    bare = await agents.update(ana, replace(renamed, spec=AgentSpec(model="m")), secrets=None)
    got = await agents.get(ana, "gateway", made.id)
    assert got.spec == bare.spec == AgentSpec(model="m")
    assert agents.vault.secrets(got).endpoint_key == "k3y"


async def test_the_headers_of_a_skills_sources_are_not_stored_in_clear(database: Database) -> None:
    ana = await caller_named(database, "ana@example.org")
    skills = SkillsService(database, ROOT_KEY.sealer("skills"))
    source = SkillSource("s", "http://x.example.org/", headers=HIDDEN)
    draft = SkillDraft("one", "Do.", sources=(SkillSource("t", "http://y.example.org/"), source))
    made = await skills.create(ana, draft)
    assert not await rows_hold(database, "skills", "wh1sper")
    assert (await skills.get(ana, made.id)).draft == draft
    assert [one.draft for one in await skills.select(ana)] == [draft]
    assert (await skills.import_all(ana, [draft])).stored == 0
    await skills.update(ana, made.id, lambda before: replace(before, instructions="Do it."))
    assert (await skills.named(ana, ["one"]))[0].draft == replace(draft, instructions="Do it.")
    assert not await rows_hold(database, "skills", "wh1sper")
