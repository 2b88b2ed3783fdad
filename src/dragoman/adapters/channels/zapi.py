"""WhatsApp through Z-API."""

from base64 import b64encode
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from dragoman.adapters.channels.http import ServiceHttp, body_of, data_url, moment_of, object_of, text_of
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

_MEDIA: tuple[tuple[str, str, MediaType], ...] = (
    ("image", "imageUrl", "image"),
    ("audio", "audioUrl", "audio"),
    ("video", "videoUrl", "video"),
    ("document", "documentUrl", "document"),
)
_NOT_PEOPLE = ("isGroup", "isStatusReply", "isNewsletter", "broadcast", "waitingMessage")


class ZapiChannel:
    """An instance of Z-API.

    Args:
        base_url: the service's address, without the instance.
    """

    longest_text = 4096
    piece_length = 1000
    written = staticmethod(with_marks)

    def __init__(self, http: ServiceHttp, base_url: str) -> None:
        self._http = http
        self._base_url = base_url

    def verify(self, hook: Hook, integration: Integration, secret: str) -> None:
        # The service signs nothing: the secret in the address is what proves a call.
        return None

    def parse(self, hook: Hook, integration: Integration) -> Sequence[Inbound]:
        body = body_of(hook.body)
        if text_of(body.get("type")).casefold() != "receivedcallback" or any(
            body.get(n) for n in _NOT_PEOPLE
        ):
            return []
        text, media = text_of(object_of(body.get("text")).get("message")), _media(body)
        if not text:
            text = next(
                (text_of(object_of(body.get(n)).get("caption")) for n, _, _ in _MEDIA if body.get(n)), ""
            )
        message_id, phone = text_of(body.get("messageId")), text_of(body.get("phone"))
        if not message_id or not phone or not (text or media) or body.get("isEdit"):
            return []
        return [
            Inbound(
                message_id=message_id,
                address=phone,
                text=text,
                sent_at=moment_of(body.get("momment"), seconds=False) or now_ms(),
                from_business=body.get("fromMe") is True,
                name=None if body.get("fromMe") else text_of(body.get("senderName")) or None,
                media=media,
            )
        ]

    async def connect(self, integration: Integration, hook_url: str, secret: str) -> str:
        # With the messages that the business sends from its telephone, so that the agent keeps quiet then.
        await self._call(integration, "PUT", "update-webhook-received-delivery", {"value": hook_url})
        return "Z-API calls this server from now on, for messages sent from the telephone too."

    async def disconnect(self, integration: Integration) -> bool:
        return False

    async def check(self, integration: Integration) -> HookCheck | None:
        told = await self._call(integration, "GET", "me", None)
        url = text_of(told.get("receivedAndDeliveryCallbackUrl")) or text_of(told.get("receivedCallbackUrl"))
        problem = "The instance is not connected to WhatsApp." if told.get("connected") is False else None
        return HookCheck(url or None, problem)

    async def send(self, integration: Integration, address: str, piece: Outgoing) -> str | None:
        if piece.media is not None:
            answer = await self._send_media(integration, address, piece.media, piece.text)
        elif piece.audio is not None:
            data = f"data:{piece.mime};base64,{b64encode(piece.audio).decode('ascii')}"
            answer = await self._call(integration, "POST", "send-audio", {"phone": address, "audio": data})
        else:
            answer = await self._call(
                integration, "POST", "send-text", {"phone": address, "message": piece.text}
            )
        return text_of(answer.get("messageId")) or text_of(answer.get("id")) or None

    async def _send_media(
        self, integration: Integration, address: str, media: OutgoingMedia, caption: str
    ) -> dict[str, Any]:
        body: dict[str, object] = {"phone": address, media.kind: data_url(media)}
        if caption:
            body["caption"] = caption
        operation = f"send-{media.kind}"
        if media.kind == "document":
            body["fileName"] = media.filename
            operation += f"/{PurePosixPath(media.filename).suffix.lstrip('.').lower() or 'bin'}"
        return await self._call(integration, "POST", operation, body)

    async def typing(self, integration: Integration, address: str) -> None:
        # Z-API shows it only as a delay of the message itself.
        return None

    async def fetch(self, integration: Integration, media: MediaRef) -> Fetched:
        return await self._http.file(media.reference, media.mime, media.filename)

    async def _call(
        self, integration: Integration, method: str, operation: str, body: dict[str, object] | None
    ) -> dict[str, Any]:
        token = integration.secrets.get("instanceToken", "")
        url = f"{self._base_url}/instances/{integration.settings.get('instanceId')}/token/{token}/{operation}"
        client_token = integration.secrets.get("clientToken")
        return await self._http.call(
            method, url, body, {"Client-Token": client_token} if client_token else None
        )


def _media(body: dict[str, Any]) -> tuple[MediaRef, ...]:
    found: list[MediaRef] = []
    for name, address, kind in _MEDIA:
        file = object_of(body.get(name))
        if url := text_of(file.get(address)):
            mime, filename = text_of(file.get("mimeType")), text_of(file.get("fileName"))
            found.append(MediaRef(kind, url, mime.split(";")[0] or None, filename or None))
    return tuple(found)
