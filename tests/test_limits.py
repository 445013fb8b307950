"""What goes beyond a limit, or reaches for what is not its own, costs its own question only."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import RIGHT, MakeClass, edit

from autograder.course import Course
from autograder.grading import Row, grade
from autograder.zygote import available

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not available(), reason="a zygote needs Linux"),
    # nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning"),
]

LIMITS = """
c.Execute.timeout = 8
c.RefereeExecute.submission_seconds = 15
c.RefereeExecute.cell_output_kb = 64
c.ZygoteProvisioner.cell_cpu_seconds = 1
c.ZygoteProvisioner.memory_mb = 300
c.ZygoteProvisioner.disk_mb = 8
c.ZygoteProvisioner.processes = 40
"""


def double(body: str) -> str:
    """Write the cell with the two functions, of which the first has this body instead."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return RIGHT.replace("    return 2 * x", lines, 1)


BODIES = {
    "computes": "while True: pass",
    "waits": "import time\ntime.sleep(60)",
    "prints": "while True: print('x' * 1000)",
    "prints-on": (
        "left = 1\nwhile True:\n    try:\n        while True: print('x' * 1000)\n"
        "    except KeyboardInterrupt:\n        if not left: raise\n        left -= 1"
    ),
    "allocates": "import torch\ntorch.ones(2**30)\nreturn 2 * x",
    "fills": "open('large', 'wb').write(bytes(2**26))\nreturn 2 * x",
    "opens": "return [open('/dev/null') for _ in range(10**6)]",
    "forks": "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(60)",
    "starts": (
        "import threading, time\n"
        "while True: threading.Thread(target=time.sleep, args=(60,)).start()"
    ),
}
REASONS = {
    "computes": "CPU time for this cell",
    "waits": "did not finish within 8 seconds",
    "prints": "KeyboardInterrupt",
    "prints-on": "KeyboardInterrupt",
    "allocates": "memory",
    "fills": "OSError",
    "opens": "Too many open files",
    "forks": "GuardError",
    "starts": "RuntimeError",
}


@pytest.fixture
def course(make_class: MakeClass) -> Course:
    """Return a course with one submission for each limit, and an honest one."""
    students = {name: double(body) for name, body in BODIES.items()}
    made: Course = make_class({**students, "honest": RIGHT}, LIMITS)
    return made


def run(course: Course) -> dict[str, Row]:
    return {row.student: row for row in grade(course, "tiny", course.submitted("tiny"))}


def test_beyond_a_limit_only_the_question_is_lost(course: Course) -> None:
    started = time.monotonic()
    found = run(course)
    assert time.monotonic() - started < 90
    assert found["honest"].score == 6
    scores = {name: found[name].score for name in BODIES}
    assert scores == dict.fromkeys(BODIES, 2.0), {n: found[n].reasons for n in BODIES}
    for name, reason in REASONS.items():
        assert reason in " ".join(found[name].reasons), (name, found[name].reasons)
    page = course.folder("autograded", "prints", "tiny") / "tiny.ipynb"
    assert page.stat().st_size < 200_000
    assert "The output was cut here" in page.read_text(encoding="utf-8")


STARTS = """
import os, threading, time

def limited(start):
    for _ in range(100):
        try:
            start()
        except (OSError, RuntimeError):
            return True
    return False

def wait():
    if os.fork() == 0:
        time.sleep(60)

FORKED = limited(wait)
STARTED = limited(lambda: threading.Thread(target=time.sleep, args=(60,)).start())
"""


def test_processes_and_threads_are_limited(make_class: MakeClass) -> None:
    found = double("return 2 * x if FORKED and STARTED else x")
    [row] = run(make_class({"many": STARTS + found}, LIMITS)).values()
    assert row.score == 6, row.reasons


def test_a_submission_has_a_time_of_its_own(make_class: MakeClass) -> None:
    slow = RIGHT + "\nimport time\ntime.sleep(2)"
    settings = "c.RefereeExecute.submission_seconds = 1"
    [row] = run(make_class({"slow": slow}, settings)).values()
    assert row.score == 0
    assert "seconds for the whole submission were over" in " ".join(row.reasons)


REACH = '''
def reached(paths, names, process):
    """List what of all this can be read."""
    import os
    found = [name for name in names if name in os.environ]
    for path in paths:
        try:
            if os.path.isdir(path):
                os.listdir(path)
            else:
                with open(path, "rb") as file:
                    file.read(1)
            found.append(path)
        except OSError:
            pass
    for part in ("environ", "mem", "maps", "cwd"):
        try:
            place = f"/proc/{process}/{part}"
            if part == "cwd":
                os.readlink(place)
            else:
                with open(place, "rb") as file:
                    file.read(0)
            found.append(place)
        except OSError:
            pass
    return found
'''


def test_nothing_of_the_graders_can_be_reached(
    make_class: MakeClass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "secret")
    course: Course = make_class({"other": RIGHT, "curious": RIGHT})
    run(course)  # Makes the secret, the gradebook and the other's grade.
    paths = [
        course.root / "course_secret",
        course.root / "gradebook.db",
        course.root / "nbgrader_config.py",
        course.source("tiny"),
        course.folder("submitted", "other", "tiny") / "tiny.ipynb",
        course.folder("autograded", "other", "tiny") / "tiny.ipynb",
        Path("/etc/passwd"),
        Path(__file__),
    ]
    assert all(path.exists() for path in paths)
    process = os.getpid()
    asked = f"reached({list(map(str, paths))}, ['A_SECRET'], {process})"
    # Here, where nothing is closed, all of it is found: the question is a good one.
    here: dict[str, Any] = {}
    exec(REACH, here)
    assert len(eval(asked, here)) == len(paths) + 1 + 4
    source = REACH + double(f"assert not {asked}, {asked}\nreturn 2 * x")
    edit(course, "tiny", "curious", {"work": source})
    found = run(course)["curious"]
    assert found.fresh
    # Code that looks around like this gets its points when the instructor has looked at it.
    assert [verdict.held for cell in found.cells for verdict in cell.verdicts] == [True, True]
