"""The twin is a gradebook to nbgrader's preprocessors: what they read and write is the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import NOTEBOOK, MakeClass
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import saveautogrades

from autograder.course import Course
from autograder.twin import Marks, Twin, read_notebook

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

MANUAL = (
    NOTEBOOK
    + """
+++ {"nbgrader": {"grade": true, "grade_id": "essay", "points": 3, "solution": true}}

Write.

+++ {"nbgrader": {"grade_id": "task", "locked": true, "points": 2, "task": true}}

Draw.
"""
)
CELLS = ["work", "check-double", "check-half", "essay", "task", "no such cell"]
POINTS = (None, 0.0, 1.5)
PLACE = ("tiny", "tiny")
STUDENT = "ada"


@pytest.fixture
def course(make_class: MakeClass) -> Course:
    made: Course = make_class({}, notebook=MANUAL)
    with made.gradebook() as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate="2026-01-10 12:00:00 UTC")
        gradebook.add_student(STUDENT)
        gradebook.add_submission("tiny", STUDENT, timestamp="2026-01-10 12:00:07 UTC")
    return made


@pytest.fixture
def twin(course: Course) -> Twin:
    with course.gradebook() as gradebook:
        return Twin(read_notebook(gradebook.find_notebook(*PLACE)), Marks(), 7)


def described(ask: Callable[[], Any], *names: str) -> Any:
    try:
        found = ask()
    except MissingEntry:
        return "missing"
    return [getattr(found, name) for name in names]


@pytest.mark.parametrize("cell", CELLS)
def test_it_knows_the_same_cells(course: Course, twin: Twin, cell: str) -> None:
    asked = {
        "find_source_cell": ("name", "cell_type", "locked", "source", "checksum"),
        "find_graded_cell": ("name", "max_score"),
    }
    marks = {
        "find_grade": ("auto_score", "manual_score", "extra_credit", "needs_manual_grade", "score"),
        "find_comment": ("auto_comment", "manual_comment", "comment"),
    }
    with course.gradebook() as gradebook:
        for method, names in asked.items():
            real = described(lambda m=method: getattr(gradebook, m)(cell, *PLACE), *names)
            assert described(lambda m=method: getattr(twin, m)(cell, *PLACE), *names) == real
        for method, names in marks.items():
            place = (cell, *PLACE, STUDENT)
            real = described(lambda m=method, p=place: getattr(gradebook, m)(*p), *names)
            ours = described(lambda m=method, p=place: getattr(twin, m)(*p), *names)
            assert ours == real


def test_it_lists_the_same_cells(course: Course, twin: Twin) -> None:
    with course.gradebook() as gradebook:
        real, ours = gradebook.find_notebook(*PLACE), twin.find_notebook(*PLACE)
        for kind in ("source_cells", "grade_cells", "solution_cells", "task_cells"):
            names = [cell.name for cell in getattr(real, kind)]
            assert sorted(cell.name for cell in getattr(ours, kind)) == sorted(names)
        assert [c.name for c in ours.source_cells] == [c.name for c in real.source_cells]
        assert ours.kernelspec == real.kernelspec
        assert ours.max_score == real.max_score == 11


def test_scores_add_up_alike(course: Course, twin: Twin) -> None:
    with course.gradebook() as gradebook:
        books: list[Any] = [gradebook, twin]
        for auto, manual, extra in itertools.product(POINTS, repeat=3):
            seen = []
            for book in books:
                grade = book.find_grade("check-double", *PLACE, STUDENT)
                grade.auto_score, grade.manual_score, grade.extra_credit = auto, manual, extra
                book.find_grade("essay", *PLACE, STUDENT).manual_score = manual
                book.db.commit()
                grade = book.find_grade("check-double", *PLACE, STUDENT)
                notebook = book.find_submission_notebook(*PLACE, STUDENT)
                seen.append((grade.score, grade.max_score, notebook.score, notebook.max_score))
            assert seen[0] == seen[1]


def test_comments_count_alike(course: Course, twin: Twin) -> None:
    with course.gradebook() as gradebook:
        books: list[Any] = [gradebook, twin]
        for auto, manual in itertools.product((None, "", "Good."), repeat=2):
            seen = []
            for book in books:
                comment = book.find_comment("essay", *PLACE, STUDENT)
                comment.auto_comment, comment.manual_comment = auto, manual
                book.db.commit()
                seen.append(book.find_comment("essay", *PLACE, STUDENT).comment)
            assert seen[0] == seen[1], (auto, manual)


def test_lateness_is_told_alike(course: Course, twin: Twin) -> None:
    with course.gradebook() as gradebook:
        real = gradebook.find_submission("tiny", STUDENT).total_seconds_late
    assert twin.find_submission("tiny", STUDENT).total_seconds_late == real == 7
    with twin as same:
        penalised = same.find_submission_notebook(*PLACE, STUDENT)
        penalised.late_submission_penalty = 1.5
    assert twin.marks.late_submission_penalty == 1.5


def test_a_url_leads_to_the_twin_only_while_it_is_open(twin: Twin, tmp_path: Path) -> None:
    with twin.opened() as url:
        assert saveautogrades.Gradebook(url) is twin
    with saveautogrades.Gradebook(f"sqlite:///{tmp_path / 'real.db'}") as real:
        assert isinstance(real, Gradebook)
    with pytest.raises(Exception, match="URL"):
        saveautogrades.Gradebook(url)
