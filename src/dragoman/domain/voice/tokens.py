"""Tokens that let one participant into one room, in the form that LiveKit's servers and clients read."""

from dataclasses import dataclass
from typing import Any

import jwt

from dragoman.domain.voice.model import VoiceSession
from dragoman.kit.errors import Unauthenticated

_ALGORITHM = "HS256"
_EMPTY_SECONDS = 300


@dataclass(frozen=True, slots=True)
class RoomKey:
    """What signs tokens. ``agent_name`` is who is called into a room."""

    issuer: str
    secret: bytes
    agent_name: str


@dataclass(frozen=True, slots=True)
class RoomClaims:
    """A token that holds."""

    room: str
    identity: str


def mint(key: RoomKey, session: VoiceSession, *, now_ms: int) -> str:
    """A token that is good until the session may not be joined any more; it carries no settings and no secrets."""
    metadata = session.session_id
    claims: dict[str, Any] = {
        "iss": key.issuer,
        "sub": session.participant.identity,
        "nbf": now_ms // 1000 - 5,
        "exp": -(-session.expires_at // 1000),
        "name": session.participant.name or session.participant.identity,
        "metadata": "",
        "attributes": {"session_id": session.session_id, "agent_id": session.spec.agent_id},
        "video": {
            "roomJoin": True,
            "room": session.room,
            "canPublish": True,
            "canPublishSources": ["microphone"],
            "canSubscribe": True,
            "canPublishData": True,
        },
        "roomConfig": {
            "emptyTimeout": _EMPTY_SECONDS,
            "maxParticipants": 2,
            "agents": [{"agentName": key.agent_name, "metadata": metadata}],
        },
    }
    return jwt.encode(claims, key.secret, algorithm=_ALGORITHM)


def verify(key: RoomKey, token: str, *, now_ms: int) -> RoomClaims:
    """Who may join which room.

    Raises:
        Unauthenticated: not a token of this server's, altered, or expired.
    """
    try:
        claims = jwt.decode(
            token,
            key.secret,
            algorithms=[_ALGORITHM],
            issuer=key.issuer,
            options={"require": ["sub", "exp", "iss"], "verify_exp": False, "verify_nbf": False},
        )
        video = claims["video"]
        expires, room, identity = int(claims["exp"]), str(video["room"]), str(claims["sub"])
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as error:
        raise Unauthenticated("The token is not valid here.", code="token_invalid") from error
    if expires * 1000 <= now_ms:
        raise Unauthenticated("The token has expired; get a new one.", code="token_expired")
    return RoomClaims(room, identity)
