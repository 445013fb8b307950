"""Running commands: how long they take, on how much CPU time, and in how much memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
POLL = 0.02
TAIL = 3000

_progress = Console(stderr=True, highlight=False)


class BenchError(Exception):
    """A figure cannot be measured; the message says why."""


def say(text: str) -> None:
    """Tell what is being measured."""
    _progress.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {text}", soft_wrap=True)


@dataclass(frozen=True)
class Run:
    """What one command took."""

    seconds: float
    """Wall time."""
    cpu_seconds: float
    """CPU time of the command and all its descendants."""
    kernel_cpu_seconds: float
    """CPU time of the kernels that its zygote forked: a part of the above."""
    peak_mb: float
    """The most memory that the command's own process had at a time, resident."""
    output: str
    """What it printed."""


def run(*command: str, cwd: Path = ROOT) -> Run:
    """Run a command and measure it.

    Raises:
        BenchError: if it fails; the message ends with the end of its output.
    """
    with tempfile.TemporaryFile() as file:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        with _Watch(process.pid) as watch:
            try:
                _pid, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.terminate()
                process.wait()
                raise
            seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        file.seek(0)
        output = file.read().decode(errors="replace")
    if process.returncode:
        raise BenchError(
            f"{' '.join(command)} (in {cwd}) ended with exit code {process.returncode}:\n"
            f"{output[-TAIL:]}"
        )
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Run(seconds, cpu_seconds, watch.kernel_cpu_seconds, watch.peak_mb, output)


class _Watch:
    """Looks at a process now and then, for what cannot be told once it has ended.

    ``ru_maxrss`` would not do: it counts the process's children, and what its parent had when it
    was forked.
    """

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self.kernel_cpu_seconds = 0.0
        self._process = Path(f"/proc/{pid}")
        self._zygote: Path | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._ended.wait(POLL):
            # Each process may end at any moment.
            with suppress(OSError, StopIteration):
                status = (self._process / "status").read_text().splitlines()
                peak = next(line for line in status if line.startswith("VmHWM:"))
                self.peak_mb = int(peak.split()[1]) / 1024
            with suppress(OSError, IndexError):
                zygote = self._zygote or self._find_zygote()
                if zygote is not None:
                    # Fields 16 and 17 of proc(5): the CPU time of children that have ended.
                    times = (zygote / "stat").read_text().rpartition(")")[2].split()[13:15]
                    ticks = sum(map(int, times))
                    self.kernel_cpu_seconds = ticks / os.sysconf("SC_CLK_TCK")

    def _find_zygote(self) -> Path | None:
        task = self._process / "task" / self._process.name
        for pid in (task / "children").read_text().split():
            child = Path("/proc", pid)
            if b"autograder.zygote" in (child / "cmdline").read_bytes():
                self._zygote = child
        return self._zygote
