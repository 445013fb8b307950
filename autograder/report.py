"""What came of a class: ``grades.csv`` for spreadsheets and ``report.html`` to look at."""

from __future__ import annotations

import csv
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .card import environment, to_html
from .course import Course
from .errors import CourseError
from .grading import Row
from .i18n import ngettext
from .integrity import Flag
from .scale import Scale, written
from .verdict import Verdict

__all__ = ["Integrity", "Leaderboard", "Mistake", "Place", "Question", "Summary", "write"]


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
    difficulty: float
    """The mean share of the points, from 0 to 1: the lower, the harder; test theory's index p."""
    discrimination: float | None
    """The correlation of the points with those for all other questions, from -1 to 1.

    A question that sorts the class as the others do is near 1, one that good students fail as often
    is near 0; ``None`` if all have the same points.
    """
    misconceptions: tuple[tuple[str, str, int], ...]
    """Name, hint and count of the misconceptions, most frequent first."""
    others: tuple[tuple[str, int], ...]
    """Reasons without a named misconception, and their counts, most frequent first."""


@dataclass(frozen=True)
class Mistake:
    """A misconception and who has it."""

    question: str
    """The question's name."""
    name: str
    """The misconception's name."""
    hint: str
    """What it says to the student."""
    students: tuple[str, ...]
    """Their ids."""
    share: float
    """Their share of those who answered the question, from 0 to 1."""


@dataclass(frozen=True)
class Place:
    """Where a student stands among those whose answers to a question were measured."""

    rank: int
    """The rank, from 1; students with the same measure share one."""
    student: str
    """The student's id."""
    measure: float
    """What was measured: the less, the better."""
    points: float
    """The points earned."""
    remarks: tuple[str, ...]
    """What the spec says of the answer, in sentences."""
    feedback: Path | None
    """The folder with the student's feedback pages."""


@dataclass(frozen=True)
class Leaderboard:
    """The answers to a measured question, the best first."""

    question: str
    """The question's name."""
    title: str
    """What it asks for."""
    unit: str
    """What is measured."""
    max_points: float
    """The points to earn."""
    scale: Scale
    """The published scale."""
    places: tuple[Place, ...]
    """The students by rank."""
    unmeasured: tuple[tuple[str, int], ...]
    """The reasons why answers have no place here, and their counts, most frequent first."""

    @property
    def left_out(self) -> str:
        """How many answers have no place here, in a sentence."""
        count = sum(count for _reason, count in self.unmeasured)
        return ngettext(
            "{count} submission has no place here:",
            "{count} submissions have no place here:",
            count,
        ).format(count=count)

    def written(self, measure: float) -> str:
        """Write a measure down."""
        return written(self.scale, measure)


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
                self._questions[verdict.question].add(row, verdict)

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
    def mistakes(self) -> list[Mistake]:
        """The misconceptions of the class over all questions, most frequent first."""
        found = [each for counts in self._questions.values() for each in counts.mistakes()]
        return sorted(found, key=lambda mistake: -len(mistake.students))

    @property
    def leaderboards(self) -> list[Leaderboard]:
        """The leaderboards of the measured questions, in the order of the notebook."""
        found = (counts.leaderboard(name) for name, counts in self._questions.items())
        return [each for each in found if each is not None]

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
        self._named: dict[str, list[str]] = {}
        self._unnamed: Counter[str] = Counter()
        self._measured: Verdict | None = None
        self._places: list[tuple[float, str, float, tuple[str, ...], Path | None]] = []
        self._unmeasured: Counter[str] = Counter()
        # Sums over the class of the points x, of the points r for all else, and of their products.
        self._name, self._most = "", 0.0
        self._x = self._r = self._xx = self._rr = self._xr = 0.0

    def add(self, row: Row, verdict: Verdict) -> None:
        self._name, self._most = verdict.question, max(self._most, verdict.max_points)
        x, r = verdict.points, row.score - verdict.points
        self._x, self._r = self._x + x, self._r + r
        self._xx, self._rr, self._xr = self._xx + x * x, self._rr + r * r, self._xr + x * r
        self._answered += 1
        self._passed += verdict.passed
        if verdict.misconception:
            self._hints[verdict.misconception] = verdict.hint or ""
            self._named.setdefault(verdict.misconception, []).append(row.student)
        elif not verdict.passed and verdict.measure is None:
            self._unnamed[verdict.reason] += 1
        if verdict.unit is not None:
            self._measured = verdict
        if verdict.measure is None or verdict.held:  # What may be a deception must not win.
            self._unmeasured[verdict.reason] += 1
        else:
            self._places.append(
                (verdict.measure, row.student, verdict.points, verdict.remarks, row.feedback)
            )

    def mistakes(self) -> list[Mistake]:
        found = [
            Mistake(self._name, key, self._hints[key], tuple(who), len(who) / self._answered)
            for key, who in self._named.items()
        ]
        return sorted(found, key=lambda mistake: -len(mistake.students))

    def leaderboard(self, name: str) -> Leaderboard | None:
        if self._measured is None:
            return None
        places: list[Place] = []
        for number, (measure, student, points, remarks, feedback) in enumerate(
            sorted(self._places, key=lambda place: place[:2]), start=1
        ):
            shared = places and places[-1].measure == measure
            rank = places[-1].rank if shared else number
            places.append(Place(rank, student, measure, points, remarks, feedback))
        return Leaderboard(
            name,
            self._title,
            self._measured.unit or "",
            self._most,
            self._measured.scale,
            tuple(places),
            tuple(self._unmeasured.most_common()),
        )

    @property
    def _discrimination(self) -> float | None:
        n = self._answered
        spread = (n * self._xx - self._x**2) * (n * self._rr - self._r**2)
        # Rounding must not make a correlation out of equal points.
        if spread <= 1e-9 * max(1.0, n * self._xx * n * self._rr):
            return None
        return (n * self._xr - self._x * self._r) / math.sqrt(spread)

    def question(self, name: str) -> Question:
        return Question(
            name,
            self._title,
            self._answered,
            self._passed,
            self._x / (self._answered * self._most) if self._most else 0.0,
            self._discrimination,
            tuple((each.name, each.hint, len(each.students)) for each in self.mistakes()),
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
            rows=rows(),
            links=lambda feedback: _links(feedback, target),
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
    units = {board.question: board.unit for board in summary.leaderboards}
    columns = []
    for name in names:
        columns += [name, f"{name} {units[name]}"] if name in units else [name]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["student", "assignment", "score", "max_score", *columns]
        writer.writerow([*head, "withheld", "repairs", "reasons"])
        for row in rows:
            values = {}
            for verdict in (verdict for cell in row.cells for verdict in cell.verdicts):
                name = verdict.question
                values[name] = f"{verdict.points:g}"
                if name in units and verdict.measure is not None:
                    values[f"{name} {units[name]}"] = f"{verdict.measure:.10g}"
            writer.writerow(
                [
                    _plain(row.student),
                    assignment,
                    f"{row.score:g}",
                    f"{row.max_score:g}",
                    *(values.get(column, "") for column in columns),
                    " ".join(row.withheld),
                    len(row.repairs),
                    _plain(" ".join(row.reasons)),
                ]
            )


def _links(feedback: Path | None, target: Path) -> list[tuple[str, str]]:
    pages = sorted(feedback.glob("*.html")) if feedback else []
    return [(page.stem, Path(os.path.relpath(page, target)).as_posix()) for page in pages]


def _plain(text: str) -> str:
    """Keep a spreadsheet from taking a student's text for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
