"""Whatever dies while a class is graded, no submission is lost, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from conftest import RIGHT, SQUARES, MakeClass, command, eventually

from autograder import pool, provisioner
from autograder.course import Course, package_digest
from autograder.errors import AutograderError
from autograder.grading import Row, grade
from autograder.job import Graded, Plan, Submission, grade_submission
from autograder.pool import local_pool

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
    pytest.mark.alone,
]

STUDENTS = [f"s{number:02}" for number in range(10)]
SCORES = {student: 2.0 if number % 2 else 6.0 for number, student in enumerate(STUDENTS)}
TWO = partial(local_pool, jobs=2)


@pytest.fixture
def course(make_class: MakeClass) -> Course:
    """Return a course with ten submissions, every other one wrong."""
    made: Course = make_class(
        {student: RIGHT if score == 6 else SQUARES for student, score in SCORES.items()}
    )
    return made


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Return a temporary folder with a short path, which must be left empty."""
    folder = tempfile.mkdtemp(prefix="t-", dir="/tmp")
    yield Path(folder)
    shutil.rmtree(folder)


def scores(rows: list[Row]) -> dict[str, float]:
    assert [row.failure for row in rows if row.failure] == []
    return {row.student: row.score for row in rows}


def complete(course: Course) -> set[str]:
    """List the submissions of which files and gradebook hold all."""
    with course.gradebook() as gradebook:
        known = {
            submission.student.id
            for submission in gradebook.assignment_submissions("tiny")
            if not submission.needs_manual_grade
        }
    return {student for student in known if record(course, student).exists()}


def record(course: Course, student: str) -> Path:
    return course.folder("autograded", student, "tiny") / "tiny.verdicts.json"


def mentioning(folder: Path) -> list[list[str]]:
    """List the command lines of processes in which a folder occurs."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in argument for argument in process.cmdline()):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def written(course: Course) -> int:
    return sum(record(course, student).exists() for student in STUDENTS)


@pytest.mark.parametrize(
    ("number", "moment"), [(signal.SIGKILL, 0), (signal.SIGKILL, 4), (signal.SIGINT, 2)]
)
def test_the_next_run_finishes_what_was_stopped(
    course: Course, scratch: Path, number: signal.Signals, moment: int
) -> None:
    env = {**os.environ, "TMPDIR": str(scratch)}
    run = command("grade", "tiny", "--course", str(course.root), "--jobs", "2", env=env)
    started = [course.folder("feedback", student, "tiny") for student in STUDENTS]
    eventually(lambda: any(mentioning(scratch)))
    eventually(lambda: written(course) >= moment and (moment or any(p.exists() for p in started)))
    if number == signal.SIGINT:
        os.killpg(run.pid, number)  # As a terminal does.
    else:
        run.kill()
    told = run.communicate(timeout=60)[0]
    assert run.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in told
    assert "Interrupted." in told or number == signal.SIGKILL
    eventually(lambda: not mentioning(scratch), 10)
    eventually(lambda: not list(scratch.iterdir()), 10)
    done = complete(course)
    assert moment <= len(done) < len(STUDENTS)
    rows = list(grade(course, "tiny", STUDENTS, TWO))
    assert scores(rows) == SCORES
    assert {row.student for row in rows if not row.fresh} == done
    assert complete(course) == set(STUDENTS)


def test_the_command_leaves_nothing_behind(course: Course, scratch: Path) -> None:
    env = {**os.environ, "TMPDIR": str(scratch)}
    run = command("grade", "tiny", "--course", str(course.root), "--student", "s00", env=env)
    told = run.communicate(timeout=60)[0]
    assert run.returncode == 0, told
    assert list(scratch.iterdir()) == []
    assert mentioning(scratch) == []


def test_a_killed_zygote_costs_no_submission(course: Course) -> None:
    run = grade(course, "tiny", STUDENTS, TWO)
    rows = [next(run)]
    lost = provisioner.share_zygote()
    lost.process.kill()
    rows += run
    assert scores(rows) == SCORES
    provisioner._forget(lost)


def test_a_killed_worker_costs_no_submission(course: Course) -> None:
    run = grade(course, "tiny", STUDENTS, TWO)
    rows = [next(run), next(run)]
    for _time in range(2):
        workers = multiprocessing.active_children()
        assert workers
        os.kill(workers[0].pid or 0, signal.SIGKILL)
        rows.append(next(run))
    rows += run
    assert sorted(row.student for row in rows) == STUDENTS
    assert scores(rows) == SCORES


def deadly(plan: Plan, submission: Submission) -> Graded:
    """Grade a submission, but die of some."""
    if submission.student in ("s03", "s04"):
        os._exit(1)
    return grade_submission(plan, submission)


def test_a_job_that_kills_its_worker_disturbs_no_other(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "grade_submission", deadly)
    rows = {row.student: row for row in grade(course, "tiny", STUDENTS, TWO)}
    assert len(rows) == len(STUDENTS)
    for student in ("s03", "s04"):
        message = "The process that graded this submission died, twice."
        assert rows.pop(student).failure == message
    assert scores(list(rows.values())).items() <= SCORES.items()
    assert complete(course) == set(rows)


def test_an_error_of_the_machine_ends_the_run_and_keeps_what_is_done(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(plan: Plan, submission: Submission) -> Graded:
        if submission.student == "s05":
            raise AutograderError("This machine is on fire.")
        return grade_submission(plan, submission)

    monkeypatch.setattr(pool, "grade_submission", fail)
    rows: list[Row] = []
    with pytest.raises(AutograderError, match="on fire"):
        rows.extend(grade(course, "tiny", STUDENTS, TWO))
    assert rows
    assert {row.student for row in rows} == complete(course)
    assert multiprocessing.active_children() == []


def test_the_workers_end_with_the_run(course: Course) -> None:
    run = grade(course, "tiny", STUDENTS, TWO)
    next(run)
    run.close()
    assert multiprocessing.active_children() == []


def test_another_version_is_told_by_its_digest() -> None:
    assert re.fullmatch("[0-9a-f]{64}", package_digest())
    with pytest.raises(AutograderError, match="another version of autograder"):
        pool._grade_there(None, None, "0" * 64)  # type: ignore[arg-type]


KILLED = """
import multiprocessing, pathlib, sys, time
from autograder import pool

def large(submission):
    return bytes(10**8)

pool._grade_here = large
opened = pool._LocalPool(1, None)
future = opened.submit(None)
(worker,) = multiprocessing.active_children()
writing = ("pipe_write", "anon_pipe_write")
deadline = time.monotonic() + 20
while pathlib.Path(f"/proc/{worker.pid}/wchan").read_text() not in writing:
    assert time.monotonic() < deadline
if sys.argv[1] == "close":
    opened.close(at_once=True)
else:
    worker.kill()
    assert isinstance(future.exception(timeout=20), Exception)
    opened.close(at_once=False)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
@pytest.mark.parametrize("how", ["close", "kill"])
def test_a_worker_that_dies_in_mid_sentence_leaves_nobody_waiting(how: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, how], timeout=60, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
