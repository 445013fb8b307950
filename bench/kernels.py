"""What one kernel takes: time for a check, memory, CPU time and its sandbox."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from grading import LSTM_CELL, Assignment
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbformat import NotebookNode
from process import BenchError, run, say

from autograder.loader import CHECKS_FILE
from autograder.notebooks import asked_questions, is_grade_code
from autograder.seeds import public_seed
from autograder.server import RefereeServer
from autograder.student import WIRE_VARIABLE
from autograder.students import read_class

WARM = Path(__file__).with_name("warm.py")
RUNS = 40

# What a student's kernel runs: the answer, then the check, timed where the student would wait.
CHECK = """
import statistics, time
import torch
from autograder import check
{solution}
times = []
for _ in range({runs} + 1):
    start = time.perf_counter()
    check("lstm_cell", lstm_cell)
    times.append(1000 * (time.perf_counter() - start))
print("median", statistics.median(times[1:]))
"""


def check_ms(name: str) -> float:
    """Return the median time of one check in a warm kernel, in milliseconds.

    Args:
        name: the student of the sample class whose answer is checked.
    """
    say(f"{RUNS} checks of the student “{name}” in one kernel")
    student = next(student for student in read_class(LSTM_CELL) if student.name == name)
    manager, client = start_new_kernel(cwd=str(LSTM_CELL))
    found: list[float] = []

    def read(message: dict) -> None:
        text = message["content"].get("text", "") if message["msg_type"] == "stream" else ""
        found.extend(
            float(line.split()[1]) for line in text.splitlines() if line.startswith("median")
        )

    try:
        code = CHECK.format(solution=student.cells["lstm-cell"], runs=RUNS)
        client.execute_interactive(code, output_hook=read, timeout=120)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    if not found:
        raise BenchError("The kernel did not get to the end of its checks.")
    return statistics.median(found)


def sandbox_ms() -> float:
    """Return what the sandbox adds to the fork of a kernel, in milliseconds."""
    say("forks with and without a sandbox")
    with tempfile.TemporaryDirectory(prefix="bench-") as files:
        shutil.copy(LSTM_CELL / CHECKS_FILE, files)
        *_said, level, added = run(sys.executable, str(WARM), "sandbox", files).output.split()
    say(f"the sandbox's level is {level}")
    return float(added)


def cpu_floor(assignment: Assignment) -> float:
    """Return the mean CPU seconds of a submission's own code, without Jupyter.

    The code answers the cases of a referee, which runs in this process, as in a kernel.
    """
    samples = assignment.samples
    say(f"{len(samples)} submissions without Jupyter")
    seconds = []
    with subprocess.Popen(
        [sys.executable, str(WARM), "floor"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for sample in samples:
            folder = sample / assignment.name
            notebook = nbformat.read(folder / f"{assignment.name}.ipynb", as_version=4)
            with (
                RefereeServer(
                    assignment.course / "source" / assignment.name, public_seed
                ) as server,
                server.window(_questions(notebook)) as window,
            ):
                submission = {
                    "folder": str(folder),
                    "address": server.address,
                    "cells": [cell.source for cell in notebook.cells if cell.cell_type == "code"],
                }
                process.stdin.write(json.dumps(submission) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            if not answer:
                raise BenchError("The process that runs submissions without Jupyter has ended.")
            if len(window.verdicts) < len(window.questions):
                raise BenchError(f"Without Jupyter “{sample.name}” did not reach all its checks.")
            seconds.append(float(answer))
        process.stdin.close()
    return statistics.mean(seconds)


def private_mb(assignment: Assignment, kernel_name: str) -> float:
    """Return the memory that one kernel has for itself after it ran the worked solution.

    It runs as when a class is graded, with a referee in another process.

    Args:
        assignment: the assignment.
        kernel_name: which kernel.
    """
    say(f"one kernel {kernel_name}")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Path(name, "work")
        shutil.copytree(assignment.course / "submitted" / "solved" / assignment.name, work)
        notebook = nbformat.read(work / f"{assignment.name}.ipynb", as_version=4)
        client = NotebookClient(
            notebook, kernel_name=kernel_name, resources={"metadata": {"path": str(work)}}
        )
        client.shutdown_kernel = "immediate"
        with (
            RefereeServer(assignment.course / "source" / assignment.name, public_seed) as server,
            server.window(_questions(notebook)) as window,
        ):
            manager = client.create_kernel_manager()
            manager.transport = "ipc"
            manager.ip = str(server.scratch / "kernel")
            with client.setup_kernel(env={**os.environ, WIRE_VARIABLE: server.address}):
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
                memory = _private_mb(manager.provisioner.pid)
        if len(window.verdicts) < len(window.questions):
            raise BenchError(f"The kernel {kernel_name} did not reach all its checks.")
    return memory


def _private_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError as error:
        raise BenchError(
            f"The kernel's memory cannot be read ({error}); run the bench as root."
        ) from None
    kilobytes = [
        int(line.split()[1])
        for line in text.splitlines()
        if line.startswith(("Private_Clean:", "Private_Dirty:"))
    ]
    return sum(kilobytes) / 1024


def _questions(notebook: NotebookNode) -> list[str]:
    return [
        question
        for cell in notebook.cells
        if is_grade_code(cell)
        for question in asked_questions(cell.source)
    ]
