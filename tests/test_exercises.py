"""Every assignment of the course is proved and mutated, as its authors do it."""

from __future__ import annotations

from functools import partial

import pytest
from conftest import ROOT, SOURCE
from nbformat import NotebookNode
from typer.testing import CliRunner

from autograder.answer import play
from autograder.cli import app
from autograder.integrity import scan
from autograder.loader import load_specs
from autograder.notebooks import (
    asked_questions,
    is_grade_code,
    read_text_notebook,
    worked_notebook,
)
from autograder.prove import outcome
from autograder.referee import interpreted, judge
from autograder.seeds import public_seed
from autograder.spec import MeasuredSpec
from autograder.students import Workplace, mixed_class, objects_of

ASSIGNMENTS = sorted(path.name for path in SOURCE.glob("*/"))


def worked(assignment: str) -> NotebookNode:
    return read_text_notebook(worked_notebook(SOURCE / assignment))


# Both use all cores by themselves, and so they run alone.
@pytest.mark.alone
def test_every_assignment_is_proved() -> None:
    result = CliRunner().invoke(app, ["prove", *ASSIGNMENTS, "--course", str(ROOT)])
    assert result.exit_code == 0, result.output
    assert "Every claim holds on every seed." in result.output


@pytest.mark.alone
def test_the_checks_notice_small_changes() -> None:
    result = CliRunner().invoke(app, ["mutate", *ASSIGNMENTS, "--course", str(ROOT)])
    assert result.exit_code == 0, result.output


def test_the_course_has_its_questions() -> None:
    names = [name for folder in ASSIGNMENTS for name in load_specs(SOURCE / folder)]
    assert len(names) >= 70
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_question_has_its_misconceptions(assignment: str) -> None:
    for spec in load_specs(SOURCE / assignment).values():
        if isinstance(spec, MeasuredSpec):
            continue  # Its answers are more or less good, and none of them is wrong.
        least = 2 if assignment.startswith("shape-puzzles") else 4
        assert len(spec.misconceptions) >= least, spec.name


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_question_is_asked_once_and_is_in_the_table(assignment: str) -> None:
    notebook, specs = worked(assignment), load_specs(SOURCE / assignment)
    asked, marks = [], []
    for cell in notebook.cells:
        if is_grade_code(cell):
            questions = asked_questions(cell.source)
            asked += questions
            marks += [specs[question].points for question in questions]
        elif "points" in cell.metadata.get("nbgrader", {}):  # Marked by people.
            marks.append(cell.metadata["nbgrader"]["points"])
    assert sorted(asked) == sorted(specs)
    rows = [
        [entry.strip() for entry in line.strip("| ").split("|")]
        for line in notebook.cells[0].source.splitlines()
        if line.startswith("|")
    ]
    head, body = rows[0], rows[2:]
    assert [float(row[head.index("points")]) for row in body] == marks
    minutes = sum(float(row[head.index("minutes")]) for row in body)
    assert 25 <= minutes <= (240 if assignment == "poem" else 60)  # It is the homework.
    for name in ("difficulty", "importance"):
        assert {row[head.index(name)] for row in body} <= {"●○○", "●●○", "●●●"}


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_worked_solution_is_not_mistaken_for_a_trick(assignment: str) -> None:
    cells = [cell.source for cell in worked(assignment).cells if cell.cell_type == "code"]
    assert scan([(f"cell {number}", source) for number, source in enumerate(cells)]) == []


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_mistakes_do_not_depend_on_each_other(assignment: str) -> None:
    # Students who make several: each answer gets the verdict that it would get alone.
    notebook, specs = worked(assignment), load_specs(SOURCE / assignment)
    for student in mixed_class(SOURCE / assignment, 4):
        with Workplace(SOURCE / assignment, student).entered():
            for question, obj in objects_of(student, notebook).items():
                spec = specs[question]
                player = interpreted(spec, partial(play, spec, obj))
                verdict = judge(spec, public_seed(question), player, public=True)
                assert outcome(verdict) == student.expect.get(question, "passed"), verdict.reason
