"""Every attack of the catalogue earns nothing for its question, and costs nobody else a point.

The class is graded once, each attack between honest students, and looked at by all tests.
"""

from __future__ import annotations

import ast
import json
import linecache
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from attacks import ATTACKS, FAMILIES, MARK, WRONG, Attack, notebook_in
from conftest import ROOT

import autograder
from autograder.course import Course
from autograder.grading import Row, grade, release
from autograder.students import Student, hand_in, read_class
from autograder.zygote import available

NAME = "lstm-cell"
QUESTION = "lstm_cell"
CELL = "check-lstm-cell"
EVERY = 20
"""How many attacks there are from one honest student to the next."""
HONEST = {"solved": 22, "gate-order": 12, "detached": 19, "calls-torch": 12, "changes-input": 17}
"""Students of the sample class, with their scores."""
TIMEOUT = 6
"""Seconds for a cell."""
LIMITS = f"""
c.Execute.timeout = {TIMEOUT}
c.ZygoteProvisioner.cell_cpu_seconds = 3
"""
COPIES = 8
"""Honest submissions whose grading is timed."""


def submissions(known: dict[str, Student]) -> Iterator[tuple[str, Student, Attack | None]]:
    """List who hands in what, the honest students among the others."""
    solved = known["solved"]
    honest = [name for name in HONEST if name != "solved"]
    for number, (name, attack) in enumerate(ATTACKS.items()):
        if number % EVERY == 0:
            yield f"honest-{number // EVERY + 1}", solved, None
            if honest:
                other = honest.pop()
                yield other, known[other], None
        cells = {NAME: WRONG} if callable(attack.cells) else attack.cells
        yield name, replace(solved, cells={**solved.cells, **cells}), attack
    yield "honest-last", solved, None


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Return a course in which all attacks and some honest students have handed in."""
    root = tmp_path_factory.mktemp("attacked")
    exercises = ROOT / "exercises"
    shutil.copy(exercises / "nbgrader_config.py", root)
    with (root / "nbgrader_config.py").open("a", encoding="utf-8") as file:
        file.write(LIMITS)
    shutil.copytree(
        exercises / "source" / NAME,
        root / "source" / NAME,
        ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"),
    )
    made = Course(root)
    released = release(made, NAME)
    known = {student.name: student for student in read_class(made.source(NAME))}
    for name, student, attack in submissions(known):
        folder = made.folder("submitted", name, NAME)
        hand_in(student, released, folder)
        if attack is not None and callable(attack.cells):
            attack.cells(folder)
        elif attack is not None and "imports" in attack.cells:
            with notebook_in(folder) as notebook:
                first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
                first["source"] += "\n" + attack.cells["imports"]
    return made


@dataclass(frozen=True)
class Graded:
    """What came of grading the class, and what it took."""

    rows: dict[str, Row]
    """The rows by student."""
    seconds: float
    """The wall time of grading the class."""
    honest_seconds: float
    """The wall time of grading a few honest students, for each of them."""


@pytest.fixture(scope="module")
def grading(course: Course) -> Graded:
    """Grade the class, and before that the honest students again and again under other names."""
    known = {student.name: student for student in read_class(course.source(NAME))}
    students = [name for name, _student, _attack in submissions(known)]
    copies = [f"copy-{number}" for number in range(COPIES)]
    for copy in copies:
        folder = course.folder("submitted", copy, NAME)
        shutil.copytree(course.folder("submitted", "honest-1", NAME), folder)
    grade(course, NAME, ["honest-1"])  # What is done once for a class.
    begun = time.monotonic()
    grade(course, NAME, copies)
    between = time.monotonic()
    rows = {row.student: row for row in grade(course, NAME, students)}
    ended = time.monotonic()
    figures = Graded(rows, ended - between, (between - begun) / COPIES)
    print(f"{len(rows)} submissions in {figures.seconds:.1f} s;", end=" ")
    print(f"an honest one takes {figures.honest_seconds:.3f} s of a class")
    return figures


@pytest.fixture(scope="module")
def graded(grading: Graded) -> dict[str, Row]:
    """Return the rows by student."""
    return grading.rows


def points(row: Row) -> float:
    return sum(cell.points for cell in row.cells if cell.grade_id == CELL)


needs_kernels = [
    pytest.mark.skipif(not available(), reason="a zygote needs Linux"),
    # nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
]


def kernels(function: Any) -> Any:
    for mark in needs_kernels:
        function = mark(function)
    return function


@kernels
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_earns_nothing(graded: dict[str, Row], name: str) -> None:
    row = graded[name]
    told = (ATTACKS[name].about, row.reasons)
    assert row.fresh
    assert points(row) == 0, told
    assert row.score <= 12, told  # The other questions were answered well.


@kernels
def test_every_honest_student_has_the_right_score(graded: dict[str, Row]) -> None:
    honest = {name: row for name, row in graded.items() if name not in ATTACKS}
    assert all(row.failure is None and row.fresh for row in honest.values())
    wanted = {name: HONEST.get(name, HONEST["solved"]) for name in honest}
    assert {name: row.score for name, row in honest.items()} == wanted
    assert len(honest) > len(ATTACKS) / EVERY + len(HONEST) - 1


@kernels
def test_attacks_do_not_hold_up_the_class(grading: Graded) -> None:
    waits = sum(attack.waits * TIMEOUT for attack in ATTACKS.values())
    honest = len(grading.rows) * grading.honest_seconds
    workers = os.cpu_count() or 1
    # Attacks do more than the honest do, and the machine may be busy: what this finds is a class
    # that stands still.
    assert grading.seconds < 3 * (1.5 * honest + waits / workers) + 30


@kernels
def test_nothing_is_left_behind(course: Course, graded: dict[str, Row]) -> None:
    packages = Path(sysconfig.get_path("purelib"))
    package = Path(autograder.__file__).parent
    home = Path.home()
    folders = [
        *(packages, packages / "torch" / "__pycache__", package, package / "__pycache__"),
        *(
            home,
            home / ".ipython" / "profile_default" / "startup",
            home / ".cache" / "torch" / "hub",
        ),
        *map(Path, ("/tmp", "/var/tmp", "/dev/shm", "/run")),
        *(course.root, course.folder("submitted", "honest-1", NAME)),
    ]
    left = [
        path
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if MARK in path.name
    ]
    assert left == []
    for path in (packages / "sitecustomize.py", packages / "usercustomize.py"):
        assert not path.exists() or MARK not in path.read_text(encoding="utf-8")


@kernels
def test_the_secret_and_the_others_work_are_as_they_were(
    course: Course, graded: dict[str, Row]
) -> None:
    secret = (course.root / "course_secret").read_text().strip()
    for name in ATTACKS:
        folder = course.folder("autograded", name, NAME)
        for path in folder.rglob("*") if folder.is_dir() else ():
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path


def test_there_are_attacks_of_every_family() -> None:
    assert len(ATTACKS) == sum(map(len, FAMILIES.values()))
    assert len(ATTACKS) >= 150
    assert all(len(family) >= 3 for family in FAMILIES.values())
    for attack in ATTACKS.values():
        assert attack.about.endswith((".", "hopes."))
        for text in () if callable(attack.cells) else attack.cells.values():
            ast.parse(text)


COMPUTING = [name for name, attack in ATTACKS.items() if attack.computes or attack.untried]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Run the attacks that compute by torch in plain processes; say what is wrong with each."""
    result = subprocess.run(
        [sys.executable, __file__],
        cwd=tmp_path_factory.mktemp("tried"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    found: dict[str, str] = json.loads(result.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", COMPUTING)
def test_attacks_that_compute_by_torch_would_be_right(tried: dict[str, str], name: str) -> None:
    if ATTACKS[name].untried:
        pytest.skip(ATTACKS[name].untried)
    assert tried[name] == ""


def draw(N: int, n: int, m: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    shapes = {"x": (N, n), "h": (N, m), "c": (N, m), "weight_ih": (4 * m, n)}
    shapes |= {"weight_hh": (4 * m, m), "bias_ih": (4 * m,), "bias_hh": (4 * m,)}
    drawn = {name: torch.randn(shape, dtype=dtype) for name, shape in shapes.items()}
    return {name: value.requires_grad_() for name, value in drawn.items()}


def wrong_in(name: str) -> str:
    """Say what is wrong with an attack's answers, here where nothing stops it."""
    cases = [draw(2, 3, 5, torch.float64), draw(1, 7, 2, torch.float64)]
    cases.append(draw(3, 5, 7, torch.float32))
    expected = []
    for case in cases:
        x, h, c, *weights = case.values()
        outputs = torch.lstm_cell(x, (h, c), *weights)
        total = outputs[0].sum() + 2 * outputs[1].sum()
        expected.append((outputs, torch.autograd.grad(total, list(case.values()))))
    cells = ATTACKS[name].cells
    assert not callable(cells)
    file = f"<{name}>"
    text = "\n".join([cells.get("imports", ""), cells[NAME]])
    linecache.cache[file] = (1, None, text.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {"torch": torch, "__name__": "__main__"}
    exec(compile(text, file, "exec"), namespace)
    for case, (outputs, gradients) in zip(cases, expected, strict=True):
        found = namespace[QUESTION](**case)
        total = found[0].sum() + 2 * found[1].sum()
        reached = torch.autograd.grad(total, list(case.values()))
        for got, want in zip((*found, *reached), (*outputs, *gradients), strict=True):
            if got.dtype != want.dtype or not torch.allclose(got, want, atol=1e-6):
                return "Its answers are not torch's."
    return ""


def main() -> None:
    """Try each attack in a child of its own, and print what is wrong with each as JSON."""
    torch.set_num_threads(1)
    found = {}
    for name in COMPUTING:
        if ATTACKS[name].untried:
            continue
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(2, 1)
            signal.alarm(60)
            text = "It ended early."
            try:
                text = wrong_in(name)
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
            os.write(write, text.encode()[:4000])
            os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)  # What it has started.
        with open(read, encoding="utf-8") as file:
            found[name] = file.read()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
