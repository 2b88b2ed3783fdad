"""``asksage-proxy`` as it is installed, as a process before a server process: models, answers, tools."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openai import OpenAI
from tests.e2e.server import API_KEY, Server, free_port
from tests.e2e.upstream import MODELS, Upstream

# What the command does but for its look-up of newer versions, which would leave this machine.
_START = """
import asyncio, sys
from asksage_proxy.app import run_app
from asksage_proxy.config import load_config
from asksage_proxy.models import load_or_validate_models
config = load_config(sys.argv[1])
asyncio.run(load_or_validate_models(config))
run_app(config)
"""
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("proxy")
    with Upstream() as upstream:
        config = (
            '[models]\ndefault = "plain"\n[models.local]\nenabled = false\n'
            f'[models.providers.fake]\nbase_url = "{upstream.base_url}"\n'
            f"models = {json.dumps([name for name in MODELS if name not in ('endless', 'breaks')])}\n"
        )
        settings = {"DRAGOMAN_EMBEDDING__PROVIDER": "none"}
        with Server(folder / "data", settings, config) as server:
            port = free_port()
            written = {
                "host": "127.0.0.1",
                "port": port,
                "api_keys": [{"key": API_KEY, "name": "test"}],
                "asksage_server_base_url": f"{server.base}/server",
                "asksage_user_base_url": f"{server.base}/user",
                "timeout_seconds": 30,
            }
            path = folder / "config.yaml"
            path.write_text(json.dumps(written))
            yield from _running(folder, path, port)


def _running(folder: Path, config: Path, port: int) -> Iterator[str]:
    log = folder / "proxy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, str(config)],
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, log.read_text()
            try:
                if httpx.get(f"{base}/health", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield f"{base}/v1"
    finally:
        process.terminate()
        process.wait(10)


def test_the_proxy_lists_the_servers_models(proxy: str) -> None:
    with OpenAI(api_key="any", base_url=proxy) as client:
        assert "plain" in [model.id for model in client.models.list()]


def test_the_proxy_answers_whole_and_streamed(proxy: str) -> None:
    with OpenAI(api_key="any", base_url=proxy, max_retries=0) as client:
        whole = client.chat.completions.create(model="plain", messages=[{"role": "user", "content": "Hi"}])
        assert whole.choices[0].message.content == "Three months."
        stream = client.chat.completions.create(
            model="plain", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert said.strip() == "Three months."


def test_tools_go_through_the_proxy(proxy: str) -> None:
    with OpenAI(api_key="any", base_url=proxy, max_retries=0) as client:
        answer = client.chat.completions.create(
            model="tools",
            messages=[{"role": "user", "content": "Weather?"}],
            tools=[_TOOL],  # pyright: ignore[reportArgumentType]
            tool_choice="auto",
        )
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.name == "weather"  # pyright: ignore[reportAttributeAccessIssue]
    assert json.loads(calls[0].function.arguments) == {"city": "Lviv"}  # pyright: ignore[reportAttributeAccessIssue]
