"""Who is asked for partial transcripts: only whom it costs nothing to ask again and again."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dragoman.domain.accounts.caller import Caller
from dragoman.domain.voice.mind import MindParts, SessionMind
from dragoman.domain.voice.model import VoiceSession
from dragoman.domain.voice.spec import EngineRef, Listening, Participant, VoiceSecrets, VoiceSpec

_GIVEN = EngineRef(endpoint="https://listen.example/v1", model="whisper-1")


class Speech:
    """The engines of a server; ``away`` is outside the operator's systems."""

    def transcriber(self, model: str | None = None) -> Any:
        return SimpleNamespace(name=model or "here")

    def synthesizer(self, model: str | None = None, language: str | None = None) -> Any:
        return SimpleNamespace(name="voice")

    def is_outside(self, engine: str) -> bool:
        return engine == "away"


class Endpoints:
    """Engines at addresses that callers give."""

    def transcriber(self, endpoint: str, model: str, key: str | None) -> Any:
        return SimpleNamespace(name="here")


@pytest.mark.parametrize(
    ("listening", "interim"),
    [
        (Listening(), True),
        (Listening(interim=False), False),
        (Listening(EngineRef(engine="away")), False),
        (Listening(_GIVEN), False),
    ],
)
def test_partial_transcripts_come_from_the_operators_own_systems_only(
    listening: Listening, interim: bool
) -> None:
    spec = VoiceSpec("agent", listening=listening)
    caller = Caller("organisation", "user", 1, "ada@example.com", "owner")
    session = VoiceSession("room", "id", caller, "web", Participant("ada"), spec, {}, None, 0, 0)
    stubs = cast("Any", SimpleNamespace(speech=Speech(), endpoints=Endpoints()))
    parts = MindParts(stubs, stubs, stubs.speech, stubs.endpoints, stubs)
    found = SessionMind(session, VoiceSecrets(), parts, "playground").spec
    assert found == replace(spec, listening=replace(listening, interim=interim))
