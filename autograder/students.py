"""The sample class: made-up submissions, made from the worked solution by small replacements."""

from __future__ import annotations

import contextlib
import copy
import io
import math
import os
import random
import shutil
import sys
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions

from .errors import CourseError
from .loader import CHECKS_FILE, load_specs
from .notebooks import (
    asked_questions,
    is_grade_code,
    read_text_notebook,
    text_sources,
    worked_notebook,
)
from .scratch import home

__all__ = [
    "MUTANTS_FILE",
    "STUDENTS_FILE",
    "STUDENTS_FOLDER",
    "Student",
    "Workplace",
    "hand_in",
    "mixed_class",
    "objects_of",
    "own_cells",
    "read_class",
    "solution_cells",
]

STUDENTS_FILE = "students.yml"
"""The file in an assignment's folder that describes its sample class; never released."""
STUDENTS_FOLDER = "students"
"""The folder beside it with the files that its students hand in, by name; never released."""
MUTANTS_FILE = "mutants.yml"
"""The file that says why some changes of the worked solution pass; never released."""


# Ten times as quick where libyaml is there; a class may fill a thousand lines.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Student:
    """One made-up student."""

    name: str
    """The student's id."""
    cells: dict[str, str]
    """The source of each solution cell, by ``grade_id``."""
    expect: dict[str, str] = field(default_factory=dict)
    """What the verdict on each question must be; a question that is not named must pass."""
    files: Path | None = None
    """A folder with what is handed in beside the notebook, if anything is."""


def solution_cells(notebook: NotebookNode) -> dict[str, str]:
    """Return the source of each solution cell of a notebook, by ``grade_id``."""
    return {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution")
    }


def own_cells(notebook: NotebookNode) -> dict[str, list[str]]:
    """Find the solution cells of each question, by ``grade_id``: those between it and the last."""
    solutions = solution_cells(notebook)
    found: dict[str, list[str]] = {}
    since: list[str] = []
    asked = False
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if is_grade_code(cell):
            asked = True
            found.update(dict.fromkeys(asked_questions(cell.source), since))
        elif grade_id in solutions:
            since = [grade_id] if asked else [*since, grade_id]
            asked = False
    return found


def read_class(folder: Path) -> list[Student]:
    """Make the sample class of an assignment.

    Args:
        folder: the assignment's folder, with its worked notebook and, if it has one,
            its ``students.yml``.

    Returns:
        The worked solution, the untouched notebook, and every student of ``students.yml``.

    Raises:
        CourseError: if a replacement does not fit the worked solution.
    """
    notebook = read_text_notebook(worked_notebook(folder))
    worked = solution_cells(notebook)
    cleared, _ = ClearSolutions().preprocess(copy.deepcopy(notebook), {})
    stubs = solution_cells(cleared)
    questions = [
        question
        for cell in notebook.cells
        if is_grade_code(cell)
        for question in asked_questions(cell.source)
    ]
    untouched = dict.fromkeys(questions, "runs")

    def files_of(name: str) -> Path | None:
        place = folder / STUDENTS_FOLDER / name
        return place.resolve() if place.is_dir() else None

    solved = files_of("solved")
    students = [
        Student("solved", {key: _unmarked(text) for key, text in worked.items()}, files=solved),
        Student("untouched", stubs, untouched),
    ]
    path = folder / STUDENTS_FILE
    if path.exists():
        try:
            described = yaml.load(path.read_text(encoding="utf-8"), _Loader) or {}
            students += [
                _student(name, about, worked, stubs, files_of(name) or solved)
                for name, about in described.items()
            ]
        except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise CourseError(f"{path} cannot be read: {error}") from None
        except ValueError as error:
            raise CourseError(f"In {path}, {error}") from None
    return students


def mixed_class(folder: Path, size: int) -> list[Student]:
    """Make a class as one might be: each student knows more or less, and errs accordingly.

    The students err as those of :func:`read_class` do, in several questions each.  A student of the
    same name is as able in every assignment.  The later a question, the harder it is taken to be.

    Args:
        folder: the assignment's folder.
        size: how many students.

    Raises:
        CourseError: as :func:`read_class` does.
    """
    solved, untouched, *others = read_class(folder)
    questions = list(untouched.expect)
    specs = load_specs(folder)
    mistakes = {
        question: [
            other
            for other in others
            if set(other.expect) == {question} and "undecided" not in other.expect.values()
        ]
        for question in questions
    }
    own = own_cells(read_text_notebook(worked_notebook(folder)))
    ranks = list(range(size))
    random.Random("ranks").shuffle(ranks)
    students = []
    for number, rank in enumerate(ranks, start=1):
        name = f"student-{number:0{len(str(size))}}"
        chance = random.Random(f"{folder.name}/{name}")
        ability = NormalDist().inv_cdf((rank + 0.5) / size)
        cells, expect, files = dict(solved.cells), {}, solved.files
        for place, question in enumerate(questions):
            hardness = 2 * place / len(questions) - 1.5
            if chance.random() < 1 / (1 + math.exp(1.5 * (hardness - ability))):
                continue
            if not mistakes[question] or chance.random() < 0.2:
                cells.update({key: untouched.cells[key] for key in own[question]})
                expect[question] = untouched.expect[question]
                files = files if specs[question].called else untouched.files
                continue
            # Some mistakes are made by many: the first in an order of the question's own.
            order = list(mistakes[question])
            random.Random(question).shuffle(order)
            weights = [1 / (k + 1) for k in range(len(order))]
            (other,) = chance.choices(order, weights)
            cells.update({k: v for k, v in other.cells.items() if v != solved.cells[k]})
            expect.update(other.expect)
            files = files if specs[question].called else other.files
        students.append(Student(name, cells, expect, files))
    return students


def _student(
    name: str,
    about: dict[str, Any],
    worked: dict[str, str],
    stubs: dict[str, str],
    files: Path | None,
) -> Student:
    cells = dict(worked)
    for old, new in about.get("replace", {}).items():
        places = [(key, text.count(old)) for key, text in cells.items() if old in text]
        if sum(count for _, count in places) != 1:
            times = sum(count for _, count in places)
            raise ValueError(
                f"the student “{name}” replaces “{old}”, which the worked solution holds "
                f"{times} times; it must be exactly once."
            )
        cells[places[0][0]] = cells[places[0][0]].replace(old, new)
    cells = {key: _unmarked(text) for key, text in cells.items()}
    for key in about.get("untouched", []):
        cells[key] = stubs[key]
    return Student(name, cells, about.get("expect", {}), files)


def _unmarked(source: str) -> str:
    marks = ("### BEGIN SOLUTION", "### END SOLUTION")
    return "\n".join(line for line in source.splitlines() if line.strip() not in marks)


def hand_in(student: Student, release: Path, target: Path) -> None:
    """Write a student's submission, made from the released assignment.

    Args:
        student: who hands in.
        release: the released assignment's folder.
        target: the submission's folder, such as ``submitted/alice/lstm-cell``; it is replaced.

    Raises:
        CourseError: if the assignment has not been released.
    """
    notebooks = sorted(release.glob("*.ipynb"))
    if not notebooks:
        raise CourseError(
            f"There is no released notebook in {release}; run: autograder release {release.name}"
        )
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id in student.cells:
                cell.source = student.cells[grade_id]
        nbformat.write(notebook, target / path.name)
    checks = release / CHECKS_FILE
    if checks.exists():
        shutil.copy(checks, target / CHECKS_FILE)
    if student.files:
        shutil.copytree(student.files, target, dirs_exist_ok=True)


def objects_of(student: Student, notebook: NotebookNode, last: str | None = None) -> dict[str, Any]:
    """Run a made-up student's code in this process and return what is checked, by question.

    The code is the course's own, so it may run here; real submissions never do.  Behind the first
    check, cells without a ``grade_id`` are taken for examples, and left out.

    Args:
        student: the student.
        notebook: the worked notebook, whose solutions the student's take the place of.
        last: the question after which nothing more need run; by default, everything runs.
    """
    namespace: dict[str, Any] = {"__name__": student.name}
    objects: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            if is_grade_code(cell):
                for question, expression in asked_questions(cell.source).items():
                    objects[question] = eval(expression, namespace)
                if last in objects:
                    break
                continue
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if objects and grade_id is None:
                continue  # It only plays with the answers, and may well fail on a wrong one.
            with contextlib.suppress(NotImplementedError):  # What is not written yet stops there.
                exec(student.cells.get(grade_id, cell.source), namespace)
    return objects


class Workplace:
    """A copy of an assignment's folder in which a made-up student's code runs, as kernels do.

    The files and modules of the assignment are found in it, and what the code writes stays there.
    It is removed when nobody needs it any more.

    Args:
        folder: the assignment's folder.
        student: whose files are put there as well.
    """

    def __init__(self, folder: Path, student: Student | None = None) -> None:
        path = tempfile.mkdtemp(dir=home())
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        self._path = os.path.realpath(path)
        texts = [source.name for source in text_sources(folder)]
        ours = [STUDENTS_FILE, STUDENTS_FOLDER, MUTANTS_FILE, "*.ipynb", "__pycache__", *texts]
        shutil.copytree(folder, path, ignore=shutil.ignore_patterns(*ours), dirs_exist_ok=True)
        if student and student.files:
            shutil.copytree(student.files, path, dirs_exist_ok=True)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Make it the working directory, and the first place where modules are looked for."""
        before = os.getcwd()
        known = set(sys.modules)
        sys.path.insert(0, self._path)
        os.chdir(self._path)
        try:
            yield
        finally:
            os.chdir(before)
            sys.path.remove(self._path)
            for name in set(sys.modules) - known:
                origin = getattr(sys.modules[name], "__file__", None) or ""
                if origin.startswith(self._path + os.sep):
                    del sys.modules[name]  # The next student's is another file.
