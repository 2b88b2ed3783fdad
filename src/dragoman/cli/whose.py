"""On whose behalf a command works, and on which collection."""

import argparse

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.knowledge.model import Collection
from dragoman.domain.services import Services
from dragoman.kit.errors import InvalidInput


def add_email(parser: argparse.ArgumentParser) -> None:
    """Adds ``--email``."""
    parser.add_argument("--email", metavar="E", help="work as this user; without it, as the first there is")


async def caller_for(services: Services, email: str | None) -> Caller:
    """The user a command works for.

    Raises:
        InvalidInput: there is no such user, or none at all.
    """
    admin = services.accounts.admin
    if email is None:
        users = await admin.users()
        if not users:
            raise InvalidInput(
                "There is no user yet; make one with: dragoman users create --email you@example.org"
            )
        email = users[0].email
    return await admin.caller(email)


async def collection_for(
    services: Services, caller: Caller, name: str, *, create: bool = False
) -> Collection:
    """The caller's collection of that name or id, made when it is not there and ``create`` is set.

    Raises:
        InvalidInput: there is none and none is to be made.
    """
    found = await services.collections.named(caller, name)
    if found:
        return found[0]
    for collection in await services.collections.visible(caller):
        if collection.id == name:
            return collection
    if not create:
        raise InvalidInput(
            f"There is no collection {name!r}; 'dragoman collections list' shows those there are."
        )
    return await services.collections.create(caller, name)
