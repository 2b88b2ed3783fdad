"""WhatsApp through an Evolution API server, of its first or second version."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import Any

import orjson

from dragoman.adapters.channels.http import ServiceHttp, body_of, moment_of, object_of, text_of
from dragoman.adapters.channels.markup import with_marks
from dragoman.domain.chat.channels.ports import (
    Fetched,
    Hook,
    HookCheck,
    Inbound,
    MediaRef,
    MediaType,
    Outgoing,
    OutgoingMedia,
)
from dragoman.domain.chat.model import Integration
from dragoman.kit.clock import now_ms
from dragoman.kit.errors import ProviderError

_EVENTS = frozenset({"messages.upsert", "messages_upsert", "send.message", "send_message"})
_MEDIA: tuple[tuple[str, MediaType], ...] = (
    ("imageMessage", "image"),
    ("audioMessage", "audio"),
    ("videoMessage", "video"),
    ("documentMessage", "document"),
)
_AROUND = ("ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "documentWithCaptionMessage")
_PEOPLE = ("@s.whatsapp.net", "@lid", "@c.us")


class EvolutionChannel:
    """An instance on a server of the operator's own choice."""

    longest_text = 4096
    piece_length = 1000
    written = staticmethod(with_marks)

    def __init__(self, http: ServiceHttp) -> None:
        self._http = http

    def verify(self, hook: Hook, integration: Integration, secret: str) -> None:
        # The server signs nothing: the secret in the address is what proves a call.
        return None

    def parse(self, hook: Hook, integration: Integration) -> Sequence[Inbound]:
        body = body_of(hook.body)
        if text_of(body.get("event")).casefold().replace("-", ".") not in _EVENTS:
            return []
        data = body.get("data")
        told = data if isinstance(data, list) else [data]
        return [found for one in told if (found := _message(object_of(one))) is not None]

    async def connect(self, integration: Integration, hook_url: str, secret: str) -> str:
        inner = {
            "enabled": True,
            "url": hook_url,
            "byEvents": False,
            "base64": True,
            "events": ["MESSAGES_UPSERT"],
        }
        await self._call(integration, "webhook/set", {"webhook": inner, **inner})
        return "The Evolution API server calls this server from now on."

    async def disconnect(self, integration: Integration) -> bool:
        told = await self._call(integration, "webhook/find", None)
        hook = object_of(told.get("webhook")) or told
        inner = {"enabled": False, "url": text_of(hook.get("url")), "events": ["MESSAGES_UPSERT"]}
        await self._call(integration, "webhook/set", {"webhook": inner, **inner})
        return True

    async def check(self, integration: Integration) -> HookCheck | None:
        told = await self._call(integration, "webhook/find", None)
        # Some versions tell it within ``webhook``, some as it is.
        hook = object_of(told.get("webhook")) or told
        url = text_of(hook.get("url")) if hook.get("enabled") is not False else ""
        return HookCheck(url or None)

    async def send(self, integration: Integration, address: str, piece: Outgoing) -> str | None:
        if piece.media is not None:
            answer = await self._call(
                integration, "message/sendMedia", _outgoing(address, piece.media, piece.text)
            )
        elif piece.audio is not None:
            data = b64encode(piece.audio).decode("ascii")
            body: dict[str, object] = {"number": address, "audio": data, "audioMessage": {"audio": data}}
            answer = await self._call(integration, "message/sendWhatsAppAudio", body)
        else:
            # ``text`` is what the second version reads, ``textMessage`` the first.
            body = {"number": address, "text": piece.text, "textMessage": {"text": piece.text}}
            answer = await self._call(integration, "message/sendText", body)
        return text_of(object_of(answer.get("key")).get("id")) or None

    async def typing(self, integration: Integration, address: str) -> None:
        body = {"number": address, "presence": "composing", "delay": 4000}
        await self._call(integration, "chat/sendPresence", {**body, "options": body})

    async def fetch(self, integration: Integration, media: MediaRef) -> Fetched:
        if media.reference.startswith("base64:"):
            encoded = media.reference.removeprefix("base64:")
        else:
            wanted = {"message": orjson.loads(media.reference), "convertToMp4": False}
            answer = await self._call(integration, "chat/getBase64FromMediaMessage", wanted)
            encoded = text_of(answer.get("base64"))
        try:
            data = b64decode(encoded, validate=True)
        except Base64Error as error:
            raise ProviderError("The server gave media that are not base64.", code="media_broken") from error
        return Fetched(data, media.mime or "application/octet-stream", media.filename)

    async def _call(
        self, integration: Integration, operation: str, body: dict[str, object] | None
    ) -> dict[str, Any]:
        base = text_of(integration.settings.get("endpointUrl")).rstrip("/")
        url = f"{base}/{operation}/{integration.settings.get('instanceName')}"
        method = "GET" if body is None else "POST"
        return await self._http.call(method, url, body, {"apikey": integration.secrets.get("apiKey", "")})


def _outgoing(address: str, media: OutgoingMedia, caption: str) -> dict[str, object]:
    """As the second version reads it, and within ``mediaMessage`` as the first does."""
    content = media.reference if media.data is None else b64encode(media.data).decode("ascii")
    told: dict[str, object] = {
        "mediatype": media.kind,
        "media": content,
        "fileName": media.filename,
        "caption": caption,
        **({"mimetype": media.mime} if media.mime else {}),
    }
    return {"number": address, **told, "mediaMessage": told}


def _unwrapped(message: dict[str, Any]) -> dict[str, Any]:
    """The message itself, of one that WhatsApp has put into another."""
    for name in _AROUND:
        if inner := object_of(object_of(message.get(name)).get("message")):
            beside = {"base64": message["base64"]} if "base64" in message else {}
            return _unwrapped({**beside, **inner})
    return message


def _message(data: dict[str, Any]) -> Inbound | None:
    key, message = object_of(data.get("key")), _unwrapped(object_of(data.get("message")))
    jid, message_id = text_of(key.get("remoteJid")), text_of(key.get("id"))
    if not message_id or not jid.endswith(_PEOPLE):
        return None
    text = text_of(message.get("conversation")) or text_of(
        object_of(message.get("extendedTextMessage")).get("text")
    )
    media: list[MediaRef] = []
    for name, kind in _MEDIA:
        if file := object_of(message.get(name)):
            text = text or text_of(file.get("caption"))
            media.append(_media(kind, file, message, key))
    if not text and not media:
        return None
    own = key.get("fromMe") is True
    return Inbound(
        message_id=message_id,
        address=_address(jid, key),
        text=text,
        sent_at=moment_of(data.get("messageTimestamp"), seconds=True) or now_ms(),
        from_business=own,
        name=None if own else text_of(data.get("pushName")) or None,
        media=tuple(media),
    )


def _address(jid: str, key: dict[str, Any]) -> str:
    """The number to answer to; a hidden one (``@lid``) is answered by its whole name, unless the number stands beside it."""
    if jid.endswith("@lid"):
        other = text_of(key.get("remoteJidAlt")) or text_of(key.get("senderPn"))
        return other.partition("@")[0] if other else jid
    return jid.partition("@")[0].partition(":")[0]


def _media(kind: MediaType, file: dict[str, Any], message: dict[str, Any], key: dict[str, Any]) -> MediaRef:
    mime = text_of(file.get("mimetype")).split(";")[0] or None
    filename = text_of(file.get("fileName")) or None
    if encoded := text_of(message.get("base64")):
        return MediaRef(kind, f"base64:{encoded}", mime, filename)
    return MediaRef(kind, orjson.dumps({"key": key}).decode(), mime, filename)
