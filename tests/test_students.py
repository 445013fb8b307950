"""The sample class is made from the worked solution, and a text that does not fit is reported."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import nbformat
import pytest
from conftest import MakeAssignment

from autograder.answer import play
from autograder.errors import CourseError
from autograder.loader import load_specs
from autograder.notebooks import read_text_notebook, worked_notebook
from autograder.prove import outcome
from autograder.referee import judge
from autograder.students import hand_in, mixed_class, objects_of, own_cells, read_class


def test_the_class_has_every_misconception(lstm_cell: Path) -> None:
    students = read_class(lstm_cell)
    assert [student.name for student in students[:2]] == ["solved", "untouched"]
    made = {expected for student in students for expected in student.expect.values()}
    for spec in load_specs(lstm_cell).values():
        assert {misconception.name for misconception in spec.misconceptions} <= made


def test_solved_and_untouched(make_assignment: MakeAssignment) -> None:
    solved, untouched, squares = read_class(make_assignment())
    assert "return 2 * x" in solved.cells["work"]
    assert "SOLUTION" not in solved.cells["work"]
    assert "raise NotImplementedError" in untouched.cells["work"]
    assert "return 2 * x" not in untouched.cells["work"]
    assert untouched.expect == {"double": "runs", "half": "runs"}
    assert "return x**2" in squares.cells["work"]


def test_an_assignment_may_have_no_students_file(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    (folder / "students.yml").unlink()
    assert len(read_class(folder)) == 2


@pytest.mark.parametrize(
    ("students", "message"),
    [
        ('a: {replace: {"3 * x": "x"}}', "“a” replaces “3 \\* x”, .*holds 0 times"),
        ('a: {replace: {"return": "x"}}', "holds 2 times"),
        ("a: {untouched: [nothing]}", "cannot be read"),
        ("a: 3", "cannot be read"),
        ("- a", "cannot be read"),
        ("a: {", "cannot be read"),
    ],
)
def test_a_student_that_does_not_fit(
    make_assignment: MakeAssignment, students: str, message: str
) -> None:
    with pytest.raises(CourseError, match=message):
        read_class(make_assignment(students=students))


def test_a_students_code_is_run(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    notebook = read_text_notebook(worked_notebook(folder))
    solved, _, squares = read_class(folder)
    assert objects_of(solved, notebook)["double"](3) == 6
    assert objects_of(squares, notebook)["double"](3) == 9
    assert set(objects_of(solved, notebook, last="double")) == {"double"}


def test_handing_in_replaces_the_solution_cells_alone(
    make_assignment: MakeAssignment, tmp_path: Path
) -> None:
    folder = make_assignment()
    (solved, *_) = read_class(folder)
    release, target = tmp_path / "release", tmp_path / "submitted" / "solved" / "tiny"
    release.mkdir()
    with pytest.raises(CourseError, match="autograder release release"):
        hand_in(solved, release, target)
    cell = nbformat.v4.new_code_cell("...", metadata={"nbgrader": {"grade_id": "work"}})
    other = nbformat.v4.new_code_cell("other")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell, other]), release / "tiny.ipynb")
    target.mkdir(parents=True)
    (target / "old.txt").touch()
    hand_in(solved, release, target)
    assert [path.name for path in target.iterdir()] == ["tiny.ipynb"]
    cells = nbformat.read(target / "tiny.ipynb", as_version=4).cells
    assert [cell.source for cell in cells] == [solved.cells["work"], "other"]


def test_a_mixed_class_errs_as_the_made_up_students_do(lstm_cell: Path) -> None:
    known = {student.name: student for student in read_class(lstm_cell)}
    solved = known["solved"]
    class_ = mixed_class(lstm_cell, 40)
    assert len({student.name for student in class_}) == 40
    assert [student.cells for student in class_] == [
        student.cells for student in mixed_class(lstm_cell, 40)
    ]
    assert any(not student.expect for student in class_)
    assert any(len(student.expect) == 3 for student in class_)
    for student in class_:
        changed = [key for key in solved.cells if student.cells[key] != solved.cells[key]]
        assert len(changed) == len(student.expect)


def test_a_mixed_class_gets_the_verdicts_that_are_expected(lstm_cell: Path) -> None:
    notebook = read_text_notebook(worked_notebook(lstm_cell))
    specs = load_specs(lstm_cell)
    for student in mixed_class(lstm_cell, 6):
        for question, obj in objects_of(student, notebook).items():
            spec = specs[question]
            verdict = judge(spec, 1, partial(play, spec, obj), public=True)
            assert outcome(verdict) == student.expect.get(question, "passed"), student.name


def test_the_cells_of_a_question(make_assignment: MakeAssignment, lstm_cell: Path) -> None:
    notebook = read_text_notebook(worked_notebook(lstm_cell))
    assert own_cells(notebook) == {
        "lstm_cell": ["lstm-cell"],
        "lstm_layer": ["lstm-layer"],
        "two_layer_lstm": ["two-layer-lstm"],
    }
    notebook = read_text_notebook(worked_notebook(make_assignment()))
    assert own_cells(notebook) == {"double": ["work"], "half": ["work"]}
