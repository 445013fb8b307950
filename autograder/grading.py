"""Grading a class: every submission to a row with a score and reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbgrader.api import MissingEntry

from .course import Course, failure_of
from .errors import CourseError
from .nbgrader_plugin import VERDICTS_SUFFIX
from .notebooks import worked_notebook
from .verdict import Verdict

__all__ = ["CellGrade", "Row", "grade", "release", "rows"]


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
    fresh: bool = field(default=False, compare=False)
    """Whether it was graded just now, rather than found unchanged."""

    @property
    def reasons(self) -> list[str]:
        """What was wrong, in sentences; empty for a perfect submission."""
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


def grade(
    course: Course, assignment: str, students: list[str], *, force: bool = False
) -> Iterator[Row]:
    """Grade submissions one after another; unchanged ones are not graded again.

    Each submission's grade and feedback are complete when its row appears, so an interrupted run
    loses at most the submission under way, and the next run goes on from there.

    Args:
        course: the course.
        assignment: the assignment's name.
        students: whose submissions to grade.
        force: whether to grade unchanged submissions too.

    Yields:
        A row for each student, whatever is wrong with the submission.
    """
    notebooks = course.notebooks(assignment)
    for student in students:
        if not force and _is_current(course, assignment, student, notebooks):
            yield row(course, assignment, student)
            continue
        failure = failure_of(course.api.autograde(assignment, student))
        if failure is None:
            failure = failure_of(course.api.generate_feedback(assignment, student))
        yield row(course, assignment, student, failure=failure, fresh=True)


def _is_current(course: Course, assignment: str, student: str, notebooks: list[str]) -> bool:
    feedback = course.folder("feedback", student, assignment)
    return all(
        _record(course, assignment, student, notebook).get("digest")
        == course.digest(assignment, student, notebook)
        and (feedback / f"{notebook}.html").exists()
        for notebook in notebooks
    )


def _record(course: Course, assignment: str, student: str, notebook: str) -> dict[str, Any]:
    path = course.folder("autograded", student, assignment) / f"{notebook}{VERDICTS_SUFFIX}"
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record


def row(
    course: Course,
    assignment: str,
    student: str,
    *,
    failure: str | None = None,
    fresh: bool = False,
) -> Row:
    """Read one submission's row from the gradebook and the verdicts beside its notebooks."""
    cells = []
    for notebook in course.notebooks(assignment):
        record = _record(course, assignment, student, notebook)
        for grade_id, cell in record.get("cells", {}).items():
            error = cell["error"]
            cells.append(
                CellGrade(
                    grade_id,
                    cell["points"],
                    cell["max_points"],
                    cell["protected"],
                    tuple(Verdict.from_json(verdict) for verdict in cell["verdicts"]),
                    f"{error['ename']}: {error['evalue']}" if error else None,
                )
            )
    with course.gradebook() as gradebook:
        max_score = gradebook.find_assignment(assignment).max_score
        try:
            score = gradebook.find_submission(assignment, student).score
        except MissingEntry:
            score = 0.0
            failure = failure or "This submission has not been graded yet."
    if not cells and not failure:
        failure = "This submission has not been graded yet."
    if failure:
        failure = explain(course, assignment, student, failure)
    feedback = course.folder("feedback", student, assignment)
    return Row(
        student,
        float(score or 0.0),
        float(max_score or 0.0),
        tuple(cells),
        failure,
        feedback if feedback.is_dir() else None,
        fresh,
    )


def explain(course: Course, assignment: str, student: str, failure: str) -> str:
    """Say why a submission could not be graded, naming the file where that can be told."""
    folder = course.folder("submitted", student, assignment)
    for notebook in course.notebooks(assignment):
        path = folder / f"{notebook}.ipynb"
        if not path.exists():
            others = sorted(other.name for other in folder.glob("*.ipynb"))
            if others:
                return (
                    f"There is no {notebook}.ipynb in {folder}; it holds {', '.join(others)}. "
                    "Rename the notebook and grade again."
                )
            return f"There is no notebook in {folder}."
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            return f"{path} is not a notebook: {error}."
    return failure


def rows(course: Course, assignment: str) -> list[Row]:
    """Read the rows of all submissions of an assignment."""
    course.source(assignment)
    return [row(course, assignment, student) for student in course.submitted(assignment)]
