"""Text notebooks become nbgrader's notebooks, with points from the specs and no work lost."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from conftest import CHECKS, NOTEBOOK, MakeAssignment

from autograder.errors import AutograderError, CourseError, SpecError
from autograder.notebooks import (
    asked_questions,
    is_grade_code,
    read_text_notebook,
    text_sources,
    update_sources,
    worked_notebook,
)


@pytest.mark.parametrize(
    ("source", "questions"),
    [
        ('check("double", double)', {"double": "double"}),
        ("%matplotlib inline\n!ls\ncheck('double', double)", {"double": "double"}),
        ('autograder.check("double", lambda x: 2 * x)', {"double": "lambda x: 2 * x"}),
        ('check("double", a)\nverdict = check("half", b)', {"double": "a", "half": "b"}),
        ('check(name, double)\nprint("check")\ncheck("double")', {}),
        ('# check("double", double)', {}),
        ("assert double(2) == 4", {}),
    ],
)
def test_asked_questions(source: str, questions: dict[str, str]) -> None:
    assert asked_questions(source) == questions


def test_a_cell_that_is_not_python() -> None:
    with pytest.raises(CourseError, match="not Python"):
        asked_questions("check('double', ")


def test_equal_texts_give_equal_notebooks(lstm_cell: Path) -> None:
    path = lstm_cell / "lstm-cell.md"
    first, second = read_text_notebook(path), read_text_notebook(path)
    assert first == second
    nbformat.validate(first)
    ids = [cell["id"] for cell in first.cells]
    assert len(set(ids)) == len(ids)


def test_points_come_from_the_specs(make_assignment: MakeAssignment) -> None:
    notebook = read_text_notebook(make_assignment() / "tiny.md")
    points = [cell.metadata.nbgrader.points for cell in notebook.cells if is_grade_code(cell)]
    assert points == [4, 2]


def test_a_cell_with_two_questions_earns_both(make_assignment: MakeAssignment) -> None:
    text = NOTEBOOK.replace(
        'check("double", double)', 'check("double", double)\ncheck("half", half)'
    )
    text = text[
        : text.index(
            "```{code-cell} ipython3\n---\nnbgrader:\n  grade: true\n  grade_id: check-half"
        )
    ]
    notebook = read_text_notebook(make_assignment(notebook=text) / "tiny.md")
    assert notebook.cells[-1].metadata.nbgrader.points == 6


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("grade_id: check-half\n", "grade_id: check-half\n  points: 3\n", CourseError,
         "“check-half” .* gives 3 points, but its specs in checks.py give 2"),
        ('check("half", half)', 'check("double", half)', CourseError,
         "“double” .*is checked by 2 grade cells"),
        ('check("half", half)', "assert half(2) == 1", CourseError,
         "“half” .*is checked by 0 grade cells"),
        ('check("half", half)', 'check("halve", half)', SpecError, "Did you mean “half”?"),
        ("grade_id: check-half", "grade_id: check-double", CourseError, "Two cells .*check-double"),
        ('check("half", half)', "check('half', ", CourseError, "not Python"),
    ],
)  # fmt: skip
def test_a_contradiction_is_named(
    make_assignment: MakeAssignment, old: str, new: str, error: type[AutograderError], message: str
) -> None:
    assert old in NOTEBOOK
    folder = make_assignment(notebook=NOTEBOOK.replace(old, new))
    with pytest.raises(error, match=message):
        read_text_notebook(folder / "tiny.md")


def test_equal_points_in_the_cell_are_fine(make_assignment: MakeAssignment) -> None:
    text = NOTEBOOK.replace("grade_id: check-half\n", "grade_id: check-half\n  points: 2\n")
    read_text_notebook(make_assignment(notebook=text) / "tiny.md")


def test_a_checks_file_is_needed_where_something_is_checked(
    make_assignment: MakeAssignment,
) -> None:
    folder = make_assignment()
    (folder / "checks.py").unlink()
    with pytest.raises(SpecError, match=r"no checks\.py"):
        read_text_notebook(folder / "tiny.md")


def test_sources_are_written_once(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    target = folder / "tiny.ipynb"
    assert update_sources(folder.parent) == [target]
    assert update_sources(folder.parent) == []
    (folder / "tiny.md").write_text(NOTEBOOK.replace("# Two", "# Both"), encoding="utf-8")
    os.utime(target, (0, 0))
    assert update_sources(folder.parent) == [target]
    assert nbformat.read(target, as_version=4).cells[0].source == "# Both functions"


def test_a_spec_with_other_points_makes_the_notebook_anew(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    (target,) = update_sources(folder.parent)
    make_assignment(CHECKS.replace("points = 4", "points = 5"))
    os.utime(target, (0, 0))
    assert update_sources(folder.parent) == [target]


def test_an_edited_notebook_is_never_overwritten(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    (target,) = update_sources(folder.parent)
    notebook = nbformat.read(target, as_version=4)
    notebook.cells[0].source = "# My edits"
    nbformat.write(notebook, target)
    os.utime(folder / "tiny.md", (0, 0))
    with pytest.raises(CourseError, match=r"was edited after tiny\.md.*jupytext --to md:myst"):
        update_sources(folder.parent)
    assert nbformat.read(target, as_version=4).cells[0].source == "# My edits"


def test_markdown_without_a_header_is_no_notebook(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    (folder / "README.md").write_text("# Notes on jupytext\n", encoding="utf-8")
    assert text_sources(folder) == [folder / "tiny.md"]
    assert worked_notebook(folder) == folder / "tiny.md"


def test_a_folder_without_a_notebook(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CourseError, match="holds 0 notebooks"):
        worked_notebook(tmp_path / "empty")
    with pytest.raises(CourseError, match=r"no assignment “emty” .*Did you mean “empty”\?"):
        worked_notebook(tmp_path / "emty")
    assert update_sources(tmp_path) == []
