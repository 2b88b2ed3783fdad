"""Plays the incoming side: the calls that the services make when somebody writes."""

import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any


@dataclass(frozen=True, slots=True)
class HookCall:
    """A call as a service makes it."""

    body: bytes
    headers: Mapping[str, str]


def hook_call(
    service: str,
    *,
    address: str,
    text: str,
    message_id: str,
    secret: str = "",
    from_business: bool = False,
    sent_at: float | None = None,
) -> HookCall:
    """What the service sends when somebody at the address writes a text.

    Args:
        secret: Telegram's secret token, or the key that Kapso signs with.
        from_business: whether it was written on the business's own telephone.
        sent_at: when, in seconds; None = now.
    """
    moment = time.time() if sent_at is None else sent_at
    build = {"telegram": _telegram, "zapi": _zapi, "evolution": _evolution, "kapso": _kapso}[service]
    body = json.dumps(build(address, text, message_id, from_business, moment)).encode()
    headers = {"content-type": "application/json"}
    if service == "telegram":
        headers["x-telegram-bot-api-secret-token"] = secret
    elif service == "kapso":
        event = "sent" if from_business else "received"
        headers["x-webhook-event"] = f"whatsapp.message.{event}"
        if secret:
            headers["x-webhook-signature"] = hmac.new(secret.encode(), body, sha256).hexdigest()
    return HookCall(body, headers)


def _telegram(address: str, text: str, message_id: str, from_business: bool, moment: float) -> dict[str, Any]:
    return {
        "update_id": int(moment * 1000) % 10**9,
        "message": {
            "message_id": int(message_id),
            "chat": {"id": int(address), "type": "private"},
            "from": {"id": int(address), "is_bot": from_business, "first_name": "Ana"},
            "date": int(moment),
            "text": text,
        },
    }


def _zapi(address: str, text: str, message_id: str, from_business: bool, moment: float) -> dict[str, Any]:
    return {
        "type": "ReceivedCallback",
        "instanceId": "instance",
        "messageId": message_id,
        "phone": address,
        "fromMe": from_business,
        "isGroup": False,
        "isStatusReply": False,
        "isNewsletter": False,
        "momment": int(moment * 1000),
        "status": "RECEIVED",
        "senderName": "Ana",
        "text": {"message": text},
    }


def _evolution(
    address: str, text: str, message_id: str, from_business: bool, moment: float
) -> dict[str, Any]:
    return {
        "event": "messages.upsert",
        "instance": "instance",
        "data": {
            "key": {
                "remoteJid": f"{address}@s.whatsapp.net",
                "fromMe": from_business,
                "id": message_id,
            },
            "pushName": "Ana",
            "message": {"conversation": text},
            "messageType": "conversation",
            "messageTimestamp": int(moment),
        },
    }


def _kapso(address: str, text: str, message_id: str, from_business: bool, moment: float) -> dict[str, Any]:
    return {
        "message": {
            "id": message_id,
            "timestamp": str(int(moment)),
            "type": "text",
            "text": {"body": text},
            "kapso": {"direction": "outbound" if from_business else "inbound", "content": text},
        },
        "conversation": {"id": "conversation", "phone_number": f"+{address}"},
    }
