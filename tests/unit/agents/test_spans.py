"""Runs reach an OpenTelemetry collector as spans with the names of the conventions."""

import re
import threading
from contextlib import AsyncExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dragoman.adapters.telemetry.spans import ATTRIBUTES, OPERATIONS, RUN_OPERATION
from dragoman.bootstrap.telemetry import open_sinks
from dragoman.domain.agents.traces.model import RunTrace, Step
from dragoman.settings import Settings
from dragoman.settings.telemetry import TelemetrySettings

AT = 1_800_000_000_000


class Collector(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Collector  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, data))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The test reads ``received``."""


async def test_a_run_is_a_span_with_its_steps_below_and_without_what_was_said(tmp_path: Path) -> None:
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    steps = (
        Step("model", "m", 1, AT, 40, prompt_tokens=9, completion_tokens=3),
        Step("tool", "search", 1, AT + 40, 20, "failed", '{"secret": 1}', 7),
        Step("approval", "search", 1, AT + 40, 5, "approved"),
    )
    trace = RunTrace(
        "r1", "a1", "bot", "m", "openai", "api", "c1", "u1", AT, AT + 100, "answered", 2, 9, 3, 250_000, steps
    )
    settings = Settings(
        data_dir=tmp_path,
        telemetry=TelemetrySettings(endpoint=f"http://127.0.0.1:{collector.server_address[1]}"),
    )
    try:
        async with AsyncExitStack() as stack:
            (sink,) = open_sinks(settings, stack)
            sink.put(trace)
    finally:
        collector.shutdown()
        thread.join()
        collector.server_close()
    ((path, data),) = collector.received
    assert path == "/v1/traces"
    assert b"secret" not in data
    request = ExportTraceServiceRequest.FromString(data)
    spans = {span.name: span for span in request.resource_spans[0].scope_spans[0].spans}
    assert set(spans) == {"invoke_agent bot", "chat m", "execute_tool search", "dragoman.approval search"}
    run, tool = spans["invoke_agent bot"], spans["execute_tool search"]
    assert run.parent_span_id == b""
    assert tool.parent_span_id == run.span_id
    assert (run.start_time_unix_nano, run.end_time_unix_nano) == (AT * 1_000_000, (AT + 100) * 1_000_000)
    told = {one.key: one.value for one in (*run.attributes, *tool.attributes)}
    assert told["gen_ai.usage.input_tokens"].int_value == 9
    assert told["gen_ai.conversation.id"].string_value == "c1"
    assert told["gen_ai.tool.name"].string_value == "search"
    assert told["error.type"].string_value == "failed"
    assert tool.status.code == 2


async def test_without_an_address_nobody_is_told(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        assert open_sinks(Settings(data_dir=tmp_path), stack) == ()


def test_the_reference_lists_every_name_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "spans.md").read_text("utf-8")
    named = set(re.findall(r"`((?:gen_ai|dragoman|error)\.[a-z_.]+)[` ]", page))
    own = {name for name in OPERATIONS.values() if name.startswith("dragoman.")}
    assert named == set(ATTRIBUTES.values()) | own
    for operation in (RUN_OPERATION, *OPERATIONS.values()):
        assert f"`{operation} " in page
