"""What a kernel may touch: namespaces, Landlock, a filter of system calls and limits.

A :class:`Jail` finds out once what this machine allows. It then forks processes that cage
themselves before any thread of theirs and any code of a student's runs.
"""

from __future__ import annotations

import enum
import json
import os
import platform
import shutil
import signal
import site
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import syscalls as linux
from .errors import AutograderError
from .i18n import _

__all__ = ["Jail", "Layer", "Level", "Limits", "Sandbox", "SandboxError", "examine"]

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_SETTINGS = ("/etc/fonts", "/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_NAMESPACES = (
    linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS
)  # the one of processes comes with Jail.fork
_FIRST_UID = 0x7000_0000  # systemd's "Users, Groups, UIDs and GIDs" leaves these to nobody


class SandboxError(AutograderError):
    """A layer of the sandbox that was promised cannot be set up."""


class Level(str, enum.Enum):
    """How well a kernel is caged; a course asks for at least one of these."""

    NONE = "none"
    """Not enough for ``LANDLOCK``, though there may be limits."""
    LANDLOCK = "landlock"
    """Files, network, limits and privileges are confined, but other processes can be seen."""
    FULL = "full"
    """All this, and a file system, processes and a network of its own."""

    def __str__(self) -> str:
        return self.value

    def _rank(self) -> int:
        return list(Level).index(self)

    def __lt__(self, other: str) -> bool:
        return self._rank() < Level(other)._rank()

    def __le__(self, other: str) -> bool:
        return self._rank() <= Level(other)._rank()

    def __gt__(self, other: str) -> bool:
        return self._rank() > Level(other)._rank()

    def __ge__(self, other: str) -> bool:
        return self._rank() >= Level(other)._rank()


@dataclass(frozen=True)
class Limits:
    """How much a kernel may use."""

    cpu_seconds: int = 60
    """Processor time of each process; SIGXCPU comes then, and SIGKILL two seconds later."""
    memory_mb: int = 1024
    """Memory of each process, beyond what the zygote has."""
    disk_mb: int = 256
    """Its files together; without namespaces, each of them."""
    processes: int = 64
    """Processes and threads together."""
    open_files: int = 256
    """Open files of each process."""


@dataclass(frozen=True)
class Sandbox:
    """What one kernel may touch."""

    files: Path | None
    """A folder whose files are copied into the work folder."""
    sockets: Path
    """A folder of the caller's, of mode 0700, for sockets; the kernel sees it at the same path.

    The kernel may connect to the sockets in it, read its files and make sockets, nothing else.
    """
    limits: Limits = Limits()
    """How much it may use."""


@dataclass(frozen=True)
class Layer:
    """One layer of the sandbox, tried out."""

    name: str
    """What it is about."""
    holds: bool
    """Whether it held."""
    detail: str
    """What was tried and what happened, or what to do about it."""


class Jail:
    """Forks caged processes, as well caged as this machine allows.

    Make it while the process has one thread. For an ordinary user it moves the process to a user
    namespace, in which its ids stay the same. Nothing else changes for the process itself.
    """

    def __init__(self) -> None:
        self.level = Level.NONE
        """What :meth:`enter` gives, found out by trying."""
        self.missing: list[str] = []
        """Why it is not ``Level.FULL``: what the system said."""
        self._namespaces = self._own_user_namespace = self._own_uid = False
        self._abi, self._filter = 0, None
        if sys.platform != "linux":
            self.missing.append(_("Sandboxing needs Linux."))
            return
        self._abi = linux.landlock_abi()
        self._filter = linux.filter_program(platform.machine())
        self._readable = _readable_folders()
        self._become_able()
        self._keep = 0
        if self._own_uid and not _others_reach(self._readable):
            # An own id is worth more than no capability: uid 0 owns the system's sockets and
            # escapes RLIMIT_NPROC. Landlock still decides on what may be read.
            self._keep = 1 << linux.CAP_DAC_READ_SEARCH
        if not self._abi:
            self.missing.append(_("Landlock is missing; it needs Linux 5.13 and must be enabled."))
        if self._namespaces:
            self._try()
        if not self._namespaces:
            self._try()

    def _become_able(self) -> None:
        """Get what making namespaces takes, if the system allows it."""
        have = linux.capabilities()
        wanted = (linux.CAP_CHOWN, linux.CAP_SETUID, linux.CAP_SETGID)
        self._own_uid = os.geteuid() == 0 and all(have >> capability & 1 for capability in wanted)
        self._namespaces = bool(have >> linux.CAP_SYS_ADMIN & 1)
        if not self._namespaces and os.geteuid() != 0:
            # Some systems allow the namespace and then nothing in it (AppArmor on Ubuntu), and
            # there is no way back. So a child goes first.
            child = os.fork()
            if child == 0:
                try:
                    _make_user_namespace()
                    linux.unshare(_NAMESPACES)
                except OSError as error:
                    os._exit(error.errno or 1)
                os._exit(0)
            number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if number == 0:
                _make_user_namespace()
                self._namespaces = self._own_user_namespace = True
            else:
                text = _("User namespaces are refused: {error}.")
                self.missing.append(text.format(error=os.strerror(number)))
        elif not self._namespaces:
            self.missing.append(_("Namespaces are refused: CAP_SYS_ADMIN is missing."))

    def _try(self) -> None:
        """Cage a child, and lower what is promised if that fails."""
        promised = Level.FULL if self._namespaces else Level.LANDLOCK
        confined = self._abi and (self._filter or self._namespaces)
        read, write = os.pipe()
        try:
            with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
                child = self.fork()
                if child == 0:
                    try:
                        self.enter(Sandbox(None, Path(folder)))
                        os.write(write, b"+")
                    except BaseException as error:
                        os.write(write, str(error).encode()[:4096])
                    finally:
                        os._exit(0)
                os.waitpid(child, 0)
                os.write(write, b"-")
                answer = os.read(read, 8192).decode().removesuffix("-")
        except (OSError, SandboxError) as error:
            answer = str(error)
        finally:
            os.close(read)
            os.close(write)
        if answer == "+":
            self.level = promised if confined else Level.NONE
        else:
            self._namespaces = False
            self.missing.append(answer)

    def fork(self) -> int:
        """Fork like :func:`os.fork`; the child is the first of its own process numbers if possible.

        Returns:
            0 in the child, and its process number, as seen from here, in this process.

        Raises:
            SandboxError: if the namespace that was promised cannot be made.
        """
        if not self._namespaces:
            return os.fork()
        if self._own_user_namespace:
            return self._fork_through_another()
        # Children are born into the namespace last unshared, until it is set back.
        own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        pid = -1
        try:
            with _promised(_("processes")):
                linux.unshare(linux.CLONE_NEWPID)
            pid = os.fork()
            return pid
        finally:
            if pid:
                linux.setns(own, linux.CLONE_NEWPID)
            os.close(own)

    def _fork_through_another(self) -> int:
        # The initial namespace of processes is not ours, so setns(2) cannot lead back to it. A
        # process in between takes the step; when it ends, this process inherits its child.
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        read, write = os.pipe()
        go_read, go_write = os.pipe()
        between = os.fork()
        if between == 0:
            child = -1
            with suppress(OSError):
                linux.unshare(linux.CLONE_NEWPID)
                child = os.fork()
            if child != 0:
                os.write(write, str(child).encode())
                os._exit(0)
            for fd in (read, write, go_write):
                os.close(fd)
            # Only now is the zygote the parent, whose death enter() can have reported.
            if not os.read(go_read, 1):
                os._exit(1)
            os.close(go_read)
            return 0
        os.close(write)
        os.close(go_read)
        os.waitpid(between, 0)
        child = int(os.read(read, 32) or b"-1")
        os.close(read)
        with suppress(BrokenPipeError):
            os.write(go_write, b"!")
        os.close(go_write)
        if child < 0:
            raise SandboxError(_("A new namespace of processes is refused."))
        return child

    def enter(self, sandbox: Sandbox) -> Path:
        """Cage this process, a child from :meth:`fork` with one thread, for good.

        Args:
            sandbox: what it may touch.

        Returns:
            The work folder, with copies of the files; it is the current folder, too.

        Raises:
            SandboxError: if a layer that :attr:`level` promised cannot be set up. The process is
                then caged in part and must end.
        """
        if sys.platform != "linux":
            raise SandboxError(_("Sandboxing needs Linux."))
        os.setsid()
        os.umask(0o022)
        uid = _uid_of_its_own() if self._own_uid else os.geteuid()
        gid = uid if self._own_uid else os.getegid()
        limits = self._limits(sandbox.limits)  # while /proc still shows the whole system
        _close_folders()
        with _promised(_("files")):
            for path in (sandbox.sockets, *sandbox.sockets.iterdir()):
                if self._own_uid:
                    os.chown(path, uid, gid, follow_symlinks=False)
            if self._namespaces:
                scratch, work = Path("/tmp"), Path("/tmp/work")
                self._move(sandbox, uid, gid)
            else:
                scratch, work = sandbox.sockets / "tmp", sandbox.sockets / "tmp" / "work"
                _make_scratch(scratch, sandbox.files, uid, gid)
        with _promised(_("privileges")):
            self._become_nobody(uid, gid)
            os.chdir(work)
        with _promised(_("limits")):
            _set_limits(limits)
        if self._abi:
            with _promised("Landlock"):
                linux.landlock(self._rules(sandbox, scratch), self._abi)
        if self._filter:
            with _promised(_("system calls")):
                linux.install_filter(self._filter)
        _set_environment(scratch)
        return work

    def _move(self, sandbox: Sandbox, uid: int, gid: int) -> None:
        """Leave the host's file system, network and names for new ones."""
        linux.unshare(_NAMESPACES)
        linux.set_host_name("kernel")
        # A change in here must not be seen out there, nor the other way round.
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        # The new root is put together over the folder of the sockets: one that exists for sure
        # and that nothing needs. What it hides is reached through these.
        sockets = os.open(sandbox.sockets, os.O_PATH | os.O_CLOEXEC)
        files = os.open(sandbox.files, os.O_RDONLY | os.O_CLOEXEC) if sandbox.files else None
        root = str(sandbox.sockets)
        flags = linux.MS_NOSUID | linux.MS_NODEV
        linux.mount("tmpfs", root, "tmpfs", flags, "size=1m,nr_inodes=1k,mode=755")
        # An inode for each 16 kB: empty files cost memory, too.
        size = f"size={sandbox.limits.disk_mb}m,nr_inodes={sandbox.limits.disk_mb * 64}"
        os.mkdir(f"{root}/tmp")
        options = f"{size},mode=700,uid={uid},gid={gid}"
        linux.mount("tmpfs", f"{root}/tmp", "tmpfs", flags, options)
        closed = linux.MOUNT_ATTR_NOSUID | linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_RDONLY
        for path in self._readable:
            if os.path.islink(path):
                _make_parents(root + path)
                os.symlink(os.path.realpath(path), root + path)
            else:
                _bind(path, root + path, closed)
        for path in _DEVICES:
            _bind(path, root + path, closed & ~linux.MOUNT_ATTR_NODEV | linux.MOUNT_ATTR_NOEXEC)
        _make_scratch(Path(root, "tmp"), files, uid, gid)
        _bind(f"{root}/tmp/shm", f"{root}/dev/shm", 0)
        # Landlock joins the rights along a path, so the sockets must not lie below /tmp; a link
        # leads to them from their place.
        open_ = closed & ~linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOEXEC
        # Not with what is mounted there: that is the new root.
        _bind(f"/proc/self/fd/{sockets}", f"{root}/run/sockets", open_, recursive=False)
        _make_parents(root + str(sandbox.sockets.absolute()))
        os.symlink("/run/sockets", root + str(sandbox.sockets.absolute()))
        os.mkdir(f"{root}/proc")
        with suppress(OSError):  # Containers often hide parts of /proc; then it is refused.
            noexec = linux.MS_NOEXEC | flags
            linux.mount("proc", f"{root}/proc", "proc", noexec)
        for fd in (sockets, files):
            if fd is not None:
                os.close(fd)
        linux.pivot(root)
        linux.mount_attributes("/", linux.MOUNT_ATTR_RDONLY, recursive=False)

    def _become_nobody(self, uid: int, gid: int) -> None:
        """Give up all privileges."""
        keep = 0 if self._namespaces else self._keep
        if self._own_user_namespace:
            # Since Linux 5.14 RLIMIT_NPROC counts in each user namespace by itself. No id is
            # mapped here, so this process has the overflow id, "nobody".
            linux.unshare(linux.CLONE_NEWUSER)
        linux.bound_capabilities(keep)
        if self._own_uid:
            os.setgroups([])
            linux.prctl(linux.PR_SET_KEEPCAPS, 1)
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            linux.prctl(linux.PR_SET_KEEPCAPS, 0)
        linux.keep_capabilities(keep)
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        # A change of ids clears both: the own /proc/self would be root's.
        linux.prctl(linux.PR_SET_DUMPABLE, 1)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)

    def _limits(self, limits: Limits) -> dict[str, tuple[int, int]]:
        """Return the limits by the names that the module ``resource`` has for them."""
        words = Path("/proc/self/statm").read_text(encoding="ascii").split()
        page = os.sysconf("SC_PAGE_SIZE")
        megabyte = 1024 * 1024
        processes = limits.processes
        if not self._own_uid and not (self._own_user_namespace and _release() >= (5, 14)):
            processes += _threads_of(os.getuid())
        sizes = {
            "RLIMIT_FSIZE": limits.disk_mb * megabyte,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_NPROC": processes,
            "RLIMIT_DATA": int(words[5]) * page + limits.memory_mb * megabyte,
            # Shared mappings are no data. Twice, as threads reserve more than they use.
            "RLIMIT_AS": int(words[0]) * page + 2 * limits.memory_mb * megabyte,
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 64 * 1024,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_SIGPENDING": 1024,
        }
        return {name: (size, size) for name, size in sizes.items()} | {
            "RLIMIT_CPU": (limits.cpu_seconds, limits.cpu_seconds + 2)
        }

    def _rules(self, sandbox: Sandbox, scratch: Path) -> Iterator[tuple[str, int]]:
        """List what Landlock allows."""
        if self._namespaces:
            yield "/", linux.READ
            yield "/dev/shm", linux.READ_WRITE
            yield "/run/sockets", linux.SOCKETS
        else:
            for path in self._readable:
                yield path, linux.READ
            yield str(sandbox.sockets), linux.SOCKETS
        yield str(scratch), linux.READ_WRITE
        for path in _DEVICES:
            yield path, linux.DEVICE


@contextmanager
def _promised(layer: str) -> Iterator[None]:
    """Turn what goes wrong into a :class:`SandboxError`."""
    try:
        yield
    except (OSError, ValueError) as error:
        text = _("The sandbox's layer “{layer}” cannot be set up: {error}.")
        raise SandboxError(text.format(layer=layer, error=error)) from error


def _make_user_namespace() -> None:
    """Become the administrator of a new namespace, with the same ids as before."""
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER)
    # In this order: without setgroups=deny gid_map is refused, user_namespaces(7).
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _readable_folders() -> list[str]:
    """List what Python and its packages need, without what lies in another of the list.

    Of a package that is installed as editable only this one's folder is in it: the project
    around it may hold what students must not see.
    """
    paths = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    paths |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths |= {path for path in sys.path if path.endswith(("/site-packages", "/dist-packages"))}
    paths |= {*site.getsitepackages(), str(Path(__file__).resolve().parent)}
    paths |= {*_SYSTEM, *_SETTINGS}
    found: list[str] = []
    # In the order of their names, a folder comes before what lies in it.
    for path in sorted(map(os.path.normpath, paths | set(map(os.path.realpath, paths)))):
        inside = any(path.startswith(f"{folder}/") for folder in found)
        if path != "/" and os.path.exists(path) and not inside and path not in found:
            found.append(path)
    return found


def _others_reach(paths: list[str]) -> bool:
    """Tell whether a user who owns nothing can enter all of these."""
    folders = {folder for path in paths for folder in (Path(path), *Path(path).resolve().parents)}
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders if folder.is_dir())


def _uid_of_its_own() -> int:
    """Return an id that no other process has, so that kernels cannot reach each other."""
    number = int(os.readlink("/proc/self"))  # in the zygote's count; here os.getpid() may be 1
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    ranges = [tuple(map(int, line.split())) for line in lines]
    first, _outside, count = max(ranges, key=lambda one: one[2])
    if first <= _FIRST_UID and first + count >= _FIRST_UID + 2**22:  # PID_MAX_LIMIT
        return _FIRST_UID + number
    # A container's range: its upper half, and not its last ids, which are "nobody".
    return first + count // 2 + number % max(count // 2 - 2, 1)


def _close_folders() -> None:
    """Close what could lead out by openat(2), whoever opened it."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if stat.S_ISDIR(os.fstat(int(name)).st_mode):
                os.close(int(name))


def _make_parents(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)


def _bind(source: str, target: str, attributes: int, *, recursive: bool = True) -> None:
    if os.path.isdir(source):
        os.makedirs(target, mode=0o755, exist_ok=True)
    else:
        _make_parents(target)
        os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o644))
    linux.mount(source, target, None, linux.MS_BIND | (linux.MS_REC if recursive else 0))
    if attributes:
        linux.mount_attributes(target, attributes)


def _make_scratch(scratch: Path, files: int | Path | None, uid: int, gid: int) -> None:
    """Make the folders that are the kernel's own, and copy the files into its work folder."""
    for folder in (scratch, scratch / "home", scratch / "shm", scratch / "work"):
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, uid, gid)
    if isinstance(files, Path):
        source = os.open(files, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _copy(source, scratch / "work", uid, gid)
        finally:
            os.close(source)
    elif files is not None:
        _copy(files, scratch / "work", uid, gid)


def _copy(source: int, target: Path, uid: int, gid: int) -> None:
    """Copy a folder's files and folders, and nothing that is neither: no link is followed."""
    with os.scandir(source) as entries:
        for entry in entries:
            copy = target / entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_folder and not entry.is_file(follow_symlinks=False):
                continue
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(entry.name, flags, dir_fd=source)
            if is_folder:
                copy.mkdir(mode=0o700)
                _copy(fd, copy, uid, gid)
                os.close(fd)
            else:
                with open(fd, "rb") as original, open(copy, "xb") as duplicate:
                    shutil.copyfileobj(original, duplicate)
            os.chown(copy, uid, gid)


def _release() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])


def _threads_of(uid: int) -> int:
    """Count what a user runs, the way RLIMIT_NPROC does: threads."""
    count = 0
    for name in os.listdir("/proc"):
        with suppress(OSError):  # It has ended in the meantime.
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _set_limits(limits: dict[str, tuple[int, int]]) -> None:
    import resource  # There is none on Windows.

    for name, wanted in limits.items():
        number: int = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY:
            wanted = (min(wanted[0], hard), min(wanted[1], hard))
        resource.setrlimit(number, wanted)


def _set_environment(scratch: Path) -> None:
    home = scratch / "home"
    jupyter = {f"JUPYTER_{kind}_DIR": home / kind.lower() for kind in ("CONFIG", "DATA", "RUNTIME")}
    places = {"HOME": home, "TMPDIR": scratch, "IPYTHONDIR": home, "MPLCONFIGDIR": home, **jupyter}
    os.environ.update({name: str(place) for name, place in places.items()})
    os.environ.update(USER="student", LOGNAME="student")
    tempfile.tempdir = None  # what it found before does not hold any more


# Importing the package imports torch, which takes a second and may start threads.
_WITHOUT_TORCH = """
import sys, types
package = types.ModuleType("autograder")
package.__path__ = [sys.argv[1]]
sys.modules["autograder"] = package
from autograder.sandbox import _examine
_examine()
"""


def examine() -> list[Layer]:
    """Cage a process and let it try to break out, for ``autograder doctor``.

    The calling process is left as it is.

    Returns:
        Each layer, and whether it held.
    """
    if sys.platform != "linux":
        return [Layer(_("sandbox"), False, _("Sandboxing needs Linux."))]
    command = [sys.executable, "-I", "-c", _WITHOUT_TORCH, str(Path(__file__).resolve().parent)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return [Layer(**layer) for layer in json.loads(result.stdout)]
    except subprocess.TimeoutExpired:
        return [Layer(_("sandbox"), False, _("The process that tried it did not end."))]
    except ValueError:
        return [Layer(_("sandbox"), False, result.stderr.strip() or _("It gave no answer."))]


def _examine() -> None:
    """Print the layers as JSON. This runs in a process of its own."""
    jail = Jail()
    said = " ".join(jail.missing)
    layers = [Layer(_("level"), jail.level > Level.NONE, f"{jail.level.value}. {said}".strip())]
    with tempfile.TemporaryDirectory(prefix="autograder-") as name, socket.socket() as listener:
        folder = Path(name)
        (folder / "secret").write_text("secret")
        (folder / "sockets").mkdir(mode=0o700)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        here = socket.socket(socket.AF_UNIX)
        here.bind(str(folder / "socket"))
        here.listen()
        outer = os.getpid()
        read, write = os.pipe()
        child = jail.fork()
        if child == 0:
            os.close(read)
            try:
                limits = Limits(memory_mb=256, disk_mb=16, processes=16)
                jail.enter(Sandbox(None, folder / "sockets", limits))
                tried = list(_escapes(folder, limits, listener.getsockname(), outer))
                answer = json.dumps([asdict(layer) for layer in tried])
            except BaseException as error:
                answer = json.dumps([asdict(Layer(_("sandbox"), False, str(error)))])
            os.write(write, answer.encode())
            os._exit(0)
        os.close(write)
        with open(read, encoding="utf-8") as answers:
            layers += [Layer(**layer) for layer in json.loads(answers.read() or "[]")]
        os.waitpid(child, 0)
        here.close()
    print(json.dumps([asdict(layer) for layer in layers]))


def _escapes(folder: Path, limits: Limits, tcp: Any, outer: int) -> Iterator[Layer]:
    """Try each layer from inside."""

    def tried(name: str, attempts: dict[str, Callable[[], object]], advice: str) -> Layer:
        possible = []
        for what, attempt in attempts.items():
            try:
                attempt()
            except (OSError, MemoryError):
                continue
            possible.append(what)
        if possible:
            text = _("The kernel could {possible}. {advice}")
            return Layer(name, False, text.format(possible=_(", ").join(possible), advice=advice))
        text = _("The kernel tried to {tried}, and could not.")
        return Layer(name, True, text.format(tried=_(", ").join(attempts)))

    def make(family: int) -> None:
        socket.socket(family, socket.SOCK_DGRAM).close()

    def reach(family: int, address: Any) -> None:
        with socket.socket(family) as client:
            client.connect(address)

    def others() -> None:
        for number in filter(str.isdigit, os.listdir("/proc")):
            if int(number) != os.getpid():
                return
        raise ProcessLookupError

    def fill() -> None:
        scratch = Path(os.environ["TMPDIR"])
        try:
            for part in range(4):
                (scratch / f"part{part}").write_bytes(bytes(limits.disk_mb * 2**19))
        finally:
            for path in scratch.glob("part*"):
                path.unlink()

    def multiply() -> None:
        children = []
        try:
            for _child in range(limits.processes + 1):
                children.append(os.fork())
                if children[-1] == 0:
                    signal.pause()
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    root = _("Landlock (Linux 5.13) and user namespaces, or grading as root, would prevent it.")
    unix = str(folder / "socket")
    yield tried(
        _("user"),
        {
            _("become root"): lambda: os.setuid(0),
            _("make a namespace"): lambda: linux.unshare(linux.CLONE_NEWUSER),
            _("use root's capabilities"): lambda: os.chroot("/"),
        },
        _("This should not be; please report it."),
    )
    yield tried(
        _("files"),
        {
            _("read a file outside"): (folder / "secret").read_bytes,
            _("change a file outside"): lambda: (folder / "secret").open("r+b").close(),
            _("change the mode of a file outside"): lambda: (folder / "secret").chmod(0o644),
            _("list the system's users"): lambda: open("/etc/passwd").close(),
            _("put a file among its sockets"): lambda: (folder / "sockets" / "own").write_bytes(
                b""
            ),
        },
        root,
    )
    yield tried(
        _("own /tmp"), {_("see that a file outside exists"): (folder / "secret").stat}, root
    )
    yield tried(
        _("network"),
        {
            _("connect to this computer"): lambda: reach(socket.AF_INET, tcp),
            _("make an Internet socket"): lambda: make(socket.AF_INET),
            _("make an IPv6 socket"): lambda: make(socket.AF_INET6),
        },
        root,
    )
    yield tried(
        _("sockets"), {_("connect to a socket outside"): lambda: reach(socket.AF_UNIX, unix)}, root
    )
    yield tried(
        _("processes"),
        {
            _("send its parent a signal"): lambda: os.kill(outer, 0),
            _("see other processes"): others,
        },
        root,
    )
    yield tried(
        _("disk"),
        {_("write more than its limit"): fill},
        _("Each file is limited, but not all together. {advice}").format(advice=root),
    )
    yield tried(
        _("memory"),
        {_("take more than its limit"): lambda: bytearray(limits.memory_mb * 2**21)},
        _("This should not be; please report it."),
    )
    yield tried(_("forks"), {_("start more than its limit"): multiply}, root)
