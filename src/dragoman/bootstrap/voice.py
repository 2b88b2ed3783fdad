"""Conversations in real time: sessions, tokens, and the process that holds them."""

import importlib
from contextlib import AsyncExitStack
from typing import Any, TypedDict

import httpx
import structlog

from dragoman.adapters.rooms.chat_mind import chat_ways
from dragoman.adapters.rooms.host import EngineHost
from dragoman.adapters.synthesizers.openai import OpenAISynthesizer, OpenAISynthesizerSpec
from dragoman.adapters.transcribers.openai import OpenAITranscriber, OpenAITranscriberSpec
from dragoman.bootstrap.metrics import Metrics
from dragoman.db.database import Database
from dragoman.domain.chat.service import ChatService
from dragoman.domain.inference.speech.ports import Synthesizer, Transcriber
from dragoman.domain.voice.calls import CallBounds, CallsService
from dragoman.domain.voice.mind import MindParts
from dragoman.domain.voice.sessions import VoiceSessionsService
from dragoman.domain.voice.tokens import RoomKey
from dragoman.kit.crypto import RootKey
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.tasks import TaskOwner
from dragoman.settings import Settings

log = structlog.get_logger(__name__)

_ISSUER = "dragoman"
_DISPATCH = "dragoman.adapters.rooms.livekit_dispatch"
_ANSWER_SECONDS = 60.0
_ANSWER_BYTES = 64 * 1024 * 1024


class VoiceParts(TypedDict):
    """Those of the services that are made here."""

    voice_sessions: VoiceSessionsService
    voice_calls: CallsService


class _Endpoints:
    """Speech at addresses that users give, through the egress guard."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    def synthesizer(self, base_url: str, model: str, key: str | None) -> Synthesizer:
        """Who speaks there."""
        return OpenAISynthesizer(self._client, OpenAISynthesizerSpec(base_url, model, key))

    def transcriber(self, base_url: str, model: str, key: str | None) -> Transcriber:
        """Who listens there."""
        return OpenAITranscriber(self._client, OpenAITranscriberSpec(base_url, model, key))


def speech_endpoints(policy: EgressPolicy, stack: AsyncExitStack) -> _Endpoints:
    """Engines at addresses that callers give; the client is given to the stack."""
    client = guarded_client(policy, timeout_seconds=_ANSWER_SECONDS, max_bytes=_ANSWER_BYTES)
    stack.push_async_callback(client.aclose)
    return _Endpoints(client)


def open_voice(
    settings: Settings,
    *,
    database: Database,
    root_key: RootKey,
    parts: MindParts,
    tasks: TaskOwner,
    stack: AsyncExitStack,
    chat: ChatService,
    metrics: Metrics,
) -> VoiceParts:
    """The services; what needs closing is given to the stack."""
    voice = settings.voice
    sessions = open_voice_sessions(settings, database, root_key)
    tasks.start(sessions.run(), name="voice.sweep")
    engine = EngineHost(idle_seconds=voice.idle_seconds)
    stack.push_async_callback(engine.close)
    bounds = CallBounds(
        voice.max_calls, voice.call_seconds, voice.silence_seconds, patience=voice.answer_seconds
    )
    calls = CallsService(sessions, engine, parts, bounds, tasks, chat_ways(chat, tasks), metrics)
    if voice.livekit_url is not None:
        dispatch = _dispatch(settings, sessions, calls)
        if dispatch is not None:
            tasks.start(dispatch.run(), name="voice.livekit")
    return VoiceParts(voice_sessions=sessions, voice_calls=calls)


def _dispatch(settings: Settings, sessions: VoiceSessionsService, calls: CallsService) -> Any:
    """Who waits for calls of the LiveKit server; nobody where the extra is not installed."""
    voice = settings.voice
    try:
        module = importlib.import_module(_DISPATCH)
    except ModuleNotFoundError as error:
        log.warning("voice.livekit_needs_extra", missing=error.name, install="dragoman[voice]")
        return None
    assert voice.livekit_api_secret is not None
    secret = voice.livekit_api_secret.get_secret_value()
    cluster = module.Cluster(voice.livekit_url, voice.livekit_api_key, secret, voice.agent_name)
    return module.Dispatch(cluster, sessions, calls, most=voice.max_calls)


def open_voice_sessions(settings: Settings, database: Database, root_key: RootKey) -> VoiceSessionsService:
    """The service; with a LiveKit server its key signs tokens, else one of this server's own."""
    voice = settings.voice
    issuer, secret = _ISSUER, root_key.derive("voice/tokens").hex().encode()
    if voice.livekit_url is not None:
        assert voice.livekit_api_key is not None
        assert voice.livekit_api_secret is not None
        issuer, secret = voice.livekit_api_key, voice.livekit_api_secret.get_secret_value().encode()
    return VoiceSessionsService(database, root_key.sealer("voice"), RoomKey(issuer, secret, voice.agent_name))
