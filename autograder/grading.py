"""Grading a class: every submission to a row with a score and reasons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook

from .course import Course, Digester, failure_of, package_digest
from .errors import CourseError
from .gradebook import Standing, make_plan, read_record, read_submission, standings, store
from .integrity import Flag
from .job import Graded, Plan
from .notebooks import worked_notebook
from .pool import Pool, WorkerLostError, local_pool, outcome
from .scratch import folder
from .verdict import Verdict

__all__ = ["CellGrade", "Change", "Row", "grade", "release", "rows"]


@dataclass(frozen=True)
class CellGrade:
    """What one grade cell earned."""

    grade_id: str
    """The cell's id in nbgrader."""
    points: float
    """The points earned."""
    max_points: float
    """The points the cell is worth."""
    protected: bool
    """Whether the referee decided; plain test cells are decided by the student's own kernel."""
    verdicts: tuple[Verdict, ...]
    """The referee's verdicts."""
    error: str | None
    """What the cell raised, if the referee did not decide."""


@dataclass(frozen=True)
class Row:
    """One submission in the table of grades."""

    student: str
    """The student's id."""
    score: float
    """The points that the gradebook holds."""
    max_score: float
    """The points that the assignment is worth."""
    cells: tuple[CellGrade, ...] = ()
    """The grade cells, in the order of the notebooks."""
    failure: str | None = None
    """Why the submission could not be graded, if it could not."""
    feedback: Path | None = None
    """The folder with the feedback pages."""
    repairs: tuple[str, ...] = ()
    """What had to be repaired before it could be graded, in sentences."""
    flags: tuple[Flag, ...] = ()
    """Code that an instructor should look at."""
    fresh: bool = field(default=False, compare=False)
    """Whether it was graded just now, rather than found unchanged."""
    said: tuple[str, ...] | None = field(default=None, compare=False)
    """The reasons, where the cells have been left out."""

    @property
    def reasons(self) -> list[str]:
        """What was wrong, in sentences; empty for a perfect submission."""
        if self.said is not None:
            return list(self.said)
        if self.failure:
            return [self.failure]
        found = []
        for cell in self.cells:
            found += [
                f"{verdict.question}: {verdict.hint or verdict.reason}"
                for verdict in cell.verdicts
                if not verdict.passed
            ]
            if not cell.verdicts and cell.points < cell.max_points:
                found.append(f"{cell.grade_id}: {cell.error or 'The tests of this cell failed.'}")
        return found

    def brief(self) -> Row:
        """Return the row without its verdicts, of which a large class has many."""
        return replace(self, cells=(), repairs=(), flags=(), said=tuple(self.reasons))

    @property
    def withheld(self) -> list[str]:
        """The questions whose points are withheld until the instructor has looked."""
        return [
            verdict.question for cell in self.cells for verdict in cell.verdicts if verdict.held
        ]

    @property
    def unprotected(self) -> list[str]:
        """The grade cells whose marks the student's own kernel decided."""
        return [cell.grade_id for cell in self.cells if not cell.protected]


def release(course: Course, assignment: str) -> Path:
    """Make the student's version of an assignment with nbgrader, and enter it in the gradebook.

    Returns:
        The released folder.

    Raises:
        CourseError: if nbgrader cannot make it; the message says why.
    """
    worked_notebook(course.source(assignment))
    failure = failure_of(course.api.generate_assignment(assignment))
    if failure:
        raise CourseError(f"“{assignment}” cannot be released: {failure}")
    return course.folder("release", ".", assignment)


@dataclass(frozen=True)
class Change:
    """A grade that would be another one now, though the submission is the same."""

    student: str
    """The student's id."""
    before: float
    """The points in the gradebook."""
    after: float
    """The points that the present specs give."""


OpenPool = Callable[[Plan], AbstractContextManager[Pool]]
"""Opens the pool that a plan's jobs run in."""
Confirm = Callable[[list[Change]], bool]
"""Decides whether changed grades are written."""


def grade(
    course: Course,
    assignment: str,
    students: list[str],
    open_pool: OpenPool | None = None,
    *,
    force: bool = False,
    confirm: Confirm = lambda changes: True,
) -> Iterator[Row]:
    """Grade submissions, many at a time; unchanged ones are not graded again.

    Each submission's grade and feedback are complete when its row appears, so an interrupted run
    loses at most the submissions under way, and the next run goes on from there.

    Args:
        course: the course.
        assignment: the assignment's name.
        students: whose submissions to grade.
        open_pool: opens the pool that grades them, by default one on this machine; it is not
            called if there is nothing to do.
        force: whether to grade unchanged submissions too.
        confirm: is asked before grades are written that change because the specs, and not the
            submissions, have changed; without its consent they stay as they are.

    Yields:
        A row for each student, whatever is wrong with the submission, in the order of completion.

    Raises:
        AutograderError: if grading cannot go on; the rows so far are in the gradebook.
    """
    with course.gradebook() as gradebook:
        run = _Run(course, gradebook, assignment)
        again: list[str] = []
        changed: list[str] = []
        for student in students:
            try:
                if not force and run.is_current(student):
                    yield run.row(student)
                elif run.is_outdated(student):
                    changed.append(student)
                else:
                    again.append(student)
            except OSError:
                again.append(student)  # What cannot be read is told of there.
        if not again and not changed:
            return
        with (open_pool or local_pool)(run.plan) as pool:
            for graded in run.grade(pool, again):
                yield run.finish(graded)
            if changed:
                yield from run.regrade(pool, changed, confirm)


class _Run:
    """One run of the grader over an assignment."""

    def __init__(self, course: Course, gradebook: Gradebook, assignment: str) -> None:
        self.course = course
        self.gradebook = gradebook
        self.assignment = assignment
        self.plan = make_plan(course, gradebook, assignment, package_digest())
        self.digester = Digester(course.directory, assignment)
        self.standings = standings(gradebook, assignment)

    def records(self, student: str) -> dict[str, dict[str, Any]]:
        """Read the records of a student's notebooks."""
        return {
            name: read_record(self.course, self.assignment, student, name)
            for name in self.plan.notebooks
        }

    def is_current(self, student: str) -> bool:
        """Tell whether files and gradebook hold the grade of just this submission."""
        feedback = self.course.folder("feedback", student, self.assignment)
        if student not in self.standings:
            return False
        known = self.standings[student].auto_scores
        for name, record in self.records(student).items():
            if record.get("digest") != self.digester(student, name).whole:
                return False
            if not (feedback / f"{name}.html").exists():
                return False
            for cell, found in record["cells"].items():
                if known.get((name, cell)) != found["points"]:
                    return False
        return True

    def is_outdated(self, student: str) -> bool:
        """Tell whether the same submission was graded before, by other specs."""
        records = [(name, record) for name, record in self.records(student).items() if record]
        digests = [(self.digester(student, name), record) for name, record in records]
        return bool(
            student in self.standings
            and digests
            and all(record.get("submission") == now.submission for now, record in digests)
            and any(record.get("digest") != now.whole for now, record in digests)
        )

    def grade(self, pool: Pool, students: list[str]) -> Iterator[Graded]:
        """Grade submissions; those whose process died are tried once more, alone."""
        suspects: list[str] = []
        for student, graded in self._stream(pool, students, 2 * pool.workers):
            if graded is None:
                suspects.append(student)
            else:
                yield graded
        for student, graded in self._stream(pool, suspects, 1):
            yield graded or Graded(
                student, failure="The process that graded this submission died, twice."
            )

    def _stream(
        self, pool: Pool, students: list[str], most: int
    ) -> Iterator[tuple[str, Graded | None]]:
        """Keep a few jobs under way, so that memory does not grow with the class."""
        waiting = iter(students)
        under_way: dict[Future[Graded], str] = {}
        while True:
            while len(under_way) < most and (student := next(waiting, None)) is not None:
                try:
                    submission = read_submission(
                        self.course, self.gradebook, self.plan, student, self.digester
                    )
                except OSError as error:
                    failure = f"{error.filename} cannot be read: {error.strerror or error}."
                    yield student, Graded(student, failure=failure)
                    continue
                under_way[pool.submit(submission)] = student
            if not under_way:
                return
            done, _running = wait(under_way, timeout=1, return_when=FIRST_COMPLETED)
            if not done:
                pool.check()
            for future in done:
                student = under_way.pop(future)
                try:
                    yield student, outcome(future)
                except WorkerLostError:
                    yield student, None

    def finish(self, graded: Graded) -> Row:
        """Store a graded submission, and return its row."""
        if graded.failure:
            return self.row(graded.student, failure=graded.failure, fresh=True)
        score = store(self.course, self.gradebook, self.plan, graded)
        self.standings[graded.student] = Standing(score)
        return self.row(graded.student, fresh=True)

    def regrade(self, pool: Pool, students: list[str], confirm: Confirm) -> Iterator[Row]:
        """Grade by the present specs, and write what comes of it if that is wanted."""
        with folder() as spool:
            changes = []
            for number, graded in enumerate(self.grade(pool, students)):
                (Path(spool) / str(number)).write_text(graded.to_json())
                before = self.standings[graded.student].score
                after = before if graded.failure else graded.score
                if not math.isclose(before, after, abs_tol=1e-9):
                    changes.append(Change(graded.student, before, after))
            agreed = not changes or confirm(sorted(changes, key=lambda change: change.student))
            for number in range(len(students)):
                graded = Graded.from_json((Path(spool) / str(number)).read_text())
                yield self.finish(graded) if agreed else self.row(graded.student)

    def row(self, student: str, *, failure: str | None = None, fresh: bool = False) -> Row:
        """Make a student's row from the gradebook and the records beside the notebooks."""
        records = self.records(student)
        cells = [
            _cell_grade(grade_id, cell)
            for record in records.values()
            for grade_id, cell in record.get("cells", {}).items()
        ]
        known = self.standings.get(student)
        if not failure and (known is None or not any(records.values())):
            failure = "This submission has not been graded yet."
        told = [record["failure"] for record in records.values() if record.get("failure")]
        feedback = self.course.folder("feedback", student, self.assignment)
        return Row(
            student,
            known.score if known else 0.0,
            sum(notebook.max_score for notebook in self.plan.notebooks.values()),
            tuple(cells),
            failure or " ".join(told) or None,
            feedback if feedback.is_dir() else None,
            tuple(note for record in records.values() for note in record.get("repairs", ())),
            tuple(
                Flag.from_json(flag)
                for record in records.values()
                for flag in record.get("flags", ())
            ),
            fresh,
        )


def _cell_grade(grade_id: str, cell: dict[str, Any]) -> CellGrade:
    error = cell["error"]
    return CellGrade(
        grade_id,
        cell["points"],
        cell["max_points"],
        cell["protected"],
        tuple(Verdict.from_json(verdict) for verdict in cell["verdicts"]),
        f"{error['ename']}: {error['evalue']}" if error else None,
    )


def rows(course: Course, assignment: str) -> Iterator[Row]:
    """Read the rows of all submissions of an assignment, one after another."""
    course.source(assignment)
    with course.gradebook() as gradebook:
        run = _Run(course, gradebook, assignment)
        for student in course.submitted(assignment):
            yield run.row(student)
