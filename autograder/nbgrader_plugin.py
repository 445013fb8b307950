"""Our grading inside nbgrader, through its own extension points.

A course's ``nbgrader_config.py`` calls :func:`configure`; from then on stock ``nbgrader``
commands and formgrader grade through the referee.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute, SaveAutoGrades
from nbgrader.utils import determine_grade
from traitlets.config import Config

from .card import VERDICT_MIME, to_html
from .course import Digest, submission_digest
from .errors import AutograderError
from .execute import DEAD, OVER, Executor, error_of, name_of, new_output
from .forbidden import watched_in_one_thread
from .i18n import _
from .imports import IMPORTS_VARIABLE, told
from .integrity import Flag, scan
from .loader import CHECKS_FILE, load_specs
from .notebooks import asked_questions, is_grade_code, only_checks, text_sources, update_sources
from .provisioner import SANDBOX_KERNEL
from .repair import RepairCells
from .seeds import course_secret, secret_seed
from .server import RefereeServer
from .spec import MeasuredSpec
from .student import WIRE_VARIABLE
from .students import MUTANTS_FILE, STUDENTS_FILE, STUDENTS_FOLDER
from .verdict import Verdict

__all__ = ["VERDICTS_SUFFIX", "Assessment", "RefereeExecute", "SaveReviewedGrades", "configure"]

VERDICTS_SUFFIX = ".verdicts.json"
"""Ends the name of the file of verdicts beside an autograded notebook."""


def configure(config: Config, course: Path) -> None:
    """Set nbgrader up for a course, from its ``nbgrader_config.py``.

    Args:
        config: nbgrader's configuration, as ``get_config()`` returns it.
        course: the course directory.

    Raises:
        SystemExit: if a notebook or a spec of the course is not what it should be.
    """
    source = course / "source"
    try:
        update_sources(source)
    except AutograderError as error:
        # nbgrader would log any other exception and go on without this configuration: it would
        # release the solutions and grade without the referee.
        raise SystemExit(f"Error: {error}") from None
    config.CourseDirectory.root = str(course)
    # Solutions and sample students stay here when an assignment is released or graded.
    texts = {path.name for folder in source.glob("*/") for path in text_sources(folder)}
    ignored = CourseDirectory.class_traits()["ignore"].default()
    config.CourseDirectory.ignore = [
        *ignored,
        *sorted(texts),
        STUDENTS_FILE,
        STUDENTS_FOLDER,
        MUTANTS_FILE,
    ]
    steps = Autograde.class_traits()["sanitize_preprocessors"].default()
    config.Autograde.sanitize_preprocessors = [RepairCells, *steps]
    ours = {Execute: RefereeExecute, SaveAutoGrades: SaveReviewedGrades}
    steps = Autograde.class_traits()["autograde_preprocessors"].default()
    config.Autograde.autograde_preprocessors = [ours.get(step, step) for step in steps]
    # Whatever a submission's notebook asks for, its code runs in the sandbox.
    config.RefereeExecute.kernel_name = SANDBOX_KERNEL


@dataclass(frozen=True)
class Assessment:
    """What the referee needs to know about the submission under way."""

    folder: Path
    """The assignment's folder on the instructor's side, with its ``checks.py``."""
    seed_of: Callable[[str], int]
    """Gives the secret seed of a question."""
    digest: Digest
    """What the grade depends on, to recognise it later."""
    notes: tuple[str, ...] = ()
    """What had to be done to read the notebook, in sentences."""
    problem: str | None = None
    """Why there was nothing to grade, if so."""


class RefereeExecute(Executor):
    """Executes a submission and lets the referee decide on its grade cells.

    In a grade cell that calls ``check``, nothing that the kernel prints, shows or raises earns a
    point: the cell's outputs get the referee's score and cards instead.  Other grade cells are
    marked as nbgrader always does, except that warnings cost nothing; the report calls them
    unprotected.

    Points are withheld where the notebook holds code that could deceive the check; a person decides
    on them.

    The kernel is the one that ``kernel_name`` names: a sandboxed one, as :func:`configure` sets it.
    """

    _server: RefereeServer
    _cells: dict[str, Any]
    _imports: dict[str, str]

    def preprocess(
        self, nb: NotebookNode, resources: Any, km: Any = None
    ) -> tuple[NotebookNode, Any]:
        about = resources["nbgrader"]
        self._assessment = resources.get("assessment") or self._from_course(about)
        folder = self._assessment.folder
        self._specs = load_specs(folder) if (folder / CHECKS_FILE).exists() else {}
        names = [name_of(cell, index) for index, cell in enumerate(nb.cells)]
        sources = _sources(Path(resources["metadata"]["path"] or "."))
        files = _without_own(sources, folder)
        cells = [(names[i], cell) for i, cell in enumerate(nb.cells) if cell.cell_type == "code"]
        # All cells are read, for the names that they give to modules; the student's are judged.
        ours = {name for name, cell in cells if _is_instructors(cell)}
        found = scan([*files, *((name, cell.source) for name, cell in cells)])
        self._flags = [flag for flag in found if flag.cell not in ours]
        # Where points are withheld, a person looks at whatever is imported.
        held = any(flag.holds for flag in self._flags)
        self._imports = {} if held else {IMPORTS_VARIABLE: told(sources.values())}
        self._place = {name: index for index, name in enumerate(names)}
        nb, resources = super().preprocess(nb, resources, km)
        record = {
            "assignment": about["assignment"],
            "notebook": about["notebook"],
            "student": about["student"],
            "submission": self._assessment.digest.submission,
            "digest": self._assessment.digest.whole,
            "cells": self._cells,
            "repairs": [*nb.metadata.get("autograder", {}).get("repairs", []), *self.deaths],
            "failure": self._assessment.problem,
            "flags": [flag.to_json() for flag in self._flags],
        }
        name = about["notebook"] + VERDICTS_SUFFIX
        text = json.dumps(record, ensure_ascii=False) + "\n"
        resources.setdefault("outputs", {})[name] = text.encode()
        return nb, resources

    @contextmanager
    def _around(self) -> Iterator[None]:
        self._cells = {}
        self._measuring = 0.0
        with RefereeServer(self._assessment.folder, self._assessment.seed_of) as self._server:
            self._folder = self._server.scratch
            # nbgrader sets the second one too, but for the whole process.
            ours = {WIRE_VARIABLE: self._server.address, "NBGRADER_EXECUTION": "autograde"}
            self._env = {**os.environ, **ours, **self._imports}
            yield

    def _on_new_kernel(self) -> None:
        self._server.forgive()

    def _from_course(self, about: Any) -> Assessment:
        converter = getattr(self.parent, "parent", None)
        course = getattr(converter, "coursedir", None) or CourseDirectory(parent=self)
        secret = course_secret(Path(course.root))
        assignment = about["assignment"]
        return Assessment(
            Path(course.format_path(course.source_directory, ".", assignment)),
            lambda question: secret_seed(secret, assignment, question),
            submission_digest(course, assignment, about["student"], about["notebook"]),
        )

    @contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        with super().setup_kernel(env=self._env, **kwargs):
            yield

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        if not is_grade_code(cell):
            self._run(cell, resources, index)
            return cell, resources
        questions = asked_questions(cell.source)
        asked = [self._specs.get(question) for question in questions]
        self._measuring = sum(
            spec.measuring_seconds for spec in asked if isinstance(spec, MeasuredSpec)
        )
        with self._server.window(list(questions)) as window:
            self._run_checks(cell, resources, index)
        self._measuring = 0.0
        if window.error is not None:
            raise window.error
        grade_id = cell.metadata.nbgrader.grade_id
        maximum = float(cell.metadata.nbgrader.points)
        verdicts = [
            self._held(window.verdicts.get(question) or self._undecided(question, cell), index)
            for question in questions
        ]
        if any(verdict.held for verdict in verdicts):
            resources.setdefault("withheld", set()).add(grade_id)
        if questions:
            points = self._score(cell, verdicts, decided=len(window.verdicts), maximum=maximum)
            _put_score(cell, points, verdicts)
        else:
            _forgive_warnings(cell)
            points = determine_grade(cell, self.log)[0] or 0.0
        self._cells[grade_id] = {
            "points": points,
            "max_points": maximum,
            "protected": bool(questions),
            "verdicts": [verdict.to_json() for verdict in verdicts],
            "error": error_of(cell),
        }
        return cell, resources

    def _get_timeout(self, cell: NotebookNode | None) -> int | None:
        # While the referee measures, the student's code only waits.
        timeout = super()._get_timeout(cell)
        return None if timeout is None else timeout + math.ceil(self._measuring)

    def _run_checks(self, cell: NotebookNode, resources: Any, index: int) -> None:
        """Execute a grade cell with the real ``check``, which another cell may have lost."""
        source = cell.source
        if only_checks(source):
            cell.source = f"from autograder import check; {source.lstrip()}"
        try:
            self._run(cell, resources, index)
        finally:
            cell.source = source

    def _held(self, verdict: Verdict, index: int) -> Verdict:
        """Withhold a verdict's points if code that has run by now could have deceived the check."""
        if not verdict.points:
            return verdict
        if watched_in_one_thread(self._specs[verdict.question].forbids):
            self._flag_threads(index)
        # A file that was handed in may be imported anywhere.
        if not any(flag.holds and self._place.get(flag.cell, -1) <= index for flag in self._flags):
            return verdict
        reason = _(
            "The answer was compared with torch, but the notebook holds code that could deceive "
            "that comparison. The points are withheld until the instructor has looked at it."
        )
        return replace(verdict, points=0.0, passed=False, held=True, reason=reason)

    def _undecided(self, question: str, cell: NotebookNode) -> Verdict:
        error = error_of(cell)
        if error is None:
            reason = _("The cell ended, but its check never reached the referee.")
        elif error["ename"] == self.error_on_timeout.get("ename"):
            reason = _(
                "It did not finish within {seconds} seconds: is there a loop that never ends?"
            ).format(seconds=self.timeout)
        elif error["ename"] in (DEAD, OVER):
            reason = error["evalue"]
        else:
            reason = self._stopped(cell, error)
        spec = self._specs.get(question)
        return Verdict.undecided(
            question,
            reason,
            title=spec.title if spec else "",
            max_points=spec.points if spec else 0.0,
        )

    def _flag_threads(self, index: int) -> None:
        for place in self._threading:
            cell = self.nb.cells[place]
            code = cell.source.strip().split("\n")[0][:200]
            reason = _("It leaves threads running, in which the check cannot see what is called.")
            flag = Flag(name_of(cell, place), 1, code, reason, True)
            if place <= index and flag not in self._flags:
                self._flags.append(flag)

    def _stopped(self, cell: NotebookNode, error: dict[str, str]) -> str:
        told = f"{error['ename']}: {error['evalue']}"
        earlier = [
            (name_of(before, index), cause)
            for index, before in enumerate(self.nb.cells[: self.nb.cells.index(cell)])
            if before.cell_type == "code" and (cause := error_of(before))
        ]
        if error["ename"] != "NameError" or not earlier:
            return _("The cell stopped with {error} before the check could decide.").format(
                error=told
            )
        name, cause = earlier[-1]
        text = _(
            "The cell stopped with {error} before the check could decide, and the cell “{cell}” "
            "above it with {cause}."
        )
        return text.format(error=told, cell=name, cause=f"{cause['ename']}: {cause['evalue']}")

    def _score(
        self, cell: NotebookNode, verdicts: list[Verdict], *, decided: int, maximum: float
    ) -> float:
        # All checks were decided, so something else in the cell's own code failed, if there is any.
        if decided == len(verdicts) and error_of(cell) and not only_checks(cell.source):
            return 0.0
        total = sum(verdict.max_points for verdict in verdicts)
        earned = sum(verdict.points for verdict in verdicts)
        return round(maximum * earned / total, 2) if total else 0.0


class SaveReviewedGrades(SaveAutoGrades):  # type: ignore[misc]
    """Saves the marks, and asks for a person's eye where points are withheld."""

    def _add_score(self, cell: NotebookNode, resources: Any) -> None:
        super()._add_score(cell, resources)
        grade_id = cell.metadata.nbgrader.grade_id
        if grade_id in resources.get("withheld", ()):
            grade = self.gradebook.find_grade(
                grade_id, self.notebook_id, self.assignment_id, self.student_id
            )
            grade.needs_manual_grade = True
            self.gradebook.db.commit()


def _sources(folder: Path) -> dict[Path, bytes]:
    """Read all Python files in a folder, by relative path."""
    paths = sorted(path for path in folder.rglob("*.py") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in paths}


def _without_own(sources: dict[Path, bytes], folder: Path) -> list[tuple[str, str]]:
    """Pick the Python files of a submission that are not the assignment's own, as text."""
    own = _sources(folder)
    return [
        (path.as_posix(), text.decode("utf-8", errors="replace"))
        for path, text in sources.items()
        if own.get(path) != text
    ]


def _is_instructors(cell: NotebookNode) -> bool:
    """Tell whether a cell's text is the assignment's own, which nbgrader has put back by now."""
    meta = cell.metadata.get("nbgrader", {})
    return bool(meta.get("locked") and meta.get("grade_id"))


def _put_score(cell: NotebookNode, points: float, verdicts: list[Verdict]) -> None:
    """Replace what could be read as a mark by the referee's; keep what helps people to see why."""
    kept = []
    for output in cell.outputs:
        if output.output_type == "stream":
            kept.append(output)
        elif output.output_type == "error":
            text = "\n".join(output.traceback) + "\n"
            kept.append(new_output("stream", name="stdout", text=text))
        elif VERDICT_MIME not in output.data:
            kept.append(new_output("display_data", data=output.data, metadata=output.metadata))
    cards = "\n".join(to_html(verdict) for verdict in verdicts)
    score = new_output(
        "execute_result",
        execution_count=cell.execution_count,
        metadata={},
        # nbgrader reads a number here as the cell's points.
        data={"text/plain": f"{points:g}", "text/html": cards},
    )
    cell.outputs = [*kept, score]
    _forgive_warnings(cell)


def _forgive_warnings(cell: NotebookNode) -> None:
    """Turn stderr into stdout: nbgrader would take all points for a single warning."""
    for output in cell.outputs:
        if output.output_type == "stream":
            output.name = "stdout"
