"""Kernels forked from a zygote, through jupyter_client's own extension point.

Two kernelspecs come with the package: ``python3-warm`` for code that is trusted, such as a book's,
and ``python3-sandbox`` for code that is not.  Whatever starts kernels by name can use them:
nbclient, nbconvert, nbgrader, JupyterLab.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Bool, Enum, Integer

from .client import Client
from .errors import AutograderError
from .line import Line
from .sandbox import Level, Limits
from .scratch import folder, home
from .zygote import PATIENCE, Channel, Request, Zygote, ZygoteLostError, available

__all__ = [
    "SANDBOX_KERNEL",
    "WARM_KERNEL",
    "ZygoteProvisioner",
    "sandbox_level",
    "share_zygote",
    "too_low",
    "zygote",
]

SANDBOX_KERNEL = "python3-sandbox"
"""The name of the kernelspec for student code."""
WARM_KERNEL = "python3-warm"
"""The name of the kernelspec for trusted code."""

# What a student's kernel is told of the environment in which a class is graded.
_PASSED_ON = (
    "AUTOGRADER_IMPORTS",
    "AUTOGRADER_WIRE",
    "LANG",
    "LANGUAGE",
    "NBGRADER_EXECUTION",
    "NBGRADER_VALIDATING",
    "PATH",
)

_POLL = 0.005

_zygotes: dict[bool, Zygote] = {}
_lock = threading.Lock()


def zygote(*, sandboxed: bool) -> Zygote:
    """Return this process's zygote, starting one if there is none yet."""
    with _lock:
        if sandboxed not in _zygotes:
            _zygotes[sandboxed] = Zygote(sandboxed=sandboxed)
        return _zygotes[sandboxed]


def share_zygote() -> Zygote:
    """Start the zygote for student code now, so that processes forked from here on share it."""
    return zygote(sandboxed=True)


def sandbox_level() -> Level:
    """Wait for the zygote for student code, and return the level of its sandbox.

    Raises:
        ZygoteLostError: if it ends, and another one too.
    """
    if not available():
        return Level.NONE
    try:
        return share_zygote().level()
    except ZygoteLostError:
        _forget(share_zygote())
        return share_zygote().level()


def _forget(lost: Zygote) -> None:
    with _lock:
        if _zygotes.get(lost.sandboxed) is lost:
            del _zygotes[lost.sandboxed]
    lost.close()


class ZygoteProvisioner(LocalProvisioner):
    """Provides kernels that are forked from this process's zygote.

    Where a zygote is not to be had, on macOS and Windows, it starts an ordinary kernel instead,
    unless the course asks for a sandbox.
    """

    sandboxed = Bool(
        False, help="Whether the code is not to be trusted; set by the kernelspec."
    ).tag(config=True)
    level = Enum(
        [level.value for level in Level],
        Level.LANDLOCK.value,
        help="The least that the sandbox must give.",
    ).tag(config=True)
    cpu_seconds = Integer(Limits.cpu_seconds, help="CPU time of a submission, in seconds.").tag(
        config=True
    )
    cell_cpu_seconds = Integer(20, help="CPU time of a cell, in seconds.").tag(config=True)
    memory_mb = Integer(Limits.memory_mb, help="Memory of a process, in MB.").tag(config=True)
    disk_mb = Integer(Limits.disk_mb, help="What a submission may write, in MB.").tag(config=True)
    processes = Integer(Limits.processes, help="Processes and threads at a time.").tag(config=True)

    line: Line | None = None
    """Our end of the line to the kernel, if its manager's client can use one."""
    _channel: Channel | None = None
    _folder: TemporaryDirectory[str] | None = None

    @property
    def lost(self) -> bool:
        """Whether the kernel ended because its zygote did."""
        return self._channel is not None and self._channel.lost

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        manager = self.parent
        if manager is not None:
            place = Path(manager.ip).parent
            # Sockets in a folder that only this user may enter, not ports that all may try. A
            # folder outside our home may hold what is not for this kernel, for which it is opened.
            ours = manager.transport == "ipc" and home() in place.parents and place.is_dir()
            if not ours:
                self._folder = folder()
                manager.transport = "ipc"
                manager.ip = str(Path(self._folder.name) / "kernel")
            manager.connection_file = str(Path(manager.ip).with_name("connection.json"))
        launch: dict[str, Any] = await super().pre_launch(**kwargs)
        return launch

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        try:
            return await self._launch(cmd, **kwargs)
        except BaseException:
            # Nobody cleans up after a kernel that never was.
            await self.cleanup()
            raise

    async def _launch(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        if not available():
            if self.sandboxed and Level(self.level) > Level.NONE:
                raise AutograderError(too_low(Level.NONE, Level(self.level)))
            return await super().launch_kernel(cmd, **kwargs)
        env = kwargs.get("env") or dict(os.environ)
        if self.sandboxed:
            env = {key: env[key] for key in _PASSED_ON if key in env}
        request = Request(
            arguments=cmd[cmd.index("-f") :],
            env=env,
            cwd=str(Path(kwargs.get("cwd") or Path.cwd()).absolute()),
            sockets=str(Path(self.connection_info["ip"]).parent),
            limits=vars(self._limits()) if self.sandboxed else None,
            cell_cpu_seconds=self.cell_cpu_seconds,
        )
        for attempt in (1, 2):
            source = zygote(sandboxed=self.sandboxed)
            try:
                channel = self._ask(source, request)
                try:
                    started = await self._started(channel)
                except BaseException:
                    channel.close()
                    raise
                break
            except ZygoteLostError:
                _forget(source)
                if attempt == 2:
                    raise
        if "error" in started:
            channel.close()
            raise AutograderError(f"The kernel cannot be started: {started['error']}")
        found, wanted = Level(started["level"]), Level(self.level)
        if self.sandboxed and found < wanted:
            channel.close()
            raise AutograderError(too_low(found, wanted))
        self._channel = channel
        self.process = channel  # type: ignore[assignment]  # It has the interface of Popen.
        self.pid = channel.pid
        return self.connection_info

    def _ask(self, source: Zygote, request: Request) -> Channel:
        if not self.sandboxed or not issubclass(
            getattr(self.parent, "client_factory", object), Client
        ):
            return source.ask(request)
        ours, theirs = socket.socketpair()
        self._close_line()
        self.line = Line(ours)
        with theirs:
            return source.ask(request, theirs)

    def _close_line(self) -> None:
        if self.line is not None:
            self.line.close()
            self.line = None

    def _limits(self) -> Limits:
        return Limits(
            cpu_seconds=self.cpu_seconds,
            memory_mb=self.memory_mb,
            disk_mb=self.disk_mb,
            processes=self.processes,
        )

    @staticmethod
    async def _started(channel: Channel) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        started: dict[str, Any] = {}
        while time.monotonic() < deadline:
            message = channel.read() or {}
            if "error" in message:
                return message
            if "level" in message:
                started = message
            # The kernel may be quicker than the zygote, which tells its number.
            if started and channel.pid:
                return started
            if channel.returncode is not None:
                return {"error": "its process ended at once"}
            await asyncio.sleep(_POLL)  # A zygote that is still warming up takes seconds.
        raise ZygoteLostError(f"No kernel could be made warm within {PATIENCE:g} seconds.")

    def tidy(self) -> tuple[int, int]:
        """End the processes that the kernel's code has started.

        Returns:
            How many there were, and how many threads the kernel has.
        """
        if self._channel is None or self.pid is None or not self.sandboxed:
            return 0, 0
        ended = 0
        for child in _children(self.pid):
            with suppress(OSError):
                pidfd = os.pidfd_open(child)
                try:
                    if child in _children(self.pid):  # The number has not been given to another.
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                        ended += 1
                finally:
                    os.close(pidfd)
        return ended, len(_tasks(self.pid))

    async def shutdown_requested(self, restart: bool = False) -> None:
        self._close_line()  # A kernel at the end of a line ends when that is closed.

    async def cleanup(self, restart: bool = False) -> None:
        await super().cleanup(restart)
        if self._channel is not None:
            self._channel.close()
        self._close_line()
        if self._folder is not None and not restart:
            self._folder.cleanup()
            self._folder = None


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    """List a process's children and theirs; with a process namespace, all that it has begot."""
    found: list[int] = []
    for task in _tasks(pid):
        with suppress(OSError):
            listed = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
            for child in map(int, listed):
                found += [child, *_children(child)]
    return found


def too_low(found: Level, wanted: Level) -> str:
    """Write the sentence that refuses to run student code."""
    return (
        f"This machine gives student code a sandbox of level “{found.value}”, and the course asks "
        f"for “{wanted.value}”. Run autograder doctor to see what is missing, or, if you trust "
        f"these submissions, say so: --level {found.value}."
    )
