"""Organisations, roles in them and groups, as the operator and administrators handle them."""

import pytest

from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.accounts.steward import Steward
from dragoman.kit.errors import Conflict, Forbidden, InvalidInput, NotFound


async def _acme(accounts: AccountsService) -> Steward:
    made = await accounts.tenants.create("Acme")
    for name in ("ann", "bob"):
        await accounts.admin.create_user(NewUser(f"{name}@example.org", "Acme"))
    return Steward(made.id)


async def test_the_first_user_of_an_empty_organisation_owns_it(accounts: AccountsService) -> None:
    steward = await _acme(accounts)
    members = [one.user for one in await accounts.members.select(steward)]
    assert [(user.email, user.role) for user in members] == [
        ("ann@example.org", "owner"),
        ("bob@example.org", "editor"),
    ]
    (acme,) = await accounts.tenants.organisations()
    assert (acme.name, acme.users, acme.groups) == ("Acme", 2, 0)


async def test_no_two_organisations_have_the_same_name(accounts: AccountsService) -> None:
    await accounts.tenants.create("Acme")
    with pytest.raises(Conflict):
        await accounts.tenants.create(" Acme ")
    with pytest.raises(InvalidInput):
        await accounts.tenants.create("  ")
    await accounts.tenants.create("Globex")
    with pytest.raises(InvalidInput):
        await accounts.tenants.organisation(None)
    assert (await accounts.tenants.organisation("Globex")).name == "Globex"


async def test_a_new_role_holds_for_the_keys_there_are(accounts: AccountsService) -> None:
    steward = await _acme(accounts)
    _, key = await accounts.admin.create_key("bob@example.org", "laptop")
    assert accounts.keys.authenticate(key).role == "editor"
    await accounts.members.set_role(steward, "bob@example.org", "viewer")
    assert accounts.keys.authenticate(key).role == "viewer"
    actions = [event.action for event in await accounts.audit.tail("Acme", 5)]
    assert actions[-1] == "user.role_changed"


async def test_an_organisation_is_never_left_without_an_owner(accounts: AccountsService) -> None:
    steward = await _acme(accounts)
    with pytest.raises(Conflict):
        await accounts.members.set_role(steward, "ann@example.org", "editor")
    await accounts.members.set_role(steward, "bob@example.org", "owner")
    assert (await accounts.members.set_role(steward, "ann@example.org", "editor")).role == "editor"


async def test_an_administrator_neither_makes_nor_touches_owners(accounts: AccountsService) -> None:
    steward = await _acme(accounts)
    await accounts.members.set_role(steward, "bob@example.org", "admin")
    bob = Steward.of(await accounts.admin.caller("bob@example.org"))
    for email, role in (("bob@example.org", "owner"), ("ann@example.org", "viewer")):
        with pytest.raises(Forbidden):
            await accounts.members.set_role(bob, email, role)  # pyright: ignore[reportArgumentType]


async def test_nobody_of_another_organisation_is_found(accounts: AccountsService) -> None:
    steward = await _acme(accounts)
    await accounts.admin.create_user(NewUser("eve@example.org"))
    await accounts.groups.create(steward, "Sales")
    with pytest.raises(NotFound):
        await accounts.members.set_role(steward, "eve@example.org", "viewer")
    with pytest.raises(NotFound):
        await accounts.groups.add(steward, "Sales", "eve@example.org")
    eve = Steward.of(await accounts.admin.caller("eve@example.org"))
    with pytest.raises(NotFound):
        await accounts.groups.add(eve, "Sales", "eve@example.org")
    assert await accounts.groups.select(eve) == []


async def test_groups_are_filled_and_emptied_by_name(accounts: AccountsService) -> None:
    steward = await _acme(accounts)
    await accounts.groups.create(steward, "Sales")
    with pytest.raises(Conflict):
        await accounts.groups.create(steward, "Sales")
    for _ in range(2):
        await accounts.groups.add(steward, "Sales", "Bob@example.org")
    await accounts.groups.add(steward, "Sales", "ann@example.org")
    (sales,) = await accounts.groups.select(steward)
    assert sales.members == ("ann@example.org", "bob@example.org")
    await accounts.groups.remove(steward, "Sales", "ann@example.org")
    with pytest.raises(NotFound):
        await accounts.groups.remove(steward, "Sales", "ann@example.org")
    await accounts.groups.delete(steward, sales.id)
    assert await accounts.groups.select(steward) == []
    actions = [event.action for event in await accounts.audit.tail("Acme", 6)]
    assert actions == [
        "group.created",
        "group.member_added",
        "group.member_added",
        "group.member_added",
        "group.member_removed",
        "group.deleted",
    ]
