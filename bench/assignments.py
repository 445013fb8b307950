"""All assignments of the course: their checks, their proofs, and a student's complete set."""

from __future__ import annotations

import json
import re
import shutil
import statistics
from functools import cached_property
from pathlib import Path

from jupyter_client.manager import start_new_kernel
from process import ROOT, BenchError, Run, run, say

SOURCE = ROOT / "exercises" / "source"
STUDENTS = 30

# What a student's kernel runs: every answer of the sample class, right and wrong, checked once.
# The first check of a kernel is among them.
CHECKS = """
import json, time
from pathlib import Path
from autograder import check
from autograder.notebooks import read_text_notebook, worked_notebook
from autograder.students import Workplace, objects_of, read_class
folder = Path.cwd()
notebook = read_text_notebook(worked_notebook(folder))
times = {}
for student in read_class(folder):
    if "undecided" in student.expect.values():
        continue
    with Workplace(folder, student).entered():
        for question, obj in objects_of(student, notebook).items():
            if question in student.expect or not student.expect:
                start = time.perf_counter()
                check(question, obj)
                times[f"{question} of {student.name}"] = time.perf_counter() - start
print("times", json.dumps(times))
"""


class Assignments:
    """All assignments.

    Args:
        workspace: a folder for a course.
    """

    def __init__(self, workspace: Path) -> None:
        self._course = workspace / "all"
        self.names = sorted(path.name for path in SOURCE.glob("*/"))
        """Their names."""

    @cached_property
    def check_seconds(self) -> list[float]:
        """The time of each check of the sample classes' answers, as a student waits for it."""
        found: dict[str, float] = {}
        for name in self.names:
            say(f"each answer of the sample class of {name}, in one kernel")
            found.update(_times(SOURCE / name))
        slowest = max(found, key=found.__getitem__)
        say(f"the slowest of {len(found)} checks: {slowest}")
        return list(found.values())

    @property
    def check_ms_median(self) -> float:
        """The median time of a check, in milliseconds."""
        return 1000 * statistics.median(self.check_seconds)

    @property
    def check_s_slowest(self) -> float:
        """The time of the slowest check, in seconds."""
        return max(self.check_seconds)

    @cached_property
    def _proof(self) -> Run:
        say("autograder prove, all assignments")
        return run("autograder", "prove")

    @property
    def prove_s(self) -> float:
        """The time of ``autograder prove``, in seconds."""
        return self._proof.seconds

    @property
    def questions(self) -> int:
        """How many questions were proved."""
        return len(re.findall(r"^ \S+ +\S+ +\d+ +\d+ *$", self._proof.output, re.MULTILINE))

    @cached_property
    def mutants_rejected(self) -> float:
        """The share of the mutants that are not equivalent which the checks reject."""
        say("autograder mutate, all assignments")
        found = re.search(r"([\d.]+)% of the (\d+) mutants", run("autograder", "mutate").output)
        if found is None:
            raise BenchError("autograder mutate did not say how many mutants were rejected.")
        say(found[0])
        return float(found[1]) / 100

    @cached_property
    def grading_cpu_seconds(self) -> float:
        """The CPU time of grading one student's assignments, all but the poem, in seconds.

        The mean over a class, with all that its one command does.
        """
        names = [name for name in self.names if name != "poem"]
        say(f"grading {len(names)} assignments of {STUDENTS} students")
        shutil.copytree(
            SOURCE,
            self._course / "source",
            ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"),
        )
        shutil.copy(ROOT / "exercises" / "nbgrader_config.py", self._course)
        run("autograder", "release", *names, cwd=self._course)
        size = ("--size", str(STUDENTS))
        run("autograder", "sample-class", *names, *size, cwd=self._course)
        done = run("autograder", "grade", *names, "--quiet", cwd=self._course)
        say(f"{done.seconds:.0f} s for {STUDENTS * len(names)} submissions")
        return done.cpu_seconds / STUDENTS


def _times(folder: Path) -> dict[str, float]:
    manager, client = start_new_kernel(cwd=str(folder))
    told: list[str] = []
    try:
        client.execute_interactive(
            CHECKS,
            output_hook=lambda message: told.append(message["content"].get("text", "")),
            timeout=300,
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    found = re.search(r"^times (.*)$", "".join(told), re.MULTILINE)
    if found is None:
        raise BenchError(f"The kernel did not get to the end of the checks of {folder.name}.")
    return {f"{folder.name}: {name}": each for name, each in json.loads(found[1]).items()}
