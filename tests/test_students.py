"""The sample class is made from the worked solution, and a text that does not fit is reported."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from conftest import MakeAssignment

from autograder.errors import CourseError
from autograder.loader import load_specs
from autograder.students import hand_in, objects_of, read_class


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
    solved, _, squares = read_class(folder)
    assert objects_of(solved, folder)["double"](3) == 6
    assert objects_of(squares, folder)["double"](3) == 9


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
