"""HEAD as RFC 9110 wants it: what GET answers, without its body."""

from dragoman.kit.asgi import Application, Message, Receive, Scope, Send


async def answer_head(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Asks the application for what GET gives and passes on status and headers only.

    To a body that comes in pieces, for as long as it may, the client appears to have hung up.
    """
    begun = False
    ended = False

    async def sending(message: Message) -> None:
        nonlocal begun, ended
        if message["type"] == "http.response.start":
            begun = True
            await send(message)
        elif begun and not ended:
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receiving() -> Message:
        return {"type": "http.disconnect"} if ended else await receive()

    await application({**scope, "method": "GET"}, receiving, sending)
