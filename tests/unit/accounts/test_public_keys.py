"""A public key stays what it is."""

import pytest

from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.service import AccountsService
from dragoman.kit.errors import Forbidden, Unauthenticated

EMAIL = "ana@example.org"


async def test_a_public_key_is_not_exchanged_for_a_token(accounts: AccountsService) -> None:
    await accounts.admin.create_user(NewUser(EMAIL))
    _, key = await accounts.admin.create_key(EMAIL, "widget", kind="public")
    with pytest.raises(Unauthenticated):
        await accounts.exchange(EMAIL, key, address="127.0.0.1")
    with pytest.raises(Forbidden):
        accounts.mint_token(await accounts.keys.authenticate_slow(key))


async def test_a_private_key_is_exchanged_for_a_token_of_the_same_user(accounts: AccountsService) -> None:
    user = await accounts.admin.create_user(NewUser(EMAIL))
    _, key = await accounts.admin.create_key(EMAIL, "laptop")
    token = await accounts.exchange(EMAIL, key, address="127.0.0.1")
    assert (await accounts.keys.authenticate_slow(token)).user_id == user.id
