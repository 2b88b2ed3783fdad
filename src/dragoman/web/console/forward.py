"""What the dialects offer, for the page of somebody who is signed in: the same operations with the same checks.

The session's cookie is exchanged for a token of its user, which goes no further than the dialect.
"""

import re

from starlette.requests import Request

from dragoman.domain.accounts.roles import may
from dragoman.domain.services import Services
from dragoman.kit.asgi import Application, Message, Receive, Scope, Send
from dragoman.kit.errors import DragomanError, Forbidden, NotFound
from dragoman.web.console import gate
from dragoman.web.console.answers import refusal

PREFIX = "/console/via"
_OPEN = re.compile(r"/(?:api/v1/(?!public/|auth/)|v1/(?:chat/completions|models)\b|server/|user/)")
_SAFE = ("GET", "HEAD")
# What changes nothing though it is no GET: asking, searching, listing.
_ASKING = re.compile(
    r"/(?:v1/chat/completions|api/v1/query|server/(?:query|get-[a-z-]+|list-[a-z-]+)|user/get-[a-z-]+)/?\Z"
)
# The caller is given by the session alone; nothing of the answer is for another site.
_DROPPED = (b"cookie", b"authorization", b"x-access-tokens", b"x-api-key", b"origin")
_UNSAID = (b"x-request-id", b"set-cookie")
_CORS = b"access-control-"


class Forward:
    """An application that hands requests on to the one of the dialects."""

    def __init__(self, services: Services, dialects: Application) -> None:
        self._services = services
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = str(scope["path"]).removeprefix(PREFIX)
        try:
            token = await self._token(request, path)
        except DragomanError as error:
            await refusal(error)(scope, receive, send)
            return
        kept = [(name, value) for name, value in scope["headers"] if name not in _DROPPED]
        headers = [*kept, (b"authorization", f"Bearer {token}".encode())]
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": "", "headers": headers}
        await self._dialects(inner, receive, _private(send))

    async def _token(self, request: Request, path: str) -> str:
        _, caller = await gate.find(request, request.method, self._services)
        if _OPEN.match(path) is None:
            raise NotFound(f"There is nothing at {path} for the console.", code="unknown_url")
        if request.method not in _SAFE and not may(caller, "create") and _ASKING.match(path) is None:
            raise Forbidden(
                f"Your role in the organisation is {caller.role}, which may look but not change: "
                "this needs the role editor.",
                code="role_needed",
            )
        return self._services.accounts.mint_token(caller)


def _private(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", ())
                if name.lower() not in _UNSAID and not name.lower().startswith(_CORS)
            ]
            message = {**message, "headers": [*kept, (b"cross-origin-resource-policy", b"same-origin")]}
        await send(message)

    return sending
