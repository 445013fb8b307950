"""The filter's program, run here the way the kernel runs it: for machines that are not at hand."""

from __future__ import annotations

import errno
import platform
import struct
import sys

import pytest

from autograder import syscalls

ALLOW, ERROR = 0x7FFF_0000, 0x0005_0000
REFUSE, UNKNOWN, MISSING = (ERROR | error for error in (errno.EPERM, errno.EINVAL, errno.ENOSYS))
X86_64, AARCH64 = 0xC000_003E, 0xC000_00B7
# read, openat, clone, clone3, socket, socketpair, mount
NUMBERS = {"x86_64": (0, 257, 56, 435, 41, 53, 165), "aarch64": (63, 56, 220, 435, 198, 199, 40)}
ARCHITECTURES = {"x86_64": X86_64, "aarch64": AARCH64}


def verdict(machine: str, number: int, argument: int = 0, architecture: int | None = None) -> int:
    """Run the program on one call: seccomp(2), and struct seccomp_data there."""
    program = syscalls.filter_program(machine)
    assert program is not None
    data = struct.pack(
        "<IIQQ", number, architecture or ARCHITECTURES[machine], 0, argument & (2**64 - 1)
    )
    instructions = list(struct.iter_unpack("HBBI", program))
    at = accumulator = 0
    while True:
        code, yes, no, operand = instructions[at]
        at += 1
        if code == 0x06:
            return int(operand)
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
            continue
        holds = {
            0x15: accumulator == operand,
            0x35: accumulator >= operand,
            0x45: bool(accumulator & operand),
        }[code]
        at += yes if holds else no


@pytest.mark.parametrize("machine", sorted(NUMBERS))
def test_the_filter_knows_each_machine(machine: str) -> None:
    read, openat, clone, clone3, socket, socketpair, mount = NUMBERS[machine]
    assert verdict(machine, read) == verdict(machine, openat) == ALLOW
    assert verdict(machine, mount) == REFUSE
    assert verdict(machine, clone3) == MISSING
    threads = 0x3D0F00  # what pthread_create asks for
    assert verdict(machine, clone, threads) == verdict(machine, clone, 17) == ALLOW
    for flag in (1 << 17, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30):
        assert verdict(machine, clone, 17 | flag) == REFUSE
    for call in (socket, socketpair):
        assert verdict(machine, call, 1) == ALLOW
        # The kernel takes an int: what stands above 32 bits does not make it another family.
        assert verdict(machine, call, 2 | 1 << 32) == UNKNOWN
        assert verdict(machine, call, -1) == UNKNOWN


@pytest.mark.parametrize("machine", sorted(NUMBERS))
def test_other_ways_to_call_are_refused(machine: str) -> None:
    read = NUMBERS[machine][0]
    assert verdict(machine, read, architecture=0x4000_0003) == REFUSE  # i386's calls
    assert verdict(machine, 0x4000_0000 | read) == REFUSE  # x32's
    assert verdict(machine, 0xFFFF_FFFF) == REFUSE


def test_an_unknown_machine_has_no_filter() -> None:
    assert syscalls.filter_program("riscv64") is None


@pytest.mark.skipif(sys.platform != "linux", reason="these are Linux's calls")
def test_errors_say_what_was_tried() -> None:
    with pytest.raises(OSError, match=r"setns") as error:
        syscalls.setns(-1, 0)
    assert error.value.errno == errno.EBADF
    assert platform.machine() not in NUMBERS or syscalls._number("pivot_root") > 0
