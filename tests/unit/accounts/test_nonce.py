"""The nonce that signs calls to an account's own servers."""

import asyncio

import bcrypt
from blockbuster import BlockBuster

from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.nonce import KEPT_SECONDS, Nonces
from dragoman.domain.accounts.service import AccountsService


class _Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_nonce_is_a_bcrypt_hash_of_the_salt(no_blocking: BlockBuster) -> None:
    nonce = await Nonces().of("a" * 64)
    assert nonce.startswith("$2a$")
    assert bcrypt.checkpw(b"a" * 64, nonce.encode())


async def test_a_nonce_is_kept_for_a_minute_and_then_made_anew() -> None:
    clock = _Seconds()
    nonces = Nonces(monotonic=clock)
    first = await nonces.of("salt")
    clock.now += KEPT_SECONDS - 1
    assert await nonces.of("salt") == first
    clock.now += 2
    assert await nonces.of("salt") != first


async def test_calls_at_the_same_time_share_one_nonce() -> None:
    nonces = Nonces()
    assert len(set(await asyncio.gather(*(nonces.of("salt") for _ in range(8))))) == 1


async def test_a_rolled_salt_has_another_nonce_at_once(accounts: AccountsService) -> None:
    await accounts.admin.create_user(NewUser("ann@example.org"))
    ann = await accounts.admin.caller("ann@example.org")
    before = await accounts.nonce(ann)
    salt = await accounts.roll_salt(ann)
    after = await accounts.nonce(ann)
    assert before != after
    assert bcrypt.checkpw(salt.encode(), after.encode())
