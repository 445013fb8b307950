"""A measured question gives the points that its scale promises, from practice to the report."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import measures
import pytest
import torch
from conftest import MakeAssignment, MakeClass, call

from autograder import Case, Draw, MeasuredSpec
from autograder.answer import Answer, play
from autograder.course import Course
from autograder.gallery import exhibits
from autograder.grading import Row, grade, release, rows
from autograder.loader import find_spec
from autograder.mutants import survey
from autograder.prove import claims, proofs
from autograder.referee import interpreted, judge
from autograder.report import write
from autograder.student import check
from autograder.students import Workplace, mixed_class, read_class
from autograder.verdict import Rung, Verdict
from autograder.wire import answer_from_wire, answer_to_wire, decode, encode

ASSIGNMENT = {"checks": measures.CHECKS, "notebook": measures.NOTEBOOK}
SEED = 8_675_309_123


class Poet(MeasuredSpec):
    """What a poet is worth."""

    name = "poet"
    points = 12
    unit = "perplexity"
    scale = ((75, 1.0), (100, 0.8), (150, 0.5), (300, 0.0))

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield Case("one", k=0)

    def measure(self, outputs: Any, case: Case) -> Any:
        return outputs

    def remarks(self, outputs: Any, case: Case) -> tuple[str, ...]:
        return (f"It said {outputs}.",)


class Poets(Poet):
    """What a poet is worth, on two cases."""

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield Case("one", k=0)
        yield Case("two", k=1)


def decide(said: Any, spec: MeasuredSpec | None = None, *, remarks: bool = False) -> Verdict:
    spec = spec or Poet()
    student = said if callable(said) else lambda k: said
    player = interpreted(spec, partial(play, spec, student), remarks=remarks)
    return judge(spec, SEED, player, public=False)


@pytest.mark.parametrize(
    ("measure", "points", "reason"),
    [
        (71.3, 12, "The perplexity is 71.3. That earns all points, as does anything up to 75."),
        (75, 12, "The perplexity is 75.0. That earns all points, as does anything up to 75."),
        # What is shown decides.
        (75.04, 12, "The perplexity is 75.0. That earns all points, as does anything up to 75."),
        (83.21, 11.21,
         "The perplexity is 83.2. That earns 11.21 of 12 points; 75 would earn all of them."),
        (100, 9.6, "The perplexity is 100.0. That earns 9.6 of 12 points; 75 would earn all of "
         "them."),
        (120, 8.16, "The perplexity is 120.0. That earns 8.16 of 12 points; 100 would earn 9.6."),
        (300, 0, "The perplexity is 300.0. That earns nothing; points begin below 300."),
        (4e12, 0, "The perplexity is 4e+12. That earns nothing; points begin below 300."),
    ],
)  # fmt: skip
def test_the_scale_decides_on_the_points(measure: float, points: float, reason: str) -> None:
    verdict = decide(measure)
    assert (verdict.points, verdict.reason) == (points, reason)
    assert verdict.passed is (points == 12)
    assert verdict.rung is (None if points == 12 else Rung.VALUES)
    assert verdict.measure == pytest.approx(round(measure, 1))
    assert (verdict.unit, verdict.scale) == ("perplexity", Poet.scale)
    assert verdict.difference is verdict.case is verdict.misconception is None


def test_what_is_nearly_everything_does_not_claim_that_more_could_be_had() -> None:
    class Small(Poet):
        """A question of few points, which rounding fills up."""

        points = 1

    verdict = decide(75.1, Small())
    assert (verdict.points, verdict.passed) == (1, True)
    assert "all points" in verdict.reason


@pytest.mark.parametrize("measure", [math.nan, math.inf, -math.inf, torch.tensor(math.nan)])
def test_no_finite_number_earns_nothing(measure: Any) -> None:
    verdict = decide(measure)
    assert (verdict.points, verdict.passed, verdict.rung) == (0, False, Rung.VALUES)
    assert verdict.reason == "The perplexity is no finite number, so it earns nothing."
    assert verdict.measure is None
    json.dumps(verdict.to_json(), allow_nan=False)


def test_the_mean_of_the_cases_counts() -> None:
    verdict = decide(lambda k: (70, 96)[k], Poets())
    assert verdict.measure == 83
    assert verdict.reason.startswith("The mean perplexity of 2 cases is 83.0. ")
    verdict = decide(lambda k: (70, math.nan)[k], Poets())
    assert (verdict.points, verdict.measure) == (0, None)


def test_one_case_that_fails_fails_the_question() -> None:
    verdict = decide(lambda k: 70 / (1 - k), Poets())
    assert (verdict.points, verdict.rung, verdict.measure) == (0, Rung.RUNS, None)
    assert verdict.case == "two"
    assert verdict.unit == "perplexity"


def test_what_fails_before_is_not_measured() -> None:
    assert decide(lambda k: None).rung is Rung.STRUCTURE
    assert "ZeroDivisionError" in decide(lambda k: 1 / 0).reason
    verdict = judge(Poet(), SEED, partial(play, Poet(), 3), public=False)
    assert verdict.rung is Rung.EXISTS


def test_the_seed_is_kept() -> None:
    for said in (70, 90, math.nan, lambda k: 1 / 0):
        assert str(SEED) not in repr(decide(said).to_json())


def test_remarks_are_asked_for_when_a_class_is_graded() -> None:
    assert decide(90).remarks == ()
    verdict = decide(90, remarks=True)
    assert verdict.remarks == ("It said 90.",)
    assert verdict.points == decide(90).points
    assert decide(lambda k: 90, Poets(), remarks=True).remarks == ("It said 90.",)


def test_nobody_at_the_other_end_makes_remarks() -> None:
    sent = answer_to_wire(Answer(outputs=1.0))
    assert answer_from_wire({**sent, "remarks": ["Well done."]}).remarks == ()


@pytest.fixture
def folder(make_assignment: MakeAssignment) -> Path:
    """Return the folder of an assignment that asks for a file."""
    return make_assignment(**ASSIGNMENT, students=measures.STUDENTS)


def test_a_file_can_be_handed_in(folder: Path, tmp_path: Path) -> None:
    spec = find_spec(folder, "checkpoint")
    path = tmp_path / "mine.bin"
    path.write_bytes(bytes([83] * 7))

    def decide(given: Any) -> Verdict:
        return judge(spec, SEED, interpreted(spec, partial(play, spec, given)), public=True)

    for given in (path, str(path)):
        assert decide(given).measure == 83
    reason = decide(str(tmp_path / "yours.bin")).reason
    assert reason.startswith("What you handed in cannot be used: FileNotFoundError: ")
    assert reason.endswith("yours.bin'.")
    path.write_bytes(bytes([255]))
    assert decide(path).reason == "Your file begins with 255."
    assert decide(torch.nn.Linear(2, 3)).rung is Rung.RUNS


def test_a_large_file_travels_and_stays_out_of_the_verdict(folder: Path, tmp_path: Path) -> None:
    spec = find_spec(folder, "checkpoint")
    path = tmp_path / "mine.bin"
    path.write_bytes(bytes([83]) * 10_000_000)

    def player(case: Case) -> Answer:
        return answer_from_wire(decode(encode(answer_to_wire(play(spec, path, case)))))

    started = time.process_time()
    verdict = judge(spec, SEED, interpreted(spec, player), public=False)
    assert time.process_time() - started < 5
    assert verdict.measure == 83
    assert len(json.dumps(verdict.to_json())) < 1000


def test_a_measured_assignment_is_proved(folder: Path) -> None:
    found = list(proofs(claims(folder), 2))
    assert [proof.failure for proof in found] == [""] * 7


def test_a_worked_solution_must_earn_everything(make_assignment: MakeAssignment) -> None:
    folder = make_assignment(
        measures.CHECKS, measures.NOTEBOOK.replace("[75]", "[76]"), students=""
    )
    failures = [proof.failure for proof in proofs(claims(folder), 1)]
    assert "the verdict is “values”: The mean byte is 76.0." in failures[0]


def test_the_gallery_shows_it_and_nothing_is_mutated(folder: Path) -> None:
    shown = exhibits(folder, "checkpoint")
    assert [(name, verdict.measure) for name, verdict in shown] == [
        ("solved", 75),
        ("untouched", None),
        ("worse", 125),
    ]
    assert survey(folder, "checkpoint").mutants == 0


def test_the_commands_of_an_author(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    course = ("--course", str(tmp_path))
    gallery = ("gallery", *course, "--output", str(tmp_path / "gallery.html"), "--text")
    for command in (("prove", *course, "--seeds", "1"), ("mutate", *course), gallery):
        assert call(monkeypatch, *command) == 0
    assert "The mean byte is 125.0. That earns 7.8 of 12 points" in capsys.readouterr().out
    assert len(mixed_class(folder, 4)) == 4


def test_practice_shows_a_scale_and_no_remarks(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("autograder.student._folder", folder)
    path = tmp_path / "mine.bin"
    path.write_bytes(bytes([7, 159]))
    verdict = check("checkpoint", path)
    assert (verdict.measure, verdict.remarks) == (83, ())
    assert "9.6" in capsys.readouterr().out


def test_each_workplace_is_a_new_one(folder: Path) -> None:
    (folder / "helper_of_tiny.py").write_text("def answer():\n    return 42\n")
    before = Path.cwd()
    place = Workplace(folder)
    with place.entered():
        import helper_of_tiny  # type: ignore[import-not-found]

        assert helper_of_tiny.answer() == 42
        assert not Path("students.yml").exists()
        assert not Path("tiny.md").exists()
        made = Path("made.txt").resolve()
        made.touch()
    assert Path.cwd() == before
    with Workplace(folder).entered():
        assert not Path("made.txt").exists()
        Path("helper_of_tiny.py").write_text("def answer():\n    return 43\n")
        import helper_of_tiny

        assert helper_of_tiny.answer() == 43
    assert made.exists()
    assert not (folder / "made.txt").exists()
    del place
    assert not made.exists()


def test_made_up_students_hand_in_files(
    make_assignment: MakeAssignment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_assignment(measures.CHECKS, measures.HANDED_IN, measures.FILERS)
    for name, byte in measures.FILES.items():
        (folder / "students" / name).mkdir(parents=True)
        (folder / "students" / name / "mine.bin").write_bytes(bytes([byte]))
    assert [proof.failure for proof in proofs(claims(folder), 1)] == [""] * 4
    files = {student.name: student.files for student in read_class(folder)}
    assert files["same"] == files["solved"] != files["good"]
    assert files["untouched"] is None
    for student in mixed_class(folder, 60):
        with Workplace(folder, student).entered():
            left = "runs" if not Path("mine.bin").exists() else Path("mine.bin").read_bytes()
        expected = {"runs": "runs", b"K": "passed", b"d": "values"}[left]
        assert student.expect.get("checkpoint", "passed") == expected
    assert {student.files for student in mixed_class(folder, 60)} == set(files.values())

    course = Course(tmp_path)
    assert not [path for path in release(course, "tiny").rglob("*") if path.suffix == ".bin"]
    assert call(monkeypatch, "sample-class", "tiny", "--course", str(tmp_path)) == 0
    handed = {path.parts[-3]: path.read_bytes() for path in tmp_path.glob("submitted/*/*/*.bin")}
    assert handed == {"solved": b"K", "same": b"K", "good": b"d"}


WORK = 'path = "mine.bin"\nPath(path).write_bytes({})'
CLASS = {
    "ada": WORK.format("bytes([75]) * 4"),
    "bob": WORK.format("bytes([7, 159])"),
    "cyd": WORK.format("bytes([1, 165])"),
    "dan": "path = 'handed-in.bin'",
    "eve": "path = 'nowhere.bin'",
    "fay": "raise ValueError",
    "gus": WORK.format("bytes([83] * 8)") + "\nimport ctypes",
}


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_a_class_is_graded_and_ranked(make_class: MakeClass, tmp_path: Path) -> None:
    course: Course = make_class(CLASS, students="", **ASSIGNMENT)
    handed = course.folder("submitted", "dan", "tiny") / "handed-in.bin"
    handed.write_bytes(bytes([83]) * 10_000_000)
    graded: dict[str, Row] = {row.student: row for row in grade(course, "tiny", sorted(CLASS))}
    verdicts = {student: row.cells[0].verdicts[0] for student, row in graded.items()}
    found = {student: (verdict.measure, verdict.points) for student, verdict in verdicts.items()}
    assert found == {
        "ada": (75, 12),
        "bob": (83, 11.23),
        "cyd": (83, 11.23),
        "dan": (83, 11.23),
        "eve": (None, 0),
        "fay": (None, 0),
        "gus": (83, 0),
    }
    assert verdicts["gus"].held
    assert verdicts["bob"].remarks == ("It begins with 7.",)
    assert verdicts["cyd"].remarks == ("The remarks on this answer failed: KeyError: 'one'.",)
    for student in CLASS:
        for kind in ("feedback", "autograded"):
            for page in course.folder(kind, student, "tiny").glob("*.*"):
                if page.suffix in (".html", ".ipynb"):
                    assert "begins with 7" not in page.read_text(encoding="utf-8")
                    assert page.stat().st_size < 2_000_000

    grades, page, summary = write(course, "tiny", lambda: rows(course, "tiny"), tmp_path / "r")
    (board,) = summary.leaderboards
    assert [(place.rank, place.student) for place in board.places] == [
        (1, "ada"),
        (2, "bob"),
        (2, "cyd"),
        (2, "dan"),
    ]
    assert sum(count for _reason, count in board.unmeasured) == 3
    assert "It begins with 7." in page.read_text(encoding="utf-8")
    with grades.open(newline="", encoding="utf-8") as file:
        table = {line["student"]: line for line in csv.DictReader(file)}
    assert (table["bob"]["checkpoint"], table["bob"]["checkpoint mean byte"]) == ("11.23", "83")
    assert (table["eve"]["checkpoint"], table["eve"]["checkpoint mean byte"]) == ("0", "")


def test_the_class_of_the_assignment_is_read(folder: Path) -> None:
    assert [student.name for student in read_class(folder)][:3] == ["solved", "untouched", "worse"]


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize(("seconds", "points"), [(30, 12), (0, 0)])
def test_no_student_pays_for_the_time_that_measuring_takes(
    make_class: MakeClass, seconds: int, points: float
) -> None:
    slow = measures.CHECKS.replace(
        "    def measure(self, outputs, case):\n",
        f"    measuring_seconds = {seconds}\n\n"
        "    def measure(self, outputs, case):\n        time.sleep(5)\n",
    ).replace("import torch\n", "import time\n\nimport torch\n", 1)
    course: Course = make_class(
        {"ada": CLASS["ada"]}, students="", checks=slow, notebook=measures.NOTEBOOK
    )
    config = course.root / "nbgrader_config.py"
    text = config.read_text(encoding="utf-8")
    config.write_text(f"{text}\nc.Execute.timeout = 3\n", encoding="utf-8")
    (row,) = grade(Course(course.root), "tiny", ["ada"])
    assert row.score == points
