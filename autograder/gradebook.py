"""What goes from the course into jobs, and what comes back into files and the gradebook.

Only the process that the instructor started writes: first a submission's files, then its rows in
one transaction, and last the records that vouch for both.  A grade counts as done when all are
there and agree, so a run may be killed at any moment and the next one finishes it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from nbgrader import api
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde
from sqlalchemy import Select, and_, select, update
from sqlalchemy.exc import SQLAlchemyError

from .course import Course, Digester, other_files
from .errors import CourseError
from .i18n import _
from .job import Graded, Handed, Plan, Submission, other_files_of
from .loader import CHECKS_FILE, load_specs
from .nbgrader_plugin import VERDICTS_SUFFIX
from .provisioner import ZygoteProvisioner
from .seeds import course_secret, secret_seed
from .twin import Comment, Grade, Marks, read_notebook

__all__ = [
    "MAX_BYTES",
    "MAX_FILES",
    "Standing",
    "make_plan",
    "read_record",
    "read_submission",
    "standings",
    "store",
]

MAX_FILES = 500
"""The most files of a submission that are read."""
MAX_BYTES = 256 * 2**20
"""The most bytes of a submission that are read."""


def make_plan(course: Course, gradebook: Gradebook, assignment: str, package: str) -> Plan:
    """Gather what all submissions of an assignment share.

    Raises:
        CourseError: if the assignment has not been released.
        SpecError: if its specs do not import.
    """
    try:
        entry = gradebook.find_assignment(assignment)
    except MissingEntry:
        raise CourseError(
            f"The assignment “{assignment}” is not in the gradebook yet; "
            f"run: autograder release {assignment}"
        ) from None
    source = course.source(assignment)
    secret = course_secret(course.root)
    specs = load_specs(source) if (source / CHECKS_FILE).exists() else {}
    kept = Autograde(coursedir=course.directory, config=course.config).exclude_overwriting
    own = {source / name for name in kept.get(assignment, [])}
    return Plan(
        assignment,
        {
            notebook.name: read_notebook(notebook, _order(source / f"{notebook.name}.ipynb"))
            for notebook in entry.notebooks
        },
        _contents(
            source, [path for path in other_files(course.directory, source) if path not in own]
        ),
        {question: secret_seed(secret, assignment, question) for question in specs},
        course.config,
        package,
    )


def _order(path: Path) -> list[str]:
    """List the cells of a notebook in their order, by ``grade_id``."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
    except (OSError, ValueError, KeyError):
        return []  # The gradebook has it still.
    return [
        cell["metadata"]["nbgrader"]["grade_id"]
        for cell in cells
        if cell["metadata"].get("nbgrader", {}).get("grade_id")
    ]


def _contents(folder: Path, paths: list[Path]) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def read_submission(
    course: Course, gradebook: Gradebook, plan: Plan, student: str, digester: Digester
) -> Submission:
    """Read what a student handed in, and what people have decided about it so far.

    Raises:
        OSError: if a file cannot be read.
    """
    folder = course.folder("submitted", student, plan.assignment)
    marks = {name: Marks() for name in plan.notebooks}
    for notebook, cell, *values in _entries(
        gradebook,
        plan,
        student,
        api.Grade,
        ("auto_score", "manual_score", "extra_credit", "needs_manual_grade"),
    ):
        marks[notebook].grades[cell] = Grade(*values)
    for notebook, cell, *values in _entries(
        gradebook, plan, student, api.Comment, ("auto_comment", "manual_comment")
    ):
        marks[notebook].comments[cell] = Comment(*values)
    late = _seconds_late(course, gradebook, plan, student)
    handed = {name: Handed(digester(student, name), marks[name]) for name in plan.notebooks}
    files, notes = _read_files(course, plan, folder)
    return Submission(student, handed, files, notes, late)


def _read_files(
    course: Course, plan: Plan, folder: Path
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Read what was handed in, within limits, and say what was left out."""
    paths = other_files(course.directory, folder, notebooks=True)
    expected = {f"{name}.ipynb" for name in plan.notebooks}
    paths.sort(key=lambda path: (path.relative_to(folder).as_posix() not in expected, path))
    # Notebooks are for us; the others are copied into the sandbox, which needs room for its own.
    disk = ZygoteProvisioner(config=course.config).disk_mb * 2**20
    left = {True: MAX_BYTES, False: min(MAX_BYTES, disk // 2)}
    files: dict[str, bytes] = {}
    notes = []
    for path in paths[:MAX_FILES]:
        name = path.relative_to(folder).as_posix()
        try:
            name.encode()
        except UnicodeEncodeError:  # Linux allows names that are no text.
            shown = os.fsencode(name).decode(errors="replace")
            notes.append(_("The name of the file {file} is no text.").format(file=shown))
            continue
        try:
            length = path.stat().st_size
            if length > left[path.suffix == ".ipynb"]:
                text = _("The file {file} was left out: it is too large, or the files together.")
                notes.append(text.format(file=name))
                continue
            files[name] = path.read_bytes()
            left[path.suffix == ".ipynb"] -= length
        except OSError as error:
            text = _("The file {file} cannot be read: {reason}.")
            notes.append(text.format(file=name, reason=error.strerror or error))
    if len(paths) > MAX_FILES:
        text = _("Of {count} files, {limit} were read.")
        notes.append(text.format(count=len(paths), limit=MAX_FILES))
    for name in sorted(expected):
        path = folder / name
        if path.is_symlink():
            text = _("{file} is a link; what it leads to was not handed in.")
            notes.append(text.format(file=name))
        elif path.exists() and not path.is_file():
            notes.append(_("{file} is not a file.").format(file=name))
    return files, tuple(notes)


def _entries(
    gradebook: Gradebook, plan: Plan, student: str, kind: Any, columns: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    """Read columns of a student's grades or comments, behind the names of notebook and cell."""
    query = (
        _cells(plan.assignment, kind)
        .add_columns(*(getattr(kind, name) for name in columns))
        .where(api.SubmittedAssignment.student_id == student)
    )
    return [tuple(row) for row in gradebook.db.execute(query)]


def _cells(assignment: str, kind: Any) -> Select[Any]:
    """Select the names of notebook and cell for all grades or comments of an assignment."""
    return (
        select(api.Notebook.name, api.BaseCell.name)
        .select_from(api.Assignment)
        .join(api.SubmittedAssignment, api.SubmittedAssignment.assignment_id == api.Assignment.id)
        .join(
            api.SubmittedNotebook,
            api.SubmittedNotebook.assignment_id == api.SubmittedAssignment.id,
        )
        .join(api.Notebook, api.Notebook.id == api.SubmittedNotebook.notebook_id)
        .join(kind, kind.notebook_id == api.SubmittedNotebook.id)
        .join(api.BaseCell, api.BaseCell.id == kind.cell_id)
        .where(api.Assignment.name == assignment)
    )


def _seconds_late(course: Course, gradebook: Gradebook, plan: Plan, student: str) -> float:
    assignment, submitted = api.Assignment, api.SubmittedAssignment
    query = (
        select(assignment.duedate, submitted.timestamp, submitted.extension)
        .select_from(assignment)
        .outerjoin(
            submitted,
            and_(submitted.assignment_id == assignment.id, submitted.student_id == student),
        )
        .where(assignment.name == plan.assignment)
    )
    due, known, extension = gradebook.db.execute(query).one()
    folder = course.folder("submitted", student, plan.assignment)
    timestamp = course.directory.get_existing_timestamp(str(folder)) or known
    if not (timestamp and due):
        return 0.0
    seconds: float = (timestamp - due - (extension or timedelta())).total_seconds()
    return max(0.0, seconds)


def store(course: Course, gradebook: Gradebook, plan: Plan, graded: Graded) -> float:
    """Write a graded submission: its files, its rows in one transaction, then its records.

    Returns:
        The points that the gradebook now holds.

    Raises:
        CourseError: if a file or the gradebook cannot be written.
    """
    try:
        _store_files(course, plan, graded)
        score = _store_rows(course, gradebook, plan, graded)
        _store_records(course, plan, graded)
    except OSError as error:
        raise CourseError(
            f"{error.filename or course.root} cannot be written: {error.strerror or error}."
        ) from None
    except SQLAlchemyError as error:
        gradebook.db.rollback()
        raise CourseError(
            f"The gradebook cannot be written: {str(error).splitlines()[0]}"
        ) from None
    return score


def _store_files(course: Course, plan: Plan, graded: Graded) -> None:
    submitted = course.folder("submitted", graded.student, plan.assignment)
    autograded = course.folder("autograded", graded.student, plan.assignment)
    feedback = course.folder("feedback", graded.student, plan.assignment)
    handed, _notes = _read_files(course, plan, submitted)
    files = {**other_files_of(plan, handed), **plan.files}
    pages: dict[str, bytes] = {}
    for name, notebook in graded.notebooks.items():
        files[f"{name}.ipynb"] = notebook.autograded.encode()
        pages[f"{name}.html"] = notebook.feedback.encode()
    shared = course.directory.groupshared
    for folder in (autograded, feedback):
        shutil.rmtree(folder, ignore_errors=True)
    _write(autograded, files, 0o664 if shared else 0o444)
    _write(feedback, pages, 0o664 if shared else 0o644)


def _store_records(course: Course, plan: Plan, graded: Graded) -> None:
    """Write the records, which vouch for files and rows: they are gone first and come last."""
    records = {
        f"{name}{VERDICTS_SUFFIX}": notebook.record.encode()
        for name, notebook in graded.notebooks.items()
    }
    autograded = course.folder("autograded", graded.student, plan.assignment)
    _write(autograded, records, 0o664 if course.directory.groupshared else 0o444)


def _write(folder: Path, files: dict[str, bytes], mode: int) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)


def _store_rows(course: Course, gradebook: Gradebook, plan: Plan, graded: Graded) -> float:
    session = gradebook.db
    submitted = course.folder("submitted", graded.student, plan.assignment)
    timestamp = course.directory.get_existing_timestamp(str(submitted))
    submission = session.scalar(
        select(api.SubmittedAssignment.id)
        .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
        .where(
            api.Assignment.name == plan.assignment,
            api.SubmittedAssignment.student_id == graded.student,
        )
    ) or _enter_submission(gradebook, plan, graded.student)
    if timestamp:
        changes = {"id": submission, "timestamp": timestamp}
        session.execute(update(api.SubmittedAssignment), [changes])
    marks = {name: notebook.marks for name, notebook in graded.notebooks.items()}
    entered = session.execute(
        select(api.SubmittedNotebook.id, api.Notebook.name)
        .join(api.Notebook, api.Notebook.id == api.SubmittedNotebook.notebook_id)
        .where(api.SubmittedNotebook.assignment_id == submission)
    )
    penalties = [
        {"id": key, "late_submission_penalty": marks[name].late_submission_penalty}
        for key, name in entered
    ]
    grades = []
    for name, cell, key in _entries(gradebook, plan, graded.student, api.Grade, ("id",)):
        mark = marks[name].grades[cell]
        grades.append(
            {
                "id": key,
                "auto_score": mark.auto_score,
                "needs_manual_grade": mark.needs_manual_grade,
            }
        )
    comments = [
        {"id": key, "auto_comment": marks[name].comments[cell].auto_comment}
        for name, cell, key in _entries(gradebook, plan, graded.student, api.Comment, ("id",))
    ]
    for kind, values in (
        (api.SubmittedNotebook, penalties),
        (api.Grade, grades),
        (api.Comment, comments),
    ):
        if values:
            session.execute(update(kind), values)
    score = session.scalar(
        select(api.SubmittedAssignment.score).where(api.SubmittedAssignment.id == submission)
    )
    session.commit()
    session.remove()
    return float(score or 0.0)


def _enter_submission(gradebook: Gradebook, plan: Plan, student: str) -> str:
    """Make the rows of a submission that the gradebook does not know yet."""
    session = gradebook.db
    if session.get(api.Student, student) is None:
        session.add(api.Student(id=student))
    cells = session.execute(
        select(api.Assignment.id, api.Notebook.id, api.BaseCell.id, api.BaseCell.type)
        .select_from(api.Assignment)
        .join(api.Notebook, api.Notebook.assignment_id == api.Assignment.id)
        .outerjoin(api.BaseCell, api.BaseCell.notebook_id == api.Notebook.id)
        .where(api.Assignment.name == plan.assignment)
    ).all()
    submission = api.SubmittedAssignment(assignment_id=cells[0][0], student_id=student)
    session.add(submission)
    entries: dict[str, Any] = {}
    for _assignment, notebook, cell, kind in cells:
        if notebook not in entries:
            entries[notebook] = api.SubmittedNotebook(notebook_id=notebook, assignment=submission)
            session.add(entries[notebook])
        if kind in ("GradeCell", "TaskCell"):
            entries[notebook].grades.append(api.Grade(cell_id=cell))
        if kind in ("SolutionCell", "TaskCell"):
            entries[notebook].comments.append(api.Comment(cell_id=cell))
    session.flush()
    return str(submission.id)


@dataclass
class Standing:
    """What the gradebook says of one submission."""

    score: float = 0.0
    """All its points."""
    auto_scores: dict[tuple[str, str], float | None] = field(default_factory=dict)
    """The autograder's points by notebook and cell."""


def standings(gradebook: Gradebook, assignment: str) -> dict[str, Standing]:
    """Read what the gradebook says of all submissions of an assignment, in one query."""
    query = _cells(assignment, api.Grade).add_columns(
        api.SubmittedAssignment.student_id, api.Grade.auto_score, api.Grade.score
    )
    found: dict[str, Standing] = defaultdict(Standing)
    for notebook, cell, student, auto_score, score in gradebook.db.execute(query):
        standing = found[student]
        standing.auto_scores[notebook, cell] = auto_score
        standing.score += float(score or 0.0)
    return dict(found)


def read_record(course: Course, assignment: str, student: str, notebook: str) -> dict[str, Any]:
    """Read the verdicts beside an autograded notebook; empty if there are none."""
    path = course.folder("autograded", student, assignment) / f"{notebook}{VERDICTS_SUFFIX}"
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record
