"""Our grading inside nbgrader, through its own extension points.

A course's ``nbgrader_config.py`` calls :func:`configure`; from then on stock ``nbgrader``
commands and formgrader grade through the referee.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode, from_dict
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from nbgrader.utils import determine_grade
from traitlets import Enum, Integer
from traitlets.config import Config

from .card import VERDICT_MIME, to_html
from .client import Client
from .course import Digest, submission_digest
from .errors import AutograderError
from .i18n import _
from .loader import CHECKS_FILE, load_specs
from .notebooks import asked_questions, is_grade_code, text_sources, update_sources
from .provisioner import SANDBOX_KERNEL
from .seeds import course_secret, secret_seed
from .server import RefereeServer
from .student import WIRE_VARIABLE
from .students import STUDENTS_FILE
from .verdict import Verdict
from .zygote import ZygoteLostError

__all__ = ["VERDICTS_SUFFIX", "Assessment", "RefereeExecute", "configure"]

VERDICTS_SUFFIX = ".verdicts.json"
"""Ends the name of the file of verdicts beside an autograded notebook."""

_ATTEMPTS = 3


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


class RefereeExecute(Execute):  # type: ignore[misc]
    """Executes a submission and lets the referee decide on its grade cells.

    In a grade cell that calls ``check``, nothing that the kernel prints, shows or raises earns a
    point: the cell's outputs get the referee's score and cards instead.  Other grade cells are
    marked as nbgrader always does, except that warnings cost nothing; the report calls them
    unprotected.

    The kernel is the one that ``kernel_name`` names: a sandboxed one, as :func:`configure` sets it.
    """

    submission_seconds = Integer(
        300, help="Wall time of a submission, in seconds; a cell's is the option timeout."
    ).tag(config=True)
    cell_output_kb = Integer(512, help="Output of a cell, in KB.").tag(config=True)
    submission_output_kb = Integer(4096, help="Output of a submission, in KB.").tag(config=True)

    # There is nothing in a student's kernel that would have to be wound up.
    shutdown_kernel = Enum(
        ["graceful", "immediate"], "immediate", help="How the kernel is stopped."
    ).tag(config=True)

    _server: RefereeServer
    _manager: Any = None
    _dead: bool
    _cells: dict[str, Any]
    _deadline: float
    _output_bytes: int
    _cell_bytes: int
    _silenced: bool

    def preprocess(
        self, nb: NotebookNode, resources: Any, km: Any = None
    ) -> tuple[NotebookNode, Any]:
        about = resources["nbgrader"]
        assessment = resources.get("assessment") or self._from_course(about)
        folder = assessment.folder
        self._specs = load_specs(folder) if (folder / CHECKS_FILE).exists() else {}
        for attempt in range(1, _ATTEMPTS + 1):
            self._dead = False
            self._cells = {}
            self._deadline = time.monotonic() + self.submission_seconds
            self._output_bytes = 0
            try:
                with RefereeServer(folder, assessment.seed_of) as self._server:
                    nb, resources = super().preprocess(nb, resources, km)
                break
            except (ZygoteLostError, RuntimeError) as error:
                # Not the student's fault: start again, with a new zygote. To nbclient, a kernel
                # whose zygote ends while it starts is one that “died before replying”.
                provisioner = getattr(self._manager, "provisioner", None)
                lost = isinstance(error, ZygoteLostError) or getattr(provisioner, "lost", False)
                if not lost or attempt == _ATTEMPTS:
                    raise
                for cell in nb.cells:
                    if cell.cell_type == "code":
                        cell.outputs, cell.execution_count = [], None
        record = {
            "assignment": about["assignment"],
            "notebook": about["notebook"],
            "student": about["student"],
            "submission": assessment.digest.submission,
            "digest": assessment.digest.whole,
            "cells": self._cells,
        }
        name = about["notebook"] + VERDICTS_SUFFIX
        text = json.dumps(record, ensure_ascii=False) + "\n"
        resources.setdefault("outputs", {})[name] = text.encode()
        return nb, resources

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

    def create_kernel_manager(self) -> Any:
        km = self._manager = super().create_kernel_manager()
        # Sockets in a folder that only this user may enter; the default is ports open to all.
        km.client_factory = Client
        km.transport = "ipc"
        km.ip = str(self._server.scratch / "kernel")
        return km

    @contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        # nbgrader sets the second one too, but for the whole process.
        ours = {WIRE_VARIABLE: self._server.address, "NBGRADER_EXECUTION": "autograde"}
        env = {**os.environ, **ours}
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
        """Execute a cell; when the kernel is dead or the time used up, the cell says so instead."""
        if not self._dead and time.monotonic() < self._deadline:
            self._cell_bytes, self._silenced = 0, False
            try:
                super().preprocess_cell(cell, resources, index)
                return
            except DeadKernelError:
                if getattr(self.km.provisioner, "lost", False):
                    raise ZygoteLostError("The zygote ended while this cell ran.") from None
                self._dead = True
        if cell.cell_type == "code":
            if self._dead:
                name = "DeadKernelError"
                message = _("The kernel died, in this cell or in one before it.")
            else:
                name = "SubmissionTimeoutError"
                message = _("The {seconds} seconds for the whole submission were over.").format(
                    seconds=self.submission_seconds
                )
            cell.outputs = [_output("error", ename=name, evalue=message, traceback=[message])]

    def _get_timeout(self, cell: NotebookNode | None) -> int | None:
        timeout = super()._get_timeout(cell)
        left = max(1, round(self._deadline - time.monotonic()))
        return left if timeout is None else min(timeout, left)

    def output(self, outs: list[Any], msg: Any, display_id: str, cell_index: int) -> Any:
        """Collect a cell's output, up to what is allowed; then stop the cell."""
        if self._silenced:
            return None
        size = len(str(msg["content"]))
        self._cell_bytes += size
        self._output_bytes += size
        over_cell = self._cell_bytes > 1024 * self.cell_output_kb
        if not over_cell and self._output_bytes <= 1024 * self.submission_output_kb:
            return super().output(outs, msg, display_id, cell_index)
        self._silenced = True
        message = _("The output was cut here: a cell may print {cell} KB, all of them {all} KB.")
        text = message.format(cell=self.cell_output_kb, all=self.submission_output_kb)
        notice = _output("stream", name="stdout", text=f"\n{text}\n")
        outs.append(notice)
        # What prints without end would go on until the time is over.
        self._interruption = asyncio.ensure_future(ensure_async(self.km.interrupt_kernel()))
        return notice

    def _undecided(self, question: str, cell: NotebookNode) -> Verdict:
        error = _error_of(cell)
        if error is None:
            reason = _("The cell ended, but its check never reached the referee.")
        elif error["ename"] == self.error_on_timeout.get("ename"):
            reason = _(
                "It did not finish within {seconds} seconds: is there a loop that never ends?"
            ).format(seconds=self.timeout)
        elif error["ename"] in ("DeadKernelError", "SubmissionTimeoutError"):
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


def _output(output_type: str, **fields: Any) -> NotebookNode:
    """Make a cell's output; nbformat would validate it now, and again when it is written."""
    made: NotebookNode = from_dict({"output_type": output_type, **fields})
    return made


def _put_score(cell: NotebookNode, points: float, verdicts: list[Verdict]) -> None:
    """Replace what could be read as a mark by the referee's; keep what helps people to see why."""
    kept = []
    for output in cell.outputs:
        if output.output_type == "stream":
            kept.append(output)
        elif output.output_type == "error":
            text = "\n".join(output.traceback) + "\n"
            kept.append(_output("stream", name="stdout", text=text))
        elif VERDICT_MIME not in output.data:
            kept.append(_output("display_data", data=output.data, metadata=output.metadata))
    cards = "\n".join(to_html(verdict) for verdict in verdicts)
    score = _output(
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
