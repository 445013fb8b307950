"""Our grading inside nbgrader, through its own extension points.

A course's ``nbgrader_config.py`` calls :func:`configure`; from then on stock ``nbgrader``
commands and formgrader grade through the referee.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from gettext import gettext as _
from pathlib import Path
from typing import Any

from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from nbgrader.utils import determine_grade
from traitlets.config import Config

from .card import VERDICT_MIME, to_html
from .course import submission_digest
from .errors import AutograderError
from .loader import CHECKS_FILE, load_specs
from .notebooks import asked_questions, is_grade_code, text_sources, update_sources
from .seeds import course_secret, secret_seed
from .server import RefereeServer
from .student import WIRE_VARIABLE
from .students import STUDENTS_FILE
from .verdict import Verdict

__all__ = ["VERDICTS_SUFFIX", "RefereeExecute", "configure"]

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
    config.CourseDirectory.ignore = [*ignored, *sorted(texts), STUDENTS_FILE]
    steps = Autograde.class_traits()["autograde_preprocessors"].default()
    config.Autograde.autograde_preprocessors = [
        RefereeExecute if step is Execute else step for step in steps
    ]


class RefereeExecute(Execute):  # type: ignore[misc]
    """Executes a submission and lets the referee decide on its grade cells.

    In a grade cell that calls ``check``, nothing that the kernel prints, shows or raises earns a
    point: the cell's outputs get the referee's score and cards instead.  Other grade cells are
    marked as nbgrader always does, except that warnings cost nothing; the report calls them
    unprotected.

    The kernel is the one that the assignment's kernelspec names, so another way of running it, such
    as a kernel provisioner with a sandbox, needs a kernelspec and no change here.
    """

    _server: RefereeServer
    _dead: bool
    _cells: dict[str, Any]

    def preprocess(
        self, nb: NotebookNode, resources: Any, km: Any = None
    ) -> tuple[NotebookNode, Any]:
        about = resources["nbgrader"]
        course = self._course_directory()
        folder = Path(course.format_path(course.source_directory, ".", about["assignment"]))
        secret = course_secret(Path(course.root))

        def seed_of(question: str) -> int:
            return secret_seed(secret, about["assignment"], question)

        self._dead = False
        self._cells = {}
        self._specs = load_specs(folder) if (folder / CHECKS_FILE).exists() else {}
        with RefereeServer(folder, seed_of) as self._server:
            nb, resources = super().preprocess(nb, resources, km)
        record = {
            "assignment": about["assignment"],
            "notebook": about["notebook"],
            "student": about["student"],
            # Written last, when the gradebook has the scores: a record means a finished grade.
            "digest": submission_digest(
                course, about["assignment"], about["student"], about["notebook"]
            ),
            "cells": self._cells,
        }
        name = about["notebook"] + VERDICTS_SUFFIX
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        resources.setdefault("outputs", {})[name] = text.encode()
        return nb, resources

    def _course_directory(self) -> CourseDirectory:
        converter = getattr(self.parent, "parent", None)
        found = getattr(converter, "coursedir", None)
        return found if found is not None else CourseDirectory(parent=self)

    def create_kernel_manager(self) -> Any:
        km = super().create_kernel_manager()
        # Sockets in a folder that only this user may enter; the default is ports open to all.
        km.transport = "ipc"
        km.ip = str(self._server.scratch / "kernel")
        return km

    @contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        env = {**os.environ, WIRE_VARIABLE: self._server.address}
        with super().setup_kernel(env=env, **kwargs):
            yield

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        if not is_grade_code(cell):
            self._run(cell, resources, index)
            return cell, resources
        questions = asked_questions(cell.source)
        with self._server.window(list(questions)) as window:
            self._run(cell, resources, index)
        if window.error is not None:
            raise window.error
        grade_id = cell.metadata.nbgrader.grade_id
        maximum = float(cell.metadata.nbgrader.points)
        verdicts = [
            window.verdicts.get(question) or self._undecided(question, cell)
            for question in questions
        ]
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
            "error": _error_of(cell),
        }
        return cell, resources

    def _run(self, cell: NotebookNode, resources: Any, index: int) -> None:
        """Execute a cell; when the kernel dies, this and all later cells say so."""
        if not self._dead:
            try:
                super().preprocess_cell(cell, resources, index)
                return
            except DeadKernelError:
                self._dead = True
        if cell.cell_type == "code":
            message = _("The kernel died, in this cell or in one before it.")
            cell.outputs = [
                new_output("error", ename="DeadKernelError", evalue=message, traceback=[message])
            ]

    def _undecided(self, question: str, cell: NotebookNode) -> Verdict:
        error = _error_of(cell)
        if error is None:
            reason = _("The cell ended, but its check never reached the referee.")
        elif error["ename"] == self.error_on_timeout.get("ename"):
            reason = _(
                "It did not finish within {seconds} seconds: is there a loop that never ends?"
            ).format(seconds=self.timeout)
        elif error["ename"] == "DeadKernelError":
            reason = error["evalue"]
        else:
            reason = _("The cell stopped with {error} before the check could decide.").format(
                error=f"{error['ename']}: {error['evalue']}"
            )
        spec = self._specs.get(question)
        return Verdict.undecided(
            question,
            reason,
            title=spec.title if spec else "",
            max_points=spec.points if spec else 0.0,
        )

    def _score(
        self, cell: NotebookNode, verdicts: list[Verdict], *, decided: int, maximum: float
    ) -> float:
        if decided == len(verdicts) and _error_of(cell) is not None:
            return 0.0  # All checks were decided, so something else in the cell's own code failed.
        total = sum(verdict.max_points for verdict in verdicts)
        earned = sum(verdict.points for verdict in verdicts)
        return round(maximum * earned / total, 2) if total else 0.0


def _error_of(cell: NotebookNode) -> dict[str, str] | None:
    errors = [output for output in cell.outputs if output.output_type == "error"]
    return {"ename": errors[-1].ename, "evalue": errors[-1].evalue} if errors else None


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
