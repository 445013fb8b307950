"""Grading whole classes, with stock nbgrader and with ours."""

from __future__ import annotations

import shutil
import statistics
from functools import cached_property
from pathlib import Path

from process import ROOT, BenchError, Run, run, say

from autograder.course import Course
from autograder.seeds import course_secret

LSTM_CELL = ROOT / "exercises" / "source" / "lstm-cell"
PLAIN = Path(__file__).with_name("plain")

# A loop that never ends takes as long as the time limit says, whoever grades it: the five that 200
# submissions would have of it would tell nothing about the grader.
LEFT_OUT = "endless"


class Assignment:
    """An assignment that is released, and whose sample class has handed in.

    Args:
        source: the assignment's folder.
        workspace: a folder for courses.
    """

    def __init__(self, source: Path, workspace: Path) -> None:
        self.name = source.name
        self.source = source
        self.workspace = workspace

    @cached_property
    def course(self) -> Path:
        """A course directory with this assignment and its sample class."""
        say(f"releasing {self.name} and handing in its sample class")
        course = self.workspace / self.name
        shutil.copytree(
            self.source,
            course / "source" / self.name,
            ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"),
        )
        shutil.copy(ROOT / "exercises" / "nbgrader_config.py", course)
        # Made now: all copies of the course must draw the same cases.
        course_secret(course)
        run("autograder", "release", self.name, cwd=course)
        run("autograder", "sample-class", self.name, cwd=course)
        shutil.rmtree(course / "submitted" / LEFT_OUT, ignore_errors=True)
        return course

    @property
    def samples(self) -> list[Path]:
        """The submissions of the sample class."""
        return sorted((self.course / "submitted").iterdir())


class Classroom:
    """A class of some size, made from an assignment's sample class, and what grading it takes.

    Each way of grading gets a copy of the same course, and happens once, when it is asked for.
    """

    def __init__(self, assignment: Assignment, size: int) -> None:
        self.assignment = assignment
        self.size = size

    def _copy(self, purpose: str) -> Path:
        course = self.assignment.workspace / f"{self.assignment.name}-{self.size}-{purpose}"
        ungraded = shutil.ignore_patterns("submitted")
        shutil.copytree(self.assignment.course, course, ignore=ungraded)
        samples = self.assignment.samples
        for number in range(self.size):
            sample = samples[number % len(samples)]
            shutil.copytree(sample, course / "submitted" / f"{sample.name}-{number:05}")
        return course

    @cached_property
    def _our_course(self) -> Path:
        return self._copy("ours")

    @cached_property
    def _stock_course(self) -> Path:
        return self._copy("stock")

    @cached_property
    def ours(self) -> Run:
        """One ``autograder grade``, as a user runs it."""
        course = self._our_course
        self._say("autograder grade")
        done = run("autograder", "grade", self.assignment.name, cwd=course)
        if not done.kernel_cpu_seconds:
            raise BenchError("No kernels of a zygote were seen while autograder graded.")
        return done

    def again_s(self) -> float:
        """Return the seconds of the same command when nothing has changed: the median of three.

        Raises:
            BenchError: if a submission was graded all the same.
        """
        _graded = self.ours
        self._say("autograder grade, unchanged")
        times = []
        for _ in range(3):
            again = run("autograder", "grade", self.assignment.name, cwd=self._our_course)
            if f"0 graded, {self.size} unchanged" not in again.output:
                raise BenchError(
                    "Submissions were graded again, though they are unchanged. Has somebody "
                    f"edited the package autograder meanwhile?\n{again.output[-500:]}"
                )
            times.append(again.seconds)
        return statistics.median(times)

    @cached_property
    def stock(self) -> Run:
        """One ``nbgrader autograde`` with an ordinary kernel for each submission in turn.

        It makes no feedback pages and no report.
        """
        course = self._stock_course
        self._say("stock nbgrader autograde")
        kernel = "--RefereeExecute.kernel_name=python3"
        return run("nbgrader", "autograde", self.assignment.name, kernel, cwd=course)

    def speedup(self) -> float:
        """Return how many times faster ours is than stock nbgrader.

        Raises:
            BenchError: if they do not give every submission the same score.
        """
        ratio = self.stock.seconds / self.ours.seconds
        theirs, ours = self._scores(self._stock_course), self._scores(self._our_course)
        if len(ours) != self.size or ours != theirs:
            wrong = [
                f"{student}: stock {theirs.get(student)}, ours {ours.get(student)}"
                for student in sorted(ours.keys() | theirs.keys())
                if ours.get(student) != theirs.get(student)
            ]
            raise BenchError(
                f"Of {self.size} submissions, stock nbgrader graded {len(theirs)} and ours "
                f"{len(ours)}; the scores differ for {len(wrong)}:\n" + "\n".join(wrong[:20])
            )
        say(f"all {self.size} scores are equal, {len(set(ours.values()))} different ones")
        return ratio

    def _scores(self, course: Path) -> dict[str, float]:
        with Course(course).gradebook() as gradebook:
            submissions = gradebook.assignment_submissions(self.assignment.name)
            return {submission.student_id: submission.score for submission in submissions}

    def _say(self, what: str) -> None:
        say(f"{what} {self.assignment.name}, {self.size} submissions")
