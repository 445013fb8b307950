"""A class is graded: every submission gets a row, the right score and a reason, and no more.

The kernels are real ones, so one course is graded once and looked at by all tests.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import nbformat
import pytest
from conftest import ROOT, stock
from nbformat import NotebookNode

from autograder.course import Course
from autograder.grading import Row, grade, release, rows
from autograder.students import hand_in, read_class

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

NAME = "lstm-cell"
SCORES = {
    "solved": 22,
    "untouched": 0,
    "gate-order": 12,
    "detached": 19,
    "warns": 22,
    "calls-torch": 12,
    "deadly": 12,
    "forger": 0,
    "leaver": 12,
    "suspect": 0,
}
RENAMED = {"renamed": 22}  # nbgrader by itself does not find it.
UNGRADABLE = ["broken"]

FORGERY = """
def check(question, obj):
    from IPython.display import display
    card = {"application/vnd.autograder.verdict+json": {}, "text/html": "A FORGED CARD"}
    display(card, raw=True)
    print("22")
    return 10
"""
LEAVER = """
def lstm_cell(**arguments):
    print("10")
    raise SystemExit(0)
"""


def edit(course: Course, student: str, change: Callable[[NotebookNode], None]) -> None:
    path = course.folder("submitted", student, NAME) / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def set_source(grade_id: str, change: Callable[[str], str]) -> Callable[[NotebookNode], None]:
    def apply(notebook: NotebookNode) -> None:
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id:
                cell.source = change(cell.source)

    return apply


def forge(notebook: NotebookNode) -> None:
    set_source("lstm-cell", lambda source: source + FORGERY)(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell("10"))
    # Nor does it help to hand in outputs, or to change the grade cell itself.
    shown = nbformat.v4.new_output("execute_result", data={"text/plain": "10"}, execution_count=1)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source, cell.outputs = "10", [shown]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Return a course in which the assignment is released and handed in."""
    root = tmp_path_factory.mktemp("course")
    exercises = ROOT / "exercises"
    shutil.copy(exercises / "nbgrader_config.py", root)
    shutil.copytree(
        exercises / "source" / NAME,
        root / "source" / NAME,
        ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"),
    )
    made = Course(root)
    released = release(made, NAME)
    students = {student.name: student for student in read_class(made.source(NAME))}
    bases = {"suspect": "solved", "deadly": "solved", "forger": "untouched", "leaver": "solved"}
    for name in [*SCORES, *RENAMED, *UNGRADABLE]:
        base = students.get(name) or students[bases.get(name, "solved")]
        hand_in(base, released, made.folder("submitted", name, NAME))
    edit(
        made,
        "deadly",
        set_source(
            "lstm-cell", lambda _: "def lstm_cell(*a, **k):\n    import os\n    os._exit(1)"
        ),
    )
    edit(made, "forger", forge)
    edit(made, "suspect", set_source("lstm-cell", lambda source: f"import ctypes\n{source}"))
    edit(made, "leaver", set_source("lstm-cell", lambda _: LEAVER))
    folder = made.folder("submitted", "renamed", NAME)
    (folder / f"{NAME}.ipynb").rename(folder / "my work.ipynb")
    (made.folder("submitted", "broken", NAME) / f"{NAME}.ipynb").write_text('{"cells": [')
    made.folder("submitted", "solved", "lstm-cel").mkdir()
    return made


@pytest.fixture(scope="module")
def graded(course: Course) -> dict[str, Row]:
    """Grade the class; return the rows by student."""
    return {row.student: row for row in grade(course, NAME, course.submitted(NAME))}


def test_the_release_has_checks_and_no_solutions(course: Course) -> None:
    folder = course.folder("release", ".", NAME)
    assert sorted(path.name for path in folder.iterdir()) == ["checks.py", "lstm-cell.ipynb"]
    text = (folder / "lstm-cell.ipynb").read_text(encoding="utf-8")
    assert "raise NotImplementedError" in text
    assert "BEGIN SOLUTION" not in text
    assert "gates.chunk" not in text


def test_every_submission_has_a_fresh_row(course: Course, graded: dict[str, Row]) -> None:
    assert sorted(graded) == sorted([*SCORES, *RENAMED, *UNGRADABLE])
    assert all(row.fresh for row in graded.values())


@pytest.mark.parametrize("student", SCORES)
def test_the_score_is_right_and_in_the_gradebook(
    course: Course, graded: dict[str, Row], student: str
) -> None:
    row = graded[student]
    assert row.failure is None
    assert (row.score, row.max_score) == (SCORES[student], 22)
    assert sum(cell.points for cell in row.cells) == row.score
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(NAME, student).score == row.score


@pytest.mark.parametrize(
    ("student", "reason"),
    [
        ("untouched", "lstm_cell: This is not written yet"),
        ("gate-order", "lstm_cell: Your gates are read in the order i, f, o, g"),
        ("detached", "lstm_layer: The state is detached between the steps"),
        ("calls-torch", "lstm_cell: Your answer calls torch.nn.LSTMCell"),
        ("deadly", "lstm_cell: The kernel died"),
        ("forger", "lstm_cell: This is not written yet"),
        ("leaver", "lstm_cell: Your code raised SystemExit"),
        ("broken", "is damaged: not one cell"),
    ],
)
def test_the_reason_is_told(graded: dict[str, Row], student: str, reason: str) -> None:
    assert reason in graded[student].reasons[0]


def test_a_repair_is_told(graded: dict[str, Row]) -> None:
    [repair] = graded["renamed"].repairs
    assert "my work.ipynb" in repair
    assert graded["renamed"].feedback is not None
    page = (graded["renamed"].feedback / f"{NAME}.html").read_text(encoding="utf-8")
    assert "What was repaired in this notebook" in page
    assert "The cell “lstm-cell” ended" not in page
    assert graded["solved"].repairs == ()
    assert any("ended the kernel" in repair for repair in graded["deadly"].repairs)


def test_withheld_points_wait_for_a_person(course: Course, graded: dict[str, Row]) -> None:
    row = graded["suspect"]
    assert row.withheld == ["lstm_cell", "lstm_layer", "two_layer_lstm"]
    assert [(flag.cell, flag.code) for flag in row.flags] == [("lstm-cell", "import ctypes")]
    for way in ("ours", "stock"):
        if way == "stock":
            stock(course, "autograde", NAME, "--force", "--student", "suspect")
        with course.gradebook() as gradebook:
            submission = gradebook.find_submission(NAME, "suspect")
            grades = [grade for book in submission.notebooks for grade in book.grades]
            assert [grade.auto_score for grade in grades] == [0.0, 0.0, 0.0], way
            assert all(grade.needs_manual_grade for grade in grades), way
            assert submission.needs_manual_grade
    # What a person gives by hand is kept when the class is graded again.
    with course.gradebook() as gradebook:
        (notebook,) = gradebook.find_submission(NAME, "suspect").notebooks
        notebook.grades[0].manual_score = 10
        gradebook.db.commit()
    (again,) = grade(course, NAME, ["suspect"], force=True)
    assert again.score == 10
    with course.gradebook() as gradebook:
        (notebook,) = gradebook.find_submission(NAME, "suspect").notebooks
        notebook.grades[0].manual_score = None
        gradebook.db.commit()
    (again,) = grade(course, NAME, ["suspect"], force=True)
    assert again == row


def test_a_perfect_submission_has_no_reasons(graded: dict[str, Row]) -> None:
    assert graded["solved"].reasons == graded["warns"].reasons == []


@pytest.mark.parametrize("student", UNGRADABLE)
def test_what_cannot_be_graded_is_a_row_too(
    course: Course, graded: dict[str, Row], student: str
) -> None:
    assert graded[student].failure
    assert graded[student].score == 0
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(NAME, student).score == 0


def test_a_folder_of_no_assignment_is_found(course: Course) -> None:
    assert course.misplaced() == [course.root / "submitted" / "solved" / "lstm-cel"]


@pytest.mark.parametrize("student", ["solved", "gate-order", "deadly"])
def test_verdicts_lie_beside_the_notebook(
    course: Course, graded: dict[str, Row], student: str
) -> None:
    path = course.folder("autograded", student, NAME) / f"{NAME}.verdicts.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["student"] == student
    assert list(record["cells"]) == ["check-lstm-cell", "check-lstm-layer", "check-two-layer-lstm"]
    assert all(cell["protected"] for cell in record["cells"].values())
    seeds = [v["seed"] for cell in record["cells"].values() for v in cell["verdicts"]]
    assert seeds == [None] * 3


def test_the_feedback_page_shows_the_card(graded: dict[str, Row]) -> None:
    folder = graded["gate-order"].feedback
    assert folder is not None
    page = (folder / f"{NAME}.html").read_text(encoding="utf-8")
    assert "Your gates are read in the order i, f, o, g" in page
    assert "0 of 10 points" in page


def test_the_feedback_page_shows_no_forged_card(graded: dict[str, Row]) -> None:
    folder = graded["forger"].feedback
    assert folder is not None
    page = (folder / f"{NAME}.html").read_text(encoding="utf-8")
    assert "This is not written yet" in page
    assert "<div>A FORGED CARD" not in page
    assert page.count("A FORGED CARD") == 1  # In the student's own source.


def test_what_is_unchanged_is_not_graded_again(course: Course, graded: dict[str, Row]) -> None:
    again = list(grade(course, NAME, list(SCORES)))
    assert not any(row.fresh for row in again)
    assert again == [graded[name] for name in SCORES]
    assert {row.student: row.score for row in rows(course, NAME) if not row.failure} == {
        **SCORES,
        **RENAMED,
    }


def test_a_changed_submission_alone_is_graded_again(course: Course, graded: dict[str, Row]) -> None:
    edit(course, "untouched", lambda book: book.cells.append(nbformat.v4.new_markdown_cell("Hi")))
    again = {row.student: row for row in grade(course, NAME, ["solved", "untouched", "warns"])}
    assert {name for name, row in again.items() if row.fresh} == {"untouched"}
    assert again["untouched"].score == 0


def test_force_grades_again(course: Course, graded: dict[str, Row]) -> None:
    (row,) = grade(course, NAME, ["gate-order"], force=True)
    assert row.fresh
    assert row == graded["gate-order"]


def test_stock_nbgrader_gives_the_same_scores(course: Course, graded: dict[str, Row]) -> None:
    stock(course, "autograde", NAME, "--force")
    with course.gradebook() as gradebook:
        scores = {name: gradebook.find_submission(NAME, name).score for name in SCORES}
    assert scores == SCORES


@pytest.mark.parametrize(
    ("student", "text"),
    [("solved", "Success! Your notebook passes all the tests."), ("gate-order", "FAILED ON 1")],
)
def test_stock_validation(course: Course, student: str, text: str) -> None:
    folder = course.folder("submitted", student, NAME)
    result = stock(course, "validate", str(folder / f"{NAME}.ipynb"))
    assert text in result.stdout + result.stderr


def plain_notebook() -> NotebookNode:
    def meta(**kind: object) -> dict[str, object]:
        flags = {"grade": False, "solution": False, "locked": False, "task": False}
        return {"nbgrader": {"schema_version": 3, **flags, **kind}}

    solution = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
    test = "import sys\nprint('slow', file=sys.stderr)\nassert double(2) == 4"
    cells = [
        nbformat.v4.new_code_cell(solution, metadata=meta(solution=True, grade_id="work")),
        nbformat.v4.new_code_cell(
            test, metadata=meta(grade=True, locked=True, grade_id="test", points=3)
        ),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def test_plain_asserts_are_graded_and_called_unprotected(course: Course) -> None:
    folder = course.root / "source" / "plain"
    folder.mkdir()
    nbformat.write(plain_notebook(), folder / "plain.ipynb")
    here = Course(course.root)
    released = release(here, "plain")
    students = {student.name: student for student in read_class(folder)}
    for name in ("solved", "untouched"):
        hand_in(students[name], released, here.folder("submitted", name, "plain"))
    graded = {row.student: row for row in grade(here, "plain", ["solved", "untouched"])}
    right, wrong = graded["solved"], graded["untouched"]
    assert (right.score, right.max_score) == (3, 3)  # The line on stderr costs nothing.
    assert right.unprotected == ["test"]
    assert wrong.score == 0
    assert wrong.reasons == ["test: NotImplementedError: "]
