"""Whatever is handed in, grading it raises nothing and gives one grade for each grade cell.

The long run of the second property is a figure of the bench: ``fuzz_errors``.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from broken import SOLVED
from hypothesis import HealthCheck, given, settings
from mutations import mutated
from nbformat import NotebookNode
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from test_broken import hand_in, make_course

from autograder.course import Digester
from autograder.gradebook import make_plan, read_submission
from autograder.job import Plan, Submission, grade_submission
from autograder.salvage import salvage
from autograder.twin import Marks, Twin
from autograder.zygote import available

pytestmark = [
    pytest.mark.skipif(not available(), reason="a zygote needs Linux"),
    # nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
]

POINTS = {"check-double": 4.0, "check-half": 2.0, "essay": 2.0}
CHECKED = {"check-double", "check-half"}
"""The grade cells that the referee decides on; a person marks the essay."""
SCORE = 6.0
"""What a right submission earns before a person has read it."""


@dataclass(frozen=True)
class Field:
    """What is needed to grade anything that is handed in."""

    plan: Plan
    honest: Submission
    """A right submission."""

    @property
    def notebook(self) -> dict[str, Any]:
        """Its notebook, as plain JSON."""
        found: dict[str, Any] = json.loads(self.honest.files["tiny.ipynb"])
        return found

    @property
    def names(self) -> list[str]:
        """The assignment's grade_ids."""
        return [cell.name for cell in self.plan.notebooks["tiny"].source_cells]

    def files(self) -> Any:
        """Return the strategy of what might be handed in instead."""
        return mutated(self.notebook, self.names)


def make_field(root: Path) -> Field:
    """Release the assignment in a folder, and hand it in once."""
    course = make_course(root)
    hand_in(course, "right", SOLVED)
    with course.gradebook() as gradebook:
        plan = make_plan(course, gradebook, "tiny", "package")
        digester = Digester(course.directory, "tiny")
        return Field(plan, read_submission(course, gradebook, plan, "right", digester))


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Field:
    return make_field(tmp_path_factory.mktemp("fuzz"))


def sound(notebook: NotebookNode) -> None:
    """Check that a notebook is valid, and has each grade cell once."""
    nbformat.validate(notebook)
    marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    found = {mark.grade_id: mark.points for mark in marks if mark.get("grade")}
    assert found == POINTS
    assert sum(bool(mark.get("grade")) for mark in marks) == len(POINTS)


def graded_well(field: Field, files: dict[str, bytes]) -> None:
    """Grade what was handed in, and check what must hold of all that comes out."""
    given = copy.deepcopy(files)
    graded = grade_submission(field.plan, replace(field.honest, files=files))
    assert graded.failure is None, graded.failure
    assert files == given
    assert list(graded.notebooks) == ["tiny"]
    notebook = graded.notebooks["tiny"]
    sound(nbformat.reads(notebook.autograded, as_version=4))
    grades = notebook.marks.grades
    assert {name: grade.max_score for name, grade in grades.items()} == POINTS
    for name, grade in grades.items():
        assert 0 <= grade.score <= POINTS[name], (name, grade)
    record = json.loads(notebook.record)
    assert record["cells"].keys() == CHECKED
    for name, cell in record["cells"].items():
        assert cell["protected"]
        assert cell["points"] == grades[name].auto_score
        assert cell["max_points"] == POINTS[name]
    # Who gets nothing for a question is told why.
    verdicts = [verdict for cell in record["cells"].values() for verdict in cell["verdicts"]]
    assert all(verdict["reason"] for verdict in verdicts if not verdict["passed"])
    assert "</html>" in notebook.feedback
    graded.to_json().encode()


def still_fair(field: Field, before: str) -> None:
    """Check that a right submission has its points, whatever was graded before it."""
    assert grade_submission(field.plan, field.honest).score == SCORE
    assert replace(field.plan).digest == before


# The tests try the same examples each time; `make bench` looks for new ones.
SETTINGS = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def steps(field: Field) -> list[Any]:
    """Return nbgrader's steps that come before execution, as this course configures them."""
    config = field.plan.config
    converter = Autograde(coursedir=CourseDirectory(config=config), config=config)
    return [step(config=config) for step in converter.sanitize_preprocessors]


def test_whatever_is_handed_in_becomes_a_notebook_of_the_assignment(
    field: Field, steps: list[Any]
) -> None:
    source = field.plan.notebooks["tiny"]

    @settings(SETTINGS, max_examples=150, derandomize=True)
    @given(files=field.files())
    def prepared(files: dict[str, bytes]) -> None:
        found = salvage("tiny", files, field.names)
        assert (found.notebook is None) == bool(found.problem)
        notebook = found.notebook or nbformat.v4.new_notebook()
        about = {"student": "right", "assignment": "tiny", "notebook": "tiny"}
        with Twin(source, Marks(), 0.0).opened() as url:
            for step in steps:
                notebook, _same = step(notebook, {"nbgrader": {**about, "db_url": url}})
        sound(notebook)
        json.dumps(notebook).encode()

    prepared()


def test_whatever_is_handed_in_is_graded(field: Field) -> None:
    before = replace(field.plan).digest
    still_fair(field, before)

    @settings(SETTINGS, max_examples=15, derandomize=True)
    @given(files=field.files())
    def graded(files: dict[str, bytes]) -> None:
        graded_well(field, files)

    graded()
    still_fair(field, before)
