"""The notebooks that nbgrader itself is tested with get the points that nbgrader gives them.

Each that can be a submission is handed in to one that can be a source, and graded twice: by
nbgrader in a course with nothing of ours, and by us.
"""

from __future__ import annotations

import gc
import json
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbgrader
import pytest
from conftest import ROOT

from autograder.course import Course, failure_of
from autograder.errors import AutograderError, CourseError
from autograder.grading import grade
from autograder.zygote import available

pytestmark = [
    pytest.mark.skipif(not available(), reason="a zygote needs Linux"),
    # nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
    # It does not close the sockets of the kernel that makes its automatic tests.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PACKAGE = Path(nbgrader.__file__).parent
APPS = "tests/apps/files"
STEPS = "tests/preprocessors/files"
PAGES = "tests/ui-tests/files"
GUIDE = "docs/source/user_guide"


@dataclass(frozen=True)
class Pair:
    """A source, and what is handed in to it."""

    source: str
    """The fixture that is released: a notebook, or a folder of them."""
    submissions: tuple[str, ...]
    """The fixtures that are handed in."""
    beside: tuple[str, ...] = ()
    """Files that belong beside the source."""


def _in(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}.ipynb" for name in names)


PAIRS = (
    # nbgrader's tests hand “submitted-changed” in to “submitted-unchanged”, and so on. What has
    # nothing to do with that source is handed in to it, too: students do such things.
    Pair(
        f"{APPS}/submitted-unchanged.ipynb",
        (
            *_in(
                APPS,
                "submitted-unchanged",
                "submitted-changed",
                "submitted-cheat-attempt",
                "submitted-cheat-attempt-alternative",
                "submitted-grade-cell-changed",
                "submitted-locked-cell-changed",
                "infinite-loop",
                "infinite-loop-with-output",
                "side-effects",
                "too-new",
            ),
            *_in(
                STEPS,
                "submitted-unchanged",
                "submitted-changed",
                "submitted-answer-cell-type-changed",
                "submitted-grade-cell-changed",
                "submitted-grade-cell-type-changed",
                "submitted-locked-cell-changed",
                "bad-markdown-cell-1",
                "bad-markdown-cell-2",
                "blank-grade-id",
                "blank-points",
                "cell-type-changed",
                "duplicate-grade-ids",
                "header",
                "infinite-recursion",
                "long-output",
                "no-cell-type",
                "warning-pattern",
            ),
            *_in(
                PAGES,
                "submitted-unchanged",
                "submitted-changed",
                "submitted-answer-cell-type-changed",
                "submitted-grade-cell-changed",
                "submitted-grade-cell-type-changed",
                "submitted-locked-cell-changed",
                "blank",
                "empty",
                "old-schema",
                "task",
            ),
        ),
    ),
    Pair(
        f"{APPS}/test.ipynb",
        (
            *_in(
                APPS,
                "test",
                "test-hidden-tests",
                "test-no-metadata",
                "test-no-metadata-autotest",
                "test-v0",
                "test-v0-invalid",
                "test-v1",
                "test-v2",
                "test-with-output",
            ),
            *_in(STEPS, "test", "test_taskcell"),
        ),
        (f"{APPS}/jupyter.png",),
    ),
    Pair(f"{APPS}/test-hidden-tests.ipynb", _in(APPS, "test-hidden-tests", "test")),
    Pair(f"{STEPS}/test_taskcell.ipynb", _in(STEPS, "test_taskcell", "test")),
    *(
        Pair(
            f"{APPS}/autotest-{name}.ipynb",
            _in(APPS, *(f"autotest-{name}{end}" for end in ("", *ends))),
            (f"{APPS}/autotests.yml",),
        )
        for name, *ends in (
            ("simple", "-unchanged", "-changed"),
            ("hashed", "-unchanged", "-changed"),
            ("multi", "-unchanged", "-changed"),
            ("hidden", "-unchanged", "-changed-right", "-changed-wrong"),
        )
    ),
    Pair(f"{APPS}/timeout.ipynb", _in(APPS, "timeout")),
    Pair(f"{APPS}/validation-zero-points.ipynb", _in(APPS, "validation-zero-points")),
    Pair(
        f"{APPS}/validating-environment-variable.ipynb",
        _in(APPS, "validating-environment-variable"),
    ),
    Pair(
        f"{APPS}/open_relative_file.ipynb",
        (*_in(APPS, "open_relative_file"), *_in(PAGES, "open_relative_file")),
        (f"{APPS}/data.txt",),
    ),
    Pair(f"{STEPS}/manually-graded-code-cell.ipynb", _in(STEPS, "manually-graded-code-cell")),
    # An autograded folder, a released one and a source can be handed in, too.
    Pair(
        f"{GUIDE}/source/ps1",
        (
            f"{GUIDE}/submitted/bitdiddle/ps1",
            f"{GUIDE}/submitted/hacker/ps1",
            f"{GUIDE}/autograded/bitdiddle/ps1",
            f"{GUIDE}/autograded/hacker/ps1",
            f"{GUIDE}/release/ps1",
            f"{GUIDE}/source/ps1",
            f"{GUIDE}/source/ps1_autotest",
            f"{GUIDE}/downloaded/ps1/archive",
        ),
    ),
)

NO_SUBMISSIONS = {
    f"{GUIDE}/creating_and_grading_assignments.ipynb": "A page of nbgrader's documentation.",
    f"{GUIDE}/managing_assignment_files.ipynb": "A page of nbgrader's documentation.",
    f"{GUIDE}/managing_assignment_files_manually.ipynb": "A page of nbgrader's documentation.",
    f"{GUIDE}/managing_the_database.ipynb": "A page of nbgrader's documentation.",
    f"{GUIDE}/source/header.ipynb": "Cells that nbgrader can put at the top of a release.",
}

_PUT_BACK = (
    "nbgrader gives nothing to a notebook without any of the assignment's cells; we put them back, "
    "and one of them passes in the notebook as it was released."
)
_OLD = (
    "nbgrader refuses a notebook whose metadata are of another version; we take those of the "
    "release, which are the same cells'."
)
_TYPE = (
    "nbgrader gives a cell that was retyped its type back, but not what a cell of that type must "
    "have, and refuses the notebook; we give it both."
)
_FOREIGN = (
    "nbgrader refuses a notebook with metadata that are no longer valid once it has found that the "
    "cell is not the assignment's; we take such a cell for the student's own."
)
_NO_ID = "nbgrader refuses a notebook with metadata that name no cell; we find out which one it is."
_STRIPPED = (
    "nbgrader does not know cells without metadata and gives them nothing; we recognise them by "
    "what they hold."
)

# Where our points are others than nbgrader's, and why theirs would not do. What they are, is below.
DOCUMENTED = {
    **{
        f"{name} to apps/submitted-unchanged": _PUT_BACK
        for name in (
            "apps/infinite-loop",
            "apps/infinite-loop-with-output",
            "apps/side-effects",
            "preprocessors/header",
            "preprocessors/infinite-recursion",
            "preprocessors/long-output",
            "preprocessors/no-cell-type",
            "preprocessors/warning-pattern",
            "ui-tests/blank",
            "ui-tests/empty",
            "ui-tests/task",
        )
    },
    **{
        f"{name} to apps/submitted-unchanged": _TYPE
        for name in (
            "preprocessors/submitted-answer-cell-type-changed",
            "preprocessors/submitted-grade-cell-type-changed",
            "ui-tests/submitted-answer-cell-type-changed",
            "ui-tests/submitted-grade-cell-type-changed",
            "preprocessors/bad-markdown-cell-1",
            "preprocessors/cell-type-changed",
        )
    },
    **{
        f"{name} to apps/submitted-unchanged": _FOREIGN
        for name in ("preprocessors/blank-points", "preprocessors/duplicate-grade-ids")
    },
    **{
        f"{name} to apps/submitted-unchanged": _NO_ID
        for name in ("preprocessors/bad-markdown-cell-2", "preprocessors/blank-grade-id")
    },
    "apps/too-new to apps/submitted-unchanged": _OLD,
    "ui-tests/old-schema to apps/submitted-unchanged": _OLD,
    **{f"apps/test-{name} to apps/test": _OLD for name in ("v0", "v1", "v2")},
    "guide/downloaded/ps1/archive to guide/source/ps1": _OLD,
    "apps/test-v0-invalid to apps/test": _NO_ID,
    "apps/test-no-metadata to apps/test": _STRIPPED,
    "apps/test-no-metadata-autotest to apps/test": _STRIPPED,
    "preprocessors/test_taskcell to apps/test": _FOREIGN,
    "apps/test to apps/test-hidden-tests": _FOREIGN,
    "guide/source/ps1_autotest to guide/source/ps1": _FOREIGN,
}

OURS = {
    **{name: 1.0 for name in DOCUMENTED if name.endswith(" to apps/submitted-unchanged")},
    **{name: 3.0 for name in DOCUMENTED if not name.endswith(" to apps/submitted-unchanged")},
}

STOCK = """
import json, logging, os, sys
from pathlib import Path
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

logging.getLogger("traitlets").setLevel(logging.CRITICAL)
for root in sys.argv[1:]:
    os.chdir(root)
    config = Config()
    config.CourseDirectory.root = root
    config.Execute.timeout = 10
    config.Execute.iopub_timeout = 60  # A busy machine must not change what is compared.
    directory = CourseDirectory(config=config)
    api = NbGraderAPI(directory, config=config)
    made = api.generate_assignment("ps1")
    found = {"": None if made["success"] else made["error"] or made["log"]}
    Path("released").touch()
    students = sorted(path.name for path in Path("submitted").glob("*"))
    for student in students if made["success"] else []:
        result = api.autograde("ps1", student, create=True)
        score = None
        if result["success"]:
            with Gradebook(directory.db_url) as gradebook:
                score = gradebook.find_submission("ps1", student).score
        found[student] = [score, None if score is not None else result["log"] or result["error"]]
    Path("found.json").write_text(json.dumps(found))
"""


def key(pair: Pair, submission: str) -> str:
    """Name a submission to a source."""
    return f"{short(submission)} to {short(pair.source)}"


def short(path: str) -> str:
    for folder, name in ((APPS, "apps"), (STEPS, "preprocessors"), (PAGES, "ui-tests")):
        path = path.replace(f"{folder}/", f"{name}/")
    return path.replace(f"{GUIDE}/", "guide/").removesuffix(".ipynb")


def put(fixture: str, folder: Path) -> None:
    """Copy a notebook, or a folder of them, to where a course has them."""
    path = PACKAGE / fixture
    folder.mkdir(parents=True)
    if path.is_file():
        shutil.copy(path, folder / "p1.ipynb")
        return
    for one in path.iterdir():
        if one.is_file():
            # What was downloaded has the student's name and a date before its own.
            shutil.copy(one, folder / re.sub(r"^.*_(problem\d)", r"\1", one.name))


def make(root: Path, pair: Pair, config: str | None) -> None:
    """Make a course, with a folder for each submission."""
    put(pair.source, root / "source" / "ps1")
    for name in pair.beside:
        target = root if name.endswith(".yml") else root / "source" / "ps1"
        shutil.copy(PACKAGE / name, target)
    for number, submission in enumerate(pair.submissions):
        put(submission, root / "submitted" / f"student-{number}" / "ps1")
    if config is not None:
        (root / "nbgrader_config.py").write_text(config, encoding="utf-8")


Found = dict[str, tuple[Any, str]]
"""Scores by submission, with the reason where there is none."""


def by_stock(base: Path) -> list[tuple[subprocess.Popen[str], list[tuple[Pair, Path]]]]:
    """Start nbgrader's own grading, in a few processes."""
    courses = []
    for number, pair in enumerate(PAIRS):
        root = base / f"stock-{number}"
        make(root, pair, None)
        courses.append((pair, root))
    # The first source has half of all submissions.
    shares = [courses[:1], courses[1:]]
    return [
        (
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", STOCK, *(str(root) for _, root in share)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ),
            share,
        )
        for share in shares
    ]


def by_us(base: Path) -> Found:
    config = (ROOT / "exercises" / "nbgrader_config.py").read_text(encoding="utf-8")
    config += "\nc.Execute.timeout = 10\n"
    found: Found = {}
    for number, pair in enumerate(PAIRS):
        root = base / f"ours-{number}"
        make(root, pair, config)
        course = Course(root)
        names = {f"student-{n}": key(pair, one) for n, one in enumerate(pair.submissions)}
        try:
            # Not our own command, which makes assignments of one notebook only.
            failure = failure_of(course.api.generate_assignment("ps1"))
            with warnings.catch_warnings():
                # nbgrader leaves the sockets of the kernel open that it makes its own tests with.
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
            if failure:
                raise CourseError(failure)
            for row in grade(course, "ps1", list(names)):
                score = None if row.failure else row.score
                found[names[row.student]] = (score, row.failure or "")
        except AutograderError as error:
            found |= {name: (None, str(error)) for name in names.values()}
    return found


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found]:
    """Return what nbgrader gives, and what we give."""
    base = tmp_path_factory.mktemp("fixtures")
    running = by_stock(base)
    ours = by_us(base)
    theirs: Found = {}
    for process, share in running:
        output, _nothing = process.communicate(timeout=200)
        assert process.returncode == 0, output
        for pair, root in share:
            found = json.loads((root / "found.json").read_text())
            for number, one in enumerate(pair.submissions):
                score, reason = found.get(f"student-{number}", (None, found[""]))
                theirs[key(pair, one)] = (score, reason or "")
    return theirs, ours


def test_every_notebook_of_nbgrader_is_accounted_for() -> None:
    used = {path for pair in PAIRS for path in (pair.source, *pair.submissions)}
    shipped = [str(path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.ipynb"))]
    missing = [
        path
        for path in shipped
        if path not in used and str(Path(path).parent) not in used and path not in NO_SUBMISSIONS
    ]
    assert missing == []
    assert [path for path in NO_SUBMISSIONS if path not in shipped] == []


def test_scores_differ_from_nbgraders_only_where_that_is_documented(
    scores: tuple[Found, Found],
) -> None:
    theirs, ours = scores
    assert theirs.keys() == ours.keys()
    differing = {
        name: (theirs[name], ours[name]) for name in theirs if theirs[name][0] != ours[name][0]
    }
    assert differing.keys() == DOCUMENTED.keys(), differing
    assert {name: ours[name][0] for name in OURS} == OURS
    assert all(reason.endswith(".") for reason in DOCUMENTED.values())
