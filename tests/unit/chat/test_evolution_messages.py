"""Messages as an Evolution API server tells of them."""

import json
from typing import Any

import httpx
import pytest

from dragoman.adapters.channels.evolution import EvolutionChannel
from dragoman.adapters.channels.http import ServiceHttp
from dragoman.domain.chat.channels.ports import Hook, Inbound
from dragoman.domain.chat.model import Integration
from dragoman.kit.fetch import Fetcher

FILE = {"documentMessage": {"mimetype": "application/pdf", "fileName": "offer.pdf", "caption": "Our offer"}}


def told(message: dict[str, Any]) -> list[Inbound]:
    client = httpx.AsyncClient()
    key = {"remoteJid": "5511@s.whatsapp.net", "fromMe": False, "id": "A1"}
    body = {"event": "messages.upsert", "instance": "shop", "data": {"key": key, "message": message}}
    channel = EvolutionChannel(ServiceHttp(client, Fetcher(client)))
    return list(channel.parse(Hook({}, json.dumps(body).encode()), Integration("evolution", {}, {}, 0)))


@pytest.mark.parametrize(
    "message",
    [
        FILE,
        {"documentWithCaptionMessage": {"message": FILE}},
        {"ephemeralMessage": {"message": {"documentWithCaptionMessage": {"message": FILE}}}},
    ],
)
def test_a_file_is_found_in_whatever_it_is_wrapped(message: dict[str, Any]) -> None:
    (found,) = told({**message, "base64": "JVBERi0="})
    assert found.text == "Our offer"
    (media,) = found.media
    assert (media.kind, media.reference, media.filename) == ("document", "base64:JVBERi0=", "offer.pdf")


def test_disappearing_texts_are_texts() -> None:
    (found,) = told({"ephemeralMessage": {"message": {"extendedTextMessage": {"text": "hello"}}}})
    assert found.text == "hello"
    assert told({"protocolMessage": {"type": "REVOKE"}}) == []
