"""One submission, graded: a pure function that runs in any process on any machine.

It reads no course directory and no gradebook, and writes nothing outside a scratch folder: all that
it needs comes with the :class:`Plan` and the :class:`Submission`, all that it finds goes back in
:class:`Graded`.
"""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import torch
from nbformat import NotebookNode
from nbformat.v4.nbjson import BytesEncoder
from nbformat.v4.rwbase import strip_transient
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import CheckCellMetadata
from traitlets.config import Config

from .course import Digest
from .errors import AutograderError
from .feedback import FeedbackExporter
from .loader import find_spec
from .nbgrader_plugin import VERDICTS_SUFFIX, Assessment
from .notebooks import is_grade_code
from .referee import exam
from .salvage import salvage
from .scratch import folder, home
from .twin import Comment, Grade, Marks, SourceNotebook, Twin

__all__ = [
    "Graded",
    "GradedNotebook",
    "Handed",
    "Plan",
    "Submission",
    "grade_submission",
    "other_files_of",
    "rehearse",
]


_COMPILED = (".so", ".pyd", ".dylib", ".dll", ".pyc", ".pyo")
"""Ends the names of files that could run, but that nobody could read."""


@dataclass(frozen=True)
class Plan:
    """What all submissions of an assignment share."""

    assignment: str
    """The assignment's name."""
    notebooks: dict[str, SourceNotebook]
    """Its notebooks by name."""
    files: dict[str, bytes]
    """Its other files, ``checks.py`` among them, by relative path."""
    seeds: dict[str, int]
    """The secret seeds by question; the course's secret itself stays at home."""
    config: Config
    """nbgrader's configuration of the course."""
    package: str
    """A digest of this package: a worker on another machine must run the same."""

    @cached_property
    def digest(self) -> str:
        """Tells one plan from another."""
        parts = (self.assignment, self.notebooks, self.files, self.seeds, self.config, self.package)
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Handed:
    """One notebook that was handed in."""

    digest: Digest
    """What its grade depends on."""
    marks: Marks = field(default_factory=Marks)
    """What people have decided about it so far."""


@dataclass(frozen=True)
class Submission:
    """What one student handed in."""

    student: str
    """The student's id."""
    notebooks: dict[str, Handed]
    """What is known of each of the assignment's notebooks, by name."""
    files: dict[str, bytes]
    """All files by relative path, the notebooks among them."""
    notes: tuple[str, ...] = ()
    """What is to be said about the files, in sentences."""
    total_seconds_late: float = 0.0
    """How late it was."""


@dataclass(frozen=True)
class GradedNotebook:
    """What became of one notebook."""

    autograded: str
    """The executed notebook, as nbgrader writes it."""
    record: str
    """The verdicts, as JSON."""
    feedback: str
    """The feedback page."""
    marks: Marks
    """The marks for the gradebook."""


@dataclass(frozen=True)
class Graded:
    """What became of a submission."""

    student: str
    """The student's id."""
    notebooks: dict[str, GradedNotebook] = field(default_factory=dict)
    """The notebooks by name."""
    failure: str | None = None
    """Why it could not be graded, in a sentence."""

    @property
    def score(self) -> float:
        """The points of all notebooks."""
        return sum(notebook.marks.score for notebook in self.notebooks.values())

    def to_json(self) -> str:
        """Pack the outcome, to be kept on disk for a while."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Graded:
        """Unpack what :meth:`to_json` packed."""
        data = json.loads(text)
        notebooks = {}
        for name, notebook in data["notebooks"].items():
            marks = notebook["marks"]
            kept = {
                **marks,
                "grades": {key: Grade(**value) for key, value in marks["grades"].items()},
                "comments": {key: Comment(**value) for key, value in marks["comments"].items()},
            }
            notebooks[name] = GradedNotebook(**{**notebook, "marks": Marks(**kept)})
        return cls(data["student"], notebooks, data["failure"])


def other_files_of(plan: Plan, files: dict[str, bytes]) -> dict[str, bytes]:
    """Pick what lies beside the notebooks of a submission, as far as it is not in our way.

    Args:
        plan: what all submissions share; its files go to the same folder.
        files: all files that were handed in, by relative path.
    """
    ours = {*plan.files, *(f"{name}.ipynb" for name in plan.notebooks)}
    ours |= {f"{name}{VERDICTS_SUFFIX}" for name in plan.notebooks}
    folders = {str(parent) for path in (*ours, *files) for parent in PurePosixPath(path).parents}
    return {
        path: content
        for path, content in files.items()
        if not path.endswith((".ipynb", *_COMPILED))
        and path not in ours | folders
        and not ours.intersection(map(str, PurePosixPath(path).parents))
    }


def grade_submission(plan: Plan, submission: Submission) -> Graded:
    """Grade a submission.

    Args:
        plan: what it shares with the others.
        submission: what was handed in.

    Returns:
        The outcome; a submission that cannot be graded has a ``failure``.

    Raises:
        AutograderError: if not the submission but this machine is at fault.
    """
    graded = {}
    for name, handed in submission.notebooks.items():
        try:
            with _full_scratch_explained():
                graded[name] = _line(plan).grade(submission, name, handed)
        except AutograderError:
            raise
        except Exception as error:
            return Graded(submission.student, failure=f"{type(error).__name__}: {error}")
    return Graded(submission.student, graded)


def rehearse(plan: Plan) -> None:
    """Do once what every worker would do first, in a process that workers are forked from.

    Args:
        plan: what their jobs will share.

    Raises:
        AutograderError: if the assignment's specs or this machine are at fault.
    """
    with _full_scratch_explained():
        _line(plan).rehearse()


@contextmanager
def _full_scratch_explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise AutograderError(
            f"The scratch folder {home()} is full: {error.strerror}. Set TMPDIR to a folder with "
            "more free space."
        ) from None


_lines = threading.local()


def _line(plan: Plan) -> _Line:
    """Return this thread's line for a plan; it keeps the last one."""
    if getattr(_lines, "digest", None) != plan.digest:
        if hasattr(_lines, "line"):
            _lines.line.close()
            _lines.digest = None
        _lines.digest, _lines.line = plan.digest, _Line(plan)
    line: _Line = _lines.line
    return line


class _CheckCellMetadata(CheckCellMetadata):  # type: ignore[misc]
    """Validates what is the same in a thousand submissions once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._valid: set[str] = set()

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        metadata = json.dumps(
            [
                (cell.cell_type, cell.metadata.nbgrader)
                for cell in nb.cells
                if "nbgrader" in cell.metadata
            ]
        )
        if metadata not in self._valid:
            super().preprocess(nb, resources)
            if len(self._valid) < 1000:
                self._valid.add(metadata)
        return nb, resources


class _Line:
    """The steps of grading, made once for all submissions of an assignment."""

    def __init__(self, plan: Plan) -> None:
        logging.getLogger("traitlets").setLevel(logging.CRITICAL)
        # Cases are small, and others want the cores; and a process whose torch has had threads
        # must not be forked.
        torch.set_num_threads(1)
        self._plan = plan
        self._folder: TemporaryDirectory[str] = folder()
        self._source = Path(self._folder.name)
        try:
            _write(self._source, plan.files)
        except OSError:
            self._folder.cleanup()
            raise
        directory = CourseDirectory(config=plan.config)
        autograde = Autograde(coursedir=directory, config=plan.config)
        self._sanitize = self._steps(autograde.sanitize_preprocessors)
        self._autograde = self._steps(autograde.autograde_preprocessors)
        feedback = GenerateFeedback(coursedir=directory, config=plan.config)
        # The exporter keeps its compiled templates: making them takes longer than using them.
        self._exporter = FeedbackExporter(config=feedback.config)
        for step in feedback.preprocessors:
            self._exporter.register_preprocessor(step)

    def rehearse(self) -> None:
        """Make the exams, and a page from an empty notebook."""
        # A process that has run a backward pass cannot be forked if torch was built for CUDA.
        if torch.version.cuda is None:
            for question, seed in self._plan.seeds.items():
                held = exam(find_spec(self._source, question), seed)
                for misconception in held.spec.misconceptions:
                    for index in range(len(held.cases)):
                        held.wrong(misconception, index, backward=False)
        cells = [
            nbformat.v4.new_markdown_cell("$x$"),
            nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("stream", text="x")]),
        ]
        notebook = nbformat.v4.new_notebook(cells=cells)
        twin = Twin(SourceNotebook("rehearsal", None, ()), Marks(), 0.0)
        with twin.opened() as url:
            self._exporter.from_notebook_node(notebook, self._resources("", "rehearsal", "", url))

    def close(self) -> None:
        """Remove its folder."""
        self._folder.cleanup()

    def _steps(self, classes: list[Any]) -> list[Any]:
        found = [_CheckCellMetadata if step is CheckCellMetadata else step for step in classes]
        return [step(config=self._plan.config) for step in found]

    def _resources(self, student: str, name: str, folder: str, url: str) -> dict[str, Any]:
        return {
            "unique_key": name,
            "output_files_dir": f"{name}_files",
            "metadata": {"name": name, "path": folder},
            "nbgrader": {
                "student": student,
                "assignment": self._plan.assignment,
                "notebook": name,
                "db_url": url,
            },
        }

    def grade(self, submission: Submission, name: str, handed: Handed) -> GradedNotebook:
        plan = self._plan
        marks = copy.deepcopy(handed.marks)
        twin = Twin(plan.notebooks[name], marks, submission.total_seconds_late)
        siblings = {f"{other}.ipynb" for other in plan.notebooks if other != name}
        found = salvage(
            name,
            {path: text for path, text in submission.files.items() if path not in siblings},
            [cell.name for cell in twin.notebook.source_cells],
        )
        notebook = found.notebook or nbformat.v4.new_notebook()
        notes = (*submission.notes, *found.notes)
        problem = " ".join((found.problem, *notes)) if found.problem else None
        assessment = Assessment(
            self._source,
            plan.seeds.__getitem__,
            handed.digest,
            (problem,) if problem else notes,
            problem,
        )
        with folder() as work, twin.opened() as url:
            _write(Path(work), {**other_files_of(plan, submission.files), **plan.files})

            def resources() -> dict[str, Any]:
                made = self._resources(submission.student, name, work, url)
                return {**made, "assessment": assessment}

            for step in self._sanitize:
                notebook, _same = step(notebook, resources())
            kept = resources()
            for step in self._autograde:
                notebook, kept = step(notebook, kept)
            autograded = _on_one_line(notebook)
            page = self._page(notebook, resources())
        record = kept["outputs"][f"{name}{VERDICTS_SUFFIX}"].decode()
        return GradedNotebook(autograded, record, page, twin.marks)

    def _page(self, notebook: NotebookNode, resources: dict[str, Any]) -> str:
        """Make the feedback page; outputs that it cannot show must not cost the grade."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                page, _same = self._exporter.from_notebook_node(notebook, dict(resources))
            except Exception:
                plain = copy.deepcopy(notebook)
                for cell in plain.cells:
                    if cell.cell_type == "code" and not is_grade_code(cell):
                        cell.outputs = []
                page, _same = self._exporter.from_notebook_node(plain, dict(resources))
        return str(page)


def _on_one_line(notebook: NotebookNode) -> str:
    """Write a notebook as nbformat does, but for the indentation, which takes most of its time."""
    return json.dumps(strip_transient(notebook), cls=BytesEncoder, sort_keys=True)


def _write(target: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
