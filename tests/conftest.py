"""What the tests share: the course's own assignment, and small ones made on the spot."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import nbformat
import postgresql
import psutil
import pytest
import torch
from book import HEADER, build_side_by_side, copy_book
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "exercises" / "source"

# The kernels are those of the environment that runs the tests, and every process one thread wide.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("NBGRADER_EXECUTION", None)
os.environ.pop("AUTOGRADER_WIRE", None)
torch.set_num_threads(1)

CHECKS = '''
import torch

from autograder import Case, Rung, Spec, misconception


class Double(Spec):
    """Twice a matrix."""

    name = "double"
    points = 4
    gradients = ("x",)
    partial_credit = {Rung.GRADIENTS: 0.5}

    def cases(self, draw):
        n, m = draw.primes(2)
        yield Case("usual", x=draw.normal(n, m))
        yield Case("one row", x=draw.normal(1, m))

    def reference(self, case):
        return 2 * case.x

    @misconception("You square it; double it instead.")
    def squared(self, case):
        return case.x**2


class Half(Spec):
    """Half of a matrix."""

    name = "half"
    points = 2

    def cases(self, draw):
        yield Case("usual", x=draw.normal(2, 3))

    def reference(self, case):
        return case.x / 2
'''

NOTEBOOK = (
    HEADER
    + """# Two functions

```{code-cell} ipython3
from autograder import check
```

```{code-cell} ipython3
---
nbgrader:
  grade_id: work
  solution: true
---
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

def half(x):
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION
```

```{code-cell} ipython3
---
nbgrader:
  grade: true
  grade_id: check-double
  locked: true
---
check("double", double)
```

```{code-cell} ipython3
---
nbgrader:
  grade: true
  grade_id: check-half
  locked: true
---
check("half", half)
```
"""
)

STUDENTS = """
squares:
  replace: {"2 * x": "x**2"}
  expect: {double: squared}
"""

MakeAssignment = Callable[..., Path]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command autograder in this process. Returns its exit code."""
    from autograder.cli import main

    monkeypatch.setattr(sys, "argv", ["autograder", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def command(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start the command autograder in a process of its own, which leads a group."""
    return subprocess.Popen(
        [sys.executable, "-m", "autograder.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,
    )


def eventually(true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "It has not come to pass."
        time.sleep(0.02)


def stock(course: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of nbgrader itself in the course."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "nbgrader"), *arguments],
        cwd=course.root,
        capture_output=True,
        text=True,
        timeout=300,
    )


def edit(course: Any, assignment: str, student: str, sources: dict[str, str]) -> None:
    """Replace cells of a submission, named by their grade_id."""
    path = course.folder("submitted", student, assignment) / f"{assignment}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = sources.get(grade_id, cell.source)
    nbformat.write(notebook, path)


def zygotes(*, below: int | None = None) -> list[psutil.Process]:
    """List the zygotes that run, those of one process or all."""
    known = psutil.Process(below).children(recursive=True) if below else psutil.process_iter()
    found = []
    for process in known:
        try:
            if "autograder.zygote" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


class Dask:
    """A Dask cluster on this machine."""

    def __init__(self, folder: Path) -> None:
        self.workers: list[subprocess.Popen[bytes]] = []
        self._folder = folder
        self._where = folder / "scheduler.json"
        self._scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        eventually(self._where.exists)
        eventually(lambda: self._where.read_text().strip().endswith("}"))
        self.address = json.loads(self._where.read_text())["address"]

    def add_worker(self) -> None:
        """Start one more worker."""
        folder = ("--local-directory", str(self._folder))
        self.workers.append(self._start("worker", "--nthreads", "1", "--no-nanny", *folder))

    def close(self) -> None:
        """Kill what still runs."""
        for process in [*self.workers, self._scheduler]:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        program = str(Path(sys.executable).parent / "dask")
        with (self._folder / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [program, *arguments, "--scheduler-file", str(self._where), "--no-dashboard"],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextmanager
def dask(folder: Path, workers: int) -> Iterator[Dask]:
    """Start a Dask cluster with a number of workers on this machine."""
    with closing(Dask(folder)) as cluster:
        for _number in range(workers):
            cluster.add_worker()
        yield cluster


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """Return the URL of a PostgreSQL server of the tests' own."""
    if postgresql.missing():
        pytest.skip(str(postgresql.missing()))
    with postgresql.server() as url:
        yield url


@pytest.fixture
def postgresql_database(postgresql_server: str) -> Iterator[str]:
    """Return the URL of an empty database."""
    with postgresql.database(postgresql_server) as url:
        yield url


@pytest.fixture
def lstm_cell() -> Path:
    """Return the source folder of the assignment lstm-cell."""
    return SOURCE / "lstm-cell"


@pytest.fixture
def make_assignment(tmp_path: Path) -> MakeAssignment:
    """Return a function that writes a course with a small assignment, and returns its folder."""

    def make(checks: str = CHECKS, notebook: str = NOTEBOOK, students: str = STUDENTS) -> Path:
        folder = tmp_path / "source" / "tiny"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "exercises" / "nbgrader_config.py", tmp_path)
        if checks:
            (folder / "checks.py").write_text(checks, encoding="utf-8")
        (folder / "tiny.md").write_text(notebook, encoding="utf-8")
        (folder / "students.yml").write_text(students, encoding="utf-8")
        return folder

    return make


MakeClass = Callable[..., Any]


@pytest.fixture
def make_class(make_assignment: MakeAssignment, tmp_path: Path) -> MakeClass:
    """Return a function that hands the small assignment in, and returns the course.

    It takes what each student hands in, as the source of the cell with the two functions, and
    lines for the course's configuration.
    """
    from autograder.course import Course
    from autograder.grading import release

    def make(sources: dict[str, str], config: str = "", **assignment: str) -> Course:
        folder = make_assignment(**assignment)
        with (tmp_path / "nbgrader_config.py").open("a", encoding="utf-8") as file:
            file.write(f"\n{config}\n")
        course = Course(tmp_path)
        released = release(course, folder.name)
        for student, source in sources.items():
            submitted = course.folder("submitted", student, folder.name)
            shutil.copytree(released, submitted)
            edit(course, folder.name, student, {"work": source})
        return course

    return make


RIGHT = "def double(x):\n    return 2 * x\n\ndef half(x):\n    return x / 2"
SQUARES = RIGHT.replace("2 * x", "x**2")
NEITHER = "def double(x):\n    return x\n\ndef half(x):\n    return x"


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the whole book, once for all processes that test. Returns the folder of its pages."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, built = shared / "book", shared / "book.built"
    with FileLock(shared / "book.lock"):
        if not built.exists():
            shutil.rmtree(folder, ignore_errors=True)
            result = build_side_by_side(copy_book(folder))
            assert result.returncode == 0, result.stdout + result.stderr
            built.touch()
    return folder / "_build" / "html"
