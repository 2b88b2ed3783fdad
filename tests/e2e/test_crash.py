"""What was acknowledged survives a server that is killed amid its work, whole and once."""

from collections.abc import Iterator

import pytest
from tests.e2e.crash import CrashRun, crash_run
from tests.e2e.index_state import index_problems, referenced_files, stored_files

from dragoman.bootstrap.services import open_running
from dragoman.kit.clock import now_ms
from dragoman.settings import Settings
from dragoman.settings.groups import EmbeddingSettings

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


@pytest.mark.weights
async def test_files_whose_rows_were_never_stored_are_removed_once_old(survived: CrashRun) -> None:
    survived.server.stop()
    data = survived.server.data
    unwanted = data / "blobs" / "documents" / "nowhere" / "0190"
    unwanted.parent.mkdir(parents=True)
    for path in (unwanted, unwanted.with_name("0191#1"), data / "uploads" / "upload-x"):
        path.write_bytes(b"left over")
    settings = Settings(data_dir=data, embedding=EmbeddingSettings(provider="none"))
    async with open_running(settings, work=False) as running:
        await running.leftovers.sweep(before_ms=now_ms() - 3_600_000)
        assert unwanted.exists()
        assert await running.leftovers.sweep(before_ms=now_ms() + 1) >= 3
    assert stored_files(data) == referenced_files(data)
    assert list((data / "uploads").iterdir()) == []
