"""Grades are done when files and gradebook agree, and are not made again until then."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from conftest import CHECKS, NEITHER, NOTEBOOK, RIGHT, SQUARES, MakeClass, edit
from sqlalchemy.exc import OperationalError

from autograder import gradebook
from autograder.course import Course
from autograder.errors import CourseError
from autograder.grading import Change, Row, grade, rows

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

ESSAY = """
+++ {"nbgrader": {"grade": true, "grade_id": "essay", "points": 3, "solution": true}}

Write.
"""
ONLY_ESSAY = NOTEBOOK.split("# Two functions")[0] + ESSAY
NAMES = ["ada", "bob", "eve"]


@pytest.fixture
def course(make_class: MakeClass) -> Course:
    """Return a course in which ada is right, bob squares, and eve has nothing."""
    students = dict(zip(NAMES, (RIGHT, SQUARES, NEITHER), strict=True))
    made: Course = make_class(students, notebook=NOTEBOOK + ESSAY)
    return made


@pytest.fixture
def graded(course: Course) -> Course:
    """Return the course after grading."""
    assert {name: row.score for name, row in run(course).items()} == {"ada": 6, "bob": 2, "eve": 0}
    return course


def run(course: Course, **options: object) -> dict[str, Row]:
    return {row.student: row for row in grade(course, "tiny", NAMES, **options)}  # type: ignore[arg-type]


def fresh(course: Course) -> set[str]:
    return {name for name, row in run(course).items() if row.fresh}


def file(course: Course, step: str, student: str, name: str) -> Path:
    return course.folder(step, student, "tiny") / name


def test_content_counts_and_not_time(graded: Course) -> None:
    for path in [*graded.root.rglob("submitted/**/*"), *graded.root.rglob("source/**/*")]:
        os.utime(path, (1, 1))
    notebook = file(graded, "submitted", "ada", "tiny.ipynb")
    notebook.write_bytes(notebook.read_bytes())
    assert fresh(graded) == set()
    edit(graded, "tiny", "bob", {"work": RIGHT})
    again = run(graded)
    assert {name for name, row in again.items() if row.fresh} == {"bob"}
    assert again["bob"].score == 6


@pytest.mark.parametrize(
    ("step", "name"), [("autograded", "tiny.verdicts.json"), ("feedback", "tiny.html")]
)
def test_a_lost_file_is_made_again(graded: Course, step: str, name: str) -> None:
    file(graded, step, "bob", name).unlink()
    assert fresh(graded) == {"bob"}
    assert file(graded, step, "bob", name).exists()
    assert fresh(graded) == set()


def test_half_a_record_is_made_again(graded: Course) -> None:
    path = file(graded, "autograded", "bob", "tiny.verdicts.json")
    path.chmod(0o644)
    path.write_text(path.read_text()[:50])
    assert fresh(graded) == {"bob"}


def test_lost_rows_are_made_again(graded: Course) -> None:
    with graded.gradebook() as book:
        book.remove_submission("tiny", "bob")
        book.find_grade("check-half", "tiny", "tiny", "ada").auto_score = 1
        book.db.commit()
    assert fresh(graded) == {"ada", "bob"}
    with graded.gradebook() as book:
        assert {s.student.id: s.score for s in book.assignment_submissions("tiny")} == {
            "ada": 6,
            "bob": 2,
            "eve": 0,
        }


@pytest.mark.parametrize("step", ["_store_rows", "_store_records", "_store_files"])
def test_a_stop_between_files_and_rows_is_repaired(
    graded: Course, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    # No score changes, only what the gradebook says about the essay.
    edit(graded, "tiny", "bob", {"essay": "A long answer."})

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gradebook, step, stop)
        with pytest.raises(KeyboardInterrupt):
            run(graded)
    assert fresh(graded) == {"bob"}
    with graded.gradebook() as book:
        assert book.find_grade("essay", "tiny", "tiny", "bob").needs_manual_grade
        assert book.find_comment("essay", "tiny", "tiny", "bob").comment is None
        assert book.find_comment("essay", "tiny", "tiny", "eve").comment == "No response."


def test_marks_by_hand_are_kept(graded: Course) -> None:
    with graded.gradebook() as book:
        book.find_grade("check-double", "tiny", "tiny", "bob").manual_score = 3
        book.find_grade("essay", "tiny", "tiny", "bob").manual_score = 2.5
        book.find_comment("essay", "tiny", "tiny", "bob").manual_comment = "Good."
        book.db.commit()
    assert fresh(graded) == set()
    assert run(graded, force=True)["bob"].score == 7.5
    with graded.gradebook() as book:
        assert book.find_comment("essay", "tiny", "tiny", "bob").comment == "Good."
        assert book.find_grade("essay", "tiny", "tiny", "bob").needs_manual_grade


def ask(answer: bool, asked: list[list[Change]]) -> dict[str, object]:
    def confirm(changes: list[Change]) -> bool:
        asked.append(changes)
        return answer

    return {"confirm": confirm}


def change_specs(course: Course, old: str, new: str) -> Course:
    path = course.source("tiny") / "checks.py"
    assert old in CHECKS
    path.write_text(CHECKS.replace(old, new))
    return Course(course.root)


def test_grades_that_change_with_the_specs_are_asked_about(graded: Course) -> None:
    before = {path: path.read_bytes() for path in graded.root.rglob("autograded/**/*.*")}
    changed = change_specs(graded, "return 2 * case.x", "return case.x**2")
    asked: list[list[Change]] = []
    declined = run(changed, **ask(False, asked))
    assert asked == [[Change("ada", 6, 2), Change("bob", 2, 6)]]
    assert {name: row.score for name, row in declined.items()} == {"ada": 6, "bob": 2, "eve": 0}
    assert not any(row.fresh for row in declined.values())
    assert {p: p.read_bytes() for p in graded.root.rglob("autograded/**/*.*")} == before
    agreed = run(changed, **ask(True, asked))
    assert {name: row.score for name, row in agreed.items()} == {"ada": 2, "bob": 6, "eve": 0}
    assert all(row.fresh for row in agreed.values())
    assert len(asked) == 2
    assert fresh(changed) == set()


def test_nothing_is_asked_if_no_score_changes(graded: Course) -> None:
    changed = change_specs(graded, "You square it;", "You have squared it;")
    asked: list[list[Change]] = []
    again = run(changed, **ask(False, asked))
    assert asked == []
    assert all(row.fresh for row in again.values())
    assert "You have squared it" in again["bob"].reasons[0]


def test_a_new_submission_is_not_asked_about(graded: Course) -> None:
    changed = change_specs(graded, "return 2 * case.x", "return case.x**2")
    edit(changed, "tiny", "ada", {"work": SQUARES.replace("x / 2", "x")})
    asked: list[list[Change]] = []
    again = run(changed, **ask(False, asked))
    assert asked == [[Change("bob", 2, 6)]]
    assert (again["ada"].score, again["ada"].fresh) == (4, True)
    assert (again["bob"].score, again["bob"].fresh) == (2, False)


def test_an_assignment_that_people_mark_alone(make_class: MakeClass) -> None:
    course = make_class({"ada": ""}, notebook=ONLY_ESSAY, students="", checks="")
    for expected in (True, False):
        (row,) = grade(course, "tiny", ["ada"])
        assert row.failure is None
        assert (row.score, row.max_score, row.fresh) == (0, 3, expected)


def test_what_cannot_be_read_is_a_row_and_stops_nobody(course: Course) -> None:
    work = file(course, "submitted", "ada", "tiny.ipynb")
    shutil.copytree(work.parent, course.folder("submitted", "a-link", "tiny"))
    file(course, "submitted", "a-link", "tiny.ipynb").unlink()
    file(course, "submitted", "a-link", "tiny.ipynb").symlink_to(work)
    file(course, "submitted", "a-folder", "tiny.ipynb").mkdir(parents=True)
    for name, text in {"deep": "[" * 100_000, "empty": "", "list": "[]"}.items():
        path = file(course, "submitted", name, "tiny.ipynb")
        path.parent.mkdir(parents=True)
        path.write_text(text)
    found = {row.student: row for row in grade(course, "tiny", course.submitted("tiny"))}
    assert "is a link" in str(found["a-link"].failure)
    assert "is not a file" in str(found["a-folder"].failure)
    assert "is damaged" in str(found["deep"].failure)
    assert "is empty" in str(found["empty"].failure)
    assert found["list"].failure
    assert [found[name].score for name in NAMES] == [6, 2, 0]
    assert [row.student for row in rows(course, "tiny")] == sorted(found)


def test_a_handed_in_record_is_not_believed(course: Course) -> None:
    forged = {"digest": "0", "submission": "0", "cells": {}}
    file(course, "submitted", "eve", "tiny.verdicts.json").write_text(json.dumps(forged))
    assert run(course)["eve"].score == 0
    record = json.loads(file(course, "autograded", "eve", "tiny.verdicts.json").read_text())
    assert record["student"] == "eve"


def test_other_files_are_copied_and_links_are_not(course: Course) -> None:
    folder = course.folder("submitted", "ada", "tiny")
    (folder / "data").mkdir()
    (folder / "data" / "x.txt").write_text("mine")
    (folder / "link.txt").symlink_to(course.root / "course_secret")
    run(course)
    autograded = course.folder("autograded", "ada", "tiny")
    assert (autograded / "data" / "x.txt").read_text() == "mine"
    assert not (autograded / "link.txt").is_symlink()
    assert not (autograded / "link.txt").exists()
    assert nbformat.read(autograded / "tiny.ipynb", 4).cells


def test_a_full_disk_ends_the_run_in_one_sentence(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = gradebook._write

    def full(folder: Path, files: dict[str, bytes], mode: int) -> None:
        if "eve" in str(folder):
            raise OSError(28, "No space left on device", str(folder))
        write(folder, files, mode)

    with monkeypatch.context() as patch:
        patch.setattr(gradebook, "_write", full)
        with pytest.raises(CourseError, match=r"eve.* cannot be written: No space left on device"):
            run(course)
    again = run(course)
    assert again["eve"].fresh
    assert {name: row.score for name, row in again.items()} == {"ada": 6, "bob": 2, "eve": 0}


def test_a_gradebook_that_is_lost_ends_the_run_in_one_sentence(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: object) -> None:
        raise OperationalError("INSERT", {}, Exception("the database is gone"))

    monkeypatch.setattr(gradebook, "_store_rows", lost)
    with pytest.raises(CourseError, match=r"The gradebook cannot be written: .*gone") as caught:
        run(course)
    assert "\n" not in str(caught.value)
