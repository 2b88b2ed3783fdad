"""Signing in: setup links, passwords, keys, sessions; and what administrators do with users."""

import asyncio

import pytest
from accounts_samples import Clock

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.audit.service import EventFilter
from dragoman.domain.accounts.caller import Caller, Role
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.accounts.signin.attempts import Attempts, Pace, Paces
from dragoman.domain.accounts.signin.model import SetupLink, Visitor
from dragoman.domain.accounts.signin.service import SignIn
from dragoman.domain.accounts.steward import Steward
from dragoman.kit.errors import Conflict, Forbidden, InvalidInput, NotFound, QuotaExceeded, Unauthenticated

ANA, PASSWORD = "ana@example.org", "correct horse battery"
HERE = Visitor("192.0.2.1", "A browser")


async def user(accounts: AccountsService, email: str, role: Role | None = None) -> Caller:
    await accounts.admin.create_user(NewUser(email, "Acme", role))
    return await accounts.admin.caller(email)


async def test_a_setup_link_sets_a_password_once_and_lets_in(accounts: AccountsService) -> None:
    ana = await user(accounts, ANA)
    link = await accounts.signin.setup_link("ANA@example.org")
    assert await accounts.signin.invited(link.token, HERE) == ANA
    signed = await accounts.signin.set_up(link.token, PASSWORD, HERE)
    session, caller = await accounts.signin.find(signed.secret)
    assert (caller, session.address, session.program) == (ana, "192.0.2.1", "A browser")
    with pytest.raises(NotFound):
        await accounts.signin.set_up(link.token, "another good one", HERE)
    again = await accounts.signin.by_password("Ana@Example.org ", PASSWORD, HERE)
    assert (await accounts.signin.find(again.secret))[1] == ana


async def test_of_two_who_use_a_link_at_once_one_gets_in(accounts: AccountsService) -> None:
    await user(accounts, ANA)
    link = await accounts.signin.setup_link(ANA)
    results = await asyncio.gather(
        *(accounts.signin.set_up(link.token, f"{PASSWORD} {n}", HERE) for n in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["NotFound", "SignedIn"]


async def test_a_link_ends_and_using_one_ends_the_others(accounts: AccountsService, clock: Clock) -> None:
    await user(accounts, ANA)
    old, link, other = [await accounts.signin.setup_link(ANA) for _ in range(3)]
    await accounts.signin.set_up(link.token, PASSWORD, HERE)
    with pytest.raises(NotFound):
        await accounts.signin.invited(other.token, HERE)
    late = await accounts.signin.setup_link(ANA)
    clock.now += 30 * 60_000
    for one in (old, late):
        with pytest.raises(NotFound):
            await accounts.signin.invited(one.token, HERE)


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaa", ANA, "x" * 201])
async def test_a_password_that_is_easily_guessed_is_refused_and_the_link_still_holds(
    accounts: AccountsService, password: str
) -> None:
    await user(accounts, ANA)
    link = await accounts.signin.setup_link(ANA)
    with pytest.raises(InvalidInput) as refused:
        await accounts.signin.set_up(link.token, password, HERE)
    assert refused.value.param == "password"
    assert await accounts.signin.invited(link.token, HERE) == ANA


async def test_a_password_is_the_same_however_the_keyboard_writes_it(accounts: AccountsService) -> None:
    await user(accounts, ANA)
    link = await accounts.signin.setup_link(ANA)
    await accounts.signin.set_up(link.token, "caf\u00e9 am Eck", HERE)
    assert await accounts.signin.by_password(ANA, "cafe\u0301 am Eck", HERE)


async def test_a_key_lets_in_until_it_is_revoked(accounts: AccountsService) -> None:
    ana = await user(accounts, ANA)
    key_id, key = await accounts.create_key(ana, "mine")
    signed = await accounts.signin.by_key(f" {key} ", HERE)
    assert (await accounts.signin.find(signed.secret))[1].key_id == key_id
    await accounts.revoke_key(ana, key_id)
    with pytest.raises(Unauthenticated):
        await accounts.signin.find(signed.secret)
    _, public = await accounts.create_key(ana, "page", kind="public")
    with pytest.raises(Forbidden):
        await accounts.signin.by_key(public, HERE)


async def test_a_session_ends_with_its_time_unused_or_when_told(
    accounts: AccountsService, clock: Clock
) -> None:
    ana = await user(accounts, ANA)
    _, key = await accounts.create_key(ana, "mine")
    one, other = [await accounts.signin.by_key(key, HERE) for _ in range(2)]
    clock.now += 86_399_000
    session, _ = await accounts.signin.find(one.secret)
    clock.now += 86_399_000
    await accounts.signin.find(one.secret)
    with pytest.raises(Unauthenticated):
        await accounts.signin.find(other.secret)
    assert [held.id for held in await accounts.signin.sessions(ana)] == [session.id]
    await accounts.signin.end(ana, session.id)
    with pytest.raises(Unauthenticated):
        await accounts.signin.find(one.secret)
    with pytest.raises(NotFound):
        await accounts.signin.end(ana, session.id)


async def test_a_stranger_cannot_end_a_session(accounts: AccountsService) -> None:
    ana, eve = await user(accounts, ANA), await user(accounts, "eve@example.org")
    _, key = await accounts.create_key(ana, "mine")
    signed = await accounts.signin.by_key(key, HERE)
    session, _ = await accounts.signin.find(signed.secret)
    with pytest.raises(NotFound):
        await accounts.signin.end(eve, session.id)
    assert (await accounts.signin.find(signed.secret))[1].email == ANA


async def test_failures_are_slowed_down_and_written_down_and_success_is_not_counted(
    database: Database, accounts: AccountsService
) -> None:
    ana = await user(accounts, ANA)
    link = await accounts.signin.setup_link(ANA)
    await accounts.signin.set_up(link.token, PASSWORD, HERE)
    slow = SignIn(
        database,
        accounts.keys,
        attempts=Attempts(database, Paces(address=Pace(100, 60), password=Pace(2, 3600))),
    )
    for _ in range(3):
        await slow.by_password(ANA, PASSWORD, HERE)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await slow.by_password(ANA, "wrong", HERE)
    with pytest.raises(QuotaExceeded):
        await slow.by_password(ANA, PASSWORD, HERE)
    refused = await accounts.audit.search(ana, EventFilter(outcome="refused"))
    assert [event.action for event in refused] == ["session.opened"] * 2
    with pytest.raises(Unauthenticated):
        await slow.by_password("nobody@example.org", PASSWORD, HERE)


async def test_another_password_ends_the_other_sessions(accounts: AccountsService) -> None:
    ana = await user(accounts, ANA)
    link = await accounts.signin.setup_link(ANA)
    one = await accounts.signin.set_up(link.token, PASSWORD, HERE)
    other = await accounts.signin.by_password(ANA, PASSWORD, HERE)
    session, _ = await accounts.signin.find(one.secret)
    with pytest.raises(InvalidInput):
        await accounts.signin.change_password(ana, session, old="wrong", new="a new and good one")
    await accounts.signin.change_password(ana, session, old=PASSWORD, new="a new and good one")
    assert (await accounts.signin.find(one.secret))[0].id == session.id
    with pytest.raises(Unauthenticated):
        await accounts.signin.find(other.secret)


async def test_an_administrator_invites_changes_and_locks_out_but_never_an_owner(
    accounts: AccountsService,
) -> None:
    owner, adam = await user(accounts, ANA), await user(accounts, "adam@example.org", "admin")
    made, link = await accounts.members.invite(Steward.of(adam), "Ed@example.org", "viewer", name="Ed")
    signed = await accounts.signin.set_up(link.token, PASSWORD, HERE)
    assert signed.caller.role == "viewer"
    await accounts.members.set_role(Steward.of(adam), made.id, "editor")
    assert (await accounts.signin.find(signed.secret))[1].role == "editor"
    await accounts.members.set_disabled(Steward.of(adam), made.id, True)
    with pytest.raises(Unauthenticated):
        await accounts.signin.find(signed.secret)
    with pytest.raises(Unauthenticated):
        await accounts.signin.by_password("ed@example.org", PASSWORD, HERE)
    shown = {one.user.email: one for one in await accounts.members.select(Steward.of(adam))}
    assert (shown["ed@example.org"].has_password, shown[ANA].has_password) == (True, False)
    for attempt in (
        accounts.members.setup_link(Steward.of(adam), owner.user_id),
        accounts.members.set_role(Steward.of(adam), owner.user_id, "viewer"),
        accounts.members.set_disabled(Steward.of(adam), owner.user_id, True),
        accounts.members.invite(Steward.of(adam), "boss@example.org", "owner"),
        accounts.members.set_role(Steward.of(adam), made.id, "owner"),
    ):
        with pytest.raises(Forbidden):
            await attempt
    with pytest.raises(Conflict):
        await accounts.members.set_role(Steward.of(owner), owner.user_id, "admin")
    with pytest.raises(Conflict):
        await accounts.members.set_disabled(Steward.of(owner), owner.user_id, True)
    with pytest.raises(Conflict):
        await accounts.members.invite(Steward.of(adam), ANA, "viewer")


async def test_another_organisations_users_and_keys_do_not_exist(accounts: AccountsService) -> None:
    ana = await user(accounts, ANA)
    await accounts.admin.create_user(NewUser("eve@elsewhere.org", "Elsewhere"))
    eve = await accounts.admin.caller("eve@elsewhere.org")
    key_id, _ = await accounts.create_key(ana, "mine")
    assert [one.user.email for one in await accounts.members.select(Steward.of(eve))] == ["eve@elsewhere.org"]
    assert await accounts.members.keys(Steward.of(eve)) == []
    attempts: list[object] = [
        accounts.members.setup_link(Steward.of(eve), ana.user_id),
        accounts.members.set_role(Steward.of(eve), ana.user_id, "viewer"),
        accounts.members.set_disabled(Steward.of(eve), ana.user_id, True),
        accounts.members.revoke_key(Steward.of(eve), key_id),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            await attempt  # pyright: ignore[reportGeneralTypeIssues]


@pytest.mark.parametrize("role", ["viewer", "editor"])
async def test_who_is_no_administrator_sees_no_users(accounts: AccountsService, role: Role) -> None:
    await user(accounts, ANA)
    ed = await user(accounts, "ed@example.org", role)
    with pytest.raises(Forbidden):
        await accounts.members.select(Steward.of(ed))
    with pytest.raises(Forbidden):
        await accounts.audit.search(ed, EventFilter())


async def test_the_operator_is_told_of_a_user_who_is_not_there(accounts: AccountsService) -> None:
    assert await accounts.signin.nobody_can()
    with pytest.raises(NotFound):
        await accounts.signin.setup_link("nobody@example.org")
    await user(accounts, ANA)
    link: SetupLink = await accounts.signin.setup_link(ANA)
    await accounts.signin.set_up(link.token, PASSWORD, HERE)
    assert not await accounts.signin.nobody_can()
