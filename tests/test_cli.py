"""The command tells what it did, and errors in one line with the way out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CHECKS, NEITHER, RIGHT, SQUARES, STUDENTS, MakeAssignment, MakeClass, call
from typer.testing import CliRunner

from autograder import gradebook, job, scratch
from autograder.cli import app
from autograder.course import Course
from autograder.grading import release
from autograder.sandbox import Level
from autograder.zygote import Zygote

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}
COMMANDS = ["release", "sample-class", "grade", "report", "prove", "doctor"]


@pytest.fixture
def course(make_assignment: MakeAssignment, tmp_path: Path) -> str:
    """Return the path of a course with a small assignment."""
    make_assignment()
    return str(tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0
    assert "--course" in result.output


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for command in COMMANDS:
        assert command in result.output
    assert "Exit codes" in result.output


@pytest.mark.parametrize("command", ["release", "sample-class", "grade", "prove"])
def test_an_unknown_assignment(
    command: str,
    course: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, command, "tinny", "--course", course) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1
    assert told.err.startswith("Error: There is no assignment “tinny”")
    assert "Did you mean “tiny”?" in told.err


def test_a_real_process_ends_with_the_code_and_no_traceback(course: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "autograder.cli", "grade", "tinny", "--course", course],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert "Did you mean “tiny”?" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["release", "grade", "report"])
def test_no_course(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, command, "tiny", "--course", str(tmp_path)) == 2
    assert "There is no nbgrader_config.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("report", "run: autograder release tiny"),
        ("grade", "run: autograder release tiny"),
        ("sample-class", "run: autograder release tiny"),
    ],
)
def test_before_the_release(
    command: str,
    message: str,
    course: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, command, "tiny", "--course", course) == 2
    assert message in capsys.readouterr().err


def test_a_broken_assignment_cannot_be_released(
    make_assignment: MakeAssignment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_assignment("1 / 0\n")
    assert call(monkeypatch, "release", "tiny", "--course", str(tmp_path)) == 2
    assert "checks.py does not import: ZeroDivisionError" in capsys.readouterr().err


def test_prove(
    make_assignment: MakeAssignment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_assignment()
    assert call(monkeypatch, "prove", "--course", str(tmp_path), "--seeds", "2") == 0
    assert "Every claim holds on 2 seeds." in capsys.readouterr().out
    make_assignment(CHECKS.replace("case.x**2", "2 * case.x"))
    assert call(monkeypatch, "prove", "tiny", "--course", str(tmp_path), "--seeds", "2") == 1
    told = capsys.readouterr()
    assert "it passes" in told.err
    assert "Every claim" not in told.out


def test_a_class_from_release_to_report(
    course: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "release", "tiny", "--course", course) == 0
    assert call(monkeypatch, "sample-class", "tiny", "--course", course) == 0
    assert "3 submissions" in capsys.readouterr().out
    assert call(monkeypatch, "grade", "tiny", "--course", course, "--student", "solve") == 2
    assert "Did you mean “solved”?" in capsys.readouterr().err
    assert call(monkeypatch, "grade", "tiny", "--course", course, "--student", "squares") == 0
    assert "1 graded" in capsys.readouterr().out
    assert call(monkeypatch, "grade", "tiny", "--course", course) == 0
    told = capsys.readouterr().out
    assert "2 graded, 1 unchanged" in told
    assert "You square it" in told
    assert "2/6" in told
    report = tmp_path / "reports" / "tiny" / "report.html"
    report.unlink()
    assert call(monkeypatch, "report", "tiny", "--course", course) == 0
    assert "You square it" in report.read_text(encoding="utf-8")
    for folder in ("submitted/squares/tiny", "submitted/lost/tiny"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "submitted" / "lost" / "tinny").mkdir()
    assert call(monkeypatch, "grade", "tiny", "--course", course, "--student", "lost") == 1
    told_both = capsys.readouterr()
    assert "was not handed in" in told_both.out.replace("\n", " ")
    assert "Not graded" in told_both.err


def test_doctor(
    course: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "doctor", "--course", course) == 0
    told = capsys.readouterr().out
    assert "2 questions, 6 points, 1 named misconceptions" in told.replace("\n", " ")
    assert "✗" not in told


def test_doctor_names_what_is_broken(
    make_assignment: MakeAssignment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_assignment(students=STUDENTS)
    monkeypatch.setattr("autograder.doctor._kernel", lambda: "not tried here")
    (tmp_path / "course_secret").write_text("ab" * 32)
    (tmp_path / "course_secret").chmod(0o644)
    assert call(monkeypatch, "doctor", "--course", str(tmp_path)) == 1
    assert "chmod 600" in capsys.readouterr().out


@pytest.fixture
def handed_in(make_class: MakeClass) -> Course:
    """Return a course with three submissions of the small assignment."""
    made: Course = make_class({"ada": RIGHT, "bob": SQUARES, "eve": NEITHER})
    return made


Grade = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    handed_in: Course, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Grade:
    """Return a function that grades. It gives the exit code and all that was told."""

    def graded(*arguments: str) -> tuple[int, str]:
        code = call(monkeypatch, "grade", "tiny", "--course", str(handed_in.root), *arguments)
        told = "".join(capsys.readouterr())
        assert "Traceback" not in told
        return code, " ".join(told.split())

    return graded


def test_no_jobs() -> None:
    result = CliRunner().invoke(app, ["grade", "tiny", "--jobs", "0"], env=WIDE)
    assert result.exit_code == 2
    assert "Invalid value for '--jobs'" in result.output


@pytest.mark.parametrize(
    ("db", "message"),
    [
        ("postgresql+psycopg://ada:hunter2@127.0.0.1:1/grades", "ada:***@127.0.0.1:1/grades"),
        ("sqlite:////no/such/folder/gradebook.db", "unable to open database file"),
        ("nonsense://ada:hunter2@host/grades", "Can't load plugin"),
        ("ada:hunter2", "is not a database's URL"),
        ("postgresql+psycopg://ada:hunter2@127.0.0.1:http/grades", "is not a database's URL"),
    ],
)
def test_a_database_that_refuses(run: Grade, db: str, message: str) -> None:
    code, told = run("--db", db)
    assert code == 2
    assert "Error: " in told
    assert message in told
    assert "hunter2" not in told


def test_another_database(run: Grade, handed_in: Course, postgresql_database: str) -> None:
    assert run("--db", postgresql_database)[0] == 2  # The assignment is not in there yet.
    release(Course(handed_in.root, db=postgresql_database), "tiny")
    code, told = run("--db", postgresql_database)
    assert code == 0
    assert "3 graded, 0 unchanged" in told
    assert "postgresql" in told
    assert "3 graded" in run()[1]  # The other gradebook is another gradebook.


def test_a_sandbox_that_gives_too_little(run: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Zygote, "level", lambda zygote: Level.LANDLOCK)
    code, told = run("--level", "full")
    assert code == 2
    assert "level “landlock”, and the course asks for “full”" in told
    assert "--level landlock" in told
    code, told = run("--level", "none")
    assert code == 0
    assert "3 graded" in told


def test_a_level_that_is_none() -> None:
    result = CliRunner().invoke(app, ["grade", "tiny", "--level", "half"], env=WIDE)
    assert result.exit_code == 2
    assert "landlock" in result.output


def test_a_full_disk(run: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    write = gradebook._write
    written: list[Path] = []

    def full(folder: Path, files: dict[str, bytes], mode: int) -> None:
        written.append(folder)
        if len(written) > 4:  # three for each submission
            raise OSError(28, "No space left on device", str(folder / "tiny.ipynb"))
        write(folder, files, mode)

    with monkeypatch.context() as patch:
        patch.setattr(gradebook, "_write", full)
        code, told = run()
    assert code == 2
    assert "1 of 3 submissions are done, and kept." in told
    assert "cannot be written: No space left on device." in told
    assert "2 graded, 1 unchanged" in run()[1]


def test_a_full_scratch_folder(run: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(target: Path, files: dict[str, bytes]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "_write", full)
    code, told = run()
    assert code == 2
    assert "No space left on device" in told
    assert "Set TMPDIR" in told


def test_no_scratch_folder(run: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(scratch, "_home", None)
    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    code, told = run()
    assert code == 2
    assert "No scratch folder can be made" in told
    assert "TMPDIR" in told


def test_changed_specs(run: Grade, handed_in: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run()[0] == 0
    checks = handed_in.source("tiny") / "checks.py"
    checks.write_text(CHECKS.replace("return 2 * case.x", "return case.x**2"))
    kept = (handed_in.root / "gradebook.db").read_bytes()
    code, told = run()
    assert code == 1
    assert "The specs have changed since these submissions were graded" in told
    assert "ada 6 2" in told
    assert "bob 2 6" in told
    assert "eve 0" not in told.split("what was wrong")[0]
    assert "0 graded, 3 unchanged" in told
    assert "Changed grades were not written." in told
    assert (handed_in.root / "gradebook.db").read_bytes() == kept
    for answer, expected in ((False, 1), (True, 0)):
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin.isatty", lambda: True, raising=False)
            patch.setattr("typer.confirm", lambda text, answer=answer: answer)
            assert run()[0] == expected
    assert "0 graded, 3 unchanged" in run()[1]
    checks.write_text(CHECKS)
    code, told = run("--yes")
    assert code == 0
    assert "3 graded" in told
