"""The model in a child process: started on use, let go when idle, never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from dragoman.adapters.models.local import LocalModel, demo_model
from dragoman.domain.inference.ports import ChatRequest, Sampling
from dragoman.domain.messages.fold import fold_stream
from dragoman.domain.messages.parts import Message
from dragoman.kit.errors import InvalidInput, ProviderError, Unavailable
from dragoman.kit.weights import SMOLLM2, missing
from dragoman.settings import Settings

pytest.importorskip("xllamacpp")


def asked(text: str, max_tokens: int = 12) -> ChatRequest:
    return ChatRequest((Message.of_text("user", text),), Sampling(temperature=0, max_tokens=max_tokens))


@pytest.fixture
async def demo(anyio_backend: str) -> AsyncGenerator[LocalModel]:
    folder = Settings().weights_dir
    if missing(folder, SMOLLM2):
        pytest.skip("the demonstration model is not there: run scripts/fetch-weights")
    model = demo_model(folder, idle_seconds=0.2)
    yield model
    await model.close()


async def gone(process_id: int) -> None:
    async with asyncio.timeout(5):
        while os.path.exists(f"/proc/{process_id}"):  # noqa: ASYNC110, ASYNC240 - nobody else tells
            await asyncio.sleep(0.02)


@pytest.mark.weights
async def test_it_answers_with_exact_counts_starts_once_and_stops_when_idle(demo: LocalModel) -> None:
    assert demo.process_id is None
    answers = await asyncio.gather(*(fold_stream(demo.stream(asked("Say hello."))) for _ in range(3)))
    process_id = demo.process_id
    assert process_id is not None
    assert all(answer.text and not answer.usage.estimated for answer in answers)
    await gone(process_id)
    assert demo.process_id is None


@pytest.mark.weights
async def test_a_crash_fails_the_answer_and_the_next_call_starts_anew(demo: LocalModel) -> None:
    stream = demo.stream(asked("Tell me a very long story.", 2000))
    await anext(stream)
    process_id = demo.process_id
    assert process_id is not None
    os.kill(process_id, signal.SIGKILL)
    with pytest.raises(ProviderError) as caught:
        await fold_stream(stream)
    assert caught.value.retryable
    assert (await fold_stream(demo.stream(asked("Say hello.")))).text


@pytest.mark.weights
async def test_breaking_off_leaves_the_child_free_for_others(demo: LocalModel) -> None:
    async with aclosing(demo.stream(asked("Tell me a very long story.", 4000))) as stream:  # type: ignore[type-var]
        await anext(stream)
    async with asyncio.timeout(20):
        assert (await fold_stream(demo.stream(asked("Say hello.")))).text


@pytest.mark.weights
async def test_a_prompt_that_does_not_fit_is_the_callers_error(demo: LocalModel) -> None:
    with pytest.raises(InvalidInput) as caught:
        await fold_stream(demo.stream(asked("word " * 9000)))
    assert caught.value.code == "context_length_exceeded"


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "damaged.gguf"
    file.write_bytes(b"GGUF" + bytes(range(256)) * 20)
    model = LocalModel("x", model_path=file)
    with pytest.raises(Unavailable, match=r"damaged\.gguf"):
        await fold_stream(model.stream(asked("x")))
    await model.close()


async def test_a_missing_or_altered_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    absent = LocalModel("x", model_path=tmp_path / "none.gguf")
    with pytest.raises(Unavailable, match="does not exist"):
        await fold_stream(absent.stream(asked("x")))
    await absent.close()
    (tmp_path / SMOLLM2.name).write_bytes(b"GGUF")
    altered = demo_model(tmp_path)
    with pytest.raises(Unavailable, match="fetch-weights"):
        await fold_stream(altered.stream(asked("x")))
    assert altered.process_id is None
    await altered.close()


async def test_after_closing_nothing_starts(tmp_path: Path) -> None:
    model = LocalModel("x", model_path=tmp_path / "none.gguf")
    await model.close()
    with pytest.raises(Unavailable, match="shut down"):
        await fold_stream(model.stream(asked("x")))


PARENT = """
import subprocess, sys, os, time
child = subprocess.Popen(
    [sys.executable, "-m", "dragoman.adapters.models.local_server", str(os.getpid())], stdin=subprocess.PIPE
)
print(child.pid, flush=True)
time.sleep(30)
"""


async def test_the_child_dies_with_its_parent() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "src"}
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    # The child asks to die with its parent first thing; give it the time to begin.
    async with asyncio.timeout(5):
        while "S (sleeping)" not in Path(f"/proc/{child}/status").read_text():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.02)
    parent.kill()
    await parent.wait()
    await gone(child)
