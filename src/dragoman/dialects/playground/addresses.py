"""The addresses that clients connect to."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request

from dragoman.settings import Settings

PREFIX = "/api/v1/playground"
SUBPROTOCOL = "dragoman.voice.v1"
_SECURE = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where this server is seen by the client that asks."""

    http: str
    socket: str

    def transports(self, settings: Settings) -> list[dict[str, object]]:
        """Every way into a room."""
        voice = settings.voice
        ways: list[dict[str, object]] = [
            {
                "type": "websocket",
                "url": f"{self.socket}{PREFIX}/ws",
                "subprotocol": SUBPROTOCOL,
                "formats": ["pcm16@16000", "pcm16@24000", "pcm16@48000", "pcm16@8000", "pcmu@8000"],
            },
            {
                "type": "webrtc",
                "offer_url": f"{self.http}{PREFIX}/offer",
                "ice_servers": [{"urls": [url]} for url in voice.ice_servers],
            },
            {"type": "openai-realtime", "url": f"{self.socket}/v1/realtime"},
        ]
        if voice.livekit_url is not None:
            ways.append({"type": "livekit", "url": voice.livekit_url})
        return ways

    def server_url(self, settings: Settings) -> str:
        """What a LiveKit client connects to."""
        return settings.voice.livekit_url or f"{self.socket}{PREFIX}"


def addresses_of(request: Request, settings: Settings) -> Addresses:
    """The public address that is set, else the one that was asked."""
    public = settings.server.public_url
    if public is None:
        host = request.headers.get("host") or f"{settings.server.host}:{settings.server.port}"
        public = f"{request.url.scheme}://{host}"
    parts = urlsplit(public)
    return Addresses(public.rstrip("/"), f"{_SECURE[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}")
