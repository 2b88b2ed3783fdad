"""A GGUF model on this machine, in a child process that is started on first use and let go when idle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from dragoman.adapters.models import openai_wire
from dragoman.adapters.models.local_child import Child, ChildSettings
from dragoman.adapters.models.upstream import Endpoint, posted, sent_data
from dragoman.domain.inference.ports import ChatRequest, ModelProfile
from dragoman.domain.messages.events import Event
from dragoman.kit.egress import EgressPolicy, guarded_client
from dragoman.kit.errors import ProviderError, Unavailable
from dragoman.kit.tasks import TaskOwner
from dragoman.kit.weights import SMOLLM2, verify

_IDLE_SECONDS = 600.0
_CONTEXT_TOKENS = 8192
# On a small machine the first piece of an answer to a long prompt takes its time.
_PATIENCE_SECONDS = 300.0
# The bounds on an answer are its tokens and the patience between its pieces.
_LONGEST_SECONDS = 24 * 3600.0
_LONGEST_BYTES = 1 << 30
_DEMO_OUTPUT_TOKENS = 200
_REPEAT_PENALTY = 1.1
_DEMO_TEMPERATURE = 0.2


class LocalModel:
    """One GGUF file. Many answers at a time share one child process.

    Args:
        name: the name the catalogue lists it by.
        model_path: the GGUF file.
        sha256: the content it must have, when that is known.
        demo: good for trying things out only.
        context_tokens: of prompt and answer together, shared by the answers under way.
        idle_seconds: the child is let go after so long without work.
        threads: None leaves one core to the rest of the server.
        gpu_layers: how many layers an accelerator takes; the standard build of the engine has none.
    """

    def __init__(
        self,
        name: str,
        *,
        model_path: Path,
        sha256: str | None = None,
        demo: bool = False,
        context_tokens: int = _CONTEXT_TOKENS,
        idle_seconds: float = _IDLE_SECONDS,
        threads: int | None = None,
        gpu_layers: int = 0,
    ) -> None:
        self._name = name
        self._path = model_path
        self._sha256 = sha256
        self._settings = ChildSettings(model_path, context_tokens, threads, gpu_layers)
        self._idle_seconds = idle_seconds
        self._profile = ModelProfile(
            context_tokens=context_tokens,
            max_output_tokens=_DEMO_OUTPUT_TOKENS if demo else None,
            tools=not demo,
            demo=demo,
            tokenizer_factor=1.15,
        )
        self._client = guarded_client(
            EgressPolicy.this_machine(), timeout_seconds=_LONGEST_SECONDS, max_bytes=_LONGEST_BYTES
        )
        self._starting = asyncio.Lock()
        self._tasks = TaskOwner()
        self._child: Child | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answers = 0
        self._closed = False

    @property
    def name(self) -> str:
        """The name the catalogue lists it by."""
        return self._name

    @property
    def profile(self) -> ModelProfile:
        """Facts about the model."""
        return self._profile

    @property
    def process_id(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.process_id if self._child is not None and self._child.alive else None

    async def stream(self, request: ChatRequest) -> AsyncIterator[Event]:
        """The answer as events; closing the iterator early stops the engine's work.

        Raises:
            Unavailable: engine, library or file are not there or not right; the message says what to do.
            InvalidInput: the prompt does not fit.
            ProviderError: the child ended amid the answer (retryable: the next call starts another).
        """
        self._keep()
        try:
            endpoint = await self._endpoint()
            decoder = openai_wire.Decoder(self._name, openai_wire.estimated_prompt_tokens(request.messages))
            body = openai_wire.encode(self._tamed(request), "local")
            headers = {"authorization": f"Bearer {endpoint.key}"}
            async with (
                posted(self._client, endpoint, "/chat/completions", body=body, headers=headers) as response,
                aclosing(openai_wire.decoded(sent_data(response), decoder)) as events,
            ):
                async for event in events:
                    yield event
        except ProviderError:
            # A broken connection is seen before the end of the process that broke it; the next call must see
            # both.
            if self._child is not None:
                await self._child.seen_to_end()
            raise
        finally:
            self._release()

    def _tamed(self, request: ChatRequest) -> ChatRequest:
        """The demo model never finds an end by itself and repeats what it said: both are bounded unless asked for."""
        bound = self._profile.max_output_tokens
        if bound is None:
            return request
        sampling = request.sampling
        if sampling.max_tokens is None:
            sampling = replace(sampling, max_tokens=bound)
        if sampling.temperature is None:
            sampling = replace(sampling, temperature=_DEMO_TEMPERATURE)
        return replace(request, sampling=sampling, extra={"repeat_penalty": _REPEAT_PENALTY, **request.extra})

    async def close(self) -> None:
        """Ends the child; answers under way end as failed, later calls are refused."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self._tasks.close()
        async with self._starting:
            await self._stop()
        await self._client.aclose()

    async def _endpoint(self) -> Endpoint:
        """Where the running child serves; starts it when there is none, once for all who wait."""
        async with self._starting:
            if self._closed:
                raise Unavailable("The local model is shut down.")
            if self._child is None or not self._child.alive:
                await self._stop()
                await self._check_file()
                self._child = await Child.start(self._settings)
            child = self._child
        return Endpoint(
            name=self._name,
            model="local",
            base_url=f"{child.address}/v1",
            key=child.key,
            profile=self._profile,
            idle_seconds=_PATIENCE_SECONDS,
        )

    async def _check_file(self) -> None:
        if self._sha256 is not None:
            await asyncio.to_thread(verify, self._path, self._sha256)
        elif not await asyncio.to_thread(self._path.is_file):
            raise Unavailable(
                f"The model file {self._path} does not exist: correct the path in the settings.",
                code="weights_missing",
            )

    async def _stop(self) -> None:
        child = self._child
        if child is not None:
            # It stays known until it has ended: a stop that is cancelled is taken up by the next, or by ``close``.
            await child.stop()
            self._child = None

    def _keep(self) -> None:
        self._answers += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._answers -= 1
        if self._answers == 0 and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._retire)

    def _retire(self) -> None:
        self._timer = None
        self._tasks.start(self._stop_if_idle(), name="local-model-idle")

    async def _stop_if_idle(self) -> None:
        async with self._starting:
            if self._answers == 0:
                await self._stop()


def demo_model(
    weights_dir: Path, *, name: str = "smollm2-135m", idle_seconds: float = _IDLE_SECONDS
) -> LocalModel:
    """The small model that ``scripts/fetch-weights`` fetches: shows that everything works, answers poorly."""
    path = weights_dir / SMOLLM2.name
    return LocalModel(name, model_path=path, sha256=SMOLLM2.sha256, demo=True, idle_seconds=idle_seconds)
