"""What is handed in broken, dishonest or at random: how it is graded, and what that takes.

The submissions are those of the tests.  Each measurement is a process of its own, in which this
module runs as a script: ``integrity.py fuzz SECONDS``, ``integrity.py catalogue NAME FOLDER`` or
``integrity.py fixtures FOLDER``; its last line is JSON.

How long a catalogue takes is compared with a class of as many right submissions, which is graded
right before, in the same course with the same limits.  A submission that runs into a time-out
takes as long as the limit says, whoever grades it, so these seconds are left out of the comparison:
they are read from what was graded.  Each cell whose output tells of nbgrader's ``CellTimeoutError``
counts ``Execute.timeout`` seconds; a submission with a cell for which no time was left counts
``RefereeExecute.submission_seconds`` instead.  The sum is divided by the number of jobs at a time,
as if the time-outs were spread over them evenly.  What else a broken submission takes is not left
out: kernels that were killed for CPU time or memory and started anew, cells that were run again in
a new kernel, the seconds that a kernel has to answer an interrupt, and the wait for the last
submission alone, if it runs into a time-out at the end.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from process import ROOT, BenchError, run, say

FUZZ_SECONDS = 300
FUZZ_BATCH = 25
"""Examples that Hypothesis draws from one seed; it ends early only between batches."""
FUZZ_ERRORS = ROOT / "_build" / "fuzz"
"""The folder for submissions that were not graded as they should be."""
FUZZ_KEPT = 20

TESTS = ROOT / "tests"


class Integrity:
    """What the catalogues of the tests, random submissions and nbgrader's own fixtures give.

    Args:
        workspace: a folder for courses.
        fuzz_seconds: how long random submissions are graded.
    """

    def __init__(self, workspace: Path, fuzz_seconds: float = FUZZ_SECONDS) -> None:
        self.workspace = workspace
        self.fuzz_seconds = fuzz_seconds

    @cached_property
    def fuzz(self) -> dict[str, int]:
        """How many random submissions were graded, and how many of them not as they should be."""
        say(f"grading random submissions for {self.fuzz_seconds:g} s")
        found: dict[str, int] = _script("fuzz", str(self.fuzz_seconds))
        if found["errors"]:
            say(f"Not graded as it should be: see {FUZZ_ERRORS}")
        return found

    @cached_property
    def broken(self) -> dict[str, Any]:
        """What came of the broken submissions."""
        return self._catalogue("broken")

    @cached_property
    def attacks(self) -> dict[str, Any]:
        """What came of the attacks."""
        return self._catalogue("attacks")

    def both(self, key: str) -> float:
        """Return the sum of a number over the two catalogues."""
        return float(self.broken[key] + self.attacks[key])

    def rows_present(self) -> float:
        """Return which part of the submissions of both catalogues has a row."""
        return self.both("rows") / self.both("submissions")

    def ratio(self) -> float:
        """Return the time of the catalogues without their time-outs, by that of honest classes."""
        seconds = sum(
            each["seconds"] - each["timeout_seconds"] / each["jobs"]
            for each in (self.broken, self.attacks)
        )
        return seconds / self.both("honest_class_seconds")

    @cached_property
    def fixtures(self) -> dict[str, int]:
        """How nbgrader's own notebooks are graded, by nbgrader and by us."""
        say("grading nbgrader's own notebooks, with it and with ours")
        folder = self.workspace / "fixtures"
        found: dict[str, int] = _script("fixtures", str(folder))
        return found

    def _catalogue(self, name: str) -> dict[str, Any]:
        say(f"grading the catalogue “{name}”, and as many right submissions")
        found: dict[str, Any] = _script("catalogue", name, str(self.workspace / name))
        for key in ("missing", "changed", "misjudged"):
            if found[key]:
                say(f"{name}, {key}: {', '.join(found[key])}")
        return found


def _script(*arguments: str) -> Any:
    """Measure in a process of its own.

    Raises:
        BenchError: if it does not get to the end.
    """
    lines = run(sys.executable, __file__, *arguments).output.splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        raise BenchError(f"{Path(__file__).name} {arguments[0]} printed no figures.") from None


# What follows runs in a process of its own, where the tests' modules can be imported.


def fuzz(seconds: float) -> dict[str, int]:
    """Grade random submissions until the time is over, whatever is wrong with some of them.

    Returns:
        The number of ``examples`` and of ``errors``: exceptions, failures and wrong outcomes.
    """
    import test_fuzz
    from hypothesis import Phase, given, seed, settings

    examples = errors = 0
    shutil.rmtree(FUZZ_ERRORS, ignore_errors=True)
    with _folder() as folder:
        field = test_fuzz.make_field(folder)
        digest = field.plan.digest
        test_fuzz.still_fair(field, digest)
        chosen = settings(
            test_fuzz.SETTINGS, max_examples=FUZZ_BATCH, phases=[Phase.generate], database=None
        )
        deadline = time.monotonic() + seconds
        first = number = int.from_bytes(os.urandom(4), "big")

        def graded(files: dict[str, bytes]) -> None:
            nonlocal examples, errors
            if time.monotonic() > deadline:
                return
            examples += 1
            try:
                test_fuzz.graded_well(field, files)
            except Exception:
                errors += 1
                if errors <= FUZZ_KEPT:
                    _keep(errors, files, traceback.format_exc())

        while time.monotonic() < deadline:
            chosen(seed(number)(given(files=field.files())(graded)))()
            number += 1
        print(f"Hypothesis drew from the seeds {first} to {number - 1}.")
        try:
            test_fuzz.still_fair(field, digest)
        except AssertionError:
            errors += 1
            _keep(errors, {}, "A right submission no longer has its points.")
    return {"examples": examples, "errors": errors}


def _keep(number: int, files: dict[str, bytes], error: str) -> None:
    FUZZ_ERRORS.mkdir(parents=True, exist_ok=True)
    packed = {path: base64.b64encode(content).decode() for path, content in files.items()}
    text = json.dumps({"files": packed, "error": error}, indent=1)
    (FUZZ_ERRORS / f"{number}.json").write_text(text + "\n", encoding="utf-8")


def catalogue(name: str, root: Path) -> dict[str, Any]:
    """Grade a catalogue, and right before that as many right submissions.

    Args:
        name: ``broken`` or ``attacks``.
        root: a new folder for the course.
    """
    from autograder.grading import grade
    from autograder.pool import default_jobs

    root.mkdir(parents=True)
    hand_in = {"broken": _broken, "attacks": _attacks}[name]
    course, assignment, honest, dishonest, template = hand_in(root)
    students = sorted({*honest, *dishonest})
    copies = [f"copy-{number}" for number in range(len(students))]
    for copy in copies:
        target = course.folder("submitted", copy, assignment)
        shutil.copytree(course.folder("submitted", template, assignment), target)
    list(grade(course, assignment, copies[:1]))  # What is done once for a class.
    begun = time.perf_counter()
    twins = list(grade(course, assignment, copies, force=True))
    between = time.perf_counter()
    rows = {row.student: row for row in grade(course, assignment, students)}
    ended = time.perf_counter()
    if {row.score for row in twins} != {honest[template]}:
        raise BenchError(
            f"Right submissions have the scores {sorted({row.score for row in twins})}."
        )
    present = [student for student in students if student in rows and rows[student].fresh]
    changed = [
        student
        for student, score in honest.items()
        if student not in rows or rows[student].failure or rows[student].score != score
    ]
    misjudged = [
        student
        for student, worth in dishonest.items()
        if student in rows and not worth(rows[student])
    ]
    timeouts, seconds = _timeouts(course, assignment, students)
    return {
        "kinds": len(dishonest),
        "submissions": len(students),
        "rows": len(present),
        "missing": sorted({*students} - {*present}),
        "changed": sorted(changed),
        "misjudged": sorted(misjudged),
        "seconds": ended - between,
        "honest_class_seconds": between - begun,
        "timeouts": timeouts,
        "timeout_seconds": seconds,
        "jobs": default_jobs(),
    }


def _broken(root: Path) -> tuple[Any, str, dict[str, float], dict[str, Any], str]:
    """Hand in the broken submissions, with an honest one beside every other.

    Returns:
        The course, its assignment, the scores of the honest students, for each of the others what
        tells whether its row is as it should be, and an honest student who is right.
    """
    import test_broken
    from broken import BROKEN, SOLVED

    course = test_broken.make_course(root)
    honest: dict[str, float] = {}
    wanted: dict[str, Any] = {}
    kinds = list(test_broken.HONEST.items())
    for number, (name, broken) in enumerate(BROKEN.items()):
        if number % 2 == 0:
            kind, (score, sources) = kinds[number // 2 % len(kinds)]
            honest[f"{kind}-{number}"] = score
            test_broken.hand_in(course, f"{kind}-{number}", sources)
        if not test_broken.skipped(name):
            broken.break_(test_broken.hand_in(course, name, SOLVED))
            wanted[name] = lambda row, score=broken.score: row.score == score
    return course, "tiny", honest, wanted, "right-0"


def _attacks(root: Path) -> tuple[Any, str, dict[str, float], dict[str, Any], str]:
    """Hand in the attacks, with honest submissions between them; returns what _broken does."""
    import test_attacks
    from attacks import notebook_in

    from autograder.course import Course
    from autograder.grading import release
    from autograder.students import hand_in, read_class

    assignment = test_attacks.NAME
    source = ROOT / "exercises" / "source" / assignment
    config = (ROOT / "exercises" / "nbgrader_config.py").read_text(encoding="utf-8")
    (root / "nbgrader_config.py").write_text(config + test_attacks.LIMITS, encoding="utf-8")
    ignored = shutil.ignore_patterns("*.ipynb", "__pycache__")
    shutil.copytree(source, root / "source" / assignment, ignore=ignored)
    course = Course(root)
    released = release(course, assignment)
    known = {student.name: student for student in read_class(source)}
    honest: dict[str, float] = {}
    wanted: dict[str, Any] = {}
    for name, student, attack in test_attacks.submissions(known):
        folder = course.folder("submitted", name, assignment)
        hand_in(student, released, folder)
        if attack is None:
            honest[name] = test_attacks.HONEST.get(name, test_attacks.HONEST["solved"])
            continue
        wanted[name] = lambda row: test_attacks.points(row) == 0
        if callable(attack.cells):
            attack.cells(folder)
        elif "imports" in attack.cells:
            with notebook_in(folder) as notebook:
                first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
                first["source"] += "\n" + attack.cells["imports"]
    return course, assignment, honest, wanted, "honest-1"


def _timeouts(course: Any, assignment: str, students: Iterable[str]) -> tuple[int, float]:
    """Count the cells that ran into a time-out, and what that took at most, in seconds."""
    from autograder.execute import OVER
    from autograder.nbgrader_plugin import RefereeExecute

    executor = RefereeExecute(config=course.config)
    timeout = executor.error_on_timeout["ename"]
    count, seconds = 0, 0.0
    for student in students:
        folder = course.folder("autograded", student, assignment)
        path = folder / f"{assignment}.ipynb"
        if not path.is_file():
            continue
        hits = [_error(cell) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        waits = [sum(name in hit for hit in hits) for name in (timeout, OVER)]
        count += sum(waits)
        seconds += executor.submission_seconds if waits[1] else waits[0] * executor.timeout
    return count, seconds


def _error(cell: dict[str, Any]) -> str:
    """Return the error of a cell, which is shown as text where the referee has decided."""
    found = []
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            found += [output["ename"]]
        elif output["output_type"] == "stream":
            text = "".join(output["text"])
            # What a student prints may name the error, too: it is the traceback that counts.
            found += [text] if text.rstrip().endswith("No reply from kernel before timeout") else []
    return "\n".join(found)


def fixtures(root: Path) -> dict[str, int]:
    """Grade nbgrader's own notebooks with it and with ours.

    Returns:
        The number of ``submissions``, of those with ``equal`` scores, of those that differ as is
        ``documented``, and of those that differ otherwise (``undocumented``).
    """
    import test_nbgrader_fixtures as tests

    root.mkdir(parents=True)
    running = tests.by_stock(root)
    ours = tests.by_us(root)
    theirs: dict[str, Any] = {}
    for process, share in running:
        output, _nothing = process.communicate()
        if process.returncode:
            raise BenchError(output)
        for pair, folder in share:
            found = json.loads((folder / "found.json").read_text())
            for number, one in enumerate(pair.submissions):
                score = found.get(f"student-{number}", (None,))[0]
                theirs[tests.key(pair, one)] = score
    differing = {
        name for name in theirs.keys() | ours.keys() if theirs[name] != ours.get(name, (None,))[0]
    }
    documented = {name for name in differing if ours[name][0] == tests.OURS.get(name)}
    return {
        "submissions": len(theirs),
        "equal": len(theirs) - len(differing),
        "documented": len(documented),
        "undocumented": len(differing - documented),
    }


@contextmanager
def _folder() -> Any:
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        yield Path(made)


def main() -> None:
    """Measure what the arguments name, and print it as JSON."""
    sys.path.insert(0, str(TESTS))
    # nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
    warnings.simplefilter("ignore")
    what, *rest = sys.argv[1:]
    if what == "fuzz":
        found: Any = fuzz(float(rest[0]))
    elif what == "catalogue":
        found = catalogue(rest[0], Path(rest[1]))
    else:
        found = fixtures(Path(rest[0]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
