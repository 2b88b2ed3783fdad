"""The side of a LiveKit server that workers see, on loopback."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import anyio
import jwt
from livekit.protocol import agent
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

KEY, SECRET = "devkey", "a secret of thirty-two characters"


class LiveKitServer:
    """Takes workers that have the key, and lets nobody into a room."""

    def __init__(self) -> None:
        self.worker: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.rooms_asked: list[str] = []
        self.url = ""

    def process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path != "/agent":
            self.rooms_asked.append(path)
            return connection.respond(HTTPStatus.UNAUTHORIZED, "no such room token\n")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, SECRET, algorithms=["HS256"], issuer=KEY)
        except jwt.InvalidTokenError:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "invalid token\n")
        assert claims["video"]["agent"] is True
        return None

    async def serve(self, connection: ServerConnection) -> None:
        async for data in connection:
            assert isinstance(data, bytes)
            message = agent.WorkerMessage()
            message.ParseFromString(data)
            if message.HasField("register"):
                answer = agent.ServerMessage()
                answer.register.worker_id = "AW_1"
                await connection.send(answer.SerializeToString())
                self.worker.put_nowait(connection)
            await self.told.put(message)

    async def until(self, kind: str, **like: object) -> Any:
        """The next message of a kind."""
        with anyio.fail_after(60):
            while True:
                message = await self.told.get()
                if message.WhichOneof("message") != kind:
                    continue
                part = getattr(message, kind)
                if all(getattr(part, name) == value for name, value in like.items()):
                    return part


def job(server_message: Any, job_id: str, room: str) -> Any:
    server_message.job.id = job_id
    server_message.job.room.name = room
    return server_message


@asynccontextmanager
async def livekit_server() -> AsyncGenerator[LiveKitServer]:
    """A server that listens."""
    made = LiveKitServer()
    listening: Server
    async with serve(made.serve, "127.0.0.1", 0, process_request=made.process_request) as listening:
        made.url = f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"
        yield made
