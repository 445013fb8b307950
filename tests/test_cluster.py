"""A Dask cluster that is missing, or loses its workers, is told in a sentence."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from conftest import RIGHT, SQUARES, MakeClass, call, dask

from autograder import pool
from autograder.course import Course
from autograder.errors import AutograderError
from autograder.grading import Row, grade
from autograder.pool import cluster_pool

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

SCORES = {f"s{number:02}": 2.0 if number % 2 else 6.0 for number in range(12)}


@pytest.fixture
def course(make_class: MakeClass) -> Course:
    made: Course = make_class(
        {student: RIGHT if score == 6 else SQUARES for student, score in SCORES.items()}
    )
    return made


def run(course: Course, address: str) -> Iterator[Row]:
    return grade(course, "tiny", list(SCORES), partial(cluster_pool, address=address))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "http://127.0.0.1:1", ":::"])
def test_a_scheduler_that_does_not_answer(
    address: str,
    course: Course,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", 3.0)
    arguments = ("grade", "tiny", "--course", str(course.root), "--scheduler", address)
    assert call(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert f"Error: The scheduler at {address} does not answer" in told.err
    assert "Traceback" not in told.err + told.out


def test_a_scheduler_without_workers(
    course: Course,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", 3.0)
    with dask(tmp_path, 0) as cluster:
        arguments = ("grade", "tiny", "--course", str(course.root), "--scheduler", cluster.address)
        assert call(monkeypatch, *arguments) == 2
    told = capsys.readouterr()
    assert "has had no workers for 3 seconds; start some: dask worker" in told.err
    assert "Traceback" not in told.err + told.out


def test_a_killed_worker_costs_no_submission_and_having_none_ends_the_run(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", 20.0)
    (course.root / "source" / "tiny" / "large.bin").write_bytes(os.urandom(11_000_000))
    with dask(tmp_path, 1) as cluster:
        graded = run(course, cluster.address)
        rows = [next(graded)]
        os.killpg(cluster.workers[0].pid, signal.SIGKILL)
        cluster.add_worker()
        rows += graded
        assert [row.failure for row in rows if row.failure] == []
        assert {row.student: row.score for row in rows} == SCORES

        on_cluster = partial(cluster_pool, address=cluster.address)
        again = grade(course, "tiny", list(SCORES), on_cluster, force=True)
        done = [next(again).student]
        monkeypatch.setattr(pool, "_PATIENCE", 3.0)
        os.killpg(cluster.workers[1].pid, signal.SIGKILL)
        with pytest.raises(AutograderError, match="no workers for 3 seconds"):
            done += [row.student for row in again]
    with course.gradebook() as gradebook:
        found = {s.student.id: s.score for s in gradebook.assignment_submissions("tiny")}
    assert found == SCORES


def test_a_scheduler_that_goes_ends_the_run(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", 3.0)
    with dask(tmp_path, 1) as cluster:
        graded = run(course, cluster.address)
        first = next(graded)
        for process in listeners(cluster.address):
            os.killpg(process, signal.SIGKILL)
        with pytest.raises(AutograderError, match="is gone"):
            list(graded)
    assert first.score == SCORES[first.student]


def listeners(address: str) -> list[int]:
    """List the processes that listen at an address."""
    port = int(address.rpartition(":")[2])
    return [
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr.port == port
        and connection.pid
    ]
