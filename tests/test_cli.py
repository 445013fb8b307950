"""The command tells what it did, and errors in one line with the way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKS, STUDENTS, MakeAssignment, call
from typer.testing import CliRunner

from autograder.cli import app

# nbgrader 0.9 was written for an older SQLAlchemy, which did not mind how it adds submissions.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

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
    assert "There is no notebook in" in told_both.out.replace("\n", " ")
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
