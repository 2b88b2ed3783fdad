"""The warden of one program under Landlock: started as a script of its own, by ``landlock.py``, with all it needs as JSON.

It enters a Landlock domain, starts the program in a second one within it, and waits. From the inner domain nobody can signal
the warden; the warden can end everybody in its domain at one stroke, however they hide.
"""

import ctypes
import json
import os
import resource
import signal
import struct
import sys

_CREATE_RULESET, _ADD_RULE, _RESTRICT = 444, 445, 446
_RULE_PATH = 1
_READ = 1 | 4 | 8  # execute, read files, list folders
_FILE_ONLY = 1 | 2 | 4 | 1 << 14 | 1 << 15  # what makes sense for something that is no folder
_EVERYTHING = (1 << 16) - 1
_WRITE = _EVERYTHING & ~(1 << 6 | 1 << 11)  # all but making devices
_NETWORK, _SCOPES = 3, 3
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER = 1, 38, 22, 36
_PR_CAPBSET_DROP, _LAST_CAPABILITY = 24, 63
_FILTER_MODE = 2
_LEAST_ABI = 6

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def abi() -> int:
    """The version of Landlock that this kernel has, 0 for none."""
    return max(0, _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1))


def restrict(readable: list[str], writable: list[str]) -> None:
    """Shuts this process and all that it starts off from the rest: files, TCP, other processes' signals."""
    attributes = struct.pack("=QQQ", _EVERYTHING, _NETWORK, _SCOPES)
    rules = _checked(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    for paths, rights in ((readable, _READ), (writable, _WRITE)):
        for path in paths:
            try:
                beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # systems differ in what they have
            allowed = rights if os.path.isdir(path) else rights & _FILE_ONLY
            rule = struct.pack("=Qi", allowed, beneath)
            _checked(_libc.syscall(_ADD_RULE, rules, _RULE_PATH, rule, 0))
            os.close(beneath)
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_libc.syscall(_RESTRICT, rules, 0))
    os.close(rules)


def _filter_calls(program: bytes) -> None:
    code = ctypes.create_string_buffer(program, len(program))

    class _Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    filter_ = _Filter(len(program) // 8, ctypes.cast(code, ctypes.c_void_p))
    _checked(_libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(filter_), 0, 0))


def _become(job: dict[str, object]) -> None:
    """Turns this process into the program. Does not return."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    os.umask(0o022)
    os.nice(19)
    owner = int(str(job["owner"]))
    for capability in range(_LAST_CAPABILITY + 1):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(owner, owner, owner)
    os.setresuid(owner, owner, owner)
    os.chdir(str(job["workspace"]))
    restrict(job["readable"], job["writable"])  # type: ignore[arg-type]
    for name, value in job["limits"].items():  # type: ignore[attr-defined]
        resource.setrlimit(getattr(resource, name), (value, value))
    words: list[str] = job["words"]  # type: ignore[assignment]
    _filter_calls(bytes.fromhex(str(job["filter"])))
    os.execve(words[0], words, job["env"])  # type: ignore[arg-type]  # noqa: S606 - that is what this is for


def main() -> None:
    """Runs the job on the command line and ends as it ended."""
    job = json.loads(sys.argv[1])
    if abi() < _LEAST_ABI:
        sys.exit(f"Landlock {_LEAST_ABI} is needed, this kernel has {abi()}")
    signal.signal(signal.SIGTERM, _end_everybody)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    if os.getppid() != job["parent"]:
        sys.exit(1)
    # First to go when memory is short.
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    restrict(job["readable"], job["writable"])
    child = os.fork()
    if child == 0:
        try:
            _become(job)
        except OSError as error:
            os.write(2, f"sandbox: {error}\n".encode())
        os._exit(126)
    while True:
        pid, status = os.wait()
        if pid == child:
            break
    _kill_all()
    os._exit(os.waitstatus_to_exitcode(status) % 256 if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _kill_all() -> None:
    try:
        os.kill(-1, signal.SIGKILL)  # within this domain, this process apart
    except ProcessLookupError:
        return
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def _end_everybody(_number: int, _frame: object) -> None:
    _kill_all()
    os._exit(128 + signal.SIGKILL)


if __name__ == "__main__":
    main()
