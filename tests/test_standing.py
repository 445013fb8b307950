"""Status: what the saved notebooks show, what this session knows better, and a run anew."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from conftest import NOTEBOOK, MakeAssignment, call
from nbclient import NotebookClient

import autograder
from autograder import student
from autograder.card import VERDICT_MIME
from autograder.errors import CourseError
from autograder.notebooks import read_text_notebook, worked_notebook
from autograder.standing import assignment_folders, read, run, status

WRONG = NOTEBOOK.replace("return x / 2", "return x / 3")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with one assignment, whose notebook has been run and saved."""
    from conftest import CHECKS

    folder = tmp_path_factory.mktemp("workspace") / "tiny"
    folder.mkdir()
    (folder / "checks.py").write_text(CHECKS, encoding="utf-8")
    (folder / "tiny.md").write_text(WRONG, encoding="utf-8")
    notebook = read_text_notebook(worked_notebook(folder))
    (folder / "tiny.md").unlink()
    resources = {"metadata": {"path": str(folder)}}
    quiet = ["--log-level=ERROR"]
    NotebookClient(notebook, resources=resources, extra_arguments=quiet).execute()
    nbformat.write(notebook, folder / "tiny.ipynb")
    return folder.parent


def states(found: dict[str, list[autograder.standing.Standing]]) -> dict[str, str]:
    return {each.question: each.state for each in found["tiny"]}


def test_what_the_saved_notebook_shows(saved: Path) -> None:
    found = read(assignment_folders(saved))
    assert states(found) == {"double": "passed", "half": "failed"}
    assert found.points(found["tiny"]) == (4, 6)
    assert found.next is not None
    assert found.next[1].question == "half"


def test_a_notebook_that_was_never_run(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    assert states(read([folder])) == {"double": "untested", "half": "untested"}
    (folder / "tiny.ipynb").write_text("{ broken")
    assert states(read([folder])) == {"double": "untested", "half": "untested"}


def test_an_output_that_is_no_verdict_counts_for_nothing(saved: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(saved / "tiny" / "tiny.ipynb", as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if VERDICT_MIME in output.get("data", {}):
                output["data"][VERDICT_MIME] = {"question": "double", "passed": True}
    nbformat.write(notebook, tmp_path / "tiny.ipynb")
    (tmp_path / "checks.py").write_bytes((saved / "tiny" / "checks.py").read_bytes())
    found = read([tmp_path])
    assert {each.state for each in found[tmp_path.name]} == {"untested"}


def test_this_session_knows_better(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(student, "_folder", saved / "tiny")
    monkeypatch.setattr(student, "_seen", {})
    autograder.check("half", lambda x: x / 2)
    assert states(autograder.status()) == {"double": "passed", "half": "passed"}
    autograder.check("double", lambda x: x)
    assert states(autograder.status()) == {"double": "failed", "half": "passed"}


def test_the_table_in_a_notebook_and_in_a_terminal(saved: Path) -> None:
    found = status(saved)
    assert "tiny" in repr(found)
    assert "✓ double  ✗ half" in repr(found)
    page = found._repr_html_()
    assert "✓ double" in page
    assert "Next: half in tiny." in page
    assert "4 / 6" in page


def test_a_run_anew_leaves_the_notebook_alone(saved: Path) -> None:
    path = saved / "tiny" / "tiny.ipynb"
    before = path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[2].source.count("x / 3") == 1
    notebook.cells[2].source = notebook.cells[2].source.replace("x / 3", "x / 2")
    nbformat.write(notebook, path)
    try:
        changed = path.read_bytes()
        done: list[Path] = []
        assert states(run([saved / "tiny"], done.append)) == {"double": "passed", "half": "passed"}
        assert done == [saved / "tiny"]
        assert path.read_bytes() == changed
    finally:
        path.write_bytes(before)


def test_no_assignment_at_all(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="There is no assignment in"):
        assignment_folders(tmp_path)


def test_a_notebook_that_cannot_be_run(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    (folder / "tiny.ipynb").write_text("{ broken")
    with pytest.raises(CourseError, match=r"tiny\.ipynb cannot be run"):
        run([folder])


def test_the_command(
    saved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "status", str(saved)) == 0
    told = capsys.readouterr().out
    assert "✓ double  ✗ half" in told
    assert "Next: half in tiny. Half of a matrix." in told
    assert call(monkeypatch, "status", str(saved / "tiny")) == 0
    monkeypatch.chdir(saved.parent)
    (saved.parent / "workspace").symlink_to(saved)
    assert call(monkeypatch, "status") == 0
    assert capsys.readouterr().out.count("✗ half") == 2
