"""Filters of system calls, as the kernel takes them (classic BPF).

A filter refuses what no ordinary program needs and much of the kernel's history of holes went through: mounting, namespaces,
tracing, keys, modules, asynchronous rings, sockets of odd families. What it refuses fails with an error; nothing is killed.
"""

import errno
import platform
import struct
from dataclasses import dataclass

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_OF, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
_NAMESPACES = 0x7E020000  # every CLONE_NEW... of clone
_FAMILIES = (1, 2, 10)  # local, IPv4, IPv6: within the sandbox's own network, which is empty
_TERMINAL_TRICKS = (0x5412, 0x541C, 0x5423)  # typing into, pasting into, re-wiring a terminal


@dataclass(frozen=True, slots=True)
class _Machine:
    """Numbers of one processor family."""

    audit: int
    denied: tuple[int, ...]
    clone: int
    socket: int
    ioctl: int
    own_process_only: tuple[int, ...]  # calls whose first argument is a process; 0 is the caller
    own_priority_only: tuple[int, ...]  # calls whose second argument is


# 425-447: rings, mount calls of the new kind, pidfd_getfd, memfd_secret: of one number everywhere.
_NEW = (425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442, 443, 447)
_CLONE3 = 435
_X86_64 = _Machine(
    audit=0xC000003E,
    denied=(
        29, 68, 101, 103, 134, 154, 155, 159, 161, 163, 164, 165, 166, 167, 168, 169, 172, 173, 175, 176, 179, 180, 212,
        227, 237, 238, 246, 248, 249, 250, 256, 272, 279, 298, 300, 303, 304, 305, 308, 310, 311, 312, 313, 319, 320, 321,
        323, *_NEW,
    ),
    clone=56, socket=41, ioctl=16, own_process_only=(142, 144, 203, 302, 314), own_priority_only=(141, 251),
)  # fmt: skip
_AARCH64 = _Machine(
    audit=0xC00000B7,
    denied=(
        39, 40, 41, 51, 60, 89, 97, 104, 105, 106, 112, 116, 117, 142, 170, 171, 186, 194, 217, 218, 219, 224, 225, 235, 237,
        238, 239, 241, 262, 264, 265, 266, 268, 270, 271, 272, 273, 279, 280, 282, 294, *_NEW,
    ),
    clone=220, socket=198, ioctl=29, own_process_only=(118, 119, 122, 261, 274), own_priority_only=(140, 30),
)  # fmt: skip
_MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}


def is_supported() -> bool:
    """Whether there is a filter for this machine's processor."""
    return platform.machine() in _MACHINES


def build_filter(*, sockets: bool, shared_system: bool = False) -> bytes:
    """The filter for this machine.

    Args:
        sockets: whether sockets may be made; True only where the program has a network of its own.
        shared_system: whether the program sees the machine's other processes; it may then change none but itself.
    """
    machine = _MACHINES[platform.machine()]
    program = _Program()
    program.require_machine(machine.audit)
    if machine is _X86_64:
        program.deny_from(0x40000000)
    for number in machine.denied:
        program.deny(number, errno.EPERM)
    # The flags of clone3 are out of a filter's reach; libraries fall back to clone.
    program.deny(_CLONE3, errno.ENOSYS)
    program.deny_flags(machine.clone, _NAMESPACES)
    if sockets:
        program.deny_unless(machine.socket, 0, _FAMILIES, errno.EAFNOSUPPORT)
    else:
        program.deny(machine.socket, errno.EACCES)
    program.deny_if(machine.ioctl, 1, _TERMINAL_TRICKS)
    if shared_system:
        for number in machine.own_process_only:
            program.deny_unless(number, 0, (0,), errno.EPERM)
        for number in machine.own_priority_only:
            program.deny_unless(number, 1, (0,), errno.EPERM)
            program.deny_unless(number, 0, (0, 1), errno.EPERM)
    return program.finished()


def kafel_policy() -> str:
    """The same filter, sockets allowed, in the language of nsjail."""
    machine = _MACHINES[platform.machine()]
    denied = ", ".join(f"SYSCALL[{number}]" for number in machine.denied)
    families = " && ".join(f"domain != {family}" for family in _FAMILIES)
    tricks = " || ".join(f"request == {trick}" for trick in _TERMINAL_TRICKS)
    return (
        f"ERRNO({errno.EPERM}) {{ {denied}, "
        f"clone(flags) {{ (flags & {_NAMESPACES}) != 0 }}, ioctl(fd, request) {{ {tricks} }} }} "
        f"ERRNO({errno.ENOSYS}) {{ SYSCALL[{_CLONE3}] }} "
        f"ERRNO({errno.EAFNOSUPPORT}) {{ socket(domain, type, protocol) {{ {families} }} }} DEFAULT ALLOW"
    )


class _Program:
    """Instructions in order. Each rule leaves the call's number loaded for the next."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []

    def _add(self, code: int, value: int, if_true: int = 0, if_false: int = 0) -> None:
        self._code.append((code, if_true, if_false, value))

    def _refuse(self, error: int) -> None:
        self._add(_RETURN, _ERRNO | error)

    def require_machine(self, audit: int) -> None:
        """Refuses calls in the manner of another processor."""
        self._add(_LOAD, _MACHINE)
        self._add(_EQUAL, audit, if_true=1)
        self._refuse(errno.ENOSYS)
        self._add(_LOAD, _NUMBER)

    def deny_from(self, number: int) -> None:
        self._add(_AT_LEAST, number, if_false=1)
        self._refuse(errno.ENOSYS)

    def deny(self, number: int, error: int) -> None:
        self._add(_EQUAL, number, if_false=1)
        self._refuse(error)

    def deny_flags(self, number: int, flags: int) -> None:
        self._add(_EQUAL, number, if_false=4)
        self._load_argument(0)
        self._add(_ANY_OF, flags, if_false=1)
        self._refuse(errno.EPERM)
        self._add(_LOAD, _NUMBER)

    def deny_if(self, number: int, argument: int, values: tuple[int, ...]) -> None:
        self._add(_EQUAL, number, if_false=2 + 2 * len(values))
        self._load_argument(argument)
        for value in values:
            self._add(_EQUAL, value, if_false=1)
            self._refuse(errno.EPERM)
        self._add(_LOAD, _NUMBER)

    def deny_unless(self, number: int, argument: int, values: tuple[int, ...], error: int) -> None:
        self._add(_EQUAL, number, if_false=3 + len(values))
        self._load_argument(argument)
        for position, value in enumerate(values):
            self._add(_EQUAL, value, if_true=len(values) - position)
        self._refuse(error)
        self._add(_LOAD, _NUMBER)

    def _load_argument(self, index: int) -> None:
        # The low half: all that is compared here are 32-bit values on little-endian machines.
        self._add(_LOAD, _ARGUMENTS + 8 * index)

    def finished(self) -> bytes:
        self._add(_RETURN, _ALLOW)
        return b"".join(struct.pack("=HBBI", *step) for step in self._code)
