"""The small decisions of the job runner."""

import os
import subprocess
import sys

import pytest

from dragoman.db.jobs.owner import is_dead, process_owner
from dragoman.db.jobs.runner import is_final, sentence, share
from dragoman.kit.errors import InvalidInput, ProviderError, QuotaExceeded, Unavailable


@pytest.mark.parametrize(
    ("free", "rooms", "dealt"),
    [
        (0, {"a": 1}, {}),
        (4, {}, {}),
        (4, {"a": 10, "b": 10}, {"a": 2, "b": 2}),
        (5, {"a": 10, "b": 1}, {"a": 4, "b": 1}),
        (1, {"a": 10, "b": 10}, {"a": 1}),
        (9, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
    ],
)
def test_free_places_are_dealt_out_evenly(free: int, rooms: dict[str, int], dealt: dict[str, int]) -> None:
    assert share(free, rooms) == dealt


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (InvalidInput("bad"), True),
        (QuotaExceeded("slow down"), True),
        (QuotaExceeded("slow down", retry_after_seconds=3), False),
        (Unavailable("later"), False),
        (ProviderError("no such model"), True),
        (ProviderError("busy", retryable=True), False),
        (ValueError("a fault of ours"), False),
    ],
)
def test_only_what_cannot_get_better_is_final(error: Exception, final: bool) -> None:
    assert is_final(error) is final


def test_an_error_becomes_one_line_with_its_type() -> None:
    assert sentence(InvalidInput("The file is encrypted.")) == "InvalidInput: The file is encrypted."
    assert sentence(ValueError("first\nparameters: secret")) == "ValueError: first"
    assert sentence(TimeoutError()) == "TimeoutError"
    assert len(sentence(ValueError("x" * 9000))) < 600


def test_two_runners_of_a_process_have_different_names_and_both_live() -> None:
    first, second = process_owner(), process_owner()
    assert first != second
    assert not is_dead(first, one_machine=True)


def test_a_process_that_ended_is_dead() -> None:
    program = "from dragoman.db.jobs.owner import process_owner; print(process_owner())"
    owner = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert is_dead(owner, one_machine=False)


def test_another_process_that_got_the_same_number_is_not_taken_for_the_owner() -> None:
    boot, namespace, pid, start, _ = process_owner().split("/")
    assert int(pid) == os.getpid()
    assert is_dead(f"{boot}/{namespace}/{pid}/{int(start) - 1}/x", one_machine=False)


def test_what_cannot_be_known_from_here_is_not_called_dead() -> None:
    boot, namespace, pid, start, _ = process_owner().split("/")
    elsewhere = f"other-boot/{namespace}/{pid}/{start}/x"
    assert not is_dead(elsewhere, one_machine=False)
    assert is_dead(elsewhere, one_machine=True)
    assert not is_dead(f"{boot}/other-container/{pid}/1/x", one_machine=True)
    assert not is_dead("no such form", one_machine=True)
