"""A notebook is repaired where it is clear what was meant, and each repair is told."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from mutations import mutated
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import CheckCellMetadata, DeduplicateIds, OverwriteCells
from nbgrader.preprocessors.saveautogrades import SaveAutoGrades
from nbgrader.utils import compute_checksum

from autograder.repair import RepairCells, repair
from autograder.salvage import salvage
from autograder.texts import extra_lines, without
from autograder.twin import Marks, SourceCell, SourceNotebook, Twin

STUB = "def {name}(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
LINES = "from autograder import check\n\nimport torch"
RELEASED = (  # name, kind, type, source; None is a cell without a name
    ("setup", "read-only", "code", LINES),
    (None, None, "markdown", "# Two functions"),
    ("double", "solution", "code", STUB.format(name="double")),
    ("check-double", "grade", "code", 'check("double", double)'),
    ("about", "read-only", "markdown", "Now divide. Take care of whole numbers, they round."),
    ("half", "solution", "code", STUB.format(name="half")),
    ("check-half", "grade", "code", 'check("half", half)'),
    ("essay", "both", "markdown", "YOUR ANSWER HERE"),
    ("task", "task", "markdown", "Draw a picture."),
)
NAMES = [name for name, *_rest in RELEASED if name]
POINTS = {"check-double": 4.0, "check-half": 2.0, "essay": 3.0, "task": 1.0}
DOUBLE = "def double(x):\n    return 2 * x"
HALF = "def half(x):\n    return x / 2"
BOTH = {"double": DOUBLE, "half": HALF}


def marks(name: str, kind: str, cell_type: str) -> dict[str, Any]:
    found = {
        "grade": kind in ("grade", "both"),
        "grade_id": name,
        "locked": kind in ("grade", "read-only", "task"),
        "schema_version": 3,
        "solution": kind in ("solution", "both"),
        "task": kind == "task",
        "cell_type": cell_type,
    }
    return {**found, "points": POINTS[name]} if name in POINTS else found


def make_cell(name: str, kind: str | None, cell_type: str, source: str) -> NotebookNode:
    new = getattr(nbformat.v4, f"new_{cell_type}_cell")
    made: NotebookNode = new(source, id=name)
    if kind:
        made.metadata["nbgrader"] = nbformat.from_dict(marks(name, kind, cell_type))
        made.metadata.nbgrader.checksum = compute_checksum(made)
        made.metadata.deletable = False
    return made


def released() -> NotebookNode:
    cells = [make_cell(name or f"cell-{i}", *rest) for i, (name, *rest) in enumerate(RELEASED)]
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=cells)
    return notebook


def made_source() -> SourceNotebook:
    cells = []
    for cell in released().cells:
        meta = cell.metadata.get("nbgrader")
        if meta:
            kind = next(kind for name, kind, *_rest in RELEASED if name == cell.id)
            points = POINTS.get(cell.id, 0.0)
            cells.append(
                SourceCell(
                    *(cell.id, cell.cell_type, meta.locked, cell.source, meta.checksum),
                    *(kind, points),
                )
            )
    return SourceNotebook("tiny", None, tuple(cells))


SOURCE = made_source()
LOCKED = {cell.name: cell.source for cell in SOURCE.source_cells if cell.locked}


def submitted(**sources: str) -> NotebookNode:
    notebook = released()
    for name, source in sources.items():
        at(notebook, name.replace("_", "-")).source = source
    return notebook


def at(notebook: NotebookNode, name: str) -> NotebookNode:
    return next(cell for cell in notebook.cells if grade_id(cell) == name)


def grade_id(cell: NotebookNode) -> str | None:
    name: str | None = cell.metadata.get("nbgrader", {}).get("grade_id")
    return name


def delete(notebook: NotebookNode, *names: str) -> NotebookNode:
    notebook.cells = [cell for cell in notebook.cells if grade_id(cell) not in names]
    return notebook


def ordinary(notebook: NotebookNode) -> list[str]:
    return [c.source for c in notebook.cells if not grade_id(c) and c.source != "# Two functions"]


def order(notebook: NotebookNode) -> list[str | None]:
    return [grade_id(cell) for cell in notebook.cells if grade_id(cell)]


def sound(notebook: NotebookNode) -> None:
    """Check what must hold of all repaired notebooks."""
    nbformat.validate(notebook)
    names = order(notebook)
    assert sorted(map(str, names)) == sorted(NAMES)
    for source in SOURCE.source_cells:
        cell = at(notebook, source.name)
        assert cell.cell_type == source.cell_type
        expected = {**marks(source.name, source.kind, source.cell_type)}
        assert cell.metadata.nbgrader == {**expected, "checksum": source.checksum}
        if source.locked:
            assert cell.source == source.source
            assert compute_checksum(cell) == source.checksum


def mended(notebook: NotebookNode, notes: int | None = None) -> tuple[NotebookNode, str]:
    """Repair a notebook, check what must always hold, and return it with the notes."""
    before = copy.deepcopy(notebook)
    repaired, told = repair(notebook, SOURCE)
    assert notebook == before
    sound(repaired)
    assert repair(repaired, SOURCE) == (repaired, [])
    assert notes is None or len(told) == notes, told
    return repaired, "\n".join(told)


@pytest.mark.parametrize("sources", [{}, BOTH, {"double": "", "half": " \n"}, {"essay": "Long."}])
def test_what_is_intact_stays_as_it_is(sources: dict[str, str]) -> None:
    notebook = submitted(**sources)
    assert mended(notebook, notes=0)[0] == notebook


def test_cells_of_the_students_own_stay_as_they_are() -> None:
    notebook = submitted(**BOTH)
    for place, kind in ((0, "code"), (4, "markdown"), (8, "raw")):
        notebook.cells.insert(place, getattr(nbformat.v4, f"new_{kind}_cell")(f"mine {place}"))
    assert mended(notebook, notes=0)[0] == notebook


# Names.


def test_a_stranger_becomes_ordinary() -> None:
    notebook = submitted()
    stranger = make_cell("stranger", "solution", "code", 'check("stranger", 1)')
    notebook.cells.append(stranger)
    repaired, told = mended(notebook, notes=1)
    assert "nbgrader" not in repaired.cells[-1].metadata
    assert repaired.cells[-1].source == 'check("stranger", 1)'
    assert "“stranger”" in told


def test_marks_without_meaning_go_silently() -> None:
    notebook = submitted()
    inert = {"grade": False, "locked": False, "solution": False, "grade_id": "cell-9"}
    notebook.cells[1].metadata.nbgrader = nbformat.from_dict(inert)
    assert "nbgrader" not in mended(notebook, notes=0)[0].cells[1].metadata


def strip(cell: NotebookNode) -> None:
    del cell.metadata["nbgrader"]


def blank(cell: NotebookNode) -> None:
    cell.metadata.nbgrader.grade_id = ""


def rename(cell: NotebookNode) -> None:
    cell.metadata.nbgrader.grade_id = "renamed"


def damage(cell: NotebookNode) -> None:
    cell.metadata.nbgrader = nbformat.from_dict({"grade_id": ["x"], "grade": 5, "points": "many"})


@pytest.mark.parametrize("lose", [strip, blank, rename, damage])
@pytest.mark.parametrize("name", NAMES)
def test_a_cell_is_recognised_by_its_id(name: str, lose: Callable[[NotebookNode], None]) -> None:
    notebook = submitted(**{**BOTH, "essay": "Long."})
    source = at(notebook, name).source
    lose(at(notebook, name))
    repaired, told = mended(notebook, notes=1)
    assert at(repaired, name).source == source
    assert "recognised" in told
    assert f"“{name}”" in told


def test_a_whole_notebook_without_metadata_is_recognised() -> None:
    """As Google Colab may return it: new ids, no marks."""
    notebook = submitted(**BOTH)
    for i, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"colab-{i}", NotebookNode()
    repaired, told = mended(notebook, notes=1)
    assert order(repaired) == NAMES
    assert [cell.source for cell in repaired.cells] == [cell.source for cell in notebook.cells]
    assert all(f"“{name}”" in told for name in NAMES)


@pytest.mark.parametrize(
    ("name", "text", "recognised"),
    [
        ("check-double", 'check("double",  double)\n', True),
        ("about", "Now divide. Take care of whole numbers; they round.", True),
        ("about", "Now divide.", False),
        ("double", DOUBLE, True),
        ("double", "%time 1\n" + DOUBLE, True),
        ("double", "def double(x:\n  what", True),
        ("double", "  def double(x): 1", False),
        ("double", "x = double(3)", False),
    ],
)
def test_a_cell_without_id_is_recognised_by_its_text(
    name: str, text: str, recognised: bool
) -> None:
    notebook = submitted()
    cell = at(notebook, name)
    strip(cell)
    cell.id, cell.source = "another", text
    repaired, _told = mended(notebook)
    assert (at(repaired, name).id == "another") == recognised
    assert recognised or text in ordinary(repaired)


def test_of_two_cells_that_define_the_same_none_is_recognised() -> None:
    notebook = delete(submitted(), "double")
    for place in (2, 4):
        notebook.cells.insert(place, nbformat.v4.new_code_cell(DOUBLE + f" + {place}"))
    assert at(mended(notebook)[0], "double").source == ""


def test_long_texts_are_compared_in_a_short_time() -> None:
    notebook = delete(submitted(), "about", "setup", "task")
    texts = ["".join(random.Random(i).choices("ab \n", k=51)) for i in range(3000)]
    notebook.cells += [nbformat.v4.new_markdown_cell(text) for text in texts]
    mended(notebook)


# Copies.


@pytest.mark.parametrize("name", ["double", "check-double", "essay"])
def test_of_equal_copies_the_first_stays(name: str) -> None:
    notebook = submitted(**BOTH, essay="Long.")
    notebook.cells.append(copy.deepcopy(at(notebook, name)))
    notebook.cells[-1].id = "copy"
    repaired, told = mended(notebook, notes=1)
    assert (len(repaired.cells), at(repaired, name).id) == (len(RELEASED), name)
    assert f"“{name}”" in told


@pytest.mark.parametrize("place", [0, 3, 9])
@pytest.mark.parametrize("text", [STUB.format(name="double"), "", "\n"])
def test_an_untouched_copy_gives_way_to_work(place: int, text: str) -> None:
    notebook = submitted(double=DOUBLE)
    copied = copy.deepcopy(at(notebook, "double"))
    copied.update(id="copy", source=text)
    notebook.cells.insert(place, copied)
    repaired, _told = mended(notebook, notes=1)
    assert at(repaired, "double").source == DOUBLE
    assert ordinary(repaired) == []


@pytest.mark.parametrize(("name", "word"), [("double", "run"), ("essay", "ordinary text")])
def test_different_copies_all_stay_in_order(name: str, word: str) -> None:
    notebook = submitted(**{name: "first = 1"})
    place = notebook.cells.index(at(notebook, name)) + 1
    for i, text in enumerate(["second = 2", "third = 3"]):
        copied = copy.deepcopy(at(notebook, name))
        copied.update(id=f"copy-{i}", source=text)
        notebook.cells.insert(place + i, copied)
    repaired, told = mended(notebook, notes=1)
    assert at(repaired, name).source == "first = 1"
    assert ordinary(repaired) == ["second = 2", "third = 3"]
    assert word in told


def test_work_in_the_copy_of_a_locked_cell_is_not_lost() -> None:
    notebook = submitted(**BOTH)
    for place, text in ((0, "mine = 1"), (9, 'check("double", double)\n')):
        copied = copy.deepcopy(at(notebook, "check-double"))
        copied.update(id=f"copy-{place}", source=text)
        notebook.cells.insert(place, copied)
    repaired, _told = mended(notebook, notes=2)
    assert order(repaired) == NAMES
    assert ordinary(repaired) == ["mine = 1"]


# Deleted cells.


@pytest.mark.parametrize("name", NAMES)
def test_a_deleted_cell_is_put_back(name: str) -> None:
    repaired, told = mended(delete(submitted(**BOTH, essay="Long."), name), notes=1)
    assert order(repaired) == NAMES
    # Code that was handed out would undo what stands in another cell.
    source = next(cell for cell in SOURCE.source_cells if cell.name == name)
    kept = source.locked or source.cell_type == "markdown"
    assert at(repaired, name).source == (source.source if kept else "")
    assert "deleted" in told


def test_all_cells_are_put_back_behind_what_there_is() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("mine = 1")])
    repaired, _told = mended(notebook, notes=2)
    assert repaired.cells[0].source == "mine = 1"
    assert order(repaired) == NAMES


def test_a_deleted_first_cell_comes_before_the_next() -> None:
    notebook = delete(submitted(), "setup")
    notebook.cells.insert(0, nbformat.v4.new_code_cell("mine = 1"))
    repaired, _told = mended(notebook)
    assert [cell.source for cell in repaired.cells[:3]] == ["mine = 1", "# Two functions", LINES]


def test_a_deleted_check_comes_behind_the_helpers() -> None:
    notebook = delete(submitted(**BOTH), "check-double")
    place = notebook.cells.index(at(notebook, "double")) + 1
    notebook.cells.insert(place, nbformat.v4.new_code_cell("helper = 1"))
    repaired, _told = mended(notebook)
    assert repaired.cells[place].source == "helper = 1"
    assert grade_id(repaired.cells[place + 1]) == "check-double"


# Merged cells.


def merge(notebook: NotebookNode, *names: str, keep: str) -> NotebookNode:
    at(notebook, keep).source = "\n\n".join(at(notebook, name).source for name in names)
    return delete(notebook, *(name for name in names if name != keep))


@pytest.mark.parametrize(
    ("names", "keep"),
    [
        (("double", "check-double"), "check-double"),
        (("double", "check-double"), "double"),
        (("setup", "double"), "setup"),
        (("half", "check-half"), "half"),
        (("setup", "double", "check-double"), "setup"),
    ],
)
def test_merged_cells_are_parted(names: tuple[str, ...], keep: str) -> None:
    repaired, told = mended(merge(submitted(**BOTH), *names, keep=keep))
    assert order(repaired) == NAMES
    assert {name: at(repaired, name).source for name in BOTH} == BOTH
    assert "merged" in told


def test_two_merged_questions_stay_in_the_first() -> None:
    notebook = merge(
        submitted(**BOTH), "double", "check-double", "half", "check-half", keep="double"
    )
    repaired, _told = mended(notebook)
    assert at(repaired, "double").source.split() == f"{DOUBLE} {HALF}".split()
    assert at(repaired, "half").source == ""


def test_merged_text_is_parted() -> None:
    notebook = merge(submitted(essay="My answer.\n\nIt is long."), "essay", "task", keep="task")
    assert at(mended(notebook)[0], "essay").source == "My answer.\n\nIt is long."


def test_merged_code_that_is_no_python_stays_as_an_ordinary_cell() -> None:
    notebook = merge(
        submitted(double="def double(x:"), "double", "check-double", keep="check-double"
    )
    repaired, told = mended(notebook)
    assert at(repaired, "double").source == ""
    assert ordinary(repaired) == ["def double(x:"]
    assert "cells of its own" in told


def test_what_was_added_to_a_locked_cell_is_no_solution_if_none_is_missing() -> None:
    notebook = submitted(check_double='check("double", double)\ndouble = 1')
    repaired, told = mended(notebook, notes=1)
    assert ordinary(repaired) == []
    assert "put back" in told


@pytest.mark.parametrize(
    ("text", "blocks", "rest"),
    [
        ("a\nb\nc", ["b"], "a\nc"),
        ("a\nb\nc", ["a\nc"], "a\nb\nc"),
        ("a\nb  \na\nc", ["a\nb", "c"], "a"),
        ("a\nb\na\nc", ["a"], "a\nb\nc"),
        ("a\n", ["", "\n"], "a\n"),
    ],
)
def test_only_whole_blocks_are_cut(text: str, blocks: list[str], rest: str) -> None:
    assert without(text, blocks) == rest


@pytest.mark.parametrize(
    ("text", "known", "extra"),
    [
        ("a\nmine\nb", "a\nb", ["mine"]),
        ("a\na\nb", "b\nx\na", ["a"]),
        ("a\n\nb", "b\nx\na", []),
        ("mine\na\nb\n", "a\nb", ["mine"]),
    ],
)
def test_lines_that_were_added_are_found(text: str, known: str, extra: list[str]) -> None:
    assert [line for line in extra_lines(text, known) if line] == extra


# Changed cells.


@pytest.mark.parametrize("name", LOCKED)
@pytest.mark.parametrize("text", ["", "changed = 1"])
def test_a_locked_text_is_restored(name: str, text: str) -> None:
    _repaired, told = mended(submitted(**{name.replace("-", "_"): text}), notes=1)
    assert f"“{name}”" in told


@pytest.mark.parametrize("what", ["HIDDEN TESTS", "MARK SCHEME"])
def test_what_only_graders_see_is_put_back_silently(what: str) -> None:
    name, text = next(iter(LOCKED.items()))
    hidden = f"{text}\n### BEGIN {what}\nfor graders\n### END {what}"
    cells = tuple(
        replace(cell, source=hidden) if cell.name == name else cell for cell in SOURCE.source_cells
    )
    source = replace(SOURCE, source_cells=cells)
    repaired, told = repair(released(), source)
    assert at(repaired, name).source == hidden
    assert told == []
    _repaired, told = repair(submitted(**{name.replace("-", "_"): "changed = 1"}), source)
    assert f"“{name}”" in told[0]


@pytest.mark.parametrize(
    ("old", "new"), [("\n", "\r\n"), ("\n", "\r"), ("\n\n", "\n \n"), ("", "")]
)
def test_white_space_is_restored_silently(old: str, new: str) -> None:
    mended(submitted(setup=LINES.replace(old, new) + "\n"), notes=0)


def test_line_ends_become_those_of_unix() -> None:
    notebook = submitted(double=DOUBLE.replace("\n", "\r\n"))
    assert at(mended(notebook, notes=0)[0], "double").source == DOUBLE


@pytest.mark.parametrize("cell_type", ["code", "markdown", "raw"])
@pytest.mark.parametrize("name", NAMES)
def test_the_type_is_restored(name: str, cell_type: str) -> None:
    notebook = submitted(**BOTH)
    cell = at(notebook, name)
    changed = cell.cell_type != cell_type
    cell.cell_type = cell_type
    _repaired, told = mended(notebook, notes=int(changed))
    assert (f"“{name}”" in told) == changed


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("check-double", "points", 400),
        ("check-double", "points", "many"),
        ("check-double", "grade", False),
        ("check-double", "solution", True),
        ("double", "grade", True),
        ("double", "task", 1),
        ("setup", "locked", False),
    ],
)
def test_forged_settings_are_restored(name: str, key: str, value: Any) -> None:
    notebook = submitted()
    at(notebook, name).metadata.nbgrader[key] = value
    _repaired, told = mended(notebook, notes=1)
    assert f"“{name}”" in told


@pytest.mark.parametrize(
    ("key", "value"), [("grade", 0), ("solution", 0), ("locked", 1), ("schema_version", 3.0)]
)
def test_settings_that_are_only_equal_are_renewed(key: str, value: Any) -> None:
    notebook = submitted()
    at(notebook, "setup").metadata.nbgrader[key] = value
    mended(notebook, notes=0)


@pytest.mark.parametrize(
    "key", ["schema_version", "task", "cell_type", "checksum", "locked", "new"]
)
def test_settings_of_other_versions_are_renewed_silently(key: str) -> None:
    notebook = submitted()
    for name in ("double", "check-double"):
        at(notebook, name).metadata.nbgrader.pop(key, None)
        at(notebook, name).metadata.nbgrader.update({"new": 1} if key == "new" else {})
    mended(notebook, notes=0)


# Order.


def test_a_check_before_its_solution_is_moved_behind_it() -> None:
    notebook = submitted(**BOTH)
    for name in ("check-half", "check-double"):
        cell = at(notebook, name)
        notebook.cells.remove(cell)
        notebook.cells.insert(1, cell)
    repaired, told = mended(notebook, notes=1)
    assert order(repaired) == NAMES
    assert "“check-double”, “check-half”" in told


def test_other_orders_stay() -> None:
    notebook = submitted(**BOTH)
    notebook.cells = notebook.cells[4:] + notebook.cells[:4]
    expected = ["setup", "about", "half", "essay", "task", "double", "check-half", "check-double"]
    repaired, told = mended(notebook, notes=2)
    assert order(repaired) == expected
    assert "“check-half”" in told


# As a step of nbgrader.


@pytest.fixture
def opened() -> Iterator[tuple[Twin, dict[str, Any]]]:
    twin = Twin(SOURCE, Marks(), 0.0)
    with twin.opened() as url:
        about = {"student": "ada", "assignment": "tiny", "notebook": "tiny", "db_url": url}
        yield twin, {"nbgrader": about}


Opened = tuple[Twin, dict[str, Any]]


def step(notebook: NotebookNode, resources: dict[str, Any]) -> NotebookNode:
    repaired, same = RepairCells()(notebook, resources)
    assert same["nbgrader"] == resources["nbgrader"]
    nbformat.validate(repaired)
    return repaired


def test_the_step_leaves_an_intact_notebook_alone(opened: Opened) -> None:
    assert step(submitted(**BOTH), opened[1]) == submitted(**BOTH)


def test_where_there_was_nothing_one_reason_is_enough(opened: Opened) -> None:
    resources = {**opened[1], "assessment": SimpleNamespace(notes=("The file was empty.",))}
    repaired = step(nbformat.v4.new_notebook(), resources)
    assert repaired.metadata.autograder.repairs == ["The file was empty."]
    assert [name for name in order(repaired) if name in NAMES] == list(NAMES)


def test_the_step_tells_what_was_done(opened: Opened) -> None:
    assessment = SimpleNamespace(notes=("The file was damaged.",))
    resources = {**opened[1], "assessment": assessment}
    repaired = step(delete(submitted(), "essay"), resources)
    notes = repaired.metadata.autograder.repairs
    assert notes[0] == "The file was damaged."
    assert "“essay”" in notes[1]
    notice = repaired.cells[0]
    assert notice.cell_type == "markdown"
    assert notice.metadata == {"deletable": False, "editable": False}
    page = markdown2html(notice.source)
    assert "What was repaired in this notebook" in page
    assert page.count("<li>") == 2
    assert all(note in page for note in notes)


def test_a_second_time_the_notice_is_replaced(opened: Opened) -> None:
    repaired = step(delete(submitted(), "essay"), opened[1])
    again = step(delete(repaired, "task"), opened[1])
    assert [cell.id for cell in again.cells].count(repaired.cells[0].id) == 1
    assert "“essay”" not in again.cells[0].source
    assert "“task”" in again.cells[0].source
    last = step(again, opened[1])
    assert "autograder" not in last.metadata
    assert len(last.cells) == len(RELEASED)


def test_forged_notes_do_not_survive(opened: Opened) -> None:
    notebook = submitted()
    notebook.metadata["autograder"] = {"repairs": ["Full marks."]}
    assert step(notebook, opened[1]).metadata == {}


def test_code_that_has_the_notice_s_id_is_not_lost(opened: Opened) -> None:
    notebook = delete(submitted(), "essay")
    notebook.cells.insert(0, nbformat.v4.new_code_cell("mine = 1", id="autograder-repairs"))
    assert ordinary(step(notebook, opened[1]))[1] == "mine = 1"


@pytest.mark.parametrize(
    ("name", "forbidden"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("<img src=x>", "<img"),
        ("[x](javascript:1)", "<a"),
        ("![x](http://x.y)", "<img"),
        ("http://example.org", "<a"),
        ("**x**", "<strong"),
        ("`x`", "<code"),
        ("a\n\n# b", '<h1 id="b'),
        ("&lt;b&gt;", "<b>"),
    ],
)
def test_a_student_s_text_stays_text_in_the_notice(
    opened: Opened, name: str, forbidden: str
) -> None:
    notebook = submitted()
    notebook.cells.append(make_cell("stranger", "solution", "code", "x"))
    notebook.cells[-1].metadata.nbgrader.grade_id = name
    page = markdown2html(step(notebook, opened[1]).cells[0].source).partition("</h1>")[2]
    assert "do not belong" in page
    assert forbidden not in page


def test_nbgrader_s_own_steps_accept_the_result(opened: Opened) -> None:
    twin, resources = opened
    notebook = delete(submitted(half=HALF), "double", "essay")
    notebook.cells.append(copy.deepcopy(notebook.cells[0]))
    notebook = step(notebook, resources)
    before = copy.deepcopy(notebook.cells)
    for kind in (DeduplicateIds, OverwriteCells, CheckCellMetadata):
        notebook, _same = kind()(notebook, resources)
    assert notebook.cells == before
    SaveAutoGrades()(notebook, resources)
    assert {name: grade.max_score for name, grade in twin.marks.grades.items()} == POINTS


def test_the_step_works_with_a_real_gradebook(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    with Gradebook(url) as gradebook:
        gradebook.add_assignment("tiny")
        gradebook.add_notebook("tiny", "tiny")
        for cell in SOURCE.source_cells:
            fields = {key: getattr(cell, key) for key in ("cell_type", "source", "checksum")}
            place = (cell.name, "tiny", "tiny")
            gradebook.add_source_cell(*place, locked=cell.locked, **fields)
            graded = {"max_score": cell.max_score, "cell_type": cell.cell_type}
            if cell.kind in ("grade", "both"):
                gradebook.add_grade_cell(*place, **graded)
            if cell.kind in ("solution", "both"):
                gradebook.add_solution_cell(*place)
            if cell.kind == "task":
                gradebook.add_task_cell(*place, **graded)
    about = {"student": "ada", "assignment": "tiny", "notebook": "tiny", "db_url": url}
    repaired = step(delete(submitted(**BOTH), "task", "half"), {"nbgrader": about})
    sound(repaired)


# Whatever happens.


@settings(max_examples=50, deadline=None, derandomize=True)
@given(files=mutated(json.loads(nbformat.writes(submitted(**BOTH))), NAMES))
def test_whatever_was_handed_in_fits_in_the_end(files: dict[str, bytes]) -> None:
    salvaged = salvage("tiny", files, NAMES)
    if salvaged.notebook is None:
        assert salvaged.problem
        return
    nbformat.validate(salvaged.notebook)
    repaired, _told = mended(salvaged.notebook)
    nbformat.writes(repaired).encode()
