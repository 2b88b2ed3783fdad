"""The mind of one conversation: the agent that answers, who listens and who speaks for it."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from dragoman.domain.agents.model import ResolvedAgent
from dragoman.domain.agents.request import RunRequest
from dragoman.domain.agents.run import AgentRunner
from dragoman.domain.agents.spec import AgentSpec
from dragoman.domain.inference.catalogue import Catalogue
from dragoman.domain.inference.ports import Sampling, ToolChoice
from dragoman.domain.inference.speech.ports import (
    Recording,
    SpeechRequest,
    Synthesizer,
    TranscribeOptions,
    Transcriber,
)
from dragoman.domain.inference.speech.service import SpeechService
from dragoman.domain.messages.citations import Citation
from dragoman.domain.messages.events import CitationsFound, Finished, TextDelta, ToolCallDelta, ToolRun, Usage
from dragoman.domain.messages.parts import Message, ToolCall, ToolSpec
from dragoman.domain.usage.meter import Meter, UsageContext
from dragoman.domain.voice.model import VoiceSession
from dragoman.domain.voice.ports import Heard, SpeechEndpoints, Thought
from dragoman.domain.voice.spec import VoiceSecrets, VoiceSpec
from dragoman.kit.clock import now_ms
from dragoman.kit.jsontypes import JsonValue
from dragoman.kit.pcm import Resampler, louder

_HEARD_HZ = 16_000
_SPOKEN_HZ = 24_000
_ORIGIN = "voice"
_CHARACTERS_PER_TOKEN = 4
_TOKENS_A_SECOND = 10


@dataclass(frozen=True, slots=True)
class MindParts:
    """What minds are made of. ``dialect`` is whom use is counted for."""

    runner: AgentRunner
    catalogue: Catalogue
    speech: SpeechService
    endpoints: SpeechEndpoints
    meter: Meter


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with all that went before. What is given here goes before the agent's own."""

    conversation: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice | None = None
    instructions: str | None = None
    max_tokens: int | None = None


class SessionMind:
    """A ``Mind`` for one session."""

    def __init__(self, session: VoiceSession, secrets: VoiceSecrets, parts: MindParts, dialect: str) -> None:
        self._session, self._secrets, self._parts, self._dialect = session, secrets, parts, dialect
        self._begun = now_ms()
        self._spoken_characters = 0
        self._heard_seconds = 0.0
        self._speaker = self._synthesizer()
        self._listener = self._transcriber()
        self._request = self._speech_request()

    @property
    def spec(self) -> VoiceSpec:
        """The settings as far as its transcriber is to follow them: open speech goes to none outside again and again."""
        spec = self._session.spec
        given = spec.listening.ref.endpoint is not None
        if given or self._parts.speech.is_outside(self._listener.name):
            return replace(spec, listening=replace(spec.listening, interim=False))
        return spec

    async def think(self, messages: list[Mapping[str, str]]) -> AsyncIterator[Thought]:
        """The agent's answer, with its knowledge, tools and memories."""
        conversation = tuple(
            Message.of_text("user" if turn["role"] == "user" else "assistant", turn["text"])
            for turn in messages
        )
        async with aclosing(self.answer(Asked(conversation))) as thoughts:
            async for thought in thoughts:
                # Nobody is there who could carry out a call.
                if thought.call is None:
                    yield thought

    async def answer(self, asked: Asked) -> AsyncGenerator[Thought]:
        """The agent's answer to a conversation that is kept elsewhere."""
        session, thinking = self._session, self._session.spec.thinking
        agent = await self._agent()
        request = RunRequest(
            conversation=asked.conversation,
            sampling=Sampling(
                temperature=thinking.temperature, max_tokens=asked.max_tokens or thinking.max_tokens
            ),
            tools=asked.tools,
            tool_choice=asked.tool_choice,
            system_prompt=asked.instructions or thinking.instructions,
            user=session.participant.identity,
            origin=_ORIGIN,
            conversation_id=session.session_id,
            speaker=self._leaves(),
            dialect=self._dialect,
        )
        calls: dict[int, ToolCall] = {}
        async with aclosing(self._parts.runner.run(session.caller, agent, request)) as events:
            async for event in events:
                match event:
                    case TextDelta(text):
                        yield Thought(text)
                    case ToolCallDelta():
                        known = calls.get(event.index) or ToolCall("", "", "")
                        calls[event.index] = ToolCall(
                            event.id or known.id, event.name or known.name, known.arguments + event.arguments
                        )
                    case Finished():
                        for call in calls.values():
                            yield Thought(call=call)
                        yield Thought(end=event)
                    case CitationsFound(citations) if citations:
                        yield Thought(citations=tuple(shown_citation(citation) for citation in citations))
                    case ToolRun():
                        yield Thought(tool={"name": event.name, "state": event.state})
                    case _:
                        pass

    def adopt(self, spec: VoiceSpec) -> None:
        """Goes on with other settings."""
        self._session = replace(self._session, spec=spec)
        self._speaker, self._listener = self._synthesizer(), self._transcriber()
        self._request = self._speech_request()

    async def hear(self, sound: bytes, *, final: bool) -> Heard:
        """The transcript; the open speech of a quick guess is decoded as it is."""
        listening = self._session.spec.listening
        options = TranscribeOptions(language=listening.language, quick=True)
        text, language = "", listening.language or "en"
        async for part in self._listener.stream(Recording(sound, pcm_rate_hz=_HEARD_HZ), options):
            text, language = text + part.text, part.language
        if final:
            self._heard_seconds += len(sound) / 2 / _HEARD_HZ
        return Heard(text.strip(), language)

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """The speech at the agent's loudness."""
        gain = self._session.spec.speaking.gain
        resampler = Resampler(self._speaker.sample_rate_hz, _SPOKEN_HZ)
        self._spoken_characters += len(text)
        request = replace(self._request, text=text)
        async for sound in self._speaker.stream(request):
            yield louder(resampler.push(sound), gain)
        yield louder(resampler.flush(), gain)

    async def warm(self) -> None:
        """Makes the first turn as quick as the others.

        Raises:
            DragomanError: somebody cannot work; the message says what is missing.
        """
        await self._listener.warm()
        await self._speaker.warm()

    def account(self) -> None:
        """Records what was spoken and heard."""
        spoken = Usage(prompt_tokens=-(-self._spoken_characters // _CHARACTERS_PER_TOKEN), estimated=True)
        heard = Usage(prompt_tokens=round(self._heard_seconds * _TOKENS_A_SECOND), estimated=True)
        session = self._session
        call = UsageContext(
            caller=session.caller,
            dialect=self._dialect,
            kind="tool",
            started_at=self._begun,
            end_user=session.participant.identity,
        )
        self._parts.meter.use(call, item="voice.minute", quantity=(now_ms() - self._begun) / 60_000)
        for kind, engine, usage in (
            ("speech", self._speaker.name, spoken),
            ("transcription", self._listener.name, heard),
        ):
            if usage.prompt_tokens:
                context = UsageContext(
                    caller=session.caller,
                    dialect=self._dialect,
                    kind="speech" if kind == "speech" else "transcription",
                    started_at=self._begun,
                    end_user=session.participant.identity,
                )
                self._parts.meter.record(context, model=engine, usage=usage, status=200)

    async def _agent(self) -> ResolvedAgent:
        ref = self._session.spec.thinking.ref
        if ref.endpoint is not None and ref.model is not None:
            spec = AgentSpec(model=ref.model, endpoint=ref.endpoint)
            return ResolvedAgent(None, ref.model, spec, self._secrets.thinking)
        name = ref.model or self._parts.catalogue.default().name
        return await self._parts.runner.resolve(self._session.caller, name)

    def _speech_request(self) -> SpeechRequest:
        speaking = self._session.spec.speaking
        return SpeechRequest(
            "",
            voice=speaking.voice,
            speed=speaking.speed,
            language=speaking.language,
            emotion=speaking.emotion,
            metadata=dict(speaking.metadata),
        )

    def _leaves(self) -> str | None:
        """The provider outside that speaks, if one does."""
        given = self._session.spec.speaking.ref.endpoint is not None
        name = self._speaker.name
        return name if given or self._parts.speech.is_outside(name) else None

    def _synthesizer(self) -> Synthesizer:
        speaking = self._session.spec.speaking
        if speaking.ref.endpoint is not None and speaking.ref.model is not None:
            key = self._secrets.speaking
            return self._parts.endpoints.synthesizer(speaking.ref.endpoint, speaking.ref.model, key)
        return self._parts.speech.synthesizer(speaking.ref.engine, speaking.language)

    def _transcriber(self) -> Transcriber:
        listening = self._session.spec.listening
        if listening.ref.endpoint is not None and listening.ref.model is not None:
            key = self._secrets.listening
            return self._parts.endpoints.transcriber(listening.ref.endpoint, listening.ref.model, key)
        return self._parts.speech.transcriber(listening.ref.engine)


def shown_citation(citation: Citation) -> Mapping[str, JsonValue]:
    """A reference as clients see it."""
    return {
        "number": citation.number,
        "document_id": citation.document_id,
        "name": citation.document_name,
        "page": citation.page,
        "text": citation.text,
    }
