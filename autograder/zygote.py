"""The zygote: a warm process that kernels are forked from.

Importing torch, matplotlib and ipykernel takes seconds and hundreds of megabytes; forking a process
that has done so takes milliseconds, and shares the memory.  This module holds both ends:
:class:`Zygote` is the handle in the process that wants kernels, :func:`main` is what the zygote
runs.

The zygote has no address.  Requests arrive over an inherited pair of sockets, each with one end of
a channel of its own over which the new kernel is signalled and its end is told.  When the channel's
other end closes, however that came about, the kernel is killed; when nobody holds the request
socket any more, the zygote ends, its kernels with it, and the scratch home is removed.

A kernel can read all that its zygote holds, so the zygote is a fresh process with an environment of
its own, and never sees a course.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from . import guard
from . import syscalls as linux
from .errors import AutograderError
from .sandbox import Jail, Level, Limits, Sandbox
from .scratch import discard
from .scratch import home as scratch_home

__all__ = ["PATIENCE", "Channel", "Request", "Zygote", "ZygoteLostError", "available"]

_MAX_MESSAGE = 1 << 16
_GOODBYE = b"{}"  # without a channel
PATIENCE = 120.0
"""Seconds for a zygote to import torch, on a slow and busy machine."""

# Variables that an interpreter and its libraries need to start; all others may be secrets.
_KEPT = ("PATH", "HOME", "LANG", "LANGUAGE", "TMPDIR", "TZ", "VIRTUAL_ENV", "CONDA_PREFIX")
_KEPT_PREFIXES = ("LC_", "PYTHON", "XDG_")


class ZygoteLostError(AutograderError):
    """The zygote ended; its kernels ended with it, through no fault of theirs."""


def available() -> bool:
    """Say whether this system has what a zygote needs."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


@dataclass(frozen=True)
class Request:
    """What a new kernel needs to know."""

    arguments: list[str]
    """The command line after ``python -m ipykernel_launcher``."""
    env: dict[str, str]
    """The kernel's environment, whole."""
    cwd: str
    """Its working directory; with a sandbox, the folder whose files it gets copies of."""
    sockets: str
    """The folder of its sockets."""
    limits: dict[str, int] | None
    """The sandbox's limits, or ``None`` for a kernel without a sandbox."""
    cell_cpu_seconds: int
    """The CPU time of a cell in a sandbox."""


class Channel:
    """The connection to one kernel's supervisor in the zygote, with the interface of ``Popen``.

    Args:
        connection: our end.
    """

    stdin = stdout = stderr = None

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setblocking(False)
        self.pid = 0
        """The kernel's process id."""
        self.returncode: int | None = None
        """How the kernel ended; ``None`` while it runs."""
        self.lost = False
        """Whether the zygote ended before it could tell how the kernel ended."""

    def read(self, timeout: float = 0.0) -> dict[str, Any] | None:
        """Wait for the next message, and note what it tells.

        Args:
            timeout: for how many seconds.

        Raises:
            ZygoteLostError: if the zygote is gone.
        """
        if self.returncode is not None:
            return None
        if timeout:
            select.select([self._connection], [], [], timeout)
        try:
            data = self._connection.recv(_MAX_MESSAGE)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self.lost = True
            self.returncode = -signal.SIGKILL
            raise ZygoteLostError("The process that kernels are forked from has ended.")
        message: dict[str, Any] = json.loads(data)
        self.pid = message.get("pid", self.pid)
        self.returncode = message.get("returncode")
        return message

    def poll(self) -> int | None:
        """Return the kernel's exit code, or ``None`` while it runs."""
        with contextlib.suppress(ZygoteLostError):
            self.read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the kernel's end.

        Raises:
            subprocess.TimeoutExpired: if it has not come within ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with contextlib.suppress(ZygoteLostError):
            while self.returncode is None:
                if deadline is not None and time.monotonic() > deadline:
                    raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
                self.read(timeout=1.0 if timeout is None else timeout)
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        """Send the kernel and its children a signal; if it is gone, do nothing."""
        with contextlib.suppress(OSError):
            self._connection.send(json.dumps({"signal": int(number)}).encode())

    def kill(self) -> None:
        """Kill the kernel and its children."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Let go of the kernel, which is killed if it still runs."""
        self._connection.close()


class Zygote:
    """A handle on a zygote process, which starts with it.

    The handle may be used in processes forked later: each request has its own channel.

    Args:
        sandboxed: whether its kernels are for code that nobody should trust.
    """

    def __init__(self, *, sandboxed: bool) -> None:
        self.sandboxed = sandboxed
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = dict(os.environ)
        # In a Jupyter server's environment: ipykernel ends when its parent is not this process.
        env.pop("JPY_PARENT_PID", None)
        if sandboxed:
            env = {key: env[key] for key in env if key in _KEPT or key.startswith(_KEPT_PREFIXES)}
        # A library's threads do not survive a fork, and several kernels share the cores anyway.
        env |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        # A fork copies page tables, of which huge pages need few.
        env["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # Keeps ipykernel's debugger quiet.
        command = [sys.executable, "-m", __name__, str(theirs.fileno()), str(scratch_home())]
        with theirs:
            self.process = subprocess.Popen(
                [*command, "sandboxed"] if sandboxed else command,
                pass_fds=[theirs.fileno()],
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                # A Ctrl-C in the terminal is for us; we tell the zygote by closing our end.
                start_new_session=True,
            )
        self._asked = False
        self._owner = os.getpid()
        atexit.register(self.close)

    def ask(self, request: Request | None = None, line: socket.socket | None = None) -> Channel:
        """Ask for a kernel, or without a request for a message that tells the zygote's level.

        Args:
            request: what the kernel needs to know.
            line: the kernel's end of a line to talk through; without one it talks ZeroMQ.

        Raises:
            ZygoteLostError: if the zygote is gone.
        """
        self._asked = True
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        data = json.dumps(asdict(request) if request else {}).encode()
        with theirs:
            try:
                if len(data) > _MAX_MESSAGE:
                    raise AutograderError("The kernel's environment is too large.")
                ends = [theirs.fileno(), *([line.fileno()] if line else [])]
                socket.send_fds(self._requests, [data], ends)
            except OSError:
                ours.close()
                raise ZygoteLostError("The process that kernels are forked from is gone.") from None
            except AutograderError:
                ours.close()
                raise
        return Channel(ours)

    def level(self) -> Level:
        """Wait until the zygote is warm, and return the level of its sandbox.

        Raises:
            ZygoteLostError: if it does not get warm.
        """
        channel = self.ask()
        try:
            message = channel.read(PATIENCE)
        finally:
            channel.close()
        if message is None:
            raise ZygoteLostError(f"No kernel could be made warm within {PATIENCE:g} seconds.")
        return Level(message["level"])

    def close(self) -> None:
        """End the zygote and its kernels."""
        if os.getpid() == self._owner:
            with contextlib.suppress(OSError):
                self._requests.send(_GOODBYE)
        self._requests.close()
        if os.getpid() == self._owner:
            atexit.unregister(self.close)
            if not self._asked:
                self.process.kill()  # It may be warming up still, for nobody.
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


# From here on: what runs inside the zygote.

_LINE = 3  # The first descriptor after those that every process has.


class _Server:
    """The zygote's loop: it forks, passes signals on, and tells how kernels end."""

    def __init__(self, requests: socket.socket, jail: Jail | None) -> None:
        self._requests = requests
        self._jail = jail
        self._selector = selectors.DefaultSelector()
        self._kernels: dict[int, _Kernel] = {}
        self._itself = os.pidfd_open(os.getpid())
        self.dismissed = False
        """Whether our owner has said goodbye, and so lives to tidy up."""

    def serve(self) -> None:
        """Serve until nobody can ask any more."""
        # What a kernel leaves behind becomes our child when it ends, so that we can end it too.
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        self._selector.register(self._requests, selectors.EVENT_READ, self._on_request)
        while True:
            for key, _events in self._selector.select():
                # An earlier event of this round may have closed what this one is about.
                known = self._selector.get_map().get(key.fd) is key
                if known and key.data() is False:
                    for kernel in list(self._kernels.values()):
                        self._on_end(kernel, kill=True)
                    return

    def _on_request(self) -> bool:
        data, descriptors, _flags, _address = socket.recv_fds(self._requests, _MAX_MESSAGE, 2)
        if not data:
            return False
        if not descriptors:
            self.dismissed = True
            return True
        channel, *line = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        message = json.loads(data)
        try:
            if message:
                self._fork(Request(**message), channel, line[0] if line else None)
            else:
                level = self._jail.level if self._jail else Level.NONE
                channel.send(json.dumps({"level": level.value}).encode())
                channel.close()
        except OSError as error:
            with contextlib.suppress(OSError):
                channel.send(json.dumps({"error": str(error)}).encode())
            channel.close()
        for end in line:
            end.close()
        return True

    def _fork(self, request: Request, channel: socket.socket, line: socket.socket | None) -> None:
        jail = self._jail
        pid = jail.fork() if jail else os.fork()
        if pid == 0:
            try:
                self._selector.close()
                _become_kernel(request, jail, channel, line, self._itself)
            finally:
                os._exit(1)
        kernel = _Kernel(pid, os.pidfd_open(pid), channel)
        self._kernels[pid] = kernel
        self._selector.register(kernel.pidfd, selectors.EVENT_READ, lambda: self._on_end(kernel))
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._on_channel(kernel))
        with contextlib.suppress(OSError):
            channel.send(json.dumps({"pid": pid}).encode())

    def _on_channel(self, kernel: _Kernel) -> None:
        try:
            data = kernel.channel.recv(_MAX_MESSAGE)
        except OSError:
            data = b""
        if data:
            kernel.signal(json.loads(data)["signal"])
        else:
            self._on_end(kernel, kill=True)

    def _on_end(self, kernel: _Kernel, *, kill: bool = False) -> None:
        if kill:
            kernel.signal(signal.SIGKILL)
        _pid, status = os.waitpid(kernel.pid, 0)
        kernel.signal(signal.SIGKILL)  # Its process group may have outlived it.
        self._selector.unregister(kernel.pidfd)
        self._selector.unregister(kernel.channel)
        kernel.end(os.waitstatus_to_exitcode(status))
        del self._kernels[kernel.pid]
        self._end_orphans()

    def _end_orphans(self) -> None:
        """Kill and reap what kernels without a process namespace of their own left behind."""
        try:
            listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
        except OSError:
            return
        for pid in map(int, listed.split()):
            if pid not in self._kernels:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)


@dataclass
class _Kernel:
    pid: int
    pidfd: int
    channel: socket.socket

    def signal(self, number: int) -> None:
        # The kernel leads a group of its own, as soon as it has come to make one.
        for send in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                send(self.pid, number)
                return

    def end(self, returncode: int) -> None:
        os.close(self.pidfd)
        with contextlib.suppress(OSError):
            self.channel.send(json.dumps({"returncode": returncode}).encode())
        self.channel.close()


def _become_kernel(
    request: Request,
    jail: Jail | None,
    channel: socket.socket,
    line: socket.socket | None,
    zygote: int,
) -> None:
    """Turn this freshly forked process into a Jupyter kernel; does not return.

    Args:
        request: what it needs to know.
        jail: cages it.
        channel: where it tells how that went.
        line: its end of a line, if it gets one.
        zygote: a descriptor of the zygote's process, which becomes readable when that ends.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGXCPU, _on_cpu_time_over)
    os.environ.clear()
    os.environ.update(request.env)
    try:
        if jail is not None and request.limits is not None:
            with open(os.devnull, "r+b", buffering=0) as null:
                for descriptor in range(3):
                    os.dup2(null.fileno(), descriptor)
            jail.enter(Sandbox(Path(request.cwd), Path(request.sockets), Limits(**request.limits)))
        else:
            linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.setsid()
            os.chdir(request.cwd)
    except Exception as error:
        channel.send(json.dumps({"error": str(error)}).encode())
        return
    # From here on the zygote's death is ours; it may have come before.
    if select.select([zygote], [], [], 0)[0]:
        return
    level = jail.level if jail else Level.NONE
    channel.send(json.dumps({"level": level.value}).encode())
    # The zygote's own sockets are nothing for a kernel.
    if line is not None:
        os.dup2(line.fileno(), _LINE, inheritable=False)
    os.closerange(3 if line is None else _LINE + 1, 1 << 16)

    import numpy as np
    import torch

    from .student import settle

    settle()
    # Forks of one process would otherwise all draw the same numbers.
    np.random.seed()
    torch.default_generator.seed()
    sys.argv = ["ipykernel_launcher", *request.arguments]
    # Modules beside the notebook can be imported; but none of them takes a library's place.
    sys.path[:] = [*sys.path[1:], ""] if jail is not None else ["", *sys.path[1:]]
    kernel: Any
    if jail is None:
        from ipykernel.kernelapp import IPKernelApp

        kernel = IPKernelApp.instance()
        setattr(kernel, "log_connection_info", lambda: None)  # noqa: B010 - Nobody will look.
        kernel.initialize(request.arguments)
        _show_figures(os.environ["MPLBACKEND"])  # which ipykernel has set
        kernel.start()
    else:
        from .kernel import app, serve
        from .line import Line

        kernel = app()
        _limit_cells(request.cell_cpu_seconds, kernel)
        if line is None:
            kernel.initialize(request.arguments)
            kernel.start()
        else:
            serve(Line(socket.socket(fileno=_LINE)))
    if jail is None:
        atexit._run_exitfuncs()
    os._exit(0)


def _show_figures(backend: str) -> None:
    """Do what matplotlib's first import does in an ordinary kernel; here it came before."""
    import matplotlib
    from matplotlib_inline import backend_inline

    matplotlib.rcParams["backend"] = backend
    enable: Any = backend_inline._enable_matplotlib_integration
    enable()  # if it is the one


def _limit_cells(seconds: int, kernel: Any) -> None:
    """Let the soft limit of CPU time stand so far ahead of what is used when a cell begins.

    Its signal becomes an exception, which costs the cell only. Code that undoes this still meets
    the hard limit, for the whole submission, which the sandbox has set.
    """
    import resource

    most, hard = resource.getrlimit(resource.RLIMIT_CPU)

    def allow(info: object) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (min(soft, most), hard))

    kernel.shell.events.register("pre_run_cell", allow)


class CpuTimeoutError(Exception):
    """A cell has used up its CPU time."""


def _on_cpu_time_over(number: int, frame: FrameType | None) -> None:
    raise CpuTimeoutError("The CPU time for this cell is used up: is there a loop that never ends?")


_PRELOADED = (
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "autograder",
    "faulthandler",
    "ipykernel.debugger",
    "ipykernel.kernelapp",
    "jedi",
    "matplotlib.pyplot",
    "matplotlib_inline.backend_inline",
    "pdb",
    "psutil",
    "sqlite3",
    "tornado.platform.asyncio",
    "torch.nn.utils.stateless",
)


def _warm_up(home: Path, *, sandboxed: bool) -> None:
    """Import and do once what every kernel would import and do first."""
    import gc

    gc.disable()  # Imports make a million objects, and none of them is garbage.
    import torch

    # Before the first operation: once OpenMP has threads, a forked child hangs at its first one.
    torch.set_num_threads(1)

    for name in _PRELOADED:
        importlib.import_module(name)
    _rehearse()
    if sandboxed:
        from .kernel import prepare

        prepare(home)
        guard.install()
    # With a shell already made, this is all; without, it is where matplotlib looks for backends.
    _show_figures("module://matplotlib_inline.backend_inline")
    gc.collect()
    gc.freeze()  # The collector would write to, and so copy, every page with an object on it.
    gc.enable()


def _rehearse() -> None:
    """Check a small answer, the way there and back, so that all that is lazy has been done.

    Forward only if torch was built for CUDA: such a process cannot be forked after a backward pass.
    """
    import numpy as np
    import torch

    from .answer import play
    from .case import Case
    from .spec import Spec
    from .student import settle
    from .wire import answer_to_wire, case_from_wire, case_to_wire, decode, encode

    class Rehearsal(Spec):
        name = "rehearsal"
        points = 1
        gradients = () if torch.version.cuda else ("x",)

        def cases(self, draw: Any) -> Any:
            yield Case("only", x=torch.ones(2, 3, 4))

        def reference(self, case: Case) -> Any:
            cell, layer = torch.nn.LSTMCell(4, 2), torch.nn.LSTM(4, 2)
            cell(case.x[0]), layer(case.x), torch.nn.Linear(4, 2)(case.x).softmax(-1)
            return torch.sigmoid(case.x) @ case.x.transpose(1, 2), torch.tanh(case.x).chunk(2, -1)

    np.random.seed()  # The first time, this imports what it needs.
    with torch.random.fork_rng(devices=[]):
        spec = Rehearsal()
        for case in spec.cases(None):
            given = case_from_wire(decode(encode(case_to_wire(case))))
            answer = play(spec, lambda x: spec.reference(Case("copy", x=x)), given)
            decode(encode(answer_to_wire(answer)))
        torch.testing.assert_close(torch.ones(2, 2) @ torch.ones(2, 2), torch.full((2, 2), 2.0))
        # Matrix products are compiled at their first use, for each dtype and layout.
        for dtype in (torch.float32, torch.float64):
            a, b = torch.ones(5, 7, dtype=dtype), torch.ones(7, 5, dtype=dtype)
            for left, right in ((a, b), (b.T, b), (a, a.T), (b.T, a.T)):
                torch.addmm(left @ right, left, right)
    settle()


def main() -> None:
    """Run a zygote, given the request socket's descriptor, the scratch home and the mode."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    # First of all: some of a sandbox's layers can only be set up while there is one thread.
    jail = Jail() if "sandboxed" in sys.argv[3:] else None
    _warm_up(Path(sys.argv[2]), sandboxed=jail is not None)
    server = _Server(requests, jail)
    try:
        server.serve()
    finally:
        if not server.dismissed:
            # Whoever started us was killed, and cannot tidy up. Its other children are ending.
            # It may be dying still: its sockets are closed before it counts as ended.
            discard(Path(sys.argv[2]), patience=5.0)
        os._exit(0)


if __name__ == "__main__":
    main()
