"""The back ends that can be tried here, over a folder that every user can go through."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dragoman.adapters.sandboxes.bubblewrap import BubblewrapSandbox
from dragoman.adapters.sandboxes.landlock import LandlockSandbox
from dragoman.adapters.sandboxes.nsjail import NsjailSandbox
from dragoman.adapters.sandboxes.probing import Probed
from dragoman.adapters.sandboxes.simulated import SimulatedSandbox
from dragoman.kit.processes import ChildPool

NAMES = ("bubblewrap", "nsjail", "landlock", "simulated")
REAL = NAMES[:-1]
# One for each process of tests, so that what one leaves behind is not mistaken for another's.
USER = 50_000 + os.getpid() % 10_000


def make_backend(name: str, base: Path, pool: ChildPool) -> Probed:
    """The back end; the test is skipped where it cannot even be tried."""
    owner = USER if os.geteuid() == 0 else None
    made: dict[str, Probed] = {
        "bubblewrap": BubblewrapSandbox(base / "runs", owner),
        "nsjail": NsjailSandbox(base / "runs", owner),
        "landlock": LandlockSandbox(base / "runs", owner),
        "simulated": SimulatedSandbox(pool, base),
    }
    reason = made[name].missing()
    if reason is not None:
        pytest.skip(f"{name}: {reason}")
    return made[name]


@contextmanager
def open_base() -> Generator[Path]:
    """A folder for workspaces that the user of the programs can reach, as Landlock needs it."""
    base = Path(tempfile.mkdtemp(prefix="sandbox-"))
    base.chmod(0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base)
