"""What this machine and this course give to grading, found out by trying."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nbformat
from traitlets.config import Config

from . import sandbox
from .course import Course
from .errors import AutograderError, CourseError
from .loader import load_specs
from .notebooks import worked_notebook
from .provisioner import ZygoteProvisioner, sandbox_level, too_low
from .seeds import SECRET_FILE, course_secret

__all__ = ["Finding", "examine"]


@dataclass(frozen=True)
class Finding:
    """One thing that was tried."""

    what: str
    """What was tried."""
    ok: bool | None
    """Whether it works; ``None`` for what is only told."""
    detail: str
    """What was found, and what to do if it does not work."""


def examine(root: Path) -> Iterator[Finding]:
    """Try all that grading needs, one thing after another.

    Args:
        root: the course directory, or a folder that holds it.
    """
    packages = ("torch", "nbgrader", "jupyter-book", "nbclient", "ipykernel", "safetensors")
    yield Finding("Python", sys.version_info >= (3, 10), sys.version.split()[0])
    yield Finding("packages", None, ", ".join(f"{name} {version(name)}" for name in packages))
    yield _try("kernel", _kernel)
    yield _try("referee's socket", _socket)
    for layer in sandbox.examine():
        yield Finding(f"sandbox: {layer.name}", layer.holds, layer.detail)
    try:
        course = Course(root)
    except AutograderError as error:
        yield Finding("course", False, str(error))
        return
    yield Finding("course", True, str(course.root))
    yield _try("level", lambda: _level(course))
    yield _try("secret", lambda: _secret(course))
    yield _try("gradebook", lambda: _gradebook(course))
    for assignment in course.assignments():
        yield _try(f"assignment {assignment}", lambda name=assignment: _assignment(course, name))  # type: ignore[misc]


def _try(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, attempt())
    except Exception as error:
        return Finding(what, False, str(error) or type(error).__name__)


def _kernel() -> str:
    from nbgrader.preprocessors import Execute

    source = "import sys, torch, autograder\nprint(sys.executable, torch.ones(2).sum().item())"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    with tempfile.TemporaryDirectory() as folder:
        Execute(config=Config()).preprocess(notebook, {"metadata": {"path": folder}})
    outputs = notebook.cells[0].outputs
    texts = [output.text for output in outputs if output.output_type == "stream"]
    printed = [text for text in texts if text.strip().endswith(" 2.0")]
    if not printed:
        wrong = [f"{output.ename}: {output.evalue}" for output in outputs if "ename" in output]
        raise RuntimeError(
            f"the kernel python3 cannot use torch and autograder: {'; '.join(wrong) or texts}"
        )
    return str(printed[0]).strip().removesuffix(" 2.0")


def _socket() -> str:
    from .server import RefereeServer
    from .wire import Address

    with (
        tempfile.TemporaryDirectory() as folder,
        RefereeServer(Path(folder), lambda question: 0) as server,
        Address(server.address).connect() as wire,
    ):
        wire.send({"ask": "nothing"})
        answer = wire.receive()
    if answer != {"closed": True}:
        raise RuntimeError(f"the referee answered {answer}")
    return "a message went there and back"


def _level(course: Course) -> str:
    wanted = sandbox.Level(ZygoteProvisioner(config=course.config).level)
    found = sandbox_level()
    if found < wanted:
        raise CourseError(too_low(found, wanted))
    return f"the course asks for “{wanted.value}”, and this machine gives “{found.value}”"


def _secret(course: Course) -> str:
    course_secret(course.root)
    path = course.root / SECRET_FILE
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise CourseError(f"{path} can be read by others; run: chmod 600 {path}")
    return f"{path}, readable by you alone; keep a backup of it"


def _gradebook(course: Course) -> str:
    with course.gradebook() as gradebook:
        count = len(gradebook.students)
    return f"{course.directory.db_url}, {count} students"


def _assignment(course: Course, assignment: str) -> str:
    folder = course.source(assignment)
    worked_notebook(folder)
    specs = load_specs(folder)
    points = sum(spec.points for spec in specs.values())
    count = sum(len(spec.misconceptions) for spec in specs.values())
    return f"{len(specs)} questions, {points:g} points, {count} named misconceptions"
