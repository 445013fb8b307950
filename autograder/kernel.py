"""A sandboxed Jupyter kernel, half of it made before the fork.

Most of the time in which an ipykernel starts goes into what is the same for all kernels: parsing
options, making IPython's shell and its magics.  The zygote does that once, in :func:`prepare`; a
forked child only opens its sockets and ties the two together.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
from ipykernel import debugger, iostream, kernelapp
from ipykernel.compiler import XCachingCompiler, get_tmp_directory
from ipykernel.ipkernel import IPythonKernel
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.application import BaseIPythonApplication
from IPython.core.profiledir import ProfileDir
from jupyter_client.session import Session
from traitlets import Any as AnyTrait
from traitlets import Float, Type

from .i18n import _
from .line import OUTPUTS, REQUESTS, End, Line

__all__ = ["app", "prepare", "serve"]


class _Shell(ZMQInteractiveShell):
    """IPython's shell, which is asked twice by ipykernel to transform each cell."""

    _transformed: tuple[str, str] | None = None

    def transform_cell(self, raw_cell: str) -> str:
        before, self._transformed = self._transformed, None
        if before is not None and before[0] == raw_cell:
            return before[1]
        cell: str = super().transform_cell(raw_cell)  # type: ignore[no-untyped-call]
        self._transformed = (raw_cell, cell)
        return cell

    def ask_exit(self) -> None:
        """Stay: there may be cells below the one with ``exit()``."""
        print(_("exit() has no effect while your work is being graded."))


# Libraries look at the name to know that they run in a notebook.
_Shell.__name__ = _Shell.__qualname__ = ZMQInteractiveShell.__name__


class _Compiler(XCachingCompiler):
    """Names cells as ipykernel does, whose hash is made in Python, and slowly."""

    def get_code_name(self, raw_code: str, code: str, number: int) -> str:
        digest = hashlib.blake2b(raw_code.encode(), digest_size=4).digest()
        return str(Path(get_tmp_directory()) / f"{int.from_bytes(digest, 'big')}.py")


class _Kernel(IPythonKernel):
    """A kernel that gets its sockets after it was made."""

    shell_class = Type(_Shell)
    compiler_class = Type(_Compiler)
    shell_stream = AnyTrait()
    # ipykernel gives outputs of threads a moment, by time.sleep, which a cell may have replaced.
    _execute_sleep = Float(0)

    @classmethod
    def instance(cls, *args: Any, **traits: Any) -> Any:
        if not cls.initialized():
            return super().instance(*args, **traits)
        kernel: Any = super().instance()
        for name in ("parent", "log", "profile_dir", "user_ns"):
            traits.pop(name, None)  # As they were given to prepare().
        for name, value in traits.items():
            setattr(kernel, name, value)
        # IPythonKernel does this at the end of its __init__, when there were no sockets yet.
        for part in (kernel.shell.displayhook, kernel.shell.display_pub):
            part.session = kernel.session
            part.pub_socket = kernel.iopub_socket
        kernel.shell.init_environment()
        return kernel

    def _abort_queues(self, subshell_id: str | None = None) -> None:
        if self.shell_channel_thread.is_alive():
            super()._abort_queues(subshell_id)

    @property
    def _supports_kernel_subshells(self) -> bool:
        return bool(self.shell_channel_thread.is_alive())


class _Prepared(BaseIPythonApplication):
    """What IPKernelApp.initialize calls first: it has happened already."""

    def initialize(self, argv: list[str] | None = None) -> None:
        if argv is None:
            super().initialize([])  # type: ignore[no-untyped-call]
        else:
            self.connection_file = argv[argv.index("-f") + 1]


class _App(kernelapp.IPKernelApp, _Prepared):
    """IPKernelApp in two parts: the method resolution order puts ``_Prepared`` behind it."""

    def prepare(self, home: Path) -> None:
        """Do all that needs no socket.

        Args:
            home: a folder for IPython's profile, which stays empty.
        """
        self.config.HistoryManager.enabled = False
        self.config.ProfileDir.location = str(home / "profile")
        self.parse_command_line([])
        # traitlets makes a record of every debugging message and then drops it.
        self.log.setLevel(self.log_level)
        self.profile_dir = ProfileDir(location=str(home / "profile"), parent=self)
        self.kernel = _Kernel.instance(
            parent=self, log=self.log, profile_dir=self.profile_dir, user_ns=self.user_ns
        )
        # The other way to run `!ls` takes a terminal, which a sandbox does not have.
        self.kernel.shell.system = self.kernel.shell.system_raw
        self.init_path()
        self.init_shell()
        self.init_extensions()
        self.init_code()
        for step in ("init_pdb", "init_path", "init_extensions", "init_code"):
            setattr(self, step, _nothing)

    def attach(self, line: Line) -> None:
        """Do what :meth:`initialize` does, for a kernel whose messages come over a line.

        Args:
            line: its end of the line.
        """
        self.session = Session(parent=self)
        self.session.key = b""
        publisher = _Publisher(line)
        self.iopub_thread = self.iopub_socket = publisher
        self.outstream_class = f"{__name__}.{_Stream.__name__}"
        self.init_io()
        self.init_signal()
        kernel = _Kernel.instance(
            session=self.session,
            shell_stream=_Replies(line),
            shell_channel_thread=_NoThread(),
            iopub_thread=publisher,
            iopub_socket=publisher,
        )
        self.displayhook.get_execution_count = lambda: kernel.execution_count
        self.init_gui_pylab()

    async def serve(self, line: Line) -> None:
        """Answer requests until the other end of the line is closed."""
        more = asyncio.Event()
        asyncio.get_running_loop().add_reader(line, more.set)
        while not line.closed:
            while line.poll(REQUESTS, 0):
                await self.kernel.dispatch_shell([zmq.Frame(part) for part in line.take(REQUESTS)])
            more.clear()
            await more.wait()

    def log_connection_info(self) -> None:
        """Print nothing: nobody will connect by hand."""


class _IOPubThread(iostream.IOPubThread):
    """Does without the pipe for child processes, a TCP port, which a sandbox does not have."""

    def __init__(self, socket: Any, pipe: bool = False, session: Any = False) -> None:
        super().__init__(socket, pipe=False, session=session)  # type: ignore[no-untyped-call]


class _Replies(End):
    """Sends replies for this process, and for no copy of it."""

    def __init__(self, line: Line) -> None:
        super().__init__(line, REQUESTS)
        self._pid = os.getpid()

    def send_multipart(self, parts: Sequence[Any], **options: Any) -> None:
        if os.getpid() != self._pid:
            os._exit(0)  # A cell has forked, and its copy has come to the cell's end.
        super().send_multipart(parts, **options)


class _Publisher(iostream.IOPubThread):
    """Sends outputs at once, from the thread that makes them."""

    thread: Any = None
    io_loop: Any = None

    def __init__(self, line: Line) -> None:
        self._line = line
        self._pid = os.getpid()

    def schedule(self, call: Callable[[], None]) -> None:
        call()

    def send_multipart(self, parts: Sequence[Any], **_options: Any) -> None:
        if os.getpid() == self._pid:  # What a child process prints would get in between.
            self._line.send(OUTPUTS, parts)


class _Stream(iostream.OutStream):
    """Flushes what has waited for long when more is written, and not in the background."""

    _waits_since: float | None = None

    def _schedule_flush(self) -> None:
        now = time.monotonic()
        self._waits_since = self._waits_since or now
        if now - self._waits_since > self.flush_interval:
            self.flush()

    def _flush(self) -> None:
        self._waits_since = None
        super()._flush()  # type: ignore[no-untyped-call]


class _NoThread:
    """Stands for the thread that would receive requests in another kernel."""

    parent_thread = threading.main_thread()

    def is_alive(self) -> bool:
        return False


def _nothing() -> None:
    pass


def prepare(home: Path) -> None:
    """Make the half of a kernel that all kernels share; runs in the zygote.

    Args:
        home: a folder for IPython's profile.
    """
    setattr(kernelapp, "IOPubThread", _IOPubThread)  # noqa: B010 - mypy knows no such name there
    debugger._is_debugpy_available = False  # Nobody can attach a debugger.
    _App.instance(kernel_class=_Kernel).prepare(home)


def serve(line: Line) -> None:
    """Serve a line in a forked child until its other end is closed."""
    made: Any = _App.instance()
    made.attach(line)
    while not line.closed:
        # A cell may stop the event loop, or close it.
        with suppress(RuntimeError):
            asyncio.run(made.serve(line))


def app() -> kernelapp.IPKernelApp:
    """Return the prepared application, to be initialized in a forked child."""
    return _App.instance()
