"""However a class is graded, the gradebook is the one that nbgrader itself would have made.

One course is copied, and graded by nbgrader's own command, by our processes and on a Dask cluster,
with SQLite and with PostgreSQL.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import postgresql
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, dask, edit, stock
from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin

from autograder.course import Course
from autograder.grading import grade, release
from autograder.pool import cluster_pool
from autograder.students import hand_in, read_class

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

NAME = "lstm-cell"
STUDENTS = (
    "solved",
    "untouched",
    "gate-order",
    "not-transposed",
    "detached",
    "layers-exchanged",
    "warns",
    "half-finished",
    "calls-torch",
    "changes-input",
)
WORKED = ("late", "later", "early", "marked", "cut", "deadly")  # who hand in the worked solution
ESSAY = """
+++ {"nbgrader": {"grade": true, "grade_id": "essay", "points": 3, "solution": true}}

Write down what a gate does.

+++ {"nbgrader": {"grade_id": "task", "locked": true, "points": 2, "task": true}}

Draw a gate, and hand the drawing in.

```{code-cell} ipython3
---
nbgrader:
  grade: true
  grade_id: free
  points: 5
  solution: true
---
def free():
    ### BEGIN SOLUTION
    return 1
    ### END SOLUTION
```
"""
CONFIG = """
c.LateSubmissionPlugin.penalty_method = "zero"
c.CourseDirectory.db_url = "{url}"
"""
WAYS = ["ours", "ours-postgresql", "stock", "cluster"]


def prepare(root: Path, url: str) -> Course:
    """Release the assignment and mark two submissions by hand, before they are graded."""
    with (root / "nbgrader_config.py").open("a", encoding="utf-8") as file:
        file.write(CONFIG.format(url=url))
    course = Course(root)
    release(course, NAME)
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment(NAME, duedate="2026-01-10 12:00:00 UTC")
        for student in ("marked", "early"):
            gradebook.add_student(student, first_name="Ada", email="ada@example.org")
        gradebook.add_submission(NAME, "marked")
        # As the gradebook remembers it, though there is no timestamp.txt any more.
        gradebook.add_submission(NAME, "early", timestamp="2026-01-11 12:00:00 UTC")
        for cell, score in (("check-lstm-cell", 7), ("essay", 2.5), ("task", 1.5)):
            found = gradebook.find_grade(cell, NAME, NAME, "marked")
            found.manual_score, found.needs_manual_grade = score, False
        gradebook.find_grade("check-lstm-layer", NAME, NAME, "marked").extra_credit = 0.5
        gradebook.find_comment("essay", NAME, NAME, "marked").manual_comment = "Well said."
        gradebook.find_comment("task", NAME, NAME, "marked").auto_comment = "A draft."
        gradebook.find_grade("check-two-layer-lstm", NAME, NAME, "marked").auto_score = 1
        gradebook.db.commit()
    return course


def submit(course: Course) -> None:
    released = course.folder("release", ".", NAME)
    students = {student.name: student for student in read_class(course.source(NAME))}
    for name in (*STUDENTS, *WORKED):
        hand_in(
            students.get(name, students["solved"]), released, course.folder("submitted", name, NAME)
        )
    edit(course, NAME, "gate-order", {"essay": "It lets some of a vector through."})
    edit(course, NAME, "solved", {"essay": "It lets some of a vector through.", "free": "1 / 0"})
    edit(course, NAME, "deadly", {"lstm-cell": "import os\nos._exit(1)"})
    for name, hour in (("late", "2026-01-10 12:00:01"), ("later", "2026-02-10 00:00:00")):
        folder = course.folder("submitted", name, NAME)
        (folder / "timestamp.txt").write_text(f"{hour} UTC\n")
    for name in ("cut", "marked"):  # A student may delete a cell with points.
        path = course.folder("submitted", name, NAME) / f"{NAME}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = [
            cell
            for cell in notebook.cells
            if cell.metadata.get("nbgrader", {}).get("grade_id") != "check-two-layer-lstm"
        ]
        nbformat.write(notebook, path)


def facts(gradebook: Gradebook) -> dict[Any, Any]:
    """Read all that a gradebook holds about an assignment's submissions."""
    found: dict[Any, Any] = {}
    for submission in gradebook.assignment_submissions(NAME):
        student = submission.student
        found[student.id] = (
            submission.timestamp,
            submission.total_seconds_late,
            submission.score,
            submission.max_score,
            submission.needs_manual_grade,
            student.first_name,
            student.email,
        )
        for notebook in submission.notebooks:
            found[student.id, notebook.name] = (notebook.score, notebook.late_submission_penalty)
            for mark in notebook.grades:
                found[student.id, notebook.name, "grade", mark.name] = (
                    mark.auto_score,
                    mark.manual_score,
                    mark.extra_credit,
                    mark.needs_manual_grade,
                    mark.max_score,
                    mark.score,
                )
            for comment in notebook.comments:
                found[student.id, notebook.name, "comment", comment.name] = (
                    comment.auto_comment,
                    comment.manual_comment,
                )
    return found


def export(course: Course) -> list[str]:
    path = course.root / "export.csv"
    with course.gradebook() as gradebook:
        plugin = CsvExportPlugin()
        plugin.to = str(path)
        plugin.export(gradebook)
    return sorted(path.read_text().splitlines())


def run(way: str, course: Course) -> None:
    if way.startswith("stock"):
        stock(course, "autograde", NAME)
    elif way == "cluster":
        with dask(course.root, 2) as cluster:
            pool = partial(cluster_pool, address=cluster.address)
            rows = list(grade(course, NAME, course.submitted(NAME), pool))
            assert [row.failure for row in rows if row.failure] == []
    else:
        rows = list(grade(course, NAME, course.submitted(NAME)))
        assert [row.failure for row in rows if row.failure] == []


@contextmanager
def database(way: str, root: Path, server: str | None) -> Iterator[str]:
    if "postgresql" not in way:
        yield f"sqlite:///{root / 'gradebook.db'}"
        return
    assert server is not None
    with postgresql.database(server) as url:
        yield url


Graded = dict[str, tuple[Course, dict[Any, Any], list[str]]]


@pytest.fixture(scope="module")
def graded(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Graded]:
    """Grade the same class in each of the ways."""
    base = tmp_path_factory.mktemp("base")
    shutil.copy(ROOT / "exercises" / "nbgrader_config.py", base)
    source = base / "source" / NAME
    ignored = shutil.ignore_patterns("*.ipynb", "__pycache__")
    shutil.copytree(ROOT / "exercises" / "source" / NAME, source, ignore=ignored)
    with (source / f"{NAME}.md").open("a", encoding="utf-8") as file:
        file.write(ESSAY)
    server = None if postgresql.missing() else request.getfixturevalue("postgresql_server")
    ways = [way for way in WAYS if server or "postgresql" not in way]
    made: Graded = {}
    with ExitStack() as stack:
        for number, way in enumerate(ways):
            root = base.parent / f"{base.name}-{way}"
            shutil.copytree(base, root)
            course = prepare(root, stack.enter_context(database(way, root, server)))
            if number == 0:
                # The others hand in the same, and are asked the same.
                submit(course)
                list(grade(course, NAME, []))
                shutil.copytree(root / "submitted", base / "submitted")
                shutil.copy(root / "course_secret", base)
            run(way, course)
            with course.gradebook() as gradebook:
                made[way] = (course, facts(gradebook), export(course))
        yield made


def test_nbgrader_itself_grades_this_class_as_expected(graded: Graded) -> None:
    _course, found, _csv = graded["stock"]
    assert found["solved"][2] == 22  # And points by hand are still to come.
    assert found["solved", NAME, "grade", "free"] == (None, None, None, True, 5, 0)
    assert found["untouched", NAME, "grade", "essay"] == (0, None, None, False, 3, 0)
    assert found["untouched", NAME, "comment", "essay"] == ("No response.", None)
    assert found["marked", NAME, "grade", "check-lstm-cell"] == (10, 7, None, True, 10, 7)
    assert found["marked", NAME, "comment", "essay"] == ("No response.", "Well said.")
    assert found["late", NAME][1] == found["later", NAME][1] == 22
    assert found["early", NAME][1] == 22
    assert found["solved", NAME][1] is None


@pytest.mark.parametrize("way", [way for way in WAYS if way != "stock"])
def test_gradebooks_are_equal(graded: Graded, way: str) -> None:
    if way not in graded:
        pytest.skip(str(postgresql.missing()))
    assert graded[way][1] == graded["stock"][1]
    assert graded[way][2] == graded["stock"][2]
    assert len({key for key in graded[way][1] if isinstance(key, str)}) == 16


@pytest.mark.parametrize("way", ["stock", "cluster", "ours-postgresql"])
def test_autograded_notebooks_and_records_are_equal(graded: Graded, way: str) -> None:
    if way not in graded:
        pytest.skip(str(postgresql.missing()))
    ours, theirs = (graded[name][0] for name in ("ours", way))
    for student in (*STUDENTS, *WORKED):
        folders = [course.folder("autograded", student, NAME) for course in (ours, theirs)]
        names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
        assert names[0] == names[1]
        mine, other = ((folder / f"{NAME}.verdicts.json").read_text() for folder in folders)
        assert mine == other
        mine, other = (nbformat.read(folder / f"{NAME}.ipynb", 4) for folder in folders)
        assert [cell.source for cell in mine.cells] == [cell.source for cell in other.cells]


def test_feedback_pages_are_equal(graded: Graded) -> None:
    course = graded["ours"][0]
    folders = [course.folder("feedback", student, NAME) for student in (*STUDENTS, *WORKED)]
    pages = [folder / f"{NAME}.html" for folder in folders]
    ours = [text_of(page) for page in pages]
    for folder in folders:
        shutil.rmtree(folder)
    stock(course, "generate_feedback", NAME)
    theirs = [text_of(page) for page in pages]
    assert ours == theirs


def text_of(page: Path) -> str:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").get_text()
