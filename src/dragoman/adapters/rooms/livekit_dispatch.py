"""Calls of a LiveKit server for the agent: registered as a worker there, each job is a conversation held here."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import jwt
import orjson
import structlog
from google.protobuf.message import DecodeError
from livekit.protocol import agent, models
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from dragoman.domain.voice.calls import CallsService, LiveCall
from dragoman.domain.voice.model import VoiceSession
from dragoman.domain.voice.ports import CallSetup, Ended
from dragoman.domain.voice.sessions import VoiceSessionsService
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import DragomanError
from dragoman.kit.tasks import TaskOwner

log = structlog.get_logger(__name__)

_DIALECT = "playground"
_TOKEN_SECONDS = 600
_OPEN_SECONDS = 15.0
_REGISTER_SECONDS = 15.0
_STATUS_SECONDS = 5.0
_ASSIGN_SECONDS = 20.0
_SOCKET = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A LiveKit server and the key for it. ``agent_name`` is who its rooms call."""

    url: str
    key: str
    secret: str = field(repr=False)
    agent_name: str

    @property
    def socket(self) -> str:
        """Where workers register."""
        scheme, _, rest = self.url.partition("://")
        return f"{_SOCKET.get(scheme, scheme)}://{rest.rstrip('/')}/agent"

    def token(self) -> str:
        """What lets a worker register."""
        now = now_ms() // 1000
        claims = {"iss": self.key, "nbf": now - 5, "exp": now + _TOKEN_SECONDS, "video": {"agent": True}}
        return jwt.encode(claims, self.secret, algorithm="HS256")


class Dispatch:
    """Stays registered with a LiveKit server and holds the conversations it is called to.

    Args:
        cluster: the server.
        sessions: finds whose room it is.
        calls: holds conversations.
        most: how many at the same time.
        pause: waits before the next attempt to register, given how many have failed.
    """

    def __init__(
        self,
        cluster: Cluster,
        sessions: VoiceSessionsService,
        calls: CallsService,
        *,
        most: int,
        pause: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._cluster, self._sessions, self._calls, self._most = cluster, sessions, calls, most
        self._pause = pause or _pause
        self._jobs: dict[str, LiveCall] = {}
        self._offered: dict[str, asyncio.TimerHandle] = {}
        self._tasks = TaskOwner()
        self._socket: ClientConnection | None = None

    async def run(self) -> None:
        """Registers, again whenever the connection is lost, until it is cancelled."""
        failures = 0
        try:
            while True:
                try:
                    await self._registered()
                    failures = 0
                except InvalidStatus as error:
                    status = error.response.status_code
                    log.warning("voice.livekit_refused", url=self._cluster.url, status=status)
                except (OSError, TimeoutError, WebSocketException, ValueError) as error:
                    log.warning("voice.livekit_lost", url=self._cluster.url, reason=repr(error))
                failures += 1
                await self._pause(failures)
        finally:
            await self._tasks.close()

    async def _registered(self) -> None:
        headers = {"Authorization": f"Bearer {self._cluster.token()}"}
        async with connect(
            self._cluster.socket, additional_headers=headers, open_timeout=_OPEN_SECONDS
        ) as socket:
            await socket.send(self._registration().SerializeToString())
            async with asyncio.timeout(_REGISTER_SECONDS):
                answer = _message(await socket.recv())
            if not answer.HasField("register"):
                raise ValueError("the server did not answer the registration")
            log.info("voice.livekit_registered", url=self._cluster.url, worker=answer.register.worker_id)
            self._socket = socket
            status = self._tasks.start(self._report(), name="voice.livekit_status")
            try:
                async for data in socket:
                    self._take(_message(data))
            finally:
                self._socket = None
                status.cancel()

    def _registration(self) -> Any:
        message = agent.WorkerMessage()
        message.register.type = agent.JobType.JT_ROOM
        message.register.agent_name = self._cluster.agent_name
        message.register.version = version("dragoman")
        message.register.allowed_permissions.CopyFrom(
            models.ParticipantPermission(
                can_publish=True,
                can_subscribe=True,
                can_publish_data=True,
                can_update_metadata=True,
                agent=True,
            )
        )
        return message

    def _take(self, message: Any) -> None:
        match message.WhichOneof("message"):
            case "availability":
                self._tasks.start(self._offer(message.availability.job), name="voice.livekit_offer")
            case "assignment":
                self._tasks.start(self._hold(message.assignment), name="voice.livekit_call")
            case "termination":
                call = self._jobs.get(message.termination.job_id)
                if call is not None:
                    call.end("terminated")
            case _:
                pass

    async def _offer(self, job: Any) -> None:
        """Tells the server whether the agent comes: only into rooms that this server gave a token for."""
        session = await self._sessions.in_room(job.room.name)
        message = agent.WorkerMessage()
        answer = message.availability
        answer.job_id = job.id
        answer.available = session is not None and len(self._jobs) + len(self._offered) < self._most
        if session is not None and answer.available:
            answer.participant_identity = f"agent-{job.id}"
            answer.participant_name = session.spec.name
            answer.participant_attributes["lk.agent.name"] = self._cluster.agent_name
            loop = asyncio.get_running_loop()
            self._offered[job.id] = loop.call_later(_ASSIGN_SECONDS, self._offered.pop, job.id, None)
        else:
            log.info("voice.livekit_declined", room=job.room.name, known=session is not None)
        await self._send(message)

    async def _hold(self, assignment: Any) -> None:
        """One conversation, from the assignment to its end."""
        job = assignment.job
        offered = self._offered.pop(job.id, None)
        if offered is not None:
            offered.cancel()
        try:
            session = await self._sessions.in_room(job.room.name)
            if session is None:
                await self._status(job.id, agent.JobStatus.JS_FAILED, "The room is not known here.")
                return
            ended = await self._talk(job.id, session, assignment.url or self._cluster.url, assignment.token)
        except DragomanError as error:
            log.warning("voice.livekit_call_failed", room=job.room.name, reason=error.detail)
            await self._status(job.id, agent.JobStatus.JS_FAILED, error.detail)
            return
        failed = ended.reason == "failed"
        status = agent.JobStatus.JS_FAILED if failed else agent.JobStatus.JS_SUCCESS
        await self._status(job.id, status, (ended.message or "") if failed else "")

    async def _talk(self, job_id: str, session: VoiceSession, url: str, token: str) -> Ended:
        setup = CallSetup(room_url=url, room_token=token)
        async with await self._calls.hold(session, setup, dialect=_DIALECT) as call:
            self._jobs[job_id] = call
            try:
                await self._status(job_id, agent.JobStatus.JS_RUNNING)
                async for output in call.outputs():
                    if isinstance(output, Ended):
                        for event in output.told():
                            call.engine.relay(orjson.dumps(event).decode())
                        return output
            finally:
                del self._jobs[job_id]
        return Ended("failed")

    async def _status(self, job_id: str, status: agent.JobStatus, error: str = "") -> None:
        message = agent.WorkerMessage()
        message.update_job.job_id, message.update_job.error = job_id, error
        message.update_job.status = status
        await self._send(message)

    async def _report(self) -> None:
        while True:
            message = agent.WorkerMessage()
            full = len(self._jobs) >= self._most
            message.update_worker.status = (
                agent.WorkerStatus.WS_FULL if full else agent.WorkerStatus.WS_AVAILABLE
            )
            message.update_worker.load = len(self._jobs) / self._most
            message.update_worker.job_count = len(self._jobs)
            await self._send(message)
            await asyncio.sleep(_STATUS_SECONDS)

    async def _send(self, message: Any) -> None:
        """To the server while there is a connection; a lost one is seen by who reads."""
        if self._socket is None:
            return
        try:
            await self._socket.send(message.SerializeToString())
        except WebSocketException as error:
            log.info("voice.livekit_unsent", reason=repr(error))


def _message(data: str | bytes) -> Any:
    message = agent.ServerMessage()
    try:
        if isinstance(data, bytes):
            message.ParseFromString(data)
    except DecodeError as error:
        raise ValueError("the server sent something that is no message") from error
    return message


async def _pause(failures: int) -> None:
    await asyncio.sleep(min(30.0, 0.5 * 2 ** min(failures, 7)))
