"""The last lines of the log: bounded, redacted, without tracebacks, also those of libraries."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from dragoman.kit.logs import configure_logging
from dragoman.kit.recent import RecentLines


@pytest.fixture
def recent() -> Iterator[RecentLines]:
    before, handlers, level = (
        structlog.get_config(),
        logging.getLogger().handlers[:],
        logging.getLogger().level,
    )
    configure_logging("debug", "json", stream=io.StringIO())
    watching = RecentLines(3)
    watching.watch()
    yield watching
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.captureWarnings(False)


def test_the_latest_lines_come_first_and_the_oldest_are_forgotten(recent: RecentLines) -> None:
    for number in range(5):
        structlog.get_logger("test").info("counted", number=number)
    assert [line.facts["number"] for line in recent.select()] == ["4", "3", "2"]
    assert [line.facts["number"] for line in recent.select(limit=1)] == ["4"]


def test_secrets_and_tracebacks_are_not_kept(recent: RecentLines) -> None:
    try:
        raise ValueError("what somebody wrote")
    except ValueError:
        structlog.get_logger("test").exception("broke", api_key="sk-12345678", url="https://u:word@host/")
    (line,) = recent.select()
    assert line.level == "error"
    assert "what somebody wrote" not in repr(line)
    assert "sk-12345678" not in repr(line)
    assert "word" not in repr(line)


def test_lines_of_libraries_are_kept_and_can_be_found_by_level_and_text(recent: RecentLines) -> None:
    structlog.get_logger("test").info("quiet", place="here")
    logging.getLogger("library").warning("Bearer abcdefgh was refused")
    (line,) = recent.select(least="warning")
    assert line.facts == {"source": "library"}
    assert "abcdefgh" not in line.event
    assert [one.event for one in recent.select(text="HERE")] == ["quiet"]
    assert recent.select(text="nowhere") == []
