"""The token operation: every field, its default, and what is refused."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from tests.e2e.in_process import InProcess, in_process, settings_in
from tests.e2e.server import EMAIL

TOKENS = "/api/v1/playground/tokens"
AGENTS = "/api/v1/playground/agents"
# The body that the published page prints, its placeholders filled with values that can be.
FULL: dict[str, Any] = {
    "agent_config": {
        "agent": {
            "id": "reception",
            "description": "You work at the front desk.",
            "welcome_text": "Hello!",
            "full_name": "Ada",
            "language": "en",
        },
        "tts": {
            "model": {
                "provider": "openai",
                "model": "tts-1",
                "api_key": "sk-tts",
                "base_url": "https://tts.example/v1",
            },
            "voice": "alloy",
            "speed": "x-slow",
            "volume": "silent",
            "language": "en",
            "emotion": {"emotion": "anger", "level": "lowest"},
            "metadata": {},
        },
        "stt": {
            "model": {
                "provider": "openai",
                "model": "whisper-1",
                "api_key": "sk-stt",
                "base_url": "https://stt.example/v1",
            },
            "language": "en",
            "detect_language": False,
            "interim_results": True,
            "punctuate": True,
            "metadata": {},
        },
        "llm": {
            "model": {
                "provider": "openai",
                "model": "small",
                "api_key": "sk-llm",
                "base_url": "https://llm.example/v1",
            },
            "temperature": 0.5,
            "max_tokens": 60,
            "system_prompt": "Be kind.",
            "metadata": {},
        },
        "vad": {
            "min_speech_duration": 0.1,
            "activation_threshold": 0.6,
            "prefix_padding_duration": 0.4,
            "min_silence_duration": 0.3,
            "max_buffered_speech": 30,
            "sample_rate": 8000,
            "padding_duration": 0.2,
        },
        "allow_interruptions": True,
        "interrupt_speech_duration": 0.4,
        "interrupt_min_words": 2,
        "min_endpointing_delay": 0.3,
        "preemptive_synthesis": True,
        "end_of_turn_detection": True,
        "background_noise_enabled": True,
    },
    "platform": "web",
    "user_info": {"id": "u1", "name": "Ana", "email": "ana.secret@example.org"},
    "ttl": 120,
}


async def token(app: InProcess, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    answer = await app.client.post(TOKENS, json={**(body or {}), **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_empty_body_gives_a_working_agent_with_every_default(app: InProcess) -> None:
    answer = await app.client.post(TOKENS)
    assert answer.status_code == 200, answer.text
    got = answer.json()
    assert got["server_url"] == got["url"] == "ws://here/api/v1/playground"
    assert got["participant_token"] == got["token"]
    assert got["room_name"] == got["room"]
    assert got["ttl"] == 900
    config = got["agent_config"]
    assert config["agent"]["full_name"] == "Assistant"
    assert config["llm"]["temperature"] == 0.5
    assert config["llm"]["max_tokens"] == 60
    assert config["llm"]["system_prompt"].startswith("The following is a conversation with an AI assistant.")
    assert config["tts"]["speed"] == config["tts"]["volume"] == "medium"
    assert config["stt"] | {"model": None} == {
        "model": None,
        "metadata": {},
        "language": "en",
        "detect_language": False,
        "interim_results": True,
        "punctuate": True,
    }
    assert config["vad"] == {
        "min_speech_duration": 0.05,
        "min_silence_duration": 0.55,
        "prefix_padding_duration": 0.5,
        "max_buffered_speech": 60.0,
        "activation_threshold": 0.5,
        "sample_rate": 16000,
    }
    assert (config["allow_interruptions"], config["interrupt_speech_duration"]) == (True, 0.5)
    assert (config["interrupt_min_words"], config["min_endpointing_delay"]) == (0, 0.5)
    assert (config["preemptive_synthesis"], config["end_of_turn_detection"]) == (False, True)
    assert config["background_noise_enabled"] is False
    assert [way["type"] for way in got["transports"]] == ["websocket", "webrtc", "openai-realtime"]


async def test_every_field_is_taken_and_no_secret_is_given_back(app: InProcess) -> None:
    answer = await app.client.post(TOKENS, json=FULL)
    assert answer.status_code == 200, answer.text
    got = answer.json()
    assert got["agent_config"]["tts"]["speed"] == "x-slow"
    assert got["agent_config"]["vad"]["prefix_padding_duration"] == 0.2
    assert got["agent_config"]["tts"]["emotion"] == {"emotion": "anger", "level": "lowest"}
    assert (got["identity"], got["participant_name"], got["agent_id"]) == ("u1", "Ana", "reception")
    claims = jwt.decode(got["token"], options={"verify_signature": False})
    for text in (answer.text, str(claims)):
        for secret in ("sk-tts", "sk-stt", "sk-llm", "ana.secret@example.org"):
            assert secret not in text
    session = await app.running.services.voice_sessions.of_token(got["token"])
    assert app.running.services.voice_sessions.secrets(session).thinking == "sk-llm"
    assert b"sk-llm" not in (session.sealed or b"")
    assert session.participant.email == "ana.secret@example.org"


async def test_the_token_has_the_claims_that_livekit_reads(app: InProcess) -> None:
    got = await token(app, user_info={"id": "u7", "name": "Ben"}, ttl=60)
    claims = jwt.decode(got["token"], options={"verify_signature": False})
    assert claims["sub"] == "u7"
    assert claims["name"] == "Ben"
    assert claims["video"]["roomJoin"] is True
    assert claims["video"]["room"] == got["room"]
    assert claims["roomConfig"]["agents"][0]["agentName"] == "dragoman"
    assert claims["nbf"] <= time.time() < claims["exp"] <= time.time() + 62


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"ttl": 5}, "ttl"),
        ({"ttl": 86_401}, "ttl"),
        ({"ttl": "900"}, "ttl"),
        ({"session_id": "with space"}, "session_id"),
        ({"session_id": ""}, "session_id"),
        ({"platform": 5}, "platform"),
        ({"agent_config": []}, "agent_config"),
        ({"user_info": {"email": "nonsense"}}, "user_info.email"),
        ({"agent_config": {"agent": {"id": "x" * 129}}}, "agent_config.agent.id"),
        ({"agent_config": {"agent": {"welcome_text": "x" * 2001}}}, "agent_config.agent.welcome_text"),
        ({"agent_config": {"agent": {"language": "not a language"}}}, "agent_config.agent.language"),
        ({"agent_config": {"tts": {"speed": "warp"}}}, "agent_config.tts.speed"),
        ({"agent_config": {"tts": {"volume": 11}}}, "agent_config.tts.volume"),
        ({"agent_config": {"tts": {"voice": "nobody"}}}, "agent_config.tts.voice"),
        ({"agent_config": {"tts": {"emotion": {"emotion": "ennui"}}}}, "agent_config.tts.emotion.emotion"),
        ({"agent_config": {"tts": {"emotion": {}}}}, "agent_config.tts.emotion.emotion"),
        ({"agent_config": {"tts": {"metadata": {"x": "y" * 5000}}}}, "agent_config.tts.metadata"),
        ({"agent_config": {"stt": {"punctuate": "yes"}}}, "agent_config.stt.punctuate"),
        ({"agent_config": {"stt": {"model": {"provider": "nobody"}}}}, "agent_config.stt.model.provider"),
        ({"agent_config": {"llm": {"temperature": 2.1}}}, "agent_config.llm.temperature"),
        ({"agent_config": {"llm": {"max_tokens": 0}}}, "agent_config.llm.max_tokens"),
        ({"agent_config": {"llm": {"max_tokens": 1.5}}}, "agent_config.llm.max_tokens"),
        ({"agent_config": {"llm": {"model": {"model": "no-such-model"}}}}, "agent_config.llm.model.model"),
        ({"agent_config": {"llm": {"model": {"base_url": "ftp://x"}}}}, "agent_config.llm.model.base_url"),
        ({"agent_config": {"llm": {"model": {"provider": "openai"}}}}, "agent_config.llm.model.model"),
        *(
            (
                {"agent_config": {part: {"model": {"provider": "x", "model": "m", "base_url": url}}}},
                f"agent_config.{part}.model.base_url",
            )
            for part, url in (
                ("llm", "http://127.0.0.1:1/v1"),
                ("llm", "http://2130706433/v1"),
                ("tts", "http://169.254.169.254/latest"),
                ("tts", "http://localhost:11434/v1"),
                ("stt", "https://10.0.0.7/v1"),
                ("stt", "http://[::1]/v1"),
            )
        ),
        ({"agent_config": {"tts": {"model": {"api_key": "sk\r\nx: y"}}}}, "agent_config.tts.model.api_key"),
        (
            {"agent_config": {"stt": {"metadata": json.loads('{"a":' * 300 + "1" + "}" * 300)}}},
            "agent_config.stt.metadata",
        ),
        ({"agent_config": {"vad": {"sample_rate": 44_100}}}, "agent_config.vad.sample_rate"),
        ({"agent_config": {"vad": {"activation_threshold": 1.01}}}, "agent_config.vad.activation_threshold"),
        ({"agent_config": {"vad": {"max_buffered_speech": 0}}}, "agent_config.vad.max_buffered_speech"),
        ({"agent_config": {"vad": {"min_silence_duration": 550}}}, "agent_config.vad.min_silence_duration"),
        ({"agent_config": {"vad": {"min_speech_duration": -1}}}, "agent_config.vad.min_speech_duration"),
        ({"agent_config": {"interrupt_speech_duration": 500}}, "agent_config.interrupt_speech_duration"),
        ({"agent_config": {"interrupt_min_words": -1}}, "agent_config.interrupt_min_words"),
        ({"agent_config": {"min_endpointing_delay": "soon"}}, "agent_config.min_endpointing_delay"),
        ({"agent_config": {"allow_interruptions": 1}}, "agent_config.allow_interruptions"),
    ],
)
async def test_a_wrong_field_is_422_with_its_path(app: InProcess, change: dict[str, Any], path: str) -> None:
    answer = await app.client.post(TOKENS, json=change)
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert ".".join(map(str, body["detail"][0]["loc"][1:])) == path
    assert body["message"].startswith(path)


async def test_delays_in_milliseconds_are_told_to_be_seconds(app: InProcess) -> None:
    answer = await app.client.post(TOKENS, json={"agent_config": {"min_endpointing_delay": 500}})
    assert "seconds, not milliseconds" in answer.json()["detail"][0]["msg"]


async def test_an_unknown_voice_is_refused_with_the_known_ones(app: InProcess) -> None:
    answer = await app.client.post(TOKENS, json={"agent_config": {"tts": {"voice": "nobody"}}})
    assert "alloy" in answer.json()["detail"][0]["msg"]


async def test_what_is_not_known_is_let_through_with_a_warning(app: InProcess) -> None:
    got = await token(app, room_name="mine", agent_config={"llm": {"top_k": 3}, "tts": {"voice": None}})
    assert got["warnings"][:2] == [
        "room_name: is not known and was ignored",
        "agent_config.llm.top_k: is not known and was ignored",
    ]


async def test_the_same_session_id_gives_the_same_room_within_its_time(app: InProcess) -> None:
    first = await token(app, session_id="s-1")
    second, third = await asyncio.gather(token(app, session_id="s-1"), token(app, session_id="s-1"))
    other = await app.stranger.post(TOKENS, json={"session_id": "s-1"})
    assert first["room"] == second["room"] == third["room"] != other.json()["room"]
    assert first["warnings"] == second["warnings"] == []
    changed = await token(app, session_id="s-1", agent_config={"agent": {"full_name": "Somebody else"}})
    assert (changed["room"], changed["agent_config"]) == (first["room"], first["agent_config"])
    assert changed["warnings"][0].startswith("session_id: this session exists")
    assert (await token(app))["room"] != (await token(app))["room"]


async def test_a_gateway_is_an_agent_that_keeps_its_own_prompt(app: InProcess) -> None:
    made = await app.client.post(
        "/api/v1/ai-gateways",
        json={
            "name": "Desk",
            "parameters": {
                "baseAddress": "@integrated",
                "modelName": "extractive",
                "systemInstruction": "Be brief.",
            },
        },
    )
    assert made.status_code in (200, 201), made.text
    gateway = made.json()["aiGatewayId"]
    got = await token(app, agent_id=gateway)
    assert got["agent_id"] == gateway
    assert got["agent_config"]["llm"]["model"]["model"] == gateway
    assert got["agent_config"]["llm"]["system_prompt"] is None
    refused = await app.stranger.post(TOKENS, json={"agent_id": gateway})
    assert refused.status_code == 404


async def test_a_stored_agent_is_overridden_field_by_field(app: InProcess) -> None:
    config = {
        "agent": {"full_name": "Ada", "welcome_text": "Hello!"},
        "tts": {
            "speed": "fast",
            "model": {"provider": "x", "model": "m", "base_url": "https://t.example", "api_key": "sk-kept"},
        },
        "llm": {"temperature": 0.1, "system_prompt": "Be kind."},
    }
    made = await app.client.post(AGENTS, json={"name": "Desk", "agent_config": config})
    assert made.status_code == 201, made.text
    assert "sk-kept" not in made.text
    agent_id = made.json()["id"]
    over = {"agent": {"full_name": "Bob"}, "llm": {"temperature": 0.9}}
    got = await token(app, agent_id=agent_id, agent_config=over)
    assert got["agent_config"]["agent"]["full_name"] == "Bob"
    assert got["agent_config"]["agent"]["welcome_text"] == "Hello!"
    assert got["agent_config"]["llm"]["temperature"] == 0.9
    assert got["agent_config"]["llm"]["system_prompt"] == "Be kind."
    session = await app.running.services.voice_sessions.of_token(got["token"])
    assert app.running.services.voice_sessions.secrets(session).speaking == "sk-kept"
    for elsewhere in ({"base_url": "https://other.example"}, {"provider": "openai"}):
        other = await token(app, agent_id=agent_id, agent_config={"tts": {"model": elsewhere}})
        session = await app.running.services.voice_sessions.of_token(other["token"])
        assert app.running.services.voice_sessions.secrets(session).speaking is None
    changed = await app.client.patch(
        f"{AGENTS}/{agent_id}", json={"agent_config": {"tts": {"speed": "slow"}}}
    )
    assert changed.json()["agent_config"]["tts"]["model"]["model"] == "m"
    assert (await app.stranger.get(f"{AGENTS}/{agent_id}")).status_code == 404
    listed = (await app.client.get(AGENTS)).json()["agents"]
    assert [agent["name"] for agent in listed] == ["Desk"]
    assert (await app.client.delete(f"{AGENTS}/{agent_id}")).status_code == 204
    assert (await app.client.post(TOKENS, json={"agent_id": agent_id})).status_code == 404


async def test_a_telephone_listens_at_8_khz(app: InProcess) -> None:
    assert (await token(app, platform="phone"))["agent_config"]["vad"]["sample_rate"] == 8000


async def test_without_a_key_there_is_no_token(app: InProcess) -> None:
    answer = await app.nobody.post(TOKENS, json={})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b'{"ttl": NaN}', b"null"])
async def test_what_is_no_json_object_is_refused(app: InProcess, body: bytes) -> None:
    answer = await app.client.post(TOKENS, content=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_json"
    assert answer.json()["detail"][0]["loc"][0] == "body"


async def test_a_text_that_no_database_keeps_is_refused_with_its_path(app: InProcess) -> None:
    for body, path in (
        ({"user_info": {"id": "a\0b"}}, "user_info.id"),
        ({"agent_config": {"tts": {"metadata": {"x": ["a", "\0"]}}}}, "agent_config.tts.metadata.x.1"),
        ({"agent_config": {"\0": 1}}, "agent_config"),
    ):
        answer = await app.client.post(TOKENS, json=body)
        assert answer.status_code == 422
        assert answer.json()["message"].startswith(f"{path}: the character U+0000")


async def test_the_names_of_a_livekit_client_are_its_participants(app: InProcess) -> None:
    got = await token(app, participant_identity="u9", participant_name="Cleo")
    assert (got["identity"], got["participant_name"], got["warnings"]) == ("u9", "Cleo", [])
    own = await token(app, participant_identity="u9", user_info={"id": "u1", "name": "Ana"})
    assert (own["identity"], own["participant_name"]) == ("u1", "Ana")


async def test_altered_and_expired_tokens_lead_nowhere(app: InProcess) -> None:
    from dragoman.kit.errors import Unauthenticated

    got = await token(app)
    sessions = app.running.services.voice_sessions
    head, body, sign = got["token"].split(".")
    for altered in (f"{head}.{body}.{sign[:-4]}AAAA", f"{head}.{body[:-2]}xx.{sign}", "nonsense", ""):
        with pytest.raises(Unauthenticated):
            await sessions.of_token(altered)
    sessions._clock_ms = lambda: int(time.time() * 1000) + 901_000
    try:
        with pytest.raises(Unauthenticated, match="expired"):
            await sessions.of_token(got["token"])
    finally:
        sessions._clock_ms = lambda: int(time.time() * 1000)


async def test_public_tokens_are_counted_by_address(tmp_path: Path) -> None:
    voice = {"public": True, "public_email": EMAIL, "public_per_minute": 2}
    async with in_process(settings_in(tmp_path / "data", voice=voice)) as app:
        answers = [await app.nobody.post(TOKENS, json={}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) > 0


async def test_with_livekit_its_key_signs_and_its_address_is_given(tmp_path: Path) -> None:
    voice = {"livekit_url": "ws://127.0.0.1:9", "livekit_api_key": "key1", "livekit_api_secret": "secret" * 8}
    async with in_process(settings_in(tmp_path / "data", voice=voice)) as app:
        got = await token(app)
        assert got["server_url"] == "ws://127.0.0.1:9"
        claims = jwt.decode(got["token"], "secret" * 8, algorithms=["HS256"], issuer="key1")
        assert claims["video"]["room"] == got["room"]
        assert {"type": "livekit", "url": "ws://127.0.0.1:9"} in got["transports"]


async def test_what_is_long_over_is_removed_with_its_secrets(app: InProcess) -> None:
    got = await token(app, FULL, ttl=60)
    sessions = app.running.services.voice_sessions
    sessions._clock_ms = lambda: int(time.time() * 1000) + 4 * 3600_000
    try:
        assert await sessions.sweep() >= 1
    finally:
        sessions._clock_ms = lambda: int(time.time() * 1000)
    assert await sessions.in_room(got["room"]) is None
