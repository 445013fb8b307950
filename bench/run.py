"""Measure what the project promises, print a table, and write bench/results.json.

Run it with `make bench`. Each figure is one number in a flat JSON object.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_client.manager import start_new_kernel
from rich.console import Console
from rich.table import Table

from autograder.students import Student, read_class

ROOT = Path(__file__).resolve().parents[1]
ASSIGNMENT = ROOT / "exercises" / "source" / "lstm-cell"
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


def check_ms(student: Student) -> float:
    """Return the median time of one check in a warm kernel, in milliseconds."""
    manager, client = start_new_kernel(cwd=str(ASSIGNMENT))
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
    return statistics.median(found)


def make_s(target: str) -> float:
    """Return the seconds that a target of the Makefile takes, after set-up."""
    subprocess.run(["make", "setup"], cwd=ROOT, check=True, capture_output=True)
    start = time.perf_counter()
    done = subprocess.run(["make", target], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"make {target} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - start


def main() -> None:
    """Measure, print and write."""
    students = {student.name: student for student in read_class(ASSIGNMENT)}
    figures: dict[str, Callable[[], float]] = {
        "check_ms_median": lambda: check_ms(students["solved"]),
        "check_wrong_ms_median": lambda: check_ms(students["gate-order"]),
        "demo_s": lambda: make_s("demo"),
        "test_s": lambda: make_s("test"),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", help=f"some of: {', '.join(figures)}; all by default")
    wanted = parser.parse_args().figures or list(figures)
    unknown = [name for name in wanted if name not in figures]
    if unknown:
        parser.error(f"there is no figure {unknown[0]}; there is: {', '.join(figures)}")

    console = Console()
    table = Table(
        "figure", "value", title=f"{platform.machine()}, Python {platform.python_version()}"
    )
    results = {}
    for name in wanted:
        with console.status(f"measuring {name}"):
            results[name] = round(figures[name](), 1)
        table.add_row(name, f"{results[name]:g}")
    console.print(table)
    path = Path(__file__).with_name("results.json")
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    console.print(f"Written: {path}", soft_wrap=True)


if __name__ == "__main__":
    main()
