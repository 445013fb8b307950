"""From any valid notebook to one that has each cell of its assignment exactly once.

Where it is clear what a student meant, the notebook is repaired so that the other questions can be
graded on their merits, and each repair is told in a sentence.  What the student has written is
never dropped, except for copies of the assignment's own text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from html import escape
from itertools import islice, takewhile
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from . import twin
from .anynotebook import free_id, grade_id_of, normalised
from .i18n import _
from .texts import defined, differs, extra_lines, parses, without
from .twin import SourceCell, SourceNotebook

__all__ = ["RepairCells", "repair"]

_NOTICE_ID = "autograder-repairs"
_LIKENESS = 0.9
_CHARACTERS = 2000  # of two texts that are compared letter by letter
_COMPARISONS = 100


def repair(notebook: NotebookNode, source: SourceNotebook) -> tuple[NotebookNode, list[str]]:
    """Fit a submitted notebook to its assignment.

    Args:
        notebook: the submitted notebook; it stays as it is.
        source: the assignment's notebook.

    Returns:
        A valid notebook without outputs, and what was repaired, in sentences.
    """
    notebook, notes = normalised(notebook)
    work = _Repair(notebook.cells, source)
    work.run()
    notebook.cells = work.cells
    return notebook, [*notes, *work.notes]


class RepairCells(NbGraderPreprocessor):  # type: ignore[misc]
    """Repairs a submitted notebook, and tells in its first cell what was repaired."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        about = resources["nbgrader"]
        with twin.open_gradebook(about["db_url"]) as gradebook:
            found = gradebook.find_notebook(about["notebook"], about["assignment"])
            source = found if isinstance(found, SourceNotebook) else twin.read_notebook(found)
        assessment = resources.get("assessment")
        earlier = list(assessment.notes) if assessment else []
        cells = [cell for cell in nb.get("cells", []) if not _is_notice(cell)]
        nb, notes = repair(NotebookNode({**nb, "cells": cells}), source)
        # Where there was nothing, each cell is missing, and one reason is enough.
        notes = [*earlier, *(notes if cells or not earlier else [])]
        if notes:
            nb.metadata["autograder"] = NotebookNode(repairs=notes)
            nb.cells.insert(0, _notice(notes, nb.cells))
        return nb, resources


def _is_notice(cell: Any) -> bool:
    return (
        isinstance(cell, dict)
        and bool(re.fullmatch(rf"{_NOTICE_ID}(-\d+)?", str(cell.get("id"))))
        and cell.get("cell_type") == "markdown"
        and grade_id_of(cell) is None
    )


def _notice(notes: list[str], cells: list[NotebookNode]) -> NotebookNode:
    name = free_id(_NOTICE_ID, {cell.id for cell in cells})
    lines = [f"# {_('What was repaired in this notebook')}", ""]
    lines += [f"- {_harmless(note)}" for note in notes]
    metadata = {"deletable": False, "editable": False}
    cell = {"cell_type": "markdown", "id": name, "metadata": metadata, "source": "\n".join(lines)}
    made: NotebookNode = nbformat.from_dict(cell)
    return made


def _handed_out(text: str) -> str:
    """Leave out the lines that nbgrader removes from the version that students get."""
    kept, hidden = [], False
    for line in text.split("\n"):
        mark = re.search(r"(BEGIN|END) (?:MARK SCHEME|HIDDEN TESTS)", line)
        if mark:
            hidden = mark[1] == "BEGIN"
        elif not hidden:
            kept.append(line)
    return "\n".join(kept)


def _harmless(text: str) -> str:
    """Write a text as Markdown that shows it as it is, on one line."""
    text = escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+.!|~$:@^])", r"\\\1", text)


class _Repair:
    """One notebook under repair.

    A cell of the notebook that stands for one of the assignment is *claimed* by it.
    """

    def __init__(self, cells: list[NotebookNode], source: SourceNotebook) -> None:
        self.cells = cells
        self.notes: list[str] = []
        self._source = {cell.name: cell for cell in source.source_cells}
        self._names = list(self._source)
        self._claims: dict[str, NotebookNode] = {}
        self._loose: list[NotebookNode] = []  # cells that might have lost their grade_id
        self._strangers: list[str] = []  # grade_ids that the assignment does not know
        self._comparisons = 0

    def run(self) -> None:
        for cell in self.cells:
            cell.source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
        self._claim_by_grade_id()
        self._recognise()
        self._tell_strangers()
        self._retype()
        self._part_merged()
        self._restore_locked()
        self._put_back()
        self._reorder()
        self._mark()

    def _tell(self, text: str, names: Iterable[str]) -> None:
        """Add a sentence about cells, if there are any."""
        known = list(dict.fromkeys(names))
        if known:
            listed = ", ".join(f"“{name[:80]}”" for name in known[:20])
            self.notes.append(text.format(cells=listed + (", …" if len(known) > 20 else "")))

    def _missing(self) -> list[SourceCell]:
        return [cell for name, cell in self._source.items() if name not in self._claims]

    def _present(self) -> list[tuple[NotebookNode, SourceCell]]:
        return [(self._claims[n], cell) for n, cell in self._source.items() if n in self._claims]

    def _make(self, cell_type: str, source: str, name: str) -> NotebookNode:
        """Make a cell whose id is the name if that is free."""
        name = free_id(name, {cell.id for cell in self.cells})
        code: dict[str, Any] = (
            {"outputs": [], "execution_count": None} if cell_type == "code" else {}
        )
        cell: dict[str, Any] = {
            "cell_type": cell_type,
            "id": name,
            "metadata": {},
            "source": source,
            **code,
        }
        made: NotebookNode = nbformat.from_dict(cell)
        return made

    def _index(self, cell: NotebookNode) -> int:
        return next(i for i, other in enumerate(self.cells) if other is cell)

    def _behind(self, cell: NotebookNode, kind: str) -> int:
        """Find the place behind a cell; what is graded also comes behind helpers of its own."""
        claimed = {id(other) for other in self._claims.values()}
        index = self._index(cell) + 1
        while kind == "grade" and index < len(self.cells):
            other = self.cells[index]
            if other.cell_type != "code" or id(other) in claimed:
                break
            index += 1
        return index

    # Which cell is which.

    def _claim_by_grade_id(self) -> None:
        copies: dict[str, list[NotebookNode]] = {}
        for cell in self.cells:
            name = grade_id_of(cell)
            if name in self._source:
                copies.setdefault(name, []).append(cell)
            else:
                meta = cell.metadata.pop("nbgrader", {})
                self._loose.append(cell)
                # nbgrader's own toolbar leaves marks without meaning in ordinary cells.
                if name and any(meta.get(key) for key in ("grade", "solution", "locked", "task")):
                    cell.metadata["nbgrader"] = meta
        dropped: list[NotebookNode] = []
        kept: dict[bool, list[str]] = {True: [], False: []}
        for name, cells in copies.items():
            source = self._source[name]
            self._claims[name], rest, gone = _sorted_copies(cells, source)
            dropped += gone
            for cell in rest:
                del cell.metadata["nbgrader"]
                kept[cell.cell_type == "code"].append(name)
        gone_ids = {id(cell) for cell in dropped}
        self.cells = [cell for cell in self.cells if id(cell) not in gone_ids]
        names = [str(grade_id_of(cell)) for cell in dropped]
        self._tell(
            _("These cells were there more than once; one of each was kept: {cells}."), names
        )
        text = _(
            "These cells were there more than once, with different texts: {cells}. All of them "
            "were run in their order, so that what is defined later counts."
        )
        self._tell(text, kept[True])
        text = _(
            "These cells were there more than once, with different texts: {cells}. The first one "
            "counts; the others stay as ordinary text."
        )
        self._tell(text, kept[False])

    def _recognise(self) -> None:
        ids = {cell.id: cell for cell in self._loose}
        found = []
        for source in self._missing():
            if source.name in ids:
                self._claim(source, ids[source.name])
                found.append(source.name)
        for alike in (self._same_text, self._same_names, self._similar_text):
            for source in self._missing():
                cell = alike(source)
                if cell is not None:
                    self._claim(source, cell)
                    found.append(source.name)
        text = _("These cells had lost their names and were recognised: {cells}.")
        self._tell(text, [name for name in self._names if name in found])

    def _claim(self, source: SourceCell, cell: NotebookNode) -> None:
        self._claims[source.name] = cell
        self._loose = [other for other in self._loose if other is not cell]

    def _same_text(self, source: SourceCell) -> NotebookNode | None:
        words = source.source.split()
        return next((c for c in self._loose if words and c.source.split() == words), None)

    def _same_names(self, source: SourceCell) -> NotebookNode | None:
        names = (
            frozenset() if source.locked or source.cell_type != "code" else defined(source.source)
        )
        if not names:
            return None
        fitting = (
            cell
            for cell in self._loose
            if cell.cell_type == "code"
            and all(name in cell.source for name in names)  # Parsing takes longer.
            and names <= defined(cell.source)
        )
        found = list(islice(fitting, 2))
        return found[0] if len(found) == 1 else None

    def _similar_text(self, source: SourceCell) -> NotebookNode | None:
        text = source.source.strip()
        for cell in self._loose:
            other = cell.source.strip()
            longer = max(len(text), len(other))
            if longer == 0 or abs(len(text) - len(other)) > (1 - _LIKENESS) * longer:
                continue
            if self._comparisons >= _COMPARISONS:
                return None
            self._comparisons += 1
            pair = SequenceMatcher(None, text[:_CHARACTERS], other[:_CHARACTERS])
            if pair.quick_ratio() >= _LIKENESS and pair.ratio() >= _LIKENESS:
                return cell
        return None

    def _tell_strangers(self) -> None:
        names = [grade_id_of(cell) for cell in self._loose]
        text = _("These cells do not belong to the assignment and became ordinary ones: {cells}.")
        self._tell(text, [name for name in names if name])

    # What is in them.

    def _retype(self) -> None:
        names = []
        for cell, source in self._present():
            if cell.cell_type != source.cell_type:
                names.append(source.name)
                for key in ("attachments", "outputs", "execution_count"):
                    cell.pop(key, None)
                cell.cell_type = source.cell_type
                if cell.cell_type == "code":
                    cell.update(outputs=[], execution_count=None)
        self._tell(_("These cells had been turned into another type: {cells}."), names)

    def _part_merged(self) -> None:
        """Part cells that were merged: one of them has both texts, the other one is gone."""
        parted, as_ordinary = [], []
        for cell, source in self._present():
            text = without(cell.source, [other.source for other in self._lost_behind(source)])
            if not source.locked:
                if text != cell.source:
                    cell.source = text
                    parted.append(source.name)
                continue
            text = "\n".join(extra_lines(text, source.source)).strip("\n")
            target = self._lost_in(text, source) if text else None
            if target is None:
                continue
            if target.cell_type == "code" and not parses(text):
                made = self._make(source.cell_type, text, f"{target.name}-text")
                self.cells.insert(self._index(cell), made)
                as_ordinary.append(target.name)
                continue
            after = self._names.index(target.name) > self._names.index(source.name)
            self._claims[target.name] = self._make(target.cell_type, text, target.name)
            self.cells.insert(self._index(cell) + after, self._claims[target.name])
            parted.append(target.name)
        text = _("These cells had been merged with others and were parted from them: {cells}.")
        self._tell(text, parted)
        text = _(
            "What is probably the text of these cells stood in others, and was moved into cells of "
            "its own: {cells}."
        )
        self._tell(text, as_ordinary)

    def _lost_behind(self, source: SourceCell) -> list[SourceCell]:
        later = self._names[self._names.index(source.name) :]
        return [cell for cell in self._missing() if cell.locked and cell.name in later]

    def _lost_in(self, text: str, holder: SourceCell) -> SourceCell | None:
        """Find the cell whose text probably ended up in another one."""
        found = defined(text)
        for cell in self._missing():
            if not cell.locked and cell.cell_type == "code" and found & defined(cell.source):
                return cell
        place = self._names.index(holder.name)
        for names in (self._names[place + 1 :], self._names[:place][::-1]):
            # Only missing cells can stand between the two.
            for name in takewhile(lambda name: name not in self._claims, names):
                cell = self._source[name]
                if not cell.locked and cell.cell_type == holder.cell_type:
                    return cell
        return None

    def _restore_locked(self) -> None:
        names = []
        for cell, source in self._present():
            if source.locked and cell.source != source.source:
                if differs(cell.source, _handed_out(source.source)):
                    names.append(source.name)
                cell.source = source.source
        text = _(
            "The text of these cells was not that of the assignment and was put back: {cells}."
        )
        self._tell(text, names)

    # Where they are.

    def _put_back(self) -> None:
        locked: list[str] = []
        open_: list[str] = []
        before: NotebookNode | None = None
        for index, (name, source) in enumerate(self._source.items()):
            if name not in self._claims:
                # Never the code that was handed out: after cells were merged, it would undo what
                # the student has written.
                whole = source.locked or source.cell_type != "code"
                (locked if whole else open_).append(name)
                text = source.source if whole else ""
                made = self._make(source.cell_type, text, name)
                after = next(
                    (self._claims[n] for n in self._names[index:] if n in self._claims), None
                )
                place = len(self.cells)
                if before is not None:
                    place = self._behind(before, source.kind)
                elif after is not None:
                    place = self._index(after)
                self.cells.insert(place, made)
                self._claims[name] = made
            before = self._claims[name]
        self._tell(_("These cells had been deleted and were put back: {cells}."), locked)
        text = _("These cells had been deleted and were put back without any text: {cells}.")
        self._tell(text, open_)

    def _reorder(self) -> None:
        moved = []
        places = self._places()
        for index, name in reversed(list(enumerate(self._names))):
            if self._source[name].kind != "grade":
                continue
            work = [n for n in self._names[:index] if self._source[n].kind in ("solution", "both")]
            last = max(work, key=places.__getitem__, default=name)
            if places[last] > places[name]:
                cell = self.cells.pop(places[name])
                self.cells.insert(self._behind(self._claims[last], "grade"), cell)
                places = self._places()
                moved.append(name)
        text = _(
            "These cells were out of order, before what they check, and were moved behind it: "
            "{cells}."
        )
        self._tell(text, reversed(moved))
        moved = []
        for index, name in enumerate(self._names):
            source = self._source[name]
            later = [places[n] for n in self._names[index + 1 :] if self._source[n].kind != "task"]
            if source.kind == "read-only" and source.cell_type == "code":
                first = min(later, default=len(self.cells))
                if first < places[name]:
                    self.cells.insert(first, self.cells.pop(places[name]))
                    places = self._places()
                    moved.append(name)
        text = _(
            "These cells were out of order, behind what needs them, and were moved before it: "
            "{cells}."
        )
        self._tell(text, moved)

    def _places(self) -> dict[str, int]:
        places = {id(cell): place for place, cell in enumerate(self.cells)}
        return {name: places[id(cell)] for name, cell in self._claims.items()}

    def _mark(self) -> None:
        """Give each cell the marks that nbgrader's own release would."""
        changed = []
        claimed = {id(cell) for cell in self._claims.values()}
        for cell in self.cells:
            if id(cell) not in claimed:
                cell.metadata.pop("nbgrader", None)
        for cell, source in self._present():
            old, new = cell.metadata.get("nbgrader"), _marks(source)
            if grade_id_of(cell) == source.name and not _same_marks(old, new):
                changed.append(source.name)
            if not _equal(old, new):
                cell.metadata["nbgrader"] = nbformat.from_dict(new)
            if source.locked and old is None:
                cell.metadata.update(deletable=False, editable=False)
        text = _("The settings of these cells were not those of the assignment: {cells}.")
        self._tell(text, changed)


def _marks(cell: SourceCell) -> dict[str, Any]:
    marks: dict[str, Any] = {
        "grade": cell.kind in ("grade", "both"),
        "grade_id": cell.name,
        "locked": cell.locked,
        "schema_version": 3,
        "solution": cell.kind in ("solution", "both"),
        "task": cell.kind == "task",
        "cell_type": cell.cell_type,
    }
    if cell.kind in ("grade", "both", "task"):
        marks["points"] = cell.max_score
    if cell.checksum:
        marks["checksum"] = cell.checksum
    return marks


def _equal(old: Any, new: dict[str, Any]) -> bool:
    """Tell whether marks are equal; False is not 0, which nbgrader's checksums tell apart."""
    if not (isinstance(old, dict) and old == new):
        return False
    points = type(old.get("points"))
    return points is not bool and all(
        type(old[key]) is type(value) for key, value in new.items() if key != "points"
    )


def _same_marks(old: Any, new: dict[str, Any]) -> bool:
    """Tell whether marks mean the same, in whatever version of nbgrader's format."""

    def meaning(marks: Any) -> list[Any]:
        grade, solution = bool(marks.get("grade")), bool(marks.get("solution"))
        locked = not solution and (grade or bool(marks.get("locked")))
        task = bool(marks.get("task"))
        return [grade, solution, locked, task, marks.get("points") if grade or task else None]

    return meaning(old) == meaning(new)


def _sorted_copies(
    cells: list[NotebookNode], source: SourceCell
) -> tuple[NotebookNode, list[NotebookNode], list[NotebookNode]]:
    """Sort cells with one grade_id into the one that counts, those that stay, and mere copies."""
    own = [cell for cell in cells if not differs(cell.source, source.source)]
    if source.locked:
        first = own[0] if own else cells[0]
        worked = [
            cell
            for cell in cells
            if cell is not first and any(extra_lines(cell.source, source.source))
        ]
        others = worked
    else:
        worked = [c for c in cells if c.source.strip() and differs(c.source, source.source)]
        first = (worked or own or cells)[0]
        others = worked[1:]
    rest: list[NotebookNode] = []
    seen = {first.source}
    for cell in others:
        if cell.source not in seen:
            seen.add(cell.source)
            rest.append(cell)
    staying = {id(first), *(id(cell) for cell in rest)}
    return first, rest, [cell for cell in cells if id(cell) not in staying]
