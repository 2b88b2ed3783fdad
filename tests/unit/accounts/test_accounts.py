import pytest
import sqlalchemy as sa
from accounts_samples import ROOT, Clock

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.accounts.tables import api_keys, secrets
from dragoman.kit.errors import Conflict, InvalidInput, NotFound, QuotaExceeded, Unauthenticated, Unavailable
from dragoman.kit.gcra import RateLimit

DAY_MS = 86_400_000


async def test_a_user_without_an_organisation_gets_one_of_their_own(accounts: AccountsService) -> None:
    ann = await accounts.admin.create_user(NewUser("Ann@Example.org"))
    bob = await accounts.admin.create_user(NewUser("bob@example.org"))
    assert (ann.email, ann.organisation, ann.role) == ("ann@example.org", "ann@example.org", "owner")
    assert bob.organisation_id != ann.organisation_id
    assert bob.number != ann.number
    assert [user.email for user in await accounts.admin.users()] == ["ann@example.org", "bob@example.org"]


async def test_the_first_of_an_organisation_owns_it_and_later_ones_edit(accounts: AccountsService) -> None:
    ann = await accounts.admin.create_user(NewUser("ann@example.org", "Acme"))
    bob = await accounts.admin.create_user(NewUser("bob@example.org", "Acme"))
    eve = await accounts.admin.create_user(NewUser("eve@example.org", "Acme", "viewer"))
    assert ann.organisation_id == bob.organisation_id == eve.organisation_id
    assert [ann.role, bob.role, eve.role] == ["owner", "editor", "viewer"]


async def test_nobody_slips_into_an_organisation_that_is_named_like_their_email(
    accounts: AccountsService,
) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org", "bob@example.org"))
    with pytest.raises(Conflict):
        await accounts.admin.create_user(NewUser("bob@example.org"))


async def test_an_email_is_used_once_whatever_its_case(accounts: AccountsService) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    with pytest.raises(Conflict):
        await accounts.admin.create_user(NewUser("ANN@example.org", "Acme"))
    assert len(await accounts.admin.users()) == 1


@pytest.mark.parametrize("email", ["", "ann", "@x", "a@", "a b@c", "a@b@c", "x" * 400 + "@example.org"])
async def test_what_is_no_email_is_refused(accounts: AccountsService, email: str) -> None:
    with pytest.raises(InvalidInput):
        await accounts.admin.create_user(NewUser(email))


async def test_a_key_is_stored_as_a_digest_only(accounts: AccountsService, database: Database) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    _, key = await accounts.admin.create_key("ann@example.org", "laptop")
    assert len(key) == 64
    row = await database.read(lambda connection: connection.execute(sa.select(api_keys)).one())
    assert key not in str(row)
    assert row.last_six == key[-6:]


async def test_a_caller_sees_and_revokes_own_keys_only(accounts: AccountsService) -> None:
    for email in ("ann@example.org", "bob@example.org"):
        await accounts.admin.create_user(NewUser(email, "Acme"))
    ann, bob = [await accounts.admin.caller(f"{name}@example.org") for name in ("ann", "bob")]
    key_id, key = await accounts.create_key(ann, "laptop", days=30, kind="public")
    assert accounts.keys.authenticate(key).key_kind == "public"
    (shown,) = await accounts.list_keys(ann)
    assert (shown.id, shown.label, shown.last_six) == (key_id, "laptop", key[-6:])
    assert shown.expires_at is not None
    assert shown.expires_at - shown.created_at == 30 * DAY_MS
    assert await accounts.list_keys(bob) == []
    with pytest.raises(NotFound):
        await accounts.revoke_key(bob, key_id)
    assert accounts.keys.authenticate(key).user_id == ann.user_id
    await accounts.revoke_key(ann, key_id)
    assert await accounts.list_keys(ann) == []
    with pytest.raises(NotFound):
        await accounts.revoke_key(ann, key_id)


@pytest.mark.parametrize(("label", "days"), [("x" * 201, None), ("", 0), ("", -1), ("", 1_000_000)])
async def test_a_key_out_of_bounds_is_refused(
    accounts: AccountsService, label: str, days: int | None
) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    with pytest.raises(InvalidInput):
        await accounts.admin.create_key("ann@example.org", label, days=days)


async def test_the_operator_sees_keys_of_all_or_of_one_user(accounts: AccountsService) -> None:
    for email in ("ann@example.org", "bob@example.org"):
        await accounts.admin.create_user(NewUser(email))
        await accounts.admin.create_key(email, "x")
    assert [key.email for key in await accounts.admin.keys()] == ["ann@example.org", "bob@example.org"]
    (bobs,) = await accounts.admin.keys("Bob@example.org")
    assert bobs.email == "bob@example.org"
    with pytest.raises(NotFound):
        await accounts.admin.keys("eve@example.org")
    await accounts.admin.revoke_key(bobs.id)
    assert (await accounts.admin.keys("bob@example.org"))[0].revoked_at is not None
    with pytest.raises(NotFound):
        await accounts.admin.revoke_key(bobs.id)


GIVEN = "sk-given-by-the-operator-0123456789"


async def test_bootstrap_makes_user_and_key_once(accounts: AccountsService) -> None:
    user = await accounts.admin.ensure_bootstrap("Root@example.org", GIVEN)
    for _ in range(2):
        assert await accounts.admin.ensure_bootstrap("root@example.org", GIVEN) == user
    assert user.role == "owner"
    assert accounts.keys.authenticate(GIVEN).user_id == user.id
    assert len(await accounts.admin.users()) == 1
    assert len(await accounts.admin.keys()) == 1


async def test_bootstrap_does_not_bring_back_a_revoked_key(accounts: AccountsService) -> None:
    await accounts.admin.ensure_bootstrap("root@example.org", GIVEN)
    await accounts.admin.revoke_key((await accounts.admin.keys())[0].id)
    await accounts.admin.ensure_bootstrap("root@example.org", GIVEN)
    with pytest.raises(Unauthenticated):
        await accounts.keys.authenticate_slow(GIVEN)


async def test_bootstrap_refuses_a_weak_key_and_somebody_elses(accounts: AccountsService) -> None:
    for key in ("short", "has spaces in it but is long enough", "x" * 201):
        with pytest.raises(InvalidInput):
            await accounts.admin.ensure_bootstrap("root@example.org", key)
    await accounts.admin.ensure_bootstrap("root@example.org", GIVEN)
    with pytest.raises(Conflict):
        await accounts.admin.ensure_bootstrap("other@example.org", GIVEN)
    assert len(await accounts.admin.users()) == 1


async def test_an_exchange_gives_a_token_and_is_written_down(accounts: AccountsService) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    key_id, key = await accounts.admin.create_key("ann@example.org", "x")
    token = await accounts.exchange(" ANN@example.org", key, address="192.0.2.1")
    caller = accounts.keys.authenticate(token)
    assert (caller.email, caller.key_id) == ("ann@example.org", None)
    with pytest.raises(Unauthenticated):
        await accounts.exchange("ann@example.org", "sk-wrong", address="192.0.2.2")
    rows = await accounts.logins(caller, 10)
    assert [(row.succeeded, row.address) for row in rows] == [(False, "192.0.2.2"), (True, "192.0.2.1")]
    assert len(await accounts.logins(caller, 1)) == 1
    await accounts.admin.revoke_key(key_id)
    with pytest.raises(Unauthenticated):
        accounts.keys.authenticate(token)


async def test_a_key_of_one_user_gives_no_token_for_another(accounts: AccountsService) -> None:
    for email in ("ann@example.org", "bob@example.org"):
        await accounts.admin.create_user(NewUser(email))
    _, anns = await accounts.admin.create_key("ann@example.org", "x")
    with pytest.raises(Unauthenticated) as unlike:
        await accounts.exchange("bob@example.org", anns, address="192.0.2.1")
    with pytest.raises(Unauthenticated) as unknown:
        await accounts.exchange("nobody@example.org", anns, address="192.0.2.1")
    assert unlike.value.detail == unknown.value.detail
    bob = await accounts.admin.caller("bob@example.org")
    assert [row.succeeded for row in await accounts.logins(bob, 10)] == [False]


async def test_a_token_is_not_exchanged_for_a_longer_one(accounts: AccountsService) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    _, key = await accounts.admin.create_key("ann@example.org", "x")
    token = await accounts.exchange("ann@example.org", key, address="192.0.2.1")
    with pytest.raises(Unauthenticated):
        await accounts.exchange("ann@example.org", token, address="192.0.2.1")


@pytest.mark.parametrize("by_address", [True, False])
async def test_exchanges_are_throttled(database: Database, by_address: bool) -> None:
    limit = RateLimit(burst=2, period_seconds=60, clock=lambda: 0.0)
    per_address, per_account = (limit, None) if by_address else (None, limit)
    accounts = AccountsService(database, ROOT, per_address=per_address, per_account=per_account)
    await accounts.admin.create_user(NewUser("ann@example.org"))
    _, key = await accounts.admin.create_key("ann@example.org", "x")
    for _ in range(2):
        await accounts.exchange("ann@example.org", key, address="192.0.2.1")
    with pytest.raises(QuotaExceeded) as refusal:
        await accounts.exchange("ann@example.org", key, address="192.0.2.1")
    assert refusal.value.retry_after_seconds == pytest.approx(60)


async def test_a_token_ends_after_a_day_and_a_key_on_its_date(
    accounts: AccountsService, clock: Clock
) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    ann = await accounts.admin.caller("ann@example.org")
    _, key = await accounts.create_key(ann, "x", days=2)
    token = accounts.mint_token(ann)
    clock.now += DAY_MS - 1000
    assert accounts.keys.authenticate(token).user_id == ann.user_id
    clock.now += 1000
    with pytest.raises(Unauthenticated) as expired:
        accounts.keys.authenticate(token)
    assert expired.value.code == "token_expired"
    assert accounts.keys.authenticate(key)
    clock.now += DAY_MS
    with pytest.raises(Unauthenticated) as ended:
        await accounts.keys.authenticate_slow(key)
    assert ended.value.code == "api_key_expired"


async def test_account_switches_are_merged_and_none_takes_one_away(accounts: AccountsService) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    ann = await accounts.admin.caller("ann@example.org")
    assert await accounts.settings(ann) == {}
    await accounts.change_settings(ann, {"a": 1, "b": {"c": [True]}})
    assert await accounts.change_settings(ann, {"a": None, "d": "x"}) == {"b": {"c": [True]}, "d": "x"}
    assert await accounts.settings(ann) == {"b": {"c": [True]}, "d": "x"}


async def test_a_rolled_salt_replaces_the_old_one(accounts: AccountsService) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    ann = await accounts.admin.caller("ann@example.org")
    before = await accounts.salt(ann)
    rolled = await accounts.roll_salt(ann)
    assert await accounts.salt(ann) == rolled != before
    assert len(rolled) == 64


async def test_secrets_are_sealed_and_belong_to_one_user(
    accounts: AccountsService, database: Database
) -> None:
    for email in ("ann@example.org", "bob@example.org"):
        await accounts.admin.create_user(NewUser(email, "Acme"))
    ann, bob = [await accounts.admin.caller(f"{name}@example.org") for name in ("ann", "bob")]
    await accounts.set_secret(ann, "TOKEN", "hunter2-hunter2")
    await accounts.set_secret(ann, "TOKEN", "hunter3-hunter3")
    assert await accounts.secret_names(ann) == ["TOKEN"]
    assert await accounts.secret(ann, "TOKEN") == "hunter3-hunter3"
    sealed = await database.read(
        lambda connection: connection.execute(sa.select(secrets.c.sealed)).scalar_one()
    )
    assert b"hunter" not in sealed
    assert await accounts.secret_names(bob) == []
    with pytest.raises(NotFound):
        await accounts.secret(bob, "TOKEN")
    with pytest.raises(NotFound):
        await accounts.delete_secret(bob, "TOKEN")
    await accounts.delete_secret(ann, "TOKEN")
    assert await accounts.secret_names(ann) == []


async def test_a_sealed_secret_moved_to_another_user_does_not_open(
    accounts: AccountsService, database: Database
) -> None:
    for email in ("ann@example.org", "bob@example.org"):
        await accounts.admin.create_user(NewUser(email))
    ann, bob = [await accounts.admin.caller(f"{name}@example.org") for name in ("ann", "bob")]
    await accounts.set_secret(ann, "TOKEN", "hunter2")
    await database.write(
        lambda connection: connection.execute(sa.update(secrets).values(user_id=bob.user_id)).rowcount
    )
    with pytest.raises(Unavailable):
        await accounts.secret(bob, "TOKEN")


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("a b", "x"), ("a" * 101, "x"), ("a", ""), ("a", "x" * 70_000)]
)
async def test_a_secret_out_of_bounds_is_refused(accounts: AccountsService, name: str, value: str) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    with pytest.raises(InvalidInput):
        await accounts.set_secret(await accounts.admin.caller("ann@example.org"), name, value)
