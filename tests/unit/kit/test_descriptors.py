"""How many files the server may have open."""

import subprocess
import sys

_LOWERED = """
import resource
from dragoman.kit.descriptors import raise_open_files
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
hard = 2048 if hard == resource.RLIM_INFINITY else min(hard, 2048)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
print(raise_open_files() == hard == resource.getrlimit(resource.RLIMIT_NOFILE)[0])
print(raise_open_files() == hard)
"""


def test_the_bound_of_a_shell_is_raised_to_what_is_granted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOWERED], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["True", "True"]
