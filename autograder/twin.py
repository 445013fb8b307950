"""An assignment's gradebook in memory, so that a submission is graded far from the database.

nbgrader's preprocessors open the gradebook themselves, by its URL, for each notebook and each step.
A worker has no gradebook: there the URL names a :class:`Twin`, which holds what they read of the
assignment and keeps what they write of the submission.  They are nbgrader's own, unchanged.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import (
    getgrades,
    latesubmissions,
    overwritecells,
    overwritekernelspec,
    saveautogrades,
)

__all__ = [
    "Comment",
    "Grade",
    "Marks",
    "SourceCell",
    "SourceNotebook",
    "Twin",
    "open_gradebook",
    "read_notebook",
]


@dataclass(frozen=True)
class SourceCell:
    """A cell of an assignment's notebook as the gradebook knows it."""

    name: str
    """The cell's ``grade_id``."""
    cell_type: str
    """``code`` or ``markdown``."""
    locked: bool
    """Whether students may not change it."""
    source: str
    """Its source."""
    checksum: str
    """nbgrader's checksum of it."""
    kind: str
    """``grade``, ``solution``, ``both`` (graded by people), ``task`` or ``read-only``."""
    max_score: float
    """The points that it is worth."""


@dataclass(frozen=True)
class SourceNotebook:
    """A notebook of an assignment as the gradebook knows it."""

    name: str
    """Its name, without ``.ipynb``."""
    kernelspec: str | None
    """Its kernelspec as JSON."""
    source_cells: tuple[SourceCell, ...]
    """Its cells with a ``grade_id``, in order."""

    def _of(self, *kinds: str) -> list[SourceCell]:
        return [cell for cell in self.source_cells if cell.kind in kinds]

    @property
    def grade_cells(self) -> list[SourceCell]:
        """The cells with points, tasks apart."""
        return self._of("grade", "both")

    @property
    def solution_cells(self) -> list[SourceCell]:
        """The cells that students fill in, tasks apart."""
        return self._of("solution", "both")

    @property
    def task_cells(self) -> list[SourceCell]:
        """The tasks."""
        return self._of("task")

    @property
    def max_score(self) -> float:
        """The points that the notebook is worth."""
        return sum(cell.max_score for cell in self.source_cells)


@dataclass
class Grade:
    """The marks of one cell."""

    auto_score: float | None = None
    """What the autograder gives."""
    manual_score: float | None = None
    """What a person gives instead."""
    extra_credit: float | None = None
    """What a person gives on top."""
    needs_manual_grade: bool = True
    """Whether a person should look."""
    max_score: float = 0.0
    """The points that the cell is worth."""

    @property
    def score(self) -> float:
        """The points that count."""
        given = self.auto_score if self.manual_score is None else self.manual_score
        return 0.0 if given is None else given + (self.extra_credit or 0.0)


@dataclass
class Comment:
    """The comments on one cell."""

    auto_comment: str | None = None
    """What the autograder says."""
    manual_comment: str | None = None
    """What a person says instead."""

    @property
    def comment(self) -> str | None:
        """The comment that counts."""
        return self.auto_comment if self.manual_comment is None else self.manual_comment


@dataclass
class Marks:
    """All marks of one submitted notebook."""

    max_score: float = 0.0
    """The points that the notebook is worth."""
    grades: dict[str, Grade] = field(default_factory=dict)
    """The grades by ``grade_id``."""
    comments: dict[str, Comment] = field(default_factory=dict)
    """The comments by ``grade_id``."""
    late_submission_penalty: float | None = None
    """What is taken off for lateness."""

    @property
    def score(self) -> float:
        """The points of all its cells."""
        return sum(grade.score for grade in self.grades.values())


class Twin:
    """Stands in for :class:`nbgrader.api.Gradebook` while one submitted notebook is graded.

    Args:
        notebook: the notebook as the gradebook knows it.
        marks: what people have decided about this submission so far; the rest is filled in.
        total_seconds_late: how late it was handed in.
    """

    def __init__(self, notebook: SourceNotebook, marks: Marks, total_seconds_late: float) -> None:
        self.notebook = notebook
        self.marks = marks
        self.total_seconds_late = total_seconds_late
        self.db = self
        marks.max_score = notebook.max_score
        for cell in (*notebook.grade_cells, *notebook.task_cells):
            marks.grades.setdefault(cell.name, Grade()).max_score = cell.max_score
        for cell in (*notebook.solution_cells, *notebook.task_cells):
            marks.comments.setdefault(cell.name, Comment())

    @contextmanager
    def opened(self) -> Iterator[str]:
        """Give the twin a URL for as long as the ``with`` block lasts."""
        url = f"twin:{uuid.uuid4()}"
        _twins[url] = self
        try:
            yield url
        finally:
            del _twins[url]

    # What follows are the parts of Gradebook that the preprocessors use, by their names there.

    def __enter__(self) -> Twin:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        exc_traceback: TracebackType | None,
    ) -> None:
        pass

    def commit(self) -> None:
        pass

    def find_notebook(self, notebook: str, assignment: str) -> SourceNotebook:
        return self.notebook

    def find_source_cell(self, name: str, notebook: str, assignment: str) -> SourceCell:
        return _found(name, self.notebook.source_cells)

    def find_graded_cell(self, name: str, notebook: str, assignment: str) -> SourceCell:
        return _found(name, (*self.notebook.grade_cells, *self.notebook.task_cells))

    def find_grade(self, name: str, notebook: str, assignment: str, student: str) -> Grade:
        return self.marks.grades.get(name) or _missing(name)

    def find_comment(self, name: str, notebook: str, assignment: str, student: str) -> Comment:
        return self.marks.comments.get(name) or _missing(name)

    def find_submission(self, assignment: str, student: str) -> Twin:
        return self

    def find_submission_notebook(self, notebook: str, assignment: str, student: str) -> Marks:
        return self.marks


_twins: dict[str, Twin] = {}


def open_gradebook(db_url: str, *args: Any, **kwargs: Any) -> Any:
    """Open the gradebook of a URL, or the twin that has this URL now."""
    return _twins.get(db_url) or Gradebook(db_url, *args, **kwargs)


# nbgrader has no other place to say how a gradebook is opened.
for _module in (
    getgrades,
    latesubmissions,
    overwritecells,
    overwritekernelspec,
    saveautogrades,
):
    _module.Gradebook = open_gradebook


def _found(name: str, cells: tuple[SourceCell, ...]) -> SourceCell:
    return next((cell for cell in cells if cell.name == name), None) or _missing(name)


def _missing(name: str) -> Any:
    raise MissingEntry(f"There is no cell “{name}”.")


def read_notebook(notebook: Any, order: Sequence[str] = ()) -> SourceNotebook:
    """Read a notebook of an assignment from the gradebook.

    Args:
        notebook: nbgrader's :class:`~nbgrader.api.Notebook`.
        order: the names of its cells in order, which a database need not keep.
    """
    places = {name: place for place, name in enumerate(order)}
    graded = {cell.name: cell.max_score for cell in notebook.grade_cells}
    solutions = {cell.name for cell in notebook.solution_cells}
    tasks = {cell.name: cell.max_score for cell in notebook.task_cells}

    def kind(name: str) -> str:
        if name in tasks:
            return "task"
        if name in graded:
            return "both" if name in solutions else "grade"
        return "solution" if name in solutions else "read-only"

    return SourceNotebook(
        notebook.name,
        notebook.kernelspec,
        tuple(
            SourceCell(
                cell.name,
                cell.cell_type,
                cell.locked,
                cell.source,
                cell.checksum,
                kind(cell.name),
                float({**graded, **tasks}.get(cell.name) or 0.0),
            )
            for cell in sorted(
                notebook.source_cells, key=lambda cell: places.get(cell.name, len(places))
            )
        ),
    )
