"""Measures what the server costs before it does anything: seconds to start, memory at rest, size on disk.

Run ``python bench/footprint.py``. ``--install`` also makes new environments with ``uv`` and measures them; this needs
a package index. Exits with 1 when a bound is missed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from tests.e2e.index_state import child_processes  # noqa: E402
from tests.e2e.server import Server  # noqa: E402

START_SECONDS = 3.0
IDLE_MB = 150.0
CORE_MB = 300.0
ALL_MB = 900.0
STARTS = 5
REST_SECONDS = 2.0


@dataclass
class Report:
    """What was measured; ``bounds`` says of each bound whether it held. Megabytes are 10^6 bytes."""

    first_start_seconds: float = 0
    start_seconds: float = 0
    start_cpu_seconds: float = 0
    idle_rss_mb: float = 0
    idle_pss_mb: float = 0
    processes: int = 0
    modules: int = 0
    core_mb: float | None = None
    all_mb: float | None = None
    weights_mb: float | None = None
    load: float = 0
    bounds: dict[str, bool] = field(default_factory=dict)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far: what a start costs however busy the machine is."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, name: str) -> float:
    """``Rss`` or ``Pss`` of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(f"no {name} for {pid}")


def folder_mb(folder: Path) -> float:
    """What the files below a folder take on disk, each file once; compiled bytecode aside, as it comes with use."""
    seen: dict[tuple[int, int], int] = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            facts = path.stat()
            seen[facts.st_dev, facts.st_ino] = facts.st_size
    return sum(seen.values()) / 1e6


def running(report: Report, folder: Path) -> None:
    """Starts the server over and over and looks at it while it rests."""
    seconds: list[float] = []
    processor: list[float] = []
    server = Server(folder / "data")
    for start in range(STARTS + 1):
        took = server.start()
        spent = cpu_seconds(server.pid)
        if start == 0:
            # It makes the database, too.
            report.first_start_seconds = took
        else:
            seconds.append(took)
            processor.append(spent)
        if start == STARTS:
            time.sleep(REST_SECONDS)
            tree = {server.pid, *child_processes(server.pid)}
            report.processes = len(tree)
            report.idle_rss_mb = sum(memory_mb(pid, "Rss") for pid in tree)
            report.idle_pss_mb = sum(memory_mb(pid, "Pss") for pid in tree)
        assert server.stop() == 0
    report.start_seconds = statistics.median(seconds)
    report.start_cpu_seconds = statistics.median(processor)
    report.bounds[f"ready within {START_SECONDS:g} s"] = report.start_seconds <= START_SECONDS
    report.bounds[f"at most {IDLE_MB:g} MB at rest"] = report.idle_rss_mb <= IDLE_MB


def modules() -> int:
    """How many modules the server has imported when it begins."""
    code = "import sys, dragoman.bootstrap.serve; print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def installed(report: Report, folder: Path) -> None:
    """Sizes of new environments: without extras, and with everything that ``serve`` uses and the weights."""
    core = _environment(folder / "core", [str(ROOT)])
    everything = _environment(folder / "all", ["-r", str(ROOT / "requirements" / "serve.txt"), str(ROOT)])
    report.core_mb = folder_mb(core)
    report.weights_mb = folder_mb(ROOT / "weights")
    report.all_mb = folder_mb(everything) + report.weights_mb
    report.bounds[f"at most {CORE_MB:g} MB without extras"] = report.core_mb <= CORE_MB
    report.bounds[f"at most {ALL_MB:g} MB with everything"] = report.all_mb <= ALL_MB


def _environment(folder: Path, wanted: list[str]) -> Path:
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    # Copies, so that files shared with a cache count.
    options = ["--python", str(folder / "bin" / "python"), "--link-mode", "copy", "-q"]
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", *options, *wanted], check=True)
    return folder


def show(report: Report) -> None:
    """The figures for people."""
    for name, value in asdict(report).items():
        if name != "bounds" and value is not None:
            print(f"{name.replace('_', ' '):24} {round(value, 2) if isinstance(value, float) else value}")
    for bound, held in report.bounds.items():
        print(f"{'held  ' if held else 'MISSED'} {bound}")


def main() -> int:
    """Runs the benchmark; 1 when a bound was missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--install", action="store_true", help="measure new environments, too")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as name:
        folder = Path(name)
        running(report, folder)
        report.modules = modules()
        if arguments.install:
            installed(report, folder)
    report.load = os.getloadavg()[0]
    if arguments.json:
        print(json.dumps(asdict(report)))
    else:
        show(report)
    return 0 if all(report.bounds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
