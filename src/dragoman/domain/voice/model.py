"""Sessions: what a token leads to."""

from collections.abc import Mapping
from dataclasses import dataclass

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.voice.spec import Participant, VoiceSecrets, VoiceSpec
from dragoman.kit.jsontypes import JsonValue


@dataclass(frozen=True, slots=True)
class SessionDraft:
    """A session that is wanted. ``session_id`` None = a new one. ``shown`` is the settings as their giver sees them."""

    spec: VoiceSpec
    secrets: VoiceSecrets
    shown: Mapping[str, JsonValue]
    participant: Participant
    platform: str = "web"
    session_id: str | None = None
    seconds: int = 900


@dataclass(frozen=True, slots=True)
class VoiceSession:
    """A session as it is kept. ``expires_at`` is when nobody may join any more, in milliseconds since 1970."""

    room: str
    session_id: str
    caller: Caller
    platform: str
    participant: Participant
    spec: VoiceSpec
    shown: Mapping[str, JsonValue]
    sealed: bytes | None
    created_at: int
    expires_at: int
