"""WhatsApp through Kapso, which speaks the WhatsApp Cloud API."""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

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
from dragoman.kit.errors import ProviderError, Unauthenticated

_RECEIVED, _SENT = "whatsapp.message.received", "whatsapp.message.sent"
_MEDIA: Mapping[str, MediaType] = {
    "image": "image",
    "sticker": "image",
    "audio": "audio",
    "voice": "audio",
    "video": "video",
    "document": "document",
}
_CLOSED_WINDOW = ("131047", "470", "re-engagement", "24 hour", "24-hour")


class KapsoChannel:
    """A phone number.

    Args:
        base_url: the service's address.
    """

    longest_text = 4096
    piece_length = 1000
    written = staticmethod(with_marks)

    def __init__(self, http: ServiceHttp, base_url: str) -> None:
        self._http = http
        self._base_url = base_url

    def verify(self, hook: Hook, integration: Integration, secret: str) -> None:
        key = integration.secrets.get("webhookSecretKey")
        if not key:
            return
        given = hook.headers.get("x-webhook-signature", "").removeprefix("sha256=").strip().lower()
        wanted = hmac.new(key.encode(), hook.body, sha256).hexdigest()
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise Unauthenticated("The signature of the call does not fit its body.")

    def parse(self, hook: Hook, integration: Integration) -> Sequence[Inbound]:
        event = hook.headers.get("x-webhook-event", _RECEIVED)
        if event not in (_RECEIVED, _SENT):
            return []
        body = body_of(hook.body)
        batch = body.get("data") if isinstance(body.get("data"), list) else [body]
        number = text_of(integration.settings.get("phoneNumberId"))
        found = (_message(object_of(one), number) for one in batch or [])
        return [message for message in found if message is not None]

    async def connect(self, integration: Integration, hook_url: str, secret: str) -> str:
        return (
            "Enter this address as a webhook of the phone number in Kapso, for the events "
            f"{_RECEIVED} and {_SENT}, with the secret that stands here as webhookSecretKey."
        )

    async def disconnect(self, integration: Integration) -> bool:
        return False

    async def check(self, integration: Integration) -> HookCheck | None:
        return None

    async def send(self, integration: Integration, address: str, piece: Outgoing) -> str | None:
        body = await self._body(integration, piece)
        try:
            answer = await self._messages(integration, address, body)
        except ProviderError as error:
            template = text_of(integration.settings.get("continuedMessagesTemplateId"))
            if error.retryable or not template or not _window_closed(error):
                raise
            named = {"type": "template", "template": _template(template)}
            answer = await self._messages(integration, address, named)
        sent = answer.get("messages")
        return text_of(object_of(sent[0]).get("id")) or None if isinstance(sent, list) and sent else None

    async def _body(self, integration: Integration, piece: Outgoing) -> dict[str, object]:
        media = piece.media
        if media is None and piece.audio is not None:
            media = OutgoingMedia("audio", "", "answer.ogg", piece.mime, piece.audio)
        if media is None:
            return {"type": "text", "text": {"body": piece.text, "preview_url": False}}
        told: dict[str, object] = (
            {"link": media.reference}
            if media.data is None
            else {"id": await self._upload(integration, media)}
        )
        if media.kind == "document":
            told["filename"] = media.filename
        if piece.text and media.kind != "audio":
            told["caption"] = piece.text
        return {"type": media.kind, media.kind: told}

    async def _upload(self, integration: Integration, media: OutgoingMedia) -> str:
        url = f"{self._base_url}/meta/whatsapp/{integration.settings.get('phoneNumberId')}/media"
        file = (media.filename, media.data or b"", media.mime or "application/octet-stream")
        key = {"X-API-Key": integration.secrets.get("apiKey", "")}
        answer = await self._http.upload(url, {"messaging_product": "whatsapp"}, "file", file, key)
        uploaded = text_of(answer.get("id"))
        if not uploaded:
            raise ProviderError("The service gave the uploaded file no id.", code="channel_refused")
        return uploaded

    async def typing(self, integration: Integration, address: str) -> None:
        # The Cloud API ties it to the message that is answered, which is not at hand here.
        return None

    async def fetch(self, integration: Integration, media: MediaRef) -> Fetched:
        return await self._http.file(media.reference, media.mime, media.filename)

    async def _messages(
        self, integration: Integration, address: str, body: Mapping[str, object]
    ) -> dict[str, Any]:
        number = integration.settings.get("phoneNumberId")
        whole = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": address, **body}
        return await self._http.call(
            "POST",
            f"{self._base_url}/meta/whatsapp/{number}/messages",
            whole,
            {"X-API-Key": integration.secrets.get("apiKey", "")},
        )


def _template(named: str) -> dict[str, object]:
    """``name`` or ``name:language``."""
    name, _, language = named.partition(":")
    return {"name": name, "language": {"code": language or "en_US"}}


def _window_closed(error: ProviderError) -> bool:
    return any(mark in error.detail.casefold() for mark in _CLOSED_WINDOW)


def _message(body: dict[str, Any], number: str) -> Inbound | None:
    told, conversation = object_of(body.get("message")), object_of(body.get("conversation"))
    own = object_of(told.get("kapso"))
    if text_of(body.get("phone_number_id")) not in ("", number):
        return None
    from_business = text_of(own.get("direction")) == "outbound"
    address = text_of(conversation.get("phone_number")) or text_of(told.get("from"))
    message_id, kind = text_of(told.get("id")), text_of(told.get("type"))
    text = text_of(object_of(told.get("text")).get("body"))
    text = text or text_of(object_of(told.get(kind)).get("caption")) or _chosen(told)
    media = _media(told, own, kind)
    if not text and not media:
        text = text_of(own.get("content"))
    if not message_id or not address or not (text or media):
        return None
    return Inbound(
        message_id=message_id,
        address=address.lstrip("+"),
        text=text,
        sent_at=moment_of(told.get("timestamp"), seconds=True) or now_ms(),
        from_business=from_business,
        name=text_of(object_of(conversation.get("kapso")).get("contact_name")) or None,
        media=media,
    )


def _chosen(told: dict[str, Any]) -> str:
    """What somebody chose of buttons or a list."""
    interactive = object_of(told.get("interactive"))
    for name in ("button_reply", "list_reply"):
        if title := text_of(object_of(interactive.get(name)).get("title")):
            return title
    return text_of(object_of(told.get("button")).get("text"))


def _media(told: dict[str, Any], own: dict[str, Any], kind: str) -> tuple[MediaRef, ...]:
    if kind not in _MEDIA:
        return ()
    file, data = object_of(told.get(kind)), object_of(own.get("media_data"))
    url = text_of(own.get("media_url")) or text_of(data.get("url")) or text_of(file.get("link"))
    if not url:
        return ()
    mime = text_of(data.get("content_type")) or text_of(file.get("mime_type"))
    filename = text_of(data.get("filename")) or text_of(file.get("filename"))
    return (MediaRef(_MEDIA[kind], url, mime.split(";")[0] or None, filename or None),)
