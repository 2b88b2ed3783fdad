"""Watching programs that end while they are looked at."""

import subprocess
import threading
import time

from dragoman.adapters.sandboxes.watching import children_of, memory_of


def test_the_children_of_a_program_are_found() -> None:
    shell = subprocess.Popen(["/bin/sh", "-c", "read line; true"], stdin=subprocess.PIPE)
    parent = subprocess.Popen(["/bin/sh", "-c", "sleep 30 & echo; wait"], stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        parent.stdout.readline()
        children = children_of(parent.pid)
        assert len(children) == 1
        assert children_of(shell.pid) == []
        assert memory_of(parent.pid) > 0
    finally:
        for pid in children_of(parent.pid):
            subprocess.run(["/bin/kill", str(pid)], check=True)
        for process in (shell, parent):
            process.kill()
            process.communicate()


def test_a_program_that_is_buried_between_two_looks_holds_nothing() -> None:
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        program = subprocess.Popen(["/bin/true"])
        burial = threading.Thread(target=program.wait)
        burial.start()
        while burial.is_alive():
            memory_of(program.pid)
        burial.join()
        assert memory_of(program.pid) == 0
