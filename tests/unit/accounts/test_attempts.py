"""Failed sign-ins: counted over all processes, by address and account, and forgotten in time."""

import pytest

from dragoman.db.database import Database
from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.service import AccountsService
from dragoman.domain.accounts.signin.attempts import Attempts, Pace, Paces
from dragoman.domain.accounts.signin.model import Visitor
from dragoman.kit.crypto import RootKey
from dragoman.kit.errors import QuotaExceeded, Unauthenticated

PACES = Paces(address=Pace(3, 60), password=Pace(2, 60), key=Pace(2, 60))
START = 1_800_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def fail(attempts: Attempts, database: Database, address: str) -> None:
    await attempts.begin(address)
    await database.write(lambda connection: attempts.failed(connection, address))


async def test_another_process_knows_of_the_failures(database: Database, clock: Clock) -> None:
    one, other = (Attempts(database, PACES, clock_ms=clock) for _ in range(2))
    for _ in range(3):
        await fail(one, database, "192.0.2.1")
    for process in (one, other):
        with pytest.raises(QuotaExceeded) as refusal:
            await process.begin("192.0.2.1")
        assert refusal.value.retry_after_seconds == pytest.approx(60)
    await other.begin("192.0.2.2")
    clock.now += 60_000
    await fail(other, database, "192.0.2.1")
    with pytest.raises(QuotaExceeded):
        await one.begin("192.0.2.1")


async def test_addresses_of_one_line_count_as_one(database: Database, clock: Clock) -> None:
    attempts = Attempts(database, PACES, clock_ms=clock)
    for last in range(3):
        await fail(attempts, database, f"2001:db8::{last}")
    with pytest.raises(QuotaExceeded):
        await attempts.begin("2001:db8::ffff")
    await attempts.begin("2001:db8:0:1::1")


async def test_failures_are_forgotten_and_their_rows_go(database: Database, clock: Clock) -> None:
    attempts = Attempts(database, PACES, clock_ms=clock)
    await fail(attempts, database, "192.0.2.1")
    assert await attempts.forget_old() == 0
    clock.now += 60_000
    assert await attempts.forget_old() == 1


async def test_many_at_once_get_no_further_than_many_in_a_row(database: Database, clock: Clock) -> None:
    attempts = Attempts(database, PACES, clock_ms=clock)
    for _ in range(3):
        await attempts.begin("192.0.2.1")
    with pytest.raises(QuotaExceeded):
        await attempts.begin("192.0.2.1")
    attempts.made_it("192.0.2.1")
    await attempts.begin("192.0.2.1")


async def test_guesses_at_keys_are_slowed_down_and_the_right_key_still_works(
    database: Database, clock: Clock
) -> None:
    accounts = AccountsService(database, RootKey(b"k" * 32), paces=PACES, clock_ms=clock)
    await accounts.admin.create_user(NewUser("ann@example.org"))
    _, key = await accounts.admin.create_key("ann@example.org", "x")
    for number in range(2):
        with pytest.raises(Unauthenticated):
            await accounts.exchange("ann@example.org", "sk-wrong", address=f"192.0.2.{number}")
    with pytest.raises(QuotaExceeded) as refusal:
        await accounts.exchange("ann@example.org", "sk-wrong", address="192.0.2.9")
    assert refusal.value.retry_after_seconds == pytest.approx(60)
    for _ in range(5):
        await accounts.exchange("ann@example.org", key, address="192.0.2.10")
    assert len(await accounts.logins(await accounts.admin.caller("ann@example.org"), 50)) == 8


async def test_an_address_that_guesses_is_kept_out_of_everything(database: Database, clock: Clock) -> None:
    accounts = AccountsService(database, RootKey(b"k" * 32), paces=PACES, clock_ms=clock)
    await accounts.admin.create_user(NewUser("ann@example.org"))
    _, key = await accounts.admin.create_key("ann@example.org", "x")
    for number in range(3):
        with pytest.raises(Unauthenticated):
            await accounts.exchange(f"nobody{number}@example.org", "sk-wrong", address="192.0.2.1")
    with pytest.raises(QuotaExceeded):
        await accounts.exchange("ann@example.org", key, address="192.0.2.1")
    with pytest.raises(QuotaExceeded):
        await accounts.signin.by_key(key, Visitor("192.0.2.1"))
    assert await accounts.exchange("ann@example.org", key, address="192.0.2.2")
