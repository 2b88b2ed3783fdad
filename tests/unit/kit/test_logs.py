import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from dragoman.kit.logs import REDACTED, bind_request, clear_request, configure_logging, redact_text

KEY = "sk-Abc123Abc123Abc123Abc123"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    configure_logging("info", "json", stream=out)
    yield out
    structlog.reset_defaults()
    clear_request()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def _events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_level_time_and_request(stream: io.StringIO) -> None:
    bind_request("req-1", dialect="openai")
    structlog.get_logger().info("chat.answered", tokens=12)
    (event,) = _events(stream)
    assert event["event"] == "chat.answered"
    assert event["level"] == "info"
    assert event["request_id"] == "req-1"
    assert event["dialect"] == "openai"
    assert event["tokens"] == 12
    assert event["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "Authorization",
        "x-api-key",
        "X-Access-Tokens",
        "password",
        "client_secret",
        "metrics_token",
        "prompt",
    ],
)
def test_a_field_that_is_named_like_a_secret_is_redacted(stream: io.StringIO, name: str) -> None:
    structlog.get_logger().info("some.event", **{name: "plain words", "headers": {name: "plain words"}})
    (event,) = _events(stream)
    assert event[name] == REDACTED
    assert event["headers"][name] == REDACTED


@pytest.mark.parametrize(
    "text",
    [
        f"called with {KEY}",
        f"Authorization: Bearer {KEY[3:]}",
        f"header was Basic {KEY[3:]}",
        f"token {JWT} refused",
        f"GET /v1/models?api-key={KEY[3:]}&x=1",
        f"postgresql://user:{KEY[3:]}@db/x",
        f'{{"password": "{KEY[3:]}"}}',
        f"x-access-tokens: {KEY[3:]}",
    ],
)
def test_a_credential_anywhere_in_a_text_is_redacted(stream: io.StringIO, text: str) -> None:
    structlog.get_logger().warning("some.event", reason=text, nested=[{"deep": (text,)}])
    logging.getLogger("library").warning("said %s", text)
    written = stream.getvalue()
    assert len(_events(stream)) == 2
    assert KEY[3:] not in written
    assert JWT not in written
    assert REDACTED in written


def test_a_traceback_is_logged_without_the_credential_in_its_message(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"bad key {KEY}")
    except ValueError:
        structlog.get_logger().exception("some.failure")
    (event,) = _events(stream)
    assert "ValueError" in event["exception"]
    assert KEY not in stream.getvalue()


def test_counts_and_plain_texts_stay_as_they_are(stream: io.StringIO) -> None:
    structlog.get_logger().info(
        "some.event", prompt_tokens=3, token_count=4, key_id="k1", detail="ask-me-anything"
    )
    (event,) = _events(stream)
    assert (event["prompt_tokens"], event["token_count"], event["key_id"]) == (3, 4, "k1")
    assert event["detail"] == "ask-me-anything"
    assert redact_text("nothing to hide: 12 of 13") == "nothing to hide: 12 of 13"


def test_events_below_the_level_and_chatter_of_http_clients_are_not_written(stream: io.StringIO) -> None:
    structlog.get_logger().debug("some.detail")
    logging.getLogger("httpx").info("HTTP Request: GET https://x.example/?q=words")
    assert stream.getvalue() == ""


def test_the_form_for_the_eye_is_redacted_too() -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    configure_logging("info", "console", stream=out)
    structlog.get_logger().info("some.event", reason=KEY)
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    assert "some.event" in out.getvalue()
    assert KEY not in out.getvalue()
