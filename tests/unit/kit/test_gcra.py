import pytest

from dragoman.kit.gcra import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_goes_through_and_then_one_call_a_period() -> None:
    clock = Clock()
    limit = RateLimit(burst=3, period_seconds=2, clock=clock)
    assert [limit.wait_seconds("a") for _ in range(3)] == [0, 0, 0]
    assert limit.wait_seconds("a") == pytest.approx(2)
    clock.now += 1.5
    assert limit.wait_seconds("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert limit.wait_seconds("a") == 0
    assert limit.wait_seconds("a") == pytest.approx(2)


def test_after_a_rest_the_whole_burst_is_there_again_and_no_more() -> None:
    clock = Clock()
    limit = RateLimit(burst=2, period_seconds=1, clock=clock)
    limit.wait_seconds("a")
    limit.wait_seconds("a")
    clock.now += 3600
    assert [limit.wait_seconds("a") > 0 for _ in range(3)] == [False, False, True]


def test_keys_do_not_share_a_limit() -> None:
    limit = RateLimit(burst=1, period_seconds=60, clock=Clock())
    assert limit.wait_seconds("a") == 0
    assert limit.wait_seconds("b") == 0
    assert limit.wait_seconds("a") > 0


def test_only_so_many_keys_are_remembered() -> None:
    limit = RateLimit(burst=1, period_seconds=60, remembered=2, clock=Clock())
    for key in ("a", "b", "c"):
        limit.wait_seconds(key)
    assert limit.wait_seconds("a") == 0
    assert limit.wait_seconds("c") > 0
