"""Users of one organisation beside the application's first, each with an HTTP client of their own."""

from contextlib import AsyncExitStack

import httpx
from tests.e2e.in_process import InProcess
from tests.e2e.server import EMAIL

from dragoman.domain.accounts.admin import NewUser
from dragoman.domain.accounts.caller import Role


async def colleague(
    app: InProcess, stack: AsyncExitStack, email: str, role: Role = "editor"
) -> httpx.AsyncClient:
    """The client of a new user of the first user's organisation."""
    admin = app.running.services.accounts.admin
    await admin.create_user(NewUser(email, organisation=EMAIL, role=role))
    _, key = await admin.create_key(email, "test")
    transport = httpx.ASGITransport(app.application, client=("127.0.0.1", 2))  # pyright: ignore[reportArgumentType]
    headers = {"x-access-tokens": key}
    made = httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers, timeout=30)
    return await stack.enter_async_context(made)
