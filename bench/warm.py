"""What is measured inside a process that is as warm as a zygote. The bench runs it as a script.

``warm.py sandbox FOLDER`` prints the sandbox's level and milliseconds; ``warm.py floor`` answers
each line of its input, a submission, with CPU seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from autograder.sandbox import Jail, Level, Sandbox
from autograder.zygote import _warm_up

RUNS = 50

# The environment of a zygote, before anything imports torch.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"


def sandbox(files: Path) -> None:
    """Print what the sandbox adds to a fork: its median time minus that of a plain fork.

    Args:
        files: a folder whose files the sandbox gets copies of.
    """
    jail = Jail()
    if jail.level == Level.NONE:
        sys.exit(f"There is no sandbox to be measured: {' '.join(jail.missing)}")
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        os.chmod(home, 0o711)
        _warm_up(Path(home), sandboxed=True)
        plain, caged = [], []
        for _ in range(RUNS + 1):
            plain.append(_time(os.fork, lambda: None))
            sockets = Path(tempfile.mkdtemp(dir=home))
            caged.append(_time(jail.fork, partial(jail.enter, Sandbox(files, sockets))))
    # The first time is for what happens once in a zygote's life.
    print(jail.level, 1000 * (statistics.median(caged[1:]) - statistics.median(plain[1:])))


def _time(fork: Callable[[], int], enter: Callable[[], object]) -> float:
    """Return the seconds from before a fork until the child is ready for a student's code."""
    read, write = os.pipe()
    start = time.perf_counter()
    child = fork()
    if child == 0:
        try:
            enter()
            message = repr(time.perf_counter())
        except BaseException as error:
            message = str(error)
        os.write(write, message.encode())
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    try:
        return float(answer) - start
    except ValueError:
        sys.exit(f"The sandbox cannot be entered: {answer}")


def floor() -> None:
    """Run submissions without Jupyter, each in a fork, and print the CPU time of each."""
    with tempfile.TemporaryDirectory(prefix="bench-") as home:
        _warm_up(Path(home), sandboxed=False)
    for line in sys.stdin:
        submission = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                _exec(submission)
            finally:
                os._exit(0)
        usage = os.wait4(child, 0)[2]
        print(usage.ru_utime + usage.ru_stime, flush=True)


def _exec(submission: dict[str, object]) -> None:
    from autograder.student import WIRE_VARIABLE, settle

    with open(os.devnull, "r+b") as null:
        for descriptor in range(3):
            os.dup2(null.fileno(), descriptor)
    # As when a class is graded: the student's code answers cases, the referee judges elsewhere.
    os.environ[WIRE_VARIABLE] = str(submission["address"])
    os.chdir(str(submission["folder"]))
    settle()
    namespace: dict[str, object] = {"__name__": "__main__"}
    for cell in list(submission["cells"]):  # type: ignore[call-overload]
        with contextlib.suppress(Exception):
            exec(cell, namespace)


if __name__ == "__main__":
    if sys.argv[1] == "sandbox":
        sandbox(Path(sys.argv[2]))
    else:
        floor()
