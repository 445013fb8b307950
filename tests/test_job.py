"""Grading one submission is a function: what comes out depends on what goes in, and on no more."""

from __future__ import annotations

import copy
import os
import pickle
import re
from pathlib import Path

import nbformat
import pytest
from conftest import NEITHER, RIGHT, MakeClass, edit

from autograder import job
from autograder.course import Course, Digester
from autograder.errors import AutograderError
from autograder.gradebook import make_plan, read_submission
from autograder.job import Graded, Plan, Submission, grade_submission
from autograder.seeds import SECRET_FILE

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

LOOKS = f"""
import os
for folder, _folders, files in os.walk("."):
    for name in files:
        print("FILE", os.path.join(folder, name), open(os.path.join(folder, name), "rb").read()[:9])
{RIGHT}
"""


@pytest.fixture
def course(make_class: MakeClass) -> Course:
    made: Course = make_class({"right": RIGHT, "wrong": NEITHER, "looks": LOOKS})
    return made


def gather(course: Course, student: str) -> tuple[Plan, Submission]:
    with course.gradebook() as gradebook:
        plan = make_plan(course, gradebook, "tiny", "package")
        digester = Digester(course.directory, "tiny")
        return plan, read_submission(course, gradebook, plan, student, digester)


def timeless(graded: Graded) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?", "", graded.to_json())


def snapshot(*folders: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime for folder in folders for path in folder.rglob("*")}


def printed(graded: Graded) -> str:
    notebook = nbformat.reads(graded.notebooks["tiny"].autograded, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_the_same_goes_in_and_the_same_comes_out(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {student: gather(course, student) for student in ("right", "wrong")}
    kept = copy.deepcopy(inputs)
    (tmp_path / "elsewhere").mkdir()
    before = snapshot(tmp_path)
    monkeypatch.chdir(tmp_path / "elsewhere")
    first = {student: grade_submission(*given) for student, given in inputs.items()}
    assert inputs == kept
    again = {student: grade_submission(*given) for student, given in inputs.items()}
    assert snapshot(tmp_path) == before
    assert {student: graded.score for student, graded in first.items()} == {"right": 6, "wrong": 0}
    for student in inputs:
        assert timeless(first[student]) == timeless(again[student])


def test_it_needs_no_course(course: Course, tmp_path: Path) -> None:
    given = pickle.loads(pickle.dumps(gather(course, "right")))
    tmp_path.rename(tmp_path.with_name("gone"))
    assert grade_submission(*given).score == 6


def test_an_outcome_is_packed_and_unpacked(course: Course) -> None:
    graded = grade_submission(*gather(course, "wrong"))
    assert Graded.from_json(graded.to_json()) == graded
    failed = Graded("Zoë\udcff", failure="“Why”")
    assert Graded.from_json(failed.to_json()) == failed


def test_the_plan_holds_seeds_and_not_the_secret(course: Course) -> None:
    plan, submission = gather(course, "right")
    secret = (course.root / SECRET_FILE).read_text().strip()
    assert set(plan.seeds) == {"double", "half"}
    packed = pickle.dumps((plan, submission))
    assert secret.encode() not in packed
    assert bytes.fromhex(secret) not in packed
    assert b"### BEGIN SOLUTION" not in packed


def test_plans_are_told_apart(course: Course, make_class: MakeClass) -> None:
    plan, _submission = gather(course, "right")
    same, _submission = gather(course, "wrong")
    assert plan.digest == same.digest
    checks = course.source("tiny") / "checks.py"
    checks.write_text(checks.read_text() + "\n# changed\n")
    assert gather(course, "right")[0].digest != plan.digest


def test_files_reach_the_kernel_and_links_are_not_followed(course: Course, tmp_path: Path) -> None:
    folder = course.folder("submitted", "looks", "tiny")
    (folder / "data").mkdir()
    (folder / "data" / "given.txt").write_text("GIVEN")
    (folder / "checks.py").write_text("FORGED")
    (folder / "tiny.verdicts.json").write_text("FORGED")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("SECRET")
    (folder / "link.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (folder / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe")
    text = printed(grade_submission(*gather(course, "looks")))
    assert "FILE ./data/given.txt b'GIVEN'" in text
    assert "FILE ./checks.py" in text
    assert "b'FORGED'" not in text.split("checks.py")[1].splitlines()[0]
    assert "SECRET" not in text
    assert "link" not in text
    assert "pipe" not in text


@pytest.mark.parametrize("content", [b"{}", b"null", b"[" * 100_000, b"\xff\xfe", b'{"cells": 3}'])
def test_what_is_no_notebook_has_a_failure(course: Course, content: bytes) -> None:
    plan, submission = gather(course, "right")
    handed = submission.notebooks["tiny"]
    broken = type(handed)(content, handed.digest)
    graded = grade_submission(plan, Submission("right", {"tiny": broken}, {}))
    assert graded.failure
    assert graded.notebooks == {}


def test_a_full_disk_is_not_the_students_fault(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = gather(course, "right")
    grade_submission(*given)

    def full(target: Path, files: dict[str, bytes]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "_write", full)
    with pytest.raises(AutograderError, match=r"is full: No space left on device\. Set TMPDIR"):
        grade_submission(*given)


def test_a_cell_that_was_deleted_is_missed_by_none(course: Course) -> None:
    edit(course, "tiny", "right", {"check-half": "raise SystemExit"})
    assert grade_submission(*gather(course, "right")).score == 6
