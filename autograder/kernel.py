"""A sandboxed Jupyter kernel, half of it made before the fork.

Most of the time in which an ipykernel starts goes into what is the same for all kernels: parsing
options, making IPython's shell and its magics.  The zygote does that once, in :func:`prepare`; a
forked child only opens its sockets and ties the two together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ipykernel import debugger, iostream, kernelapp
from ipykernel.ipkernel import IPythonKernel
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.application import BaseIPythonApplication
from IPython.core.profiledir import ProfileDir
from traitlets import Type

__all__ = ["app", "prepare"]


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


# Libraries look at the name to know that they run in a notebook.
_Shell.__name__ = _Shell.__qualname__ = ZMQInteractiveShell.__name__


class _Kernel(IPythonKernel):
    """A kernel that gets its sockets after it was made."""

    shell_class = Type(_Shell)

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

    def log_connection_info(self) -> None:
        """Print nothing: nobody will connect by hand."""


class _IOPubThread(iostream.IOPubThread):
    """Does without the pipe for child processes, a TCP port, which a sandbox does not have."""

    def __init__(self, socket: Any, pipe: bool = False, session: Any = False) -> None:
        super().__init__(socket, pipe=False, session=session)  # type: ignore[no-untyped-call]


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


def app() -> kernelapp.IPKernelApp:
    """Return the prepared application, to be initialized in a forked child."""
    return _App.instance()
