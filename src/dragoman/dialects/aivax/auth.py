"""Who is calling, and which thing the path names."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.accounts.credentials import parse_credentials
from dragoman.domain.services import Services
from dragoman.kit.errors import Forbidden, InvalidInput, Unauthenticated
from dragoman.kit.ids import is_uuid


def services_of(request: Request) -> Services:
    """The services that the composition root gave to this application."""
    services: Services = request.app.state.services
    return services


async def any_caller(request: Request) -> Caller:
    """The authenticated caller, with a private or a public key.

    Raises:
        Unauthenticated: no credential, or one that does not hold.
    """
    credential = parse_credentials(request.headers, request.query_params)
    if credential is None:
        raise Unauthenticated(
            "An API key is needed: send it as 'Authorization: Bearer <key>' or in the query as api-key."
        )
    return await services_of(request).accounts.keys.authenticate_slow(credential)


async def private_caller(request: Request) -> Caller:
    """The authenticated caller with a private key.

    Raises:
        Unauthenticated: no credential, or one that does not hold.
        Forbidden: a public key.
    """
    return private_only(await any_caller(request))


def private_only(caller: Caller) -> Caller:
    """The caller, unless the key is a public one.

    Raises:
        Forbidden: a public key.
    """
    if caller.key_kind != "private":
        raise Forbidden("A public key may not be used here; use a private one.", code="private_key_needed")
    return caller


def uuid_in_path(name: str) -> Callable[[Request], str]:
    """A dependency that gives the path's UUID of that name, in lower case."""

    def read(request: Request) -> str:
        value = request.path_params[name]
        if not is_uuid(value):
            raise InvalidInput(f"{value!r} is not a UUID.", param=name.replace("_", "-"))
        return value.lower()

    return read


# Who calls is settled before path and body are looked at, so that a stranger learns nothing from either.
AnyCaller = Annotated[Caller, Depends(any_caller)]
PrivateCaller = Annotated[Caller, Depends(private_caller)]
CollectionId = Annotated[str, Depends(uuid_in_path("collection_id"))]
DocumentId = Annotated[str, Depends(uuid_in_path("document_id"))]
KeyId = Annotated[str, Depends(uuid_in_path("key_id"))]
