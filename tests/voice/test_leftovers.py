"""Calls that are over leave nothing behind; the benchmark's own measure, with fewer of them."""

import importlib.util
import sys
from pathlib import Path

import pytest

from dragoman.adapters.rooms.host import EngineHost

_FOLDER = Path(__file__).parents[2] / "bench" / "voice"


async def test_short_calls_leave_no_task_file_or_thread(
    host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(_FOLDER))
    spec = importlib.util.spec_from_file_location("bench_voice_figures", _FOLDER / "figures.py")
    assert spec is not None
    assert spec.loader is not None
    figures = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, figures)
    spec.loader.exec_module(figures)
    found = await figures.leftovers(host, 12)
    assert found["same_process"] is True
    assert found["tasks_left"] <= 0
    assert found["files_left"] <= 0
    assert found["threads_left"] <= 0
