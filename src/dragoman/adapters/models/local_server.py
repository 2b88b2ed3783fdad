"""The child process that runs a GGUF model: llama.cpp's own server on loopback, until its parent goes.

Reads one line of JSON from stdin (``model``, ``key``, ``context_tokens``, ``threads``, ``slots``), answers
with one line of JSON on stdout: ``{"address": …}`` once it serves, or ``{"error": …, "detail": …}``. Ends
when stdin ends.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from typing import Any

from dragoman.kit.offline import put_up_as_told

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serves until the parent goes."""
    _die_with(int(sys.argv[1]))
    put_up_as_told()
    # The native library writes to stdout as it likes; only our own line may go there.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    settings = json.loads(sys.stdin.readline())
    reply, server = _start(settings)
    answers.write(json.dumps(reply) + "\n")
    answers.flush()
    if server is None:
        return 1
    sys.stdin.read()
    # A tidy shutdown of the engine would wait for answers that nobody reads any more.
    os._exit(0)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have ended before the line above.
    if os.getppid() != parent:
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _start(settings: dict[str, Any]) -> tuple[dict[str, str], Any]:
    try:
        engine = importlib.import_module("xllamacpp")
    except ModuleNotFoundError as error:
        return {"error": "missing_package", "detail": str(error)}, None
    except ImportError as error:
        return {"error": "missing_library", "detail": str(error)}, None
    try:
        server = engine.Server(_parameters(engine, settings))
        return {"address": server.listening_address}, server
    except Exception as error:  # noqa: BLE001 - the engine raises what it likes; the parent reports it
        return {"error": "not_loaded", "detail": f"{type(error).__name__}: {error}"}, None


def _parameters(engine: Any, settings: dict[str, Any]) -> Any:
    parameters = engine.CommonParams()
    parameters.model.path = settings["model"]
    parameters.model_alias = {"local"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [settings["key"]]
    parameters.n_ctx = settings["context_tokens"]
    parameters.n_parallel = settings["slots"]
    parameters.kv_unified = True
    parameters.cpuparams.n_threads = settings["threads"]
    parameters.cpuparams_batch.n_threads = settings["threads"]
    # Spinning threads starve the rest of a small machine.
    parameters.cpuparams.poll = 0
    parameters.cpuparams_batch.poll = 0
    parameters.n_gpu_layers = settings["gpu_layers"]
    parameters.use_jinja = True
    parameters.cache_prompt = True
    parameters.cache_ram_mib = 256
    parameters.offline = True
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.warmup = False
    return parameters


if __name__ == "__main__":
    sys.exit(main())
