import asyncio
import time

import jwt
import pytest
import sqlalchemy as sa
from accounts_samples import ROOT, Clock

from dragoman.db.database import Database
from dragoman.domain.accounts import repository
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.accounts.tables import api_keys
from dragoman.domain.accounts.tokens import TokenSigner
from dragoman.domain.accounts.versions import CHECK_SECONDS, Versions
from dragoman.kit.errors import Unauthenticated, Unavailable
from dragoman.kit.ids import api_key
from dragoman.kit.tasks import TaskOwner


class CountingDatabase:
    """Counts reads and can be made unreachable."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.reads = 0
        self.down = False

    dialect = "sqlite"

    async def read(self, fn, *args, **kwargs):
        self.reads += 1
        if self.down:
            raise Unavailable("gone")
        return await self.inner.read(fn, *args, **kwargs)

    async def write(self, fn, *args, **kwargs):
        if self.down:
            raise Unavailable("gone")
        return await self.inner.write(fn, *args, **kwargs)

    async def close(self) -> None:
        await self.inner.close()


async def _ann(accounts: AccountsService) -> tuple[str, str]:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    return await accounts.admin.create_key("ann@example.org", "x")


async def test_a_known_key_is_answered_without_the_database(database: Database, clock: Clock) -> None:
    counting = CountingDatabase(database)
    accounts = AccountsService(counting, ROOT, clock_ms=clock)
    key_id, key = await _ann(accounts)
    before = counting.reads
    caller = accounts.keys.authenticate(key)
    assert (caller.email, caller.key_id, caller.role) == ("ann@example.org", key_id, "owner")
    assert await accounts.keys.authenticate_slow(key) == caller
    assert counting.reads == before


async def test_a_restarted_server_knows_the_keys_once_loaded(
    accounts: AccountsService, elsewhere: AccountsService
) -> None:
    _, key = await _ann(accounts)
    with pytest.raises(Unauthenticated):
        elsewhere.keys.authenticate(key)
    await elsewhere.keys.reload()
    assert elsewhere.keys.authenticate(key).email == "ann@example.org"


async def test_a_key_made_by_another_process_works_at_once(
    accounts: AccountsService, elsewhere: AccountsService
) -> None:
    await accounts.keys.reload()
    _, key = await _ann(elsewhere)
    assert (await accounts.keys.authenticate_slow(key)).email == "ann@example.org"


async def test_a_revocation_by_another_process_holds_within_a_second(
    accounts: AccountsService, elsewhere: AccountsService
) -> None:
    key_id, key = await _ann(accounts)
    tasks = TaskOwner()
    accounts.versions.start(tasks)
    await elsewhere.admin.revoke_key(key_id)
    deadline = time.monotonic() + 1.0
    while True:
        try:
            accounts.keys.authenticate(key)
        except Unauthenticated:
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    await tasks.close()
    assert CHECK_SECONDS <= 0.5


async def test_a_disabled_user_is_locked_out_with_keys_and_tokens_and_let_in_again(
    accounts: AccountsService,
) -> None:
    _, key = await _ann(accounts)
    token = accounts.mint_token(accounts.keys.authenticate(key))
    await accounts.admin.set_disabled("Ann@example.org", True)
    for credential in (key, token):
        with pytest.raises(Unauthenticated):
            await accounts.keys.authenticate_slow(credential)
    await accounts.admin.set_disabled("ann@example.org", False)
    for credential in (key, token):
        assert accounts.keys.authenticate(credential).email == "ann@example.org"


async def test_many_unknown_keys_share_few_looks_into_the_database(database: Database) -> None:
    counting = CountingDatabase(database)
    accounts = AccountsService(counting, ROOT)
    results = await asyncio.gather(
        *(accounts.keys.authenticate_slow(api_key()) for _ in range(200)), return_exceptions=True
    )
    assert all(isinstance(result, Unauthenticated) for result in results)
    assert counting.reads <= 3


async def test_a_key_found_unknown_is_not_looked_up_again_for_a_second(database: Database) -> None:
    counting = CountingDatabase(database)
    accounts = AccountsService(counting, ROOT)
    key = api_key()
    for _ in range(50):
        with pytest.raises(Unauthenticated):
            await accounts.keys.authenticate_slow(key)
    assert counting.reads == 1


async def test_a_key_called_unknown_a_moment_ago_works_as_soon_as_it_is_made(
    accounts: AccountsService, elsewhere: AccountsService
) -> None:
    given = "sk-given-by-the-operator-0123456789"
    with pytest.raises(Unauthenticated):
        await accounts.keys.authenticate_slow(given)
    await elsewhere.admin.ensure_bootstrap("root@example.org", given)
    await accounts.versions.check()
    assert accounts.keys.authenticate(given).email == "root@example.org"


async def test_known_keys_go_on_working_while_the_database_is_away(database: Database) -> None:
    counting = CountingDatabase(database)
    accounts = AccountsService(counting, ROOT)
    _, key = await _ann(accounts)
    counting.down = True
    assert accounts.keys.authenticate(key).email == "ann@example.org"
    with pytest.raises(Unauthenticated):
        await accounts.keys.authenticate_slow(api_key())


@pytest.mark.parametrize(
    "credential",
    ["", "sk-", "x", "sk-" + "A" * 61, "eyJ..", "eyJhbGciOiJub25lIn0.e30.", "a" * 100_000, "\ud800", "é\0"],
)
async def test_rubbish_is_refused(accounts: AccountsService, credential: str) -> None:
    await _ann(accounts)
    with pytest.raises(Unauthenticated):
        accounts.keys.authenticate(credential)
    with pytest.raises(Unauthenticated):
        await accounts.keys.authenticate_slow(credential)


async def test_forged_tokens_are_refused(accounts: AccountsService, clock: Clock) -> None:
    _, key = await _ann(accounts)
    caller = accounts.keys.authenticate(key)
    good = accounts.mint_token(caller)
    claims = jwt.decode(good, options={"verify_signature": False})
    signing_key = ROOT.derive("accounts/tokens")
    forged = [
        TokenSigner(bytes(32)).mint(caller, now_ms=clock.now),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode({**claims, "aud": "other"}, signing_key, algorithm="HS256"),
        jwt.encode({name: claims[name] for name in ("sub", "aud", "iat")}, signing_key, algorithm="HS256"),
        jwt.encode({**claims, "sub": "nobody"}, signing_key, algorithm="HS256"),
        jwt.encode({**claims, "key": "no-such-key"}, signing_key, algorithm="HS256"),
        jwt.encode(claims, signing_key + bytes(32), algorithm="HS512"),
        good[:-2],
    ]
    assert accounts.keys.authenticate(good).user_id == caller.user_id
    for token in forged:
        with pytest.raises(Unauthenticated):
            accounts.keys.authenticate(token)


async def test_use_of_a_key_is_written_down_on_flush_and_never_moves_back(
    accounts: AccountsService, database: Database, clock: Clock
) -> None:
    key_id, key = await _ann(accounts)
    used = sa.select(api_keys.c.used_at).where(api_keys.c.id == key_id)
    await accounts.keys.flush_used()
    assert await database.read(lambda connection: connection.execute(used).scalar()) is None
    accounts.keys.authenticate(key)
    await accounts.keys.flush_used()
    assert await database.read(lambda connection: connection.execute(used).scalar()) == clock.now
    await database.write(repository.set_used, {key_id: clock.now - 5})
    assert await database.read(lambda connection: connection.execute(used).scalar()) == clock.now


async def test_a_change_of_a_topic_calls_its_subscribers_and_no_others(database: Database) -> None:
    versions = Versions(database)
    called: list[str] = []

    async def agents() -> None:
        called.append("agents")

    async def others() -> None:
        called.append("others")

    versions.subscribe("agents", agents)
    versions.subscribe("others", others)
    await versions.check()
    assert called == []
    await database.write(versions.announce, "agents")
    await versions.check()
    await versions.check()
    assert called == ["agents"]
    await database.write(versions.announce, "agents")
    await versions.check()
    assert called == ["agents", "agents"]


async def test_a_change_that_is_rolled_back_announces_nothing(database: Database) -> None:
    versions = Versions(database)
    called: list[str] = []

    async def refresh() -> None:
        called.append("x")

    def fail(connection: sa.Connection) -> None:
        versions.announce(connection, "topic")
        raise ValueError("undone")

    versions.subscribe("topic", refresh)
    with pytest.raises(ValueError, match="undone"):
        await database.write(fail)
    await versions.check()
    assert called == []
