"""What was acknowledged survives a server that is killed amid its work, whole and once."""

from collections.abc import Iterator

import pytest

from tests.e2e.crash import CrashRun, crash_run
from tests.e2e.index_state import index_problems, referenced_files, stored_files

_ROUNDS = 3
_DIMENSIONS = 384


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashRun]:
    run = crash_run(tmp_path_factory.mktemp("crash"), rounds=_ROUNDS, seed=20)
    yield run
    run.server.stop()


@pytest.mark.weights
def test_everything_acknowledged_before_a_kill_is_there_once_and_findable(survived: CrashRun) -> None:
    stored = survived.stored
    assert stored.kills == _ROUNDS
    assert sum(1 for expected in stored.documents.values() if len(expected.words) == 1) > 10 * _ROUNDS
    assert survived.problems() == []


@pytest.mark.weights
def test_rows_index_and_files_agree_after_kills(survived: CrashRun) -> None:
    assert survived.server.stop() == 0
    data = survived.server.data
    assert index_problems(data, dimensions=_DIMENSIONS) == []
    assert referenced_files(data) <= stored_files(data)
