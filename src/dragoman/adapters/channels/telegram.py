"""Telegram's Bot API."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.adapters.channels.http import ServiceHttp, body_of, moment_of, object_of, text_of
from dragoman.adapters.channels.markup import with_entities
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
from dragoman.kit.errors import ProviderError, Unauthenticated

_MEDIA: tuple[tuple[str, MediaType], ...] = (
    ("voice", "audio"),
    ("audio", "audio"),
    ("video", "video"),
    ("video_note", "video"),
    ("document", "document"),
)
_SENT_BY: Mapping[MediaType, tuple[str, str]] = {
    "image": ("sendPhoto", "photo"),
    "video": ("sendVideo", "video"),
    "audio": ("sendAudio", "audio"),
    "document": ("sendDocument", "document"),
}


class TelegramChannel:
    """A bot.

    Args:
        base_url: the Bot API's address, without the token.
    """

    longest_text = 4096
    piece_length = 4096

    def __init__(self, http: ServiceHttp, base_url: str) -> None:
        self._http = http
        self._base_url = base_url

    def written(self, text: str) -> str:
        """The Markdown itself: how it is shown is told beside the text when it is sent."""
        return text

    def verify(self, hook: Hook, integration: Integration, secret: str) -> None:
        given = hook.headers.get("x-telegram-bot-api-secret-token", "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            raise Unauthenticated("The secret token of the call is not the one that was set.")

    def parse(self, hook: Hook, integration: Integration) -> Sequence[Inbound]:
        update = body_of(hook.body)
        message = object_of(update.get("message"))
        chat, sender = object_of(message.get("chat")), object_of(message.get("from"))
        if chat.get("type", "private") != "private" or sender.get("is_bot") or "message_id" not in message:
            return []
        name = " ".join(filter(None, (text_of(sender.get("first_name")), text_of(sender.get("last_name")))))
        text = text_of(message.get("text")) or text_of(message.get("caption"))
        media = _media(message)
        if not text and not media:
            return []
        return [
            Inbound(
                message_id=f"{chat.get('id')}:{message['message_id']}",
                address=str(chat.get("id")),
                text=text,
                sent_at=moment_of(message.get("date"), seconds=True) or now_ms(),
                name=name or None,
                media=media,
            )
        ]

    async def connect(self, integration: Integration, hook_url: str, secret: str) -> str:
        body = {"url": hook_url, "secret_token": secret, "allowed_updates": ["message"]}
        await self._call(integration, "setWebhook", body)
        return "Telegram calls this server from now on."

    async def disconnect(self, integration: Integration) -> bool:
        await self._call(integration, "deleteWebhook", {})
        return True

    async def check(self, integration: Integration) -> HookCheck | None:
        told = object_of((await self._call(integration, "getWebhookInfo", {})).get("result"))
        return HookCheck(text_of(told.get("url")) or None, text_of(told.get("last_error_message")) or None)

    async def send(self, integration: Integration, address: str, piece: Outgoing) -> str | None:
        if piece.media is not None:
            answer = await self._send_media(integration, address, piece.media, piece.text)
        elif piece.audio is not None:
            voice = ("answer.ogg", piece.audio, piece.mime or "audio/ogg")
            url = self._url(integration, "sendVoice")
            answer = await self._http.upload(url, {"chat_id": address}, "voice", voice)
        else:
            text, entities = with_entities(piece.text) if piece.markdown else ("", [])
            message = {"chat_id": address, "text": text or piece.text, "entities": entities if text else []}
            answer = await self._call(integration, "sendMessage", message)
        number = object_of(answer.get("result")).get("message_id")
        return None if number is None else f"{address}:{number}"

    async def _send_media(
        self, integration: Integration, address: str, media: OutgoingMedia, caption: str
    ) -> dict[str, Any]:
        method, field = _SENT_BY[media.kind]
        fields = {"chat_id": address, **({"caption": caption} if caption else {})}
        if media.data is None:
            return await self._call(integration, method, {**fields, field: media.reference})
        file = (media.filename, media.data, media.mime or "application/octet-stream")
        return await self._http.upload(self._url(integration, method), fields, field, file)

    async def typing(self, integration: Integration, address: str) -> None:
        await self._call(integration, "sendChatAction", {"chat_id": address, "action": "typing"})

    async def fetch(self, integration: Integration, media: MediaRef) -> Fetched:
        found = await self._call(integration, "getFile", {"file_id": media.reference})
        path = text_of(object_of(found.get("result")).get("file_path"))
        if not path:
            raise ProviderError("Telegram does not give the file.", code="media_gone")
        token = integration.secrets.get("botToken", "")
        return await self._http.file(f"{self._base_url}/file/bot{token}/{path}", media.mime, media.filename)

    async def _call(self, integration: Integration, method: str, body: dict[str, object]) -> dict[str, Any]:
        answer = await self._http.call("POST", self._url(integration, method), body)
        if answer.get("ok") is not True:
            raise ProviderError(f"Telegram refused {method}.", code="channel_refused")
        return answer

    def _url(self, integration: Integration, method: str) -> str:
        return f"{self._base_url}/bot{integration.secrets.get('botToken', '')}/{method}"


def _media(message: dict[str, Any]) -> tuple[MediaRef, ...]:
    found: list[MediaRef] = []
    photos = message.get("photo")
    if isinstance(photos, list) and photos:
        # The sizes come from the smallest to the largest.
        largest = object_of(photos[-1])
        found.append(MediaRef("image", text_of(largest.get("file_id")), "image/jpeg"))
    for name, kind in _MEDIA:
        file = object_of(message.get(name))
        if file:
            mime = text_of(file.get("mime_type")) or ("audio/ogg" if name == "voice" else None)
            found.append(
                MediaRef(kind, text_of(file.get("file_id")), mime, text_of(file.get("file_name")) or None)
            )
    return tuple(found)
