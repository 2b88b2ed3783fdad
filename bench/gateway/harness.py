"""Measures the gateway against nginx (and LiteLLM, when it is there) in one interleaved run.

usage: harness.py [--json FILE] [--rounds N] [--target COMMAND] [--floor] [--litellm PROGRAM]
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
KEY = "sk-benchmark-0123456789-0123456789-0123456789"
CHUNKS = 100
GAP_US = 10_000
START_SECONDS = 60.0
PRIORITY = -10


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load. ``warm_seconds`` once before the first round."""

    name: str
    connections: int
    seconds: float
    model: str
    streamed: bool
    warm_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """A server under test. ``every_round`` False: measured once, because it is slow."""

    name: str
    port: int
    key: str
    pid: int | None
    every_round: bool = True


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one scenario against one target."""

    target: str
    scenario: str
    round: int
    cpu_us: float
    load: dict[str, float]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.load["answers"] / self.load["seconds"]

    @property
    def cpu_per_answer(self) -> float:
        return self.cpu_us / max(1.0, self.load["answers"])

    @property
    def cpu_per_chunk(self) -> float:
        return self.cpu_us / max(1.0, self.load["events"])


SCENARIOS = (
    Scenario("plain", 32, 2.0, "plain", streamed=False),
    Scenario("paced", 64, 2.0, "paced", streamed=True),
    Scenario("unpaced", 64, 1.5, "plain", streamed=True),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(root: int) -> list[int]:
    """The process and all below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_us(root: int | None) -> float:
    """Time on a processor of all threads of the process tree, from the scheduler's own account."""
    total = 0
    for pid in tree(root) if root is not None else ():
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total / 1000


def wait_for(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{name} ended with {process.returncode} before it listened")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"{name} did not listen within {START_SECONDS:g} s")


@contextmanager
def running(
    name: str, command: list[str], port: int, core: int, environment: dict[str, str] | None = None
) -> Iterator[int]:
    """A server pinned to a core; ended with everything it started."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdout=log,
        stderr=log,
        env=environment,
        start_new_session=True,
    )
    try:
        wait_for(port, process, name)
        raise_priority(process.pid)
        yield process.pid
    except SystemExit:
        log.seek(0)
        sys.stderr.write(log.read().decode(errors="replace")[-2000:])
        raise
    finally:
        pids = tree(process.pid)
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            for pid in pids:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue
            process.wait(5)
        log.close()


def raise_priority(root: int) -> None:
    """So that other work on the machine disturbs less; without the right to, all are measured alike."""
    for pid in tree(root):
        try:
            os.setpriority(os.PRIO_PROCESS, pid, PRIORITY)
        except (PermissionError, ProcessLookupError):
            continue


def build(folder: Path) -> None:
    for name in ("upstream", "load"):
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", folder / name, HERE / f"{name}.c"], check=True)


NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  map_hash_bucket_size 256;
  map $http_authorization $known {{ default 0; "Bearer {key}" 1; }}
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      if ($known = 0) {{ return 401; }}
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""

LITELLM = """
model_list:
  - model_name: plain
    litellm_params: {{model: openai/upstream-plain, api_base: "{base}", api_key: sk-upstream}}
  - model_name: paced
    litellm_params: {{model: openai/upstream-paced, api_base: "{base}", api_key: sk-upstream}}
general_settings: {{master_key: {key}}}
"""


class Field:
    """The servers of one run, started on entry."""

    def __init__(self, stack: ExitStack, folder: Path, upstream: int) -> None:
        self._stack = stack
        self._folder = folder
        self._upstream = upstream
        self.targets = [Target("direct", upstream, "none", None)]
        self.notes: list[str] = []

    def _start(
        self, name: str, command: list[str], port: int, environment: dict[str, str] | None = None
    ) -> int:
        return self._stack.enter_context(running(name, command, port, 0, environment))

    def nginx(self) -> None:
        program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if program is None:
            self.notes.append("nginx is not installed (Debian: nginx-light): no ratio against it")
            return
        port = free_port()
        config = self._folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self._folder, upstream=self._upstream, port=port, key=KEY))
        pid = self._start("nginx", [program, "-p", str(self._folder), "-c", str(config)], port)
        self.targets.append(Target("nginx", port, KEY, pid))

    def dragoman(self, name: str, command: str) -> None:
        port = free_port()
        data = self._folder / name
        words = [word.format(port=port, upstream=self._upstream, folder=data) for word in command.split()]
        environment = os.environ | {
            "DRAGOMAN_DATA_DIR": str(data),
            "DRAGOMAN_SERVER__PORT": str(port),
            "DRAGOMAN_BOOTSTRAP__EMAIL": "bench@example.org",
            "DRAGOMAN_BOOTSTRAP__API_KEY": KEY,
            "DRAGOMAN_EMBEDDING__PROVIDER": "none",
            "DRAGOMAN_MODELS__LOCAL__ENABLED": "false",
            "DRAGOMAN_MODELS__PROVIDERS__BENCH__BASE_URL": f"http://127.0.0.1:{self._upstream}/v1",
            "DRAGOMAN_MODELS__PROVIDERS__BENCH__API_KEY": "sk-upstream",
            "DRAGOMAN_MODELS__PROVIDERS__BENCH__MODELS": '["plain", "paced"]',
        }
        pid = self._start(name, words, port, environment)
        self.targets.append(Target(name, port, KEY, pid))

    def litellm(self, program: str | None) -> None:
        if program is None or not Path(program).exists():
            self.notes.append("LiteLLM is not there (see README.md): no ratio against it")
            return
        port = free_port()
        config = self._folder / "litellm.yaml"
        config.write_text(LITELLM.format(base=f"http://127.0.0.1:{self._upstream}/v1", key=KEY))
        environment = {
            "PATH": f"{Path(program).parent}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
        }
        command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        pid = self._start("litellm", command, port, environment)
        self.targets.append(Target("litellm", port, KEY, pid, every_round=False))


def load(folder: Path, target: Target, scenario: Scenario, seconds: float) -> dict[str, float]:
    # A target that carries a few streams at a time would hold up the run with 64.
    connections = scenario.connections if target.every_round or not scenario.streamed else 8
    command = [folder / "load", str(target.port), str(connections), str(seconds)]
    command += [scenario.model, target.key]
    if scenario.streamed:
        command.append(str(CHUNKS))
    done = subprocess.run(
        ["nice", "-n", str(PRIORITY), "taskset", "-c", "1", *command],
        check=True,
        capture_output=True,
        timeout=seconds + 30,
    )
    return json.loads(done.stdout)


def measure(folder: Path, target: Target, scenario: Scenario, number: int) -> Sample:
    if number == 0:
        load(folder, target, scenario, scenario.warm_seconds)
    before = cpu_us(target.pid)
    result = load(folder, target, scenario, scenario.seconds)
    return Sample(target.name, scenario.name, number, cpu_us(target.pid) - before, result)


def run(folder: Path, targets: list[Target], rounds: int) -> list[Sample]:
    samples: list[Sample] = []
    for scenario in SCENARIOS:
        for number in range(rounds):
            for target in targets:
                if target.every_round or (number == 0 and scenario.name != "unpaced"):
                    samples.append(measure(folder, target, scenario, number))  # noqa: PERF401 - takes seconds
    return samples


def of(samples: list[Sample], target: str, scenario: str) -> list[Sample]:
    return [sample for sample in samples if (sample.target, sample.scenario) == (target, scenario)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One bound. ``aim`` is what the design strives for, ``bound`` what must hold."""

    name: str
    value: float
    bound: float
    aim: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def ratio(samples: list[Sample], scenario: str, figure: str, upper: str, lower: str) -> float:
    """The median over rounds of one target's figure by another's in the same round."""
    below = {sample.round: getattr(sample, figure) for sample in of(samples, lower, scenario)}
    above = [s for s in of(samples, upper, scenario) if s.round in below]
    return median(getattr(sample, figure) / below[sample.round] for sample in above)


def worst(samples: list[Sample], key: str) -> float:
    return max(sample.load[key] for sample in samples)


def verdicts(samples: list[Sample]) -> list[Verdict]:
    names = {sample.target for sample in samples}
    plain, paced, unpaced = (of(samples, "dragoman", scenario.name) for scenario in SCENARIOS)
    streams = [*paced, *unpaced]
    found: list[Verdict] = []
    if "nginx" in names:
        value = ratio(samples, "plain", "cpu_per_answer", "dragoman", "nginx")
        found.append(Verdict("CPU a request / nginx", value, 14, 7))
    if "litellm" in names:
        value = ratio(samples, "plain", "cpu_per_answer", "litellm", "dragoman")
        found.append(Verdict("requests a core / LiteLLM", value, 40, 80, at_least=True))
    direct = of(samples, "direct", "paced")
    plainest = of(samples, "nginx", "paced") or direct
    found += [
        Verdict("CPU a paced chunk, us", median(s.cpu_per_chunk for s in paced), 60, 40),
        Verdict("CPU an unpaced chunk, us", median(s.cpu_per_chunk for s in unpaced), 60, 40),
        Verdict("stream time / direct", median_latency(paced) / median_latency(direct), 1.05, 1.005),
        Verdict("chunk delay over nginx, p50 ms", delay(paced) - delay(plainest), 10, 1),
        Verdict("chunks merged over nginx, share", merged(paced) - merged(plainest), 0.05, 0),
        Verdict("streams with lost or extra chunks", worst(streams, "torn"), 0, 0),
        Verdict("errors", worst([*plain, *streams], "errors"), 0, 0),
        Verdict("unfinished streams", worst(streams, "unfinished"), 0, 0),
    ]
    return found


def median_latency(samples: list[Sample]) -> float:
    return median(sample.load["latency_p50_ms"] for sample in samples)


def delay(samples: list[Sample]) -> float:
    return median(sample.load["delay_p50_ms"] for sample in samples)


def merged(samples: list[Sample]) -> float:
    return median(sample.load["merged"] / max(1.0, sample.load["events"]) for sample in samples)


def print_table(samples: list[Sample]) -> None:
    print(f"{'target':10} {'load':8} {'answers/s':>10} {'CPU us/answer':>14} {'CPU us/chunk':>13}", end="")
    print(f" {'p50 ms':>9} {'p99 ms':>9} {'chunk p50':>9} {'first p50':>9} {'merged':>7}")
    for scenario in SCENARIOS:
        for name in dict.fromkeys(sample.target for sample in samples):
            if rows := of(samples, name, scenario.name):
                print_row(rows, scenario)


def print_row(rows: list[Sample], scenario: Scenario) -> None:
    rate, answer, chunk = (
        median(getattr(s, figure) for s in rows) for figure in ("rate", "cpu_per_answer", "cpu_per_chunk")
    )
    times = [
        median(s.load[key] for s in rows)
        for key in ("latency_p50_ms", "latency_p99_ms", "delay_p50_ms", "first_p50_ms")
    ]
    print(f"{rows[0].target:10} {scenario.name:8} {rate:10.0f} {answer:14.1f}", end="")
    print(f" {chunk:13.1f}" if scenario.streamed else " " * 14, end="")
    print("".join(f" {value:9.2f}" for value in times), f"{merged(rows):7.3f}")


def print_verdicts(found: list[Verdict]) -> None:
    for verdict in found:
        sign = ">=" if verdict.at_least else "<="
        word = "ok  " if verdict.holds else "FAIL"
        print(f"{word} {verdict.name:36} {verdict.value:9.3f}", end="")
        print(f"  bound {sign} {verdict.bound:g}, aim {verdict.aim:g}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file for all samples and verdicts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--litellm", default=os.environ.get("LITELLM"), help="LiteLLM's program")
    parser.add_argument(
        "--target",
        default=f"{sys.executable} -m dragoman serve",
        help="command under test, set up by DRAGOMAN_ variables; {port}, {upstream}, {folder} are filled in",
    )
    parser.add_argument(
        "--floor", action="store_true", help="also measure the relay without the rest (app.py)"
    )
    return parser.parse_args()


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        build(folder)
        upstream = free_port()
        command = [str(folder / "upstream"), str(upstream), str(CHUNKS), str(GAP_US)]
        stack.enter_context(running("upstream", command, upstream, 1))
        field = Field(stack, folder, upstream)
        field.nginx()
        field.dragoman("dragoman", options.target)
        if options.floor:
            field.dragoman("floor", f"{sys.executable} {HERE / 'app.py'} {{port}} {{upstream}} {{folder}}")
        field.litellm(options.litellm)
        samples = run(folder, field.targets, options.rounds)
    found = verdicts(samples)
    print_table(samples)
    for note in field.notes:
        print(f"note {note}")
    print_verdicts(found)
    if options.json:
        rows = [asdict(sample) for sample in samples]
        bounds = [{**asdict(verdict), "holds": verdict.holds} for verdict in found]
        options.json.write_text(json.dumps({"samples": rows, "verdicts": bounds}, indent=1))
    return 0 if all(verdict.holds for verdict in found) else 1


if __name__ == "__main__":
    sys.exit(main())
