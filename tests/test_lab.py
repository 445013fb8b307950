"""An assignment is done in JupyterLab, as a student does it: wrong first, then right."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from browser import CHROMIUM, browser, visitor
from conftest import ROOT, SOURCE
from lab import Notebook, lab

from autograder.course import Course
from autograder.grading import release
from autograder.standing import status
from autograder.students import read_class

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
    pytest.mark.alone,
]


def test_a_student_does_an_assignment(tmp_path: Path) -> None:
    course, workspace, state = (tmp_path / name for name in ("course", "workspace", "state"))
    shutil.copytree(
        SOURCE / "lstm-cell",
        course / "source" / "lstm-cell",
        ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"),
    )
    shutil.copy(ROOT / "exercises" / "nbgrader_config.py", course)
    shutil.copytree(release(Course(course), "lstm-cell"), workspace / "lstm-cell")
    path = workspace / "lstm-cell" / "lstm-cell.ipynb"
    names = [
        cell.metadata.get("nbgrader", {}).get("grade_id")
        for cell in nbformat.read(path, as_version=4).cells
    ]
    students = {student.name: student for student in read_class(SOURCE / "lstm-cell")}
    state.mkdir()
    with lab(workspace, state) as address, browser() as chromium, visitor(chromium) as page:
        notebook = Notebook(page, address, "lstm-cell/lstm-cell.ipynb")
        notebook.run(names.index("setup"))

        def hand_in(name: str) -> str:
            """Answer the first question as a student does; return what the card says."""
            notebook.run(names.index("lstm-cell"), students[name].cells["lstm-cell"])
            checked = notebook.run(names.index("check-lstm-cell"))
            card = checked.locator(".autograder-card")
            card.wait_for()
            assert card.count() == 1
            return card.inner_text()

        assert "This is not written yet" in hand_in("untouched")
        wrong = hand_in("gate-order")
        assert "0 of 10 points" in wrong
        assert "PyTorch stacks its weights in the order i, f, g, o." in wrong
        assert "10 of 10 points" in hand_in("solved")
        notebook.run(len(names) - 1, "import autograder\nautograder.status()")
        table = page.locator(".autograder-status")
        table.wait_for()
        assert "✓ lstm_cell" in table.inner_text()
        assert "· lstm_layer" in table.inner_text()
        notebook.save(path)
    # The saved notebook says the same to `autograder status`.
    states = {each.question: each.state for each in status(workspace)["lstm-cell"]}
    assert states == {"lstm_cell": "passed", "lstm_layer": "untested", "two_layer_lstm": "untested"}
