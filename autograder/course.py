"""The course directory: an ordinary nbgrader course, seen from our commands."""

from __future__ import annotations

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SAWarning
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from .errors import CourseError, suggestion
from .sandbox import Level
from .seeds import course_secret

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

__all__ = [
    "CONFIG_FILE",
    "Course",
    "Digest",
    "Digester",
    "failure_of",
    "other_files",
    "package_digest",
    "submission_digest",
]

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
warnings.filterwarnings("ignore", category=SAWarning, module="nbgrader")

CONFIG_FILE = "nbgrader_config.py"
"""Marks a folder as an nbgrader course directory."""


class Course:
    """An nbgrader course directory with its configuration.

    Args:
        root: a folder with an ``nbgrader_config.py``, or one that has such a folder ``exercises``.
        db: the gradebook's database as an SQLAlchemy URL, in place of the configured one.
        level: the least that the sandbox must give, in place of the configured one.

    Raises:
        CourseError: if there is no such folder, or its configuration fails.
    """

    def __init__(self, root: Path, *, db: str | None = None, level: Level | None = None) -> None:
        found = [path for path in (root, root / "exercises") if (path / CONFIG_FILE).is_file()]
        if not found:
            raise CourseError(
                f"There is no {CONFIG_FILE} in {root.absolute()} nor in its folder exercises; "
                "name the course directory with --course."
            )
        self.root = found[0].resolve()
        self.config: Config = self._load()
        if db is not None:
            self.config.CourseDirectory.db_url = db
        if level is not None:
            self.config.ZygoteProvisioner.level = level.value
        self.directory = CourseDirectory(config=self.config)
        # What nbgrader logs while it works is captured and told where it matters.
        logging.getLogger("traitlets").setLevel(logging.CRITICAL)

    @cached_property
    def api(self) -> NbGraderAPI:
        """Nbgrader's own commands."""
        # Imported when it is wanted: it takes its time.
        from nbgrader.apps import NbGraderAPI

        return NbGraderAPI(self.directory, config=self.config)

    def _load(self) -> Config:
        try:
            config = PyFileConfigLoader(CONFIG_FILE, str(self.root)).load_config()
        except SystemExit as stop:
            raise CourseError(str(stop.code).removeprefix("Error: ")) from None
        except Exception as error:
            raise CourseError(
                f"{self.root / CONFIG_FILE} fails: {type(error).__name__}: {error}"
            ) from error
        config.CourseDirectory.root = str(self.root)
        return config

    def folder(self, step: str, student: str, assignment: str) -> Path:
        """Return the folder of an assignment in one of nbgrader's steps.

        Args:
            step: ``source``, ``release``, ``submitted``, ``autograded`` or ``feedback``.
            student: the student's id, or ``.`` for the instructor's own folders.
            assignment: the assignment's name.
        """
        directory = getattr(self.directory, f"{step}_directory")
        return Path(self.directory.format_path(directory, student, assignment))

    def source(self, assignment: str) -> Path:
        """Return an assignment's source folder.

        Raises:
            CourseError: if there is no such assignment; the message suggests the nearest.
        """
        folder = self.folder("source", ".", assignment)
        if not folder.is_dir():
            raise CourseError(
                f"There is no assignment “{assignment}” in {folder.parent.resolve()}. "
                + suggestion(assignment, self.assignments())
            )
        return folder

    def assignments(self) -> list[str]:
        """List the names of all assignments."""
        folders = self.folder("source", ".", "*").parent.glob("*/")
        return sorted(folder.name for folder in folders if not folder.name.startswith("."))

    def submitted(self, assignment: str) -> list[str]:
        """List the students who handed an assignment in."""
        parent = self.folder("submitted", "*", assignment)
        pattern = str(parent.relative_to(self.root))
        position = parent.parts.index("*")
        return sorted(path.parts[position] for path in self.root.glob(pattern) if path.is_dir())

    def misplaced(self) -> list[Path]:
        """List submitted folders whose name is no assignment."""
        pattern = str(self.folder("submitted", "*", "*").relative_to(self.root))
        known = self.assignments()
        return sorted(
            path for path in self.root.glob(pattern) if path.is_dir() and path.name not in known
        )

    @property
    def database(self) -> str:
        """The gradebook's URL, without its password.

        Raises:
            CourseError: if it is not a URL; the message does not show it.
        """
        try:
            return make_url(self.directory.db_url).render_as_string()
        except (ArgumentError, ValueError):
            raise CourseError(
                "What is given as the gradebook is not a database's URL; one looks like "
                "postgresql+psycopg://user@host/grades."
            ) from None

    @contextmanager
    def gradebook(self) -> Iterator[Gradebook]:
        """Open the gradebook.

        Raises:
            CourseError: if it cannot be opened.
        """
        try:
            gradebook = Gradebook(self.directory.db_url, self.directory.course_id)
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CourseError(
                f"The gradebook {self.database} cannot be opened: {reason}"
            ) from error
        with gradebook:
            yield gradebook

    def notebooks(self, assignment: str) -> list[str]:
        """List the names of an assignment's notebooks, as the gradebook knows them.

        Raises:
            CourseError: if the assignment has not been released.
        """
        with self.gradebook() as gradebook:
            try:
                return sorted(book.name for book in gradebook.find_assignment(assignment).notebooks)
            except MissingEntry:
                raise CourseError(
                    f"The assignment “{assignment}” is not in the gradebook yet; "
                    f"run: autograder release {assignment}"
                ) from None


def other_files(directory: CourseDirectory, folder: Path, *, notebooks: bool = False) -> list[Path]:
    """List the files of an assignment's folder beside its notebooks, sorted.

    Args:
        directory: the course, which says what to ignore.
        folder: the folder.
        notebooks: whether to list the notebooks, too.
    """
    ignored = directory.ignore if notebooks else [*directory.ignore, "*.ipynb"]

    def kept(names: list[str]) -> list[str]:
        return [name for name in names if not any(fnmatch(name, pattern) for pattern in ignored)]

    # As nbgrader's find_all_files does, whose time grows with the square of their number.
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = kept(folders)
        found += [Path(place, name) for name in kept(names)]
    # A link may lead anywhere; what it leads to was not handed in. And a pipe has no end.
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


@cache
def package_digest() -> str:
    """Digest this package and the libraries that decide on grades."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(_digest_of(path))
    for name in ("torch", "nbgrader", "nbclient"):
        digest.update(f"{name} {version(name)}".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Digest:
    """Two SHA-256 digests by which a grade is recognised."""

    submission: str
    """Of what was handed in."""
    whole: str
    """Of all that its grade depends on."""


class Digester:
    """Digests what the grades of an assignment depend on; what all submissions share, once.

    Args:
        directory: the course.
        assignment: the assignment's name.
    """

    def __init__(self, directory: CourseDirectory, assignment: str) -> None:
        self._directory = directory
        self._assignment = assignment
        self._source = Path(directory.format_path(directory.source_directory, ".", assignment))
        digest = hashlib.sha256(course_secret(Path(directory.root)) + package_digest().encode())
        for path in other_files(directory, self._source):
            digest.update(_digest_of(path))
        self._shared = digest.digest()
        self._last: tuple[str, bytes] | None = None

    def __call__(self, student: str, notebook: str) -> Digest:
        """Digest a submitted notebook.

        Args:
            student: the student's id.
            notebook: the notebook's name, without ``.ipynb``.
        """
        folder = Path(
            self._directory.format_path(
                self._directory.submitted_directory, student, self._assignment
            )
        )
        if self._last is None or self._last[0] != student:
            self._last = student, self._handed(folder)
        handed = self._last[1]
        source = _digest_of(self._source / f"{notebook}.ipynb")
        whole = hashlib.sha256(self._shared + source + handed)
        return Digest(handed.hex(), whole.hexdigest())

    def _handed(self, folder: Path) -> bytes:
        """Digest all that was handed in, for any file may turn out to be the notebook."""
        digest = hashlib.sha256()
        for path in other_files(self._directory, folder, notebooks=True):
            name = path.relative_to(folder)
            # These are replaced by the source's own, so they do not matter.
            if name.suffix == ".ipynb" or not (self._source / name).exists():
                digest.update(os.fsencode(name) + _digest_of(path))
        return digest.digest()


def submission_digest(
    directory: CourseDirectory, assignment: str, student: str, notebook: str
) -> Digest:
    """Digest all that the grade of a submitted notebook depends on.

    It changes when the submission, the assignment's source, its specs, the course's secret, this
    package, torch, nbgrader or nbclient changes.
    """
    return Digester(directory, assignment)(student, notebook)


def _digest_of(path: Path) -> bytes:
    digest = hashlib.sha256()
    with suppress(OSError), path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return digest.digest()


def failure_of(result: dict[str, Any]) -> str | None:
    """Say in one sentence why a step of nbgrader failed, or ``None`` if it did not.

    Raises:
        KeyboardInterrupt: if that is what stopped it: nbgrader's API takes it for a failure.
    """
    if result["success"]:
        return None
    lines = [line.strip() for line in (result.get("error") or "").splitlines() if line.strip()]
    if lines and lines[-1] == "KeyboardInterrupt":
        raise KeyboardInterrupt
    log = [line for line in (result.get("log") or "").splitlines() if "ERROR" in line]
    text = lines[-1] if lines else log[-1] if log else "nbgrader does not say why"
    return text.split("ERROR] ")[-1]
