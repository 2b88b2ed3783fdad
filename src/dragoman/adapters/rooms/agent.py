"""The agent of a conversation: each of its senses is a request to the server."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from livekit import rtc
from livekit.agents import Agent, ModelSettings, StopResponse, llm, stt, tts

from dragoman.adapters.rooms.ahead import Ahead
from dragoman.adapters.rooms.listening import Transcripts
from dragoman.adapters.rooms.playing import OUTPUT_HZ
from dragoman.adapters.rooms.requests import AskedInVainError, Requests
from dragoman.domain.inference.speech.aloud import spoken
from dragoman.domain.voice.phrases import Phraser

_APOLOGY = "Sorry, I cannot answer that just now."
_ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Voice:
    """What the agent works with. ``tell`` sends an event to the client, ``mark`` notes a moment of the turn.

    ``turn_over`` is called when the person's turn is. ``answers``: whether it answers by itself then.
    """

    requests: Requests
    transcripts: Transcripts
    tell: Callable[[dict[str, Any]], None]
    mark: Callable[[str], None]
    turn_over: Callable[[], None] = lambda: None
    answers: bool = True


class VoiceAgent(Agent):
    """Listens, thinks and speaks by what ``Voice`` gives."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(instructions="")
        self._voice = voice
        self._ahead = Ahead(voice.requests)

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[stt.SpeechEvent]:
        """Transcripts of what the person says."""
        async for event in self._voice.transcripts.events(audio):
            yield event

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        """Tells that a turn is over where the agent has to be asked for its answer."""
        asyncio.get_running_loop().call_soon(self._voice.turn_over)
        if not self._voice.answers:
            self._voice.tell({"type": "turn_completed", "text": new_message.text_content or ""})
            raise StopResponse
        if self._ahead.ask([*_messages(turn_ctx), *_messages_of([new_message])]):
            self._voice.mark("asked")

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterator[str]:
        """The answer's text; an apology when there is none."""
        asked, certain = self._ahead.thoughts(_messages(chat_ctx))
        if not certain:
            self._voice.mark("asked")
        answered = called = False
        try:
            async for piece in self._voice.requests.think(asked):
                called = called or piece.get("called", False)
                if piece.get("citations"):
                    self._voice.tell({"type": "citations", "citations": piece["citations"]})
                if piece.get("tool"):
                    self._voice.tell({"type": "tool", **piece["tool"]})
                if text := piece.get("text"):
                    if not answered:
                        self._voice.mark("first_token")
                    answered = True
                    if certain:
                        self._ahead.write(text)
                    yield text
            if not answered and not called:
                raise AskedInVainError("The model gave no answer.")
        except AskedInVainError as error:
            self._voice.tell({"type": "error", "code": "llm_failed", "message": str(error)})
            yield _APOLOGY if not answered else f" {_APOLOGY}"

    async def transcription_node(
        self, text: AsyncIterable[Any], model_settings: ModelSettings
    ) -> AsyncIterator[Any]:
        """The answer's text as it is shown, references and all."""
        said = False
        async for piece in text:
            said = True
            self._voice.tell({"type": "agent_text", "delta": str(piece), "final": False})
            yield piece
        if said:
            self._voice.tell({"type": "agent_text", "delta": "", "final": True})

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[rtc.AudioFrame]:
        """The answer's sound, phrase by phrase."""
        phraser = Phraser()
        try:
            async for piece in text:
                for phrase in phraser.push(piece):
                    async for frame in self._spoken(phrase):
                        yield frame
            for phrase in phraser.flush():
                async for frame in self._spoken(phrase):
                    yield frame
        except AskedInVainError as error:
            self._voice.tell({"type": "error", "code": "tts_failed", "message": str(error)})

    async def _spoken(self, phrase: str) -> AsyncIterator[rtc.AudioFrame]:
        words = spoken(phrase)
        if not words:
            return
        first = True
        async for sound in self._voice.requests.speak(self._ahead.speech(words)):
            if sound:
                userdata = {"phrase": phrase} if first else {}
                yield rtc.AudioFrame(sound, OUTPUT_HZ, 1, len(sound) // 2, userdata=userdata)
                first = False


def _messages(chat_ctx: llm.ChatContext) -> list[dict[str, str]]:
    """What was said so far, as the person heard it."""
    return _messages_of(chat_ctx.items)


def _messages_of(items: Sequence[llm.ChatItem]) -> list[dict[str, str]]:
    return [
        {"role": item.role, "text": item.text_content.strip()}
        for item in items
        if item.type == "message" and item.role in _ROLES and item.text_content
    ]


class NoStt(stt.STT):
    """Stands where the session wants a transcriber; the agent's own node does the work."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))

    async def _recognize_impl(self, *arguments: Any, **named: Any) -> Any:
        raise NotImplementedError


class NoLlm(llm.LLM):
    """Stands where the session wants a model."""

    def chat(self, **named: Any) -> Any:
        """Never called."""
        raise NotImplementedError


class NoTts(tts.TTS):
    """Stands where the session wants a synthesizer."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True), sample_rate=OUTPUT_HZ, num_channels=1
        )

    def synthesize(self, text: str, **named: Any) -> Any:
        """Never called."""
        raise NotImplementedError
