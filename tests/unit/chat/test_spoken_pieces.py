"""Answers that are spoken on a messaging service, on both databases."""

from collections.abc import AsyncIterator
from typing import cast

import pytest
from tests.unit.chat.chat_world import HOUR, ROOT, World

from dragoman.db.jobs import RunLater
from dragoman.domain.chat.brief import Speaker, SpokenBrief
from dragoman.domain.chat.channels import repository
from dragoman.domain.chat.channels.delivery import SPOKEN
from dragoman.domain.chat.channels.places import Places
from dragoman.domain.chat.channels.ports import ChannelAdapter, Outgoing
from dragoman.domain.chat.channels.sending import ContactSending
from dragoman.domain.chat.channels.tables import channel_outbound
from dragoman.domain.chat.model import Integration
from dragoman.domain.inference.speech.ports import SpeechRequest
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.kit.errors import ProviderError


class Phone:
    """A messaging service that fails so many times before it takes what is sent."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.given: list[Outgoing] = []

    async def send(self, integration: Integration, address: str, piece: Outgoing) -> str | None:
        self.given.append(piece)
        if len(self.given) <= self.failures:
            raise ProviderError("Busy.", code="busy", retryable=True)
        return "1"


class Voice:
    """Speaks by saying how often it spoke."""

    def __init__(self) -> None:
        self.spoken: list[str] = []

    async def speak(self, request: SpeechRequest, *, form: str) -> AsyncIterator[bytes]:
        self.spoken.append(request.text)
        yield b"sound %d" % len(self.spoken)


class Brief:
    """Shortens what is to be said, and keeps what it was given."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def of(self, speaker: Speaker, text: str) -> str:
        self.asked.append(text)
        return "short"


async def test_an_answer_is_shortened_and_spoken_once_however_often_it_is_sent(world: World) -> None:
    phone, voice, brief = Phone(failures=2), Voice(), Brief()
    integration = Integration("telegram", {}, {"botToken": "t"}, 3 * HOUR)
    await world.clients.put_integration(world.ana, world.client.id, "telegram", lambda before: integration)
    adapter = cast("ChannelAdapter", phone)
    sending = ContactSending(
        world.database,
        Places(world.database, world.clients, {"telegram": adapter}, ROOT.derive("hooks")),
        most_attempts=5,
        speech=cast("SpeechService", voice),
        brief=cast("SpokenBrief", brief),
        clock_ms=world.clock,
    )
    contact = await world.database.write(
        repository.contact_of, world.client.id, "telegram", "42", None, world.clock()
    )
    pieces = [Outgoing("a long answer", mime=SPOKEN)]
    await world.database.write(repository.put_out, contact.key, "answer", pieces, world.clock())
    for _ in range(phone.failures):
        with pytest.raises(RunLater) as later:
            await sending.handle({"contact": contact.key})
        world.clock.now = later.value.run_at
    await sending.handle({"contact": contact.key})
    assert [piece.audio for piece in phone.given] == [b"sound 1"] * 3
    assert (voice.spoken, brief.asked) == (["short"], ["a long answer"])
    kept = await world.database.read(
        lambda connection: connection.execute(channel_outbound.select()).mappings().one()
    )
    assert (kept["state"], kept["audio"]) == ("sent", None)
