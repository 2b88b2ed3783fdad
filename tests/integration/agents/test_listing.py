"""Lists of an account's agents come from memory and yet show every change at once, whoever made it."""

from dataclasses import replace

import pytest

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.agents.listing import Listing
from dragoman.domain.agents.model import AgentSecrets, AgentSummary, StoredAgent
from dragoman.domain.agents.service import AgentsService
from dragoman.domain.agents.spec import AgentSpec
from dragoman.kit.crypto import RootKey

ROOT_KEY = RootKey(b"k" * 32)


def process(database: Database) -> AgentsService:
    """The service as one process has it."""
    versions = AccountsService(database, ROOT_KEY).versions
    return AgentsService(database=database, sealer=ROOT_KEY.sealer("agents"), announce=versions.announce)


async def caller_named(database: Database, email: str) -> Caller:
    accounts = AccountsService(database, ROOT_KEY)
    await accounts.admin.create_user(NewUser(email))
    _, key = await accounts.admin.create_key(email, "first")
    return await accounts.keys.authenticate_slow(key)


async def made(agents: AgentsService, caller: Caller, name: str) -> StoredAgent:
    return await agents.create(
        caller, "gateway", name, AgentSpec(model="m"), secrets=AgentSecrets(), extensions={}
    )


async def names(agents: AgentsService, caller: Caller, wanted: str | None = None) -> list[str]:
    return [row.name for row in await agents.select(caller, "gateway", wanted)]


async def test_a_list_stays_the_same_object_until_something_changes(database: Database) -> None:
    ana, agents = await caller_named(database, "ana@example.org"), process(database)
    await made(agents, ana, "one")
    first = await agents.listing(ana, "gateway")
    assert await agents.listing(ana, "gateway") is first
    await made(agents, ana, "two")
    assert await agents.listing(ana, "gateway") is not first
    assert [row.name for row in first.rows.values()] == ["one"]


async def test_changes_of_this_and_of_another_process_show_at_once(database: Database) -> None:
    ana = await caller_named(database, "ana@example.org")
    here, elsewhere = process(database), process(database)
    one = await made(here, ana, "one")
    assert await names(here, ana) == await names(elsewhere, ana) == ["one"]
    two = await made(elsewhere, ana, "two")
    assert await names(here, ana) == ["one", "two"]
    await here.update(ana, replace(one, name="first"), secrets=None)
    assert await names(here, ana) == await names(elsewhere, ana) == ["first", "two"]
    await elsewhere.delete(ana, "gateway", two.id)
    await made(here, ana, "three")
    assert await names(here, ana) == await names(elsewhere, ana) == ["first", "three"]


async def test_a_listing_is_of_one_account_and_one_kind(database: Database) -> None:
    agents = process(database)
    ana = await caller_named(database, "ana@example.org")
    bob = await caller_named(database, "bob@example.com")
    await made(agents, ana, "hers")
    assert await names(agents, bob) == []
    await made(agents, bob, "his")
    assert (await names(agents, ana), await names(agents, bob)) == (["hers"], ["his"])
    assert await agents.select(ana, "persona") == []


async def test_the_filter_looks_into_name_slug_id_and_model_in_any_case(database: Database) -> None:
    ana, agents = await caller_named(database, "ana@example.org"), process(database)
    one = await made(agents, ana, "Ümlaut Desk")
    await made(agents, ana, "other")
    for wanted in ("ümlaut", "DESK", one.slug[-4:], one.id.upper()):
        assert "Ümlaut Desk" in await names(agents, ana, wanted)
    assert await names(agents, ana, "nothing of it") == []


@pytest.mark.parametrize("added", ["a", "b2", "z"])
def test_a_listing_with_a_row_more_is_in_order(added: str) -> None:
    rows = [AgentSummary(name, name, name, "m", None, 0) for name in ("b", "c")]
    listing = Listing({row.id: row for row in rows}).changed(AgentSummary(added, added, added, "m", None, 0))
    assert list(listing.rows) == sorted(["b", "c", added])
