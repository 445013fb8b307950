"""The Linux calls that a sandbox is made of and that Python's ``os`` does not have."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from functools import cache

__all__ = [
    "bound_capabilities",
    "capabilities",
    "filter_program",
    "install_filter",
    "keep_capabilities",
    "landlock",
    "landlock_abi",
    "mount",
    "mount_attributes",
    "pivot",
    "prctl",
    "set_host_name",
    "setns",
    "unshare",
]

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000
_CLONE_NEW = 0x7E02_0000  # the above and CLONE_NEWCGROUP

MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x4_0000
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 1, 4, 8
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 22, 24, 47

CAP_CHOWN, CAP_DAC_READ_SEARCH, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN = 0, 2, 6, 7, 21

# Calls with the same number on all machines that are not named in _CALLS below.
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: int | bytes | None) -> int:
    # syscall(2) takes longs: a plain ctypes int would be passed with 32 bits only.
    longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _check(_libc().syscall(ctypes.c_long(number), *longs), what)


def unshare(flags: int) -> None:
    """Move to new namespaces (man 2 unshare).

    Raises:
        OSError: if the kernel does not allow it, like all functions here.
    """
    _check(_libc().unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Move to the namespace that ``fd`` refers to (man 2 setns)."""
    _check(_libc().setns(fd, kind), "setns")


def set_host_name(name: str) -> None:
    """Name the computer, as seen in this namespace (man 2 sethostname)."""
    _check(_libc().sethostname(name.encode(), ctypes.c_size_t(len(name.encode()))), "sethostname")


def prctl(option: int, *arguments: int) -> None:
    """Change something about the calling process (man 2 prctl)."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    _check(_libc().prctl(option, *map(ctypes.c_ulong, padded)), f"prctl {option}")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount a file system (man 2 mount)."""
    texts = [text and os.fsencode(text) for text in (source, target, kind, options)]
    result = _libc().mount(*texts[:3], ctypes.c_ulong(flags), texts[3])
    _check(result, f"mount {source} on {target}")


def mount_attributes(target: str, attributes: int, *, recursive: bool = True) -> None:
    """Add attributes to a mount and keep those it has; see mount_setattr(2), Linux 5.12."""
    attr = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = 0x8000 if recursive else 0  # AT_RECURSIVE
    path = os.fsencode(target)
    _syscall(f"mount_setattr {target}", _MOUNT_SETATTR, -1, path, flags, attr, len(attr))


def pivot(root: str) -> None:
    """Make a mount the root folder and let go of everything outside it."""
    os.chdir(root)
    # The old root comes to lie over the new one and is taken away from there: pivot_root(2).
    _syscall("pivot_root", _number("pivot_root"), b".", b".")
    _check(_libc().umount2(b".", MNT_DETACH), "umount2")
    os.chdir("/")


def capabilities() -> int:
    """Return the effective capabilities of this process as a set of bits (man 7 capabilities)."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))


def bound_capabilities(keep: int) -> None:
    """Let this process and all that it starts never gain capabilities that are not kept."""
    for capability in range(64):
        if not keep >> capability & 1:
            try:
                prctl(_PR_CAPBSET_DROP, capability)
            except OSError as error:
                # EINVAL: that was the last one. Who may not drop any has none, and with
                # no_new_privs gains none.
                if error.errno in (errno.EINVAL, errno.EPERM):
                    return
                raise


def keep_capabilities(keep: int) -> None:
    """Give up all capabilities but these, which are kept across ``execve``, too."""
    prctl(_PR_CAP_AMBIENT, 4)  # PR_CAP_AMBIENT_CLEAR_ALL
    low, high = keep & 0xFFFF_FFFF, keep >> 32
    header = struct.pack("Ii", 0x2008_0522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    _check(_libc().capset(header, struct.pack("6I", *[low] * 3, *[high] * 3)), "capset")
    for capability in range(keep.bit_length()):
        if keep >> capability & 1:
            prctl(_PR_CAP_AMBIENT, 2, capability)  # PR_CAP_AMBIENT_RAISE


# Landlock: landlock(7). A right that a ruleset handles is forbidden wherever no rule allows it.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = 1 << 5, 1 << 6, 1 << 9, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
READ_WRITE = ((1 << 15) - 1) & ~(EXECUTE | MAKE_CHAR | MAKE_BLOCK)
SOCKETS = READ_FILE | READ_DIR | REMOVE_FILE | MAKE_SOCK
DEVICE = READ_FILE | WRITE_FILE
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel has; 0 if it has none or it is off."""
    try:
        return _syscall("landlock", _LANDLOCK_CREATE, None, 0, 1)
    except OSError:
        return 0


def landlock(rules: Iterable[tuple[str, int]], abi: int) -> None:
    """Confine this thread, and all that it starts, with all that this version of Landlock can.

    No TCP port may be bound or connected to (version 4), and neither abstract Unix sockets nor
    signals reach a process that is not confined with this one (version 6).

    Args:
        rules: paths, which must exist, and the rights on what is at and below each.
        abi: the version, from :func:`landlock_abi`.
    """
    # Version 2 brought REFER, 3 TRUNCATE and 5 IOCTL_DEV.
    handled = (1 << (13, 14, 15, 15, 16)[min(abi, 5) - 1]) - 1
    attr = struct.pack("QQQ", handled, 3, 3)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _syscall("landlock_create_ruleset", _LANDLOCK_CREATE, attr, len(attr), 0)
    try:
        for path, rights in rules:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rights &= handled if os.path.isdir(path) else handled & _OF_FILES
                rule = struct.pack("=Qi", rights, fd)
                _syscall(f"landlock_add_rule {path}", _LANDLOCK_ADD, ruleset, 1, rule, 0)
            finally:
                os.close(fd)
        _syscall("landlock_restrict_self", _LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


# The calls that the filter knows: their numbers on x86_64 and on aarch64.
_MACHINES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}  # column, AUDIT_ARCH
_CALLS = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # other views of the system
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # memory that no limit of setrlimit(2) counts, or that outlives the process
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # doors into the kernel that have been left ajar before
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # the administrator's
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
}
_SPECIAL = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "socket": (41, 198),
    "socketpair": (53, 199),
}


def _number(call: str) -> int:
    column, _arch = _MACHINES.get(platform.machine(), (None, None))
    if column is None:
        raise OSError(errno.ENOSYS, f"{call}: its number on {platform.machine()} is not known")
    return {**_CALLS, **_SPECIAL}[call][column]


def filter_program(machine: str) -> bytes | None:
    """Assemble the filter of system calls: seccomp(2).

    It refuses the calls of the table above, all sockets but Unix ones, and new namespaces.
    ``clone3`` does not exist for the confined, since a filter cannot see its flags; the C library
    then uses ``clone``.

    Args:
        machine: what ``platform.machine()`` says.

    Returns:
        The program for the kernel's BPF machine, or ``None`` for a machine that is not known.
    """
    if machine not in _MACHINES:
        return None
    column, arch = _MACHINES[machine]
    special = {name: numbers[column] for name, numbers in _SPECIAL.items()}
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    number, architecture, first_argument = 0, 4, 16  # offsets in struct seccomp_data
    refuse = "refuse"
    # Instruction, operand, and where to go if the comparison holds and if it does not.
    program: list[tuple[int, int, str, str]] = [
        (load, architecture, "", ""),
        (equal, arch, "", refuse),
        (load, number, "", ""),
        (at_least, 0x4000_0000, refuse, ""),  # the x32 variants of the calls
        *((equal, numbers[column], refuse, "") for numbers in _CALLS.values()),
        (equal, special["clone3"], "missing", ""),
        (equal, special["clone"], "clone", ""),
        (equal, special["socket"], "socket", ""),
        (equal, special["socketpair"], "socket", "allow"),
    ]
    labels = {}
    for label, block in {
        "clone": [(load, first_argument, "", ""), (any_bit, _CLONE_NEW, refuse, "allow")],
        "socket": [(load, first_argument, "", ""), (equal, 1, "allow", "unknown")],  # AF_UNIX
        "allow": [(give, 0x7FFF_0000, "", "")],
        refuse: [(give, 0x0005_0000 | errno.EPERM, "", "")],
        # ZeroMQ asks for the network interfaces when ipykernel starts, and of the errors that
        # socket(2) may give it survives this one only.
        "unknown": [(give, 0x0005_0000 | errno.EINVAL, "", "")],
        "missing": [(give, 0x0005_0000 | errno.ENOSYS, "", "")],
    }.items():
        labels[label] = len(program)
        program += block
    return b"".join(
        struct.pack(
            "HBBI",
            code,
            labels[yes] - at - 1 if yes else 0,
            labels[no] - at - 1 if no else 0,
            operand,
        )
        for at, (code, operand, yes, no) in enumerate(program)
    )


def install_filter(program: bytes) -> None:
    """Filter the system calls of this thread, and of all that it starts, from now on."""
    code = ctypes.create_string_buffer(program, len(program))
    address = ctypes.addressof(code)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, address), 16)
    prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(header))  # SECCOMP_MODE_FILTER
