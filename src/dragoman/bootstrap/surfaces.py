"""Further prefixes under which the compatible dialects are served."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from dragoman.bootstrap.asgi import Front, elsewhere
from dragoman.dialects.anthropic.app import create_app as create_anthropic
from dragoman.dialects.gemini.app import create_app as create_gemini
from dragoman.domain.services import Services
from dragoman.kit.asgi import Application, Receive, Scope, Send

_OPENAI = ("/server/openai/v1", "/server/v1")
_ANTHROPIC = ("/server/anthropic", "/anthropic")
_GEMINI = ("/server/google", "/google")
_TOLD = "dragoman.readable"
_MESSAGES = ("/v1/messages", "/v1/messages/count_tokens")


def compatible(services: Services, openai: FastAPI) -> dict[str, tuple[str, Application]]:
    """Mounts of the dialects that other services offer as well; scripts of any origin may read the answers."""
    anthropic, gemini = create_anthropic(services), create_gemini(services)
    return {
        **{prefix: ("openai", readable(openai)) for prefix in _OPENAI},
        **dict.fromkeys(_ANTHROPIC, ("anthropic", anthropic)),
        **dict.fromkeys(_GEMINI, ("gemini", gemini)),
    }


def add_compatible(front: Front, hot: Application, completions: str) -> None:
    """Routes of single paths: the fast line under each prefix, and messages where clients of one address look."""
    for prefix in _OPENAI:
        path = prefix + completions.removeprefix("/v1")
        front.route("POST", path, readable(elsewhere(hot, completions)))
    for path in _MESSAGES:
        front.route("POST", path, elsewhere(front.mounted, _ANTHROPIC[1] + path))


def readable(application: Application) -> Application:
    """The application with answers that scripts of any origin may read: who asks is told by a key, never by a cookie.

    One that hands a request on to another such application says so once only.
    """
    telling = CORSMiddleware(
        application, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], expose_headers=["*"]
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if _TOLD in scope:
            await application(scope, receive, send)
            return
        scope[_TOLD] = True
        await telling(scope, receive, send)

    return answer
