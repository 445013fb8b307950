"""What came of a class: ``grades.csv`` for spreadsheets and ``report.html`` to look at."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .card import environment, to_html
from .course import Course
from .errors import CourseError
from .grading import Row
from .integrity import Flag
from .verdict import Verdict

__all__ = ["Integrity", "Question", "Summary", "write"]


@dataclass(frozen=True)
class Question:
    """How a class did on one question."""

    name: str
    """The question's name."""
    title: str
    """What it asks for."""
    answered: int
    """How many submissions have a verdict on it."""
    passed: int
    """How many are right in every respect."""
    misconceptions: tuple[tuple[str, str, int], ...]
    """Name, hint and count of the misconceptions, most frequent first."""
    others: tuple[tuple[str, int], ...]
    """Reasons without a named misconception, and their counts, most frequent first."""


@dataclass(frozen=True)
class Integrity:
    """What an instructor should know of how a submission was made gradable, and of its code."""

    student: str
    """The student's id."""
    repairs: tuple[str, ...]
    """What was repaired, in sentences."""
    flags: tuple[Flag, ...]
    """The code to look at."""
    withheld: tuple[str, ...]
    """The questions whose points are withheld."""


class Summary:
    """A class summed up, in one pass over its rows.

    Args:
        rows: the rows of the class.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self.submissions = 0
        """How many submissions there are."""
        self.failed = 0
        """How many could not be graded."""
        self.max_score = 0.0
        """The points to earn."""
        self._total = 0.0
        self._tenths = [0] * 11
        self.integrity: list[Integrity] = []
        """Whose submission was repaired or flagged."""
        self._unprotected: set[str] = set()
        self._questions: dict[str, _Counts] = {}
        for row in rows:
            self._add(row)

    def _add(self, row: Row) -> None:
        self.submissions += 1
        self.failed += row.failure is not None
        self.max_score = max(self.max_score, row.max_score)
        self._total += row.score
        share = row.score / row.max_score if row.max_score else 0.0
        self._tenths[min(int(share * 10 + 1e-9), 10)] += 1
        self._unprotected.update(row.unprotected)
        if row.repairs or row.flags:
            self.integrity.append(
                Integrity(row.student, row.repairs, row.flags, tuple(row.withheld))
            )
        for cell in row.cells:
            for verdict in cell.verdicts:
                if verdict.question not in self._questions:
                    self._questions[verdict.question] = _Counts(verdict.title)
                self._questions[verdict.question].add(verdict)

    @property
    def mean(self) -> float:
        """The mean score."""
        return self._total / self.submissions if self.submissions else 0.0

    @property
    def unprotected(self) -> list[str]:
        """The grade cells whose marks the students' own kernels decided."""
        return sorted(self._unprotected)

    @property
    def questions(self) -> list[Question]:
        """The questions, in the order of the notebook."""
        return [counts.question(name) for name, counts in self._questions.items()]

    @property
    def histogram(self) -> list[tuple[str, int]]:
        """The submissions by their share of the points, in tenths, full marks apart.

        Pairs of a label (``"0–9 %"``, ..., ``"100 %"``) and a count.
        """
        labels = [f"{10 * i}–{10 * i + 9} %" for i in range(10)] + ["100 %"]
        return list(zip(labels, self._tenths, strict=True))


class _Counts:
    def __init__(self, title: str) -> None:
        self._title = title
        self._answered = self._passed = 0
        self._hints: dict[str, str] = {}
        self._named: Counter[str] = Counter()
        self._unnamed: Counter[str] = Counter()

    def add(self, verdict: Verdict) -> None:
        self._answered += 1
        self._passed += verdict.passed
        if verdict.misconception:
            self._hints[verdict.misconception] = verdict.hint or ""
            self._named[verdict.misconception] += 1
        elif not verdict.passed:
            self._unnamed[verdict.reason] += 1

    def question(self, name: str) -> Question:
        return Question(
            name,
            self._title,
            self._answered,
            self._passed,
            tuple((key, self._hints[key], count) for key, count in self._named.most_common()),
            tuple(self._unnamed.most_common()),
        )


def write(
    course: Course, assignment: str, rows: Callable[[], Iterable[Row]], target: Path
) -> tuple[Path, Path, Summary]:
    """Write the table of grades and the report, row by row: a class may be large.

    Args:
        course: the course.
        assignment: the assignment's name.
        rows: gives its submissions, each time it is called.
        target: the folder to write into; made if need be.

    Returns:
        The paths of ``grades.csv`` and ``report.html``, and the class summed up.

    Raises:
        CourseError: if they cannot be written.
    """
    grades, report = target / "grades.csv", target / "report.html"
    try:
        target.mkdir(parents=True, exist_ok=True)
        summary = Summary(rows())
        _write_grades(grades, assignment, summary, rows())
        page = environment.get_template("report.html").stream(
            assignment=assignment,
            course=course.directory.course_id,
            rows=((row, _links(row, target)) for row in rows()),
            summary=summary,
            misplaced=course.misplaced(),
            card=to_html,
        )
        page.enable_buffering(100)
        page.dump(str(report), encoding="utf-8")
    except OSError as error:
        raise CourseError(
            f"{error.filename or target} cannot be written: {error.strerror or error}."
        ) from None
    return grades, report, summary


def _write_grades(path: Path, assignment: str, summary: Summary, rows: Iterable[Row]) -> None:
    names = [question.name for question in summary.questions]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["student", "assignment", "score", "max_score", *names]
        writer.writerow([*head, "withheld", "repairs", "reasons"])
        for row in rows:
            points = {v.question: v.points for cell in row.cells for v in cell.verdicts}
            writer.writerow(
                [
                    _plain(row.student),
                    assignment,
                    f"{row.score:g}",
                    f"{row.max_score:g}",
                    *(f"{points[name]:g}" if name in points else "" for name in names),
                    " ".join(row.withheld),
                    len(row.repairs),
                    _plain(" ".join(row.reasons)),
                ]
            )


def _links(row: Row, target: Path) -> list[tuple[str, str]]:
    pages = sorted(row.feedback.glob("*.html")) if row.feedback else []
    return [(page.stem, Path(os.path.relpath(page, target)).as_posix()) for page in pages]


def _plain(text: str) -> str:
    """Keep a spreadsheet from taking a student's text for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
