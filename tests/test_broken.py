"""Whatever is handed in, every student gets a row, and what the work is worth.

One class is graded once: every broken submission of the catalogue, with an honest one beside it.
"""

from __future__ import annotations

import html
import os
import re
import shutil
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import nbformat
import pytest
from broken import BROKEN, CHECKS, NOTEBOOK, SOLVED, solve
from conftest import ROOT

from autograder.course import Course
from autograder.grading import Row, grade, release
from autograder.zygote import available

pytestmark = [
    pytest.mark.alone,  # What takes up memory must meet that limit before it meets the clock's.
    pytest.mark.skipif(not available(), reason="a zygote needs Linux"),
    # nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
]

LIMITS = """
c.Execute.timeout = 5
c.RefereeExecute.submission_seconds = 40
c.RefereeExecute.cell_output_kb = 64
c.RefereeExecute.submission_output_kb = 256
c.ZygoteProvisioner.cell_cpu_seconds = 3
c.ZygoteProvisioner.memory_mb = 300
c.ZygoteProvisioner.disk_mb = 16
c.ZygoteProvisioner.processes = 40
"""

HONEST = {
    "right": (6, SOLVED),
    "half-right": (2, {**SOLVED, "work-double": "def double(x):\n    return x**2"}),
    "nothing": (0, {}),
}


def skipped(name: str) -> bool:
    """Tell whether a kind does not exist for this user: root may read all."""
    return name == "unreadable" and os.geteuid() == 0


KINDS = [
    pytest.param(name, marks=pytest.mark.skipif(skipped(name), reason="root may read all"))
    for name in BROKEN
]


@dataclass
class Class:
    """A class that was graded."""

    course: Course
    rows: dict[str, Row]
    """The rows by student."""
    honest: dict[str, float]
    """The scores of the honest students."""

    def pages(self, student: str) -> str:
        """Read what a student's feedback pages say, but for code and the names of cells."""
        folder = self.course.folder("feedback", student, "tiny")
        return "\n".join(text_of(path) for path in sorted(folder.glob("*.html")))

    def told(self, student: str) -> str:
        """Return all that is told about a submission, in small letters."""
        row = self.rows[student]
        sentences = (*row.reasons, *getattr(row, "repairs", ()), self.pages(student))
        # The path of a file would tell the kind's name.
        return "\n".join(sentences).replace(f"submitted/{student}/", "").lower()


def text_of(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<(script|style|head)\b.*?</\1\s*>", "", text, flags=re.DOTALL)
    text = re.sub(r'<span class="nbgrader-label">.*?</span>', "", text, flags=re.DOTALL)
    text = re.sub(r'<div class="[^"]*\bhighlight\b.*?</div>', "", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def make_course(root: Path) -> Course:
    """Make a course in which the assignment is released."""
    source = root / "source" / "tiny"
    source.mkdir(parents=True)
    config = (ROOT / "exercises" / "nbgrader_config.py").read_text(encoding="utf-8")
    (root / "nbgrader_config.py").write_text(f"{config}\n{LIMITS}", encoding="utf-8")
    (source / "checks.py").write_text(CHECKS, encoding="utf-8")
    (source / "tiny.md").write_text(NOTEBOOK, encoding="utf-8")
    course = Course(root)
    release(course, "tiny")
    return course


def hand_in(course: Course, student: str, sources: dict[str, str]) -> Path:
    """Hand the released folder in, with these sources in its cells."""
    folder = course.folder("submitted", student, "tiny")
    shutil.copytree(course.folder("release", ".", "tiny"), folder)
    solve(folder, sources)
    return folder


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Class:
    """Grade the class."""
    course = make_course(tmp_path_factory.mktemp("broken"))
    students: list[str] = []
    honest: dict[str, float] = {}
    kinds = cycle(HONEST)
    for number, (name, broken) in enumerate(BROKEN.items()):
        if number % 2 == 0:
            kind = next(kinds)
            student = f"{kind}-{number}"
            honest[student], sources = HONEST[kind]
            hand_in(course, student, sources)
            students.append(student)
        broken.break_(hand_in(course, name, SOLVED))
        students.append(name)
    rows = {row.student: row for row in grade(course, "tiny", students)}
    return Class(course, rows, honest)


def test_there_are_enough_kinds() -> None:
    assert len(BROKEN) >= 55
    for broken in BROKEN.values():
        assert broken.about.endswith(".")
        assert 0 <= broken.score <= 6


@pytest.mark.parametrize("name", KINDS)
def test_there_is_a_row(graded: Class, name: str) -> None:
    row = graded.rows[name]
    assert row.max_score == 8
    assert row.fresh
    # Who gets nothing at all is told why.
    assert row.score or row.reasons


@pytest.mark.parametrize("name", KINDS)
def test_the_score_is_what_the_work_is_worth(graded: Class, name: str) -> None:
    row = graded.rows[name]
    assert row.score == BROKEN[name].score, row.reasons


@pytest.mark.parametrize("name", [one for one in KINDS if BROKEN[one.values[0]].told])
def test_it_is_told(graded: Class, name: str) -> None:
    assert BROKEN[name].told.lower() in graded.told(name)


def test_what_is_told_of_the_broken_is_not_told_of_the_right(graded: Class) -> None:
    text = graded.told("right-0")
    assert [
        name for name, broken in BROKEN.items() if broken.told and broken.told.lower() in text
    ] == []


def test_the_honest_get_what_is_theirs(graded: Class) -> None:
    found = {student: graded.rows[student] for student in graded.honest}
    assert {student: row.score for student, row in found.items()} == graded.honest
    assert not any(row.failure or getattr(row, "repairs", ()) for row in found.values())
    assert all(not row.reasons for name, row in found.items() if graded.honest[name] == 6)


def test_the_gradebook_holds_everybody(graded: Class) -> None:
    with graded.course.gradebook() as gradebook:
        for student, row in graded.rows.items():
            assert gradebook.find_submission("tiny", student).score == row.score, student


def test_every_autograded_notebook_is_one(graded: Class) -> None:
    for student, row in graded.rows.items():
        if not row.failure:
            path = graded.course.folder("autograded", student, "tiny") / "tiny.ipynb"
            nbformat.validate(nbformat.read(path, as_version=4))
