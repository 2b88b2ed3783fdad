"""From a body to a session that can be opened: stored settings, checks against this server, warnings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dragoman.dialects.playground.config import AgentConfig, TokenRequest
from dragoman.dialects.playground.errors import from_validation, invalid_field
from dragoman.dialects.playground.merge import merged, unknown_names, without_nulls
from dragoman.dialects.playground.translate import Known, Translated, translate
from dragoman.domain.accounts.caller import Caller
from dragoman.domain.inference.speech.languages import base_language
from dragoman.domain.services import Services
from dragoman.domain.voice.model import SessionDraft
from dragoman.domain.voice.spec import Participant, Speaking, VoiceSpec
from dragoman.kit.addresses import AllowList
from dragoman.kit.egress import EgressPolicy
from dragoman.kit.errors import DragomanError, InvalidInput, NotFound
from dragoman.kit.ids import uuid7
from dragoman.kit.jsontypes import JsonObject

EXTENSION = "playground"


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored agent under its id: settings as they were given, its secrets, and the model that thinks."""

    config: JsonObject
    secrets: dict[str, str]
    model: str | None = None


async def stored_agent(services: Services, caller: Caller, agent_id: str) -> Stored:
    """The voice agent of that id, or the gateway or persona of that id or name as one.

    Raises:
        NotFound: the caller has none.
    """
    try:
        agent = await services.agents.get(caller, "voice", agent_id)
    except NotFound:
        found = await services.agents.find(caller, agent_id)
        if found is None or found.id is None:
            raise NotFound(
                f"There is no agent {agent_id[:100]!r}.", param="agent_id", code="agent_not_found"
            ) from None
        return Stored({}, {}, found.id)
    kept = agent.extensions.get(EXTENSION)
    return Stored(kept if isinstance(kept, dict) else {}, dict(services.agents.secrets(agent).headers))


def with_secrets(config: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
    """The settings with the keys of their addresses."""
    for part, key in secrets.items():
        config = merged(config, {part: {"model": {"api_key": key}}})
    return config


def kept_secrets(stored: JsonObject, over: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, str]:
    """The keys that stay: one was given for an address, and does not go to another."""

    def address(config: Mapping[str, Any], part: str) -> Mapping[str, Any]:
        model = (config.get(part) or {}).get("model") or {}
        return {name: model[name] for name in ("provider", "base_url") if name in model}

    return {
        part: key
        for part, key in secrets.items()
        if {**address(stored, part), **address(over, part)} == address(stored, part)
    }


def checked(body: dict[str, Any]) -> TokenRequest:
    """The body once all its fields are right.

    Raises:
        InvalidFieldsError: some are not.
    """
    try:
        return TokenRequest.model_validate(body)
    except ValidationError as error:
        raise from_validation(error) from error


def check_addresses(services: Services, config: AgentConfig) -> None:
    """Refuses addresses that plainly lead inside; the egress guard looks names up at use.

    Raises:
        InvalidFieldsError: there is one.
    """
    policy = EgressPolicy(AllowList.parse(services.settings.egress.allow))
    for part, engine in (("llm", config.llm), ("tts", config.tts), ("stt", config.stt)):
        if engine.model.base_url is None:
            continue
        try:
            policy.refuse_plainly_inner(engine.model.base_url)
        except InvalidInput as error:
            raise invalid_field(f"agent_config.{part}.model.base_url", error.detail) from error


async def session_draft(
    services: Services, caller: Caller, raw: dict[str, Any]
) -> tuple[SessionDraft, list[str]]:
    """What is to be opened, and warnings.

    Raises:
        InvalidFieldsError: a field that cannot be used.
        NotFound: no such agent.
    """
    body = without_nulls(raw)
    wanted = checked(body)
    warnings = [f"{path}: is not known and was ignored" for path in unknown_names(TokenRequest, body)]
    stored = Stored({}, {})
    if wanted.agent_id is not None:
        stored = await stored_agent(services, caller, wanted.agent_id)
        over = body.get("agent_config") or {}
        under = with_secrets(dict(stored.config), kept_secrets(stored.config, over, stored.secrets))
        wanted = checked({**body, "agent_config": merged(under, over)})
    check_addresses(services, wanted.agent_config)
    speech = services.speech
    known = Known(frozenset(speech.synthesizers), frozenset(speech.transcribers))
    made = translate(wanted.agent_config, known, own_model=stored.model, platform=wanted.platform)
    await _check_thinking(services, caller, made.spec)
    warnings += _check_speech(services, made)
    info = wanted.user_info
    identity = info.id or wanted.participant_identity or f"user-{uuid7()[-12:]}"
    draft = SessionDraft(
        spec=made.spec,
        secrets=made.secrets,
        shown={**made.shown, "agent_id": wanted.agent_id} if wanted.agent_id else made.shown,
        participant=Participant(identity, info.name or wanted.participant_name, info.email),
        platform=wanted.platform,
        session_id=wanted.session_id,
        seconds=wanted.ttl,
    )
    return draft, warnings


async def _check_thinking(services: Services, caller: Caller, spec: VoiceSpec) -> None:
    ref = spec.thinking.ref
    if ref.endpoint is not None or ref.model is None:
        return
    try:
        await services.runner.resolve(caller, ref.model)
    except NotFound as error:
        raise invalid_field("agent_config.llm.model.model", error.detail) from error


def _check_speech(services: Services, made: Translated) -> list[str]:
    """Refuses an unknown voice; tells what an engine will leave out."""
    warnings: list[str] = []
    speaking, listening = made.spec.speaking, made.spec.listening
    if speaking.ref.endpoint is None:
        warnings += _check_voice(services, speaking)
    if listening.ref.endpoint is None:
        try:
            engine = services.speech.transcriber(listening.ref.engine)
        except NotFound as error:
            raise invalid_field("agent_config.stt.model.model", error.detail) from error
        except DragomanError as error:
            return [*warnings, f"agent_config.stt: {error.detail}"]
        if listening.language is None and not engine.understands("de"):
            warnings.append(f"agent_config.stt.detect_language: {engine.name} understands English only")
        elif listening.language is not None and not engine.understands(listening.language):
            warnings.append(
                f"agent_config.stt.language: {engine.name} does not understand {listening.language!r}"
            )
    return warnings


def _check_voice(services: Services, speaking: Speaking) -> list[str]:
    warnings: list[str] = []
    try:
        engine = services.speech.synthesizer(speaking.ref.engine, speaking.language)
        services.speech.check_voice(engine, speaking.voice)
    except NotFound as error:
        raise invalid_field("agent_config.tts.model.model", error.detail) from error
    except InvalidInput as error:
        raise invalid_field("agent_config.tts.voice", error.detail) from error
    except DragomanError as error:
        return [f"agent_config.tts: {error.detail}"]
    if speaking.emotion is not None and not engine.feels:
        warnings.append(f"agent_config.tts.emotion: {engine.name} speaks without emotion")
    if not engine.speaks(speaking.language):
        warnings.append(
            f"agent_config.tts.language: {engine.name} has no voice for {base_language(speaking.language)!r}"
        )
    return warnings
