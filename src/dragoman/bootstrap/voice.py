"""Conversations in real time: their sessions and tokens."""

from dragoman.db.database import Database
from dragoman.domain.voice.sessions import VoiceSessionsService
from dragoman.domain.voice.tokens import RoomKey
from dragoman.kit.crypto import RootKey
from dragoman.settings import Settings

_ISSUER = "dragoman"


def open_voice_sessions(settings: Settings, database: Database, root_key: RootKey) -> VoiceSessionsService:
    """The service; with a LiveKit server its key signs tokens, else one of this server's own."""
    voice = settings.voice
    issuer, secret = _ISSUER, root_key.derive("voice/tokens").hex().encode()
    if voice.livekit_url is not None:
        assert voice.livekit_api_key is not None
        assert voice.livekit_api_secret is not None
        issuer, secret = voice.livekit_api_key, voice.livekit_api_secret.get_secret_value().encode()
    return VoiceSessionsService(database, root_key.sealer("voice"), RoomKey(issuer, secret, voice.agent_name))
