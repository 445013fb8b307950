"""The table of grades opens in a spreadsheet, and the report shows who made which mistake."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeAssignment
from hypothesis import given
from hypothesis import strategies as st

from autograder.course import Course
from autograder.grading import CellGrade, Row
from autograder.integrity import Flag
from autograder.report import Summary, write
from autograder.scale import share
from autograder.verdict import Rung, Verdict

EVIL = "<script>alert(1)</script>"


def verdict(name: str | None = None, *, reason: str = "Off.", passed: bool = False) -> Verdict:
    return Verdict(
        "double",
        "Twice.",
        4.0 if passed else 0.0,
        4,
        passed,
        reason,
        rung=None if passed else Rung.VALUES,
        misconception=name,
        hint=f"You have {name}." if name else None,
        tested=(Rung.VALUES,),
    )


def graded(student: str, decided: Verdict, *, protected: bool = True) -> Row:
    cell = CellGrade("check-double", decided.points, 4, protected, (decided,), None)
    return Row(student, decided.points, 4, (cell,))


ROWS = [
    graded("ada", verdict(passed=True)),
    graded("=cmd|'/C calc'!A0", verdict("squared")),
    graded("bob", verdict("squared")),
    graded("cyd", verdict("halved"), protected=False),
    graded(EVIL, verdict(reason=f"Your code raised ValueError: {EVIL}")),
    Row("dan", 0, 4, failure="There is no notebook."),
]


@pytest.fixture
def written(make_assignment: MakeAssignment, tmp_path: Path) -> tuple[Path, Path]:
    """Write the report; return the paths of table and page."""
    make_assignment()
    return write(Course(tmp_path), "tiny", lambda: ROWS, tmp_path / "reports" / "tiny")


def test_grades_are_a_table(written: tuple[Path, Path]) -> None:
    with written[0].open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(ROWS)
    assert table[0] == {
        "student": "ada",
        "assignment": "tiny",
        "score": "4",
        "max_score": "4",
        "double": "4",
        "withheld": "",
        "repairs": "0",
        "reasons": "",
    }
    assert table[2]["reasons"] == "double: You have squared."
    assert table[5]["double"] == ""
    assert table[5]["reasons"] == "There is no notebook."


def test_no_cell_is_a_formula(written: tuple[Path, Path]) -> None:
    with written[0].open(newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert table[2][0] == "'=cmd|'/C calc'!A0"
    assert not [cell for line in table for cell in line if cell.startswith(("=", "+", "-", "@"))]


def test_the_page_has_a_bar_for_each_mistake(written: tuple[Path, Path]) -> None:
    page = written[1].read_text(encoding="utf-8")
    mistakes = page.split('class="bars mistakes"')[2].split("<h2>")[0]
    assert mistakes.count('class="fill"') == 3
    assert "You have squared." in mistakes
    assert "40 % (2)" in mistakes
    assert mistakes.index("You have squared.") < mistakes.index("You have halved.")
    assert "1 of 5 passed" in page
    assert "There is no notebook." in page


def test_the_page_escapes_what_students_write(written: tuple[Path, Path]) -> None:
    page = written[1].read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_page_says_what_is_unprotected_or_misplaced(
    make_assignment: MakeAssignment, tmp_path: Path
) -> None:
    make_assignment()
    (tmp_path / "submitted" / "ada" / "tinny").mkdir(parents=True)
    _, path, _ = write(Course(tmp_path), "tiny", lambda: ROWS, tmp_path / "reports")
    page = path.read_text(encoding="utf-8")
    assert "These cells are unprotected" in page
    assert "tinny</code>" in page
    _, path, _ = write(Course(tmp_path), "tiny", lambda: ROWS[:1], tmp_path / "reports")
    assert "These cells are unprotected" not in path.read_text(encoding="utf-8")


def test_the_page_links_to_feedback(make_assignment: MakeAssignment, tmp_path: Path) -> None:
    make_assignment()
    feedback = tmp_path / "feedback" / "ada" / "tiny"
    feedback.mkdir(parents=True)
    (feedback / "tiny.html").touch()
    row = Row("ada", 4, 4, ROWS[0].cells, feedback=feedback)
    _, path, _ = write(Course(tmp_path), "tiny", lambda: [row], tmp_path / "reports" / "tiny")
    assert 'href="../../feedback/ada/tiny/tiny.html"' in path.read_text(encoding="utf-8")


def test_a_report_of_nobody(make_assignment: MakeAssignment, tmp_path: Path) -> None:
    make_assignment()
    grades, page, _ = write(Course(tmp_path), "tiny", list, tmp_path / "reports")
    assert len(grades.read_text(encoding="utf-8").splitlines()) == 1
    assert "submissions" in page.read_text(encoding="utf-8")


def test_questions_are_summed_up() -> None:
    (question,) = Summary(ROWS).questions
    assert (question.answered, question.passed) == (5, 1)
    assert [(name, count) for name, _, count in question.misconceptions] == [
        ("squared", 2),
        ("halved", 1),
    ]
    assert question.others == ((f"Your code raised ValueError: {EVIL}", 1),)


def test_the_histogram_counts_everybody_once() -> None:
    scores = [0, 0.9, 1, 2.9999, 9.99, 10]
    found = dict(Summary(Row("a", score, 10) for score in scores).histogram)
    assert sum(found.values()) == len(scores)
    assert found["100 %"] == 1
    assert found["0–9 %"] == 2
    assert found["10–19 %"] == 1
    assert found["90–99 %"] == 1


def test_the_page_tells_what_was_repaired_and_what_to_look_at(
    make_assignment: MakeAssignment, tmp_path: Path
) -> None:
    make_assignment()
    verdict = Verdict("double", "Doubles.", 0.0, 4.0, False, "It is withheld.", held=True)
    cell = CellGrade("check-double", 0.0, 4.0, True, (verdict,), None)
    held = Flag("work", 3, "gc.<b>", "It uses “gc”.", True)
    told = Flag("work", 1, "open('x')", "It opens a file.", False)
    rows = [
        Row("eve", 0.0, 4.0, (cell,), flags=(told, held)),
        Row("joe", 4.0, 4.0, flags=(told,)),
        Row("max", 4.0, 4.0, repairs=("The notebook <i> was found in a ZIP file.",)),
        Row("ada", 4.0, 4.0),
    ]
    grades, path, summary = write(Course(tmp_path), "tiny", lambda: rows, tmp_path / "reports")
    assert [each.student for each in summary.integrity] == ["eve", "joe", "max"]
    assert [each.withheld for each in summary.integrity] == [("double",), (), ()]
    page = path.read_text(encoding="utf-8")
    section = page[page.index('id="integrity"') : page.index("<h2>Students")]
    assert "gc.&lt;b&gt;" in section
    assert section.index("gc.&lt;b&gt;") < section.index(
        "open(&#39;x&#39;)"
    )  # What holds is first.
    assert "The notebook &lt;i&gt; was found" in section
    assert "ada" not in section
    with grades.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [(line["withheld"], line["repairs"]) for line in table] == [
        ("double", "0"),
        ("", "0"),
        ("", "1"),
        ("", "0"),
    ]


def answers(*points: tuple[float, float]) -> list[Row]:
    """Make a class whose members have these points for two questions."""
    rows = []
    for k, (first, second) in enumerate(points):
        cells = tuple(
            CellGrade(
                name, earned, 4, True, (replace(verdict(), question=name, points=earned),), None
            )
            for name, earned in (("first", first), ("second", second))
        )
        rows.append(Row(f"s{k}", first + second, 8, cells))
    return rows


def test_difficulty_is_the_mean_share_of_the_points() -> None:
    first, second = Summary(answers((4, 0), (4, 2), (1, 2))).questions
    assert first.difficulty == pytest.approx(9 / 12)
    assert second.difficulty == pytest.approx(4 / 12)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40))
def test_discrimination_is_a_correlation_with_the_rest(points: list[tuple[int, int]]) -> None:
    first, second = Summary(answers(*points)).questions
    both = np.array(points, dtype=float)
    if (both.std(axis=0) == 0).any():
        assert first.discrimination is second.discrimination is None
    else:
        expected = np.corrcoef(both.T)[0, 1]
        assert first.discrimination == pytest.approx(expected, abs=1e-6)
        assert second.discrimination == pytest.approx(expected, abs=1e-6)


def test_misconceptions_are_ranked_over_all_questions() -> None:
    other = graded("eve", replace(verdict("doubled"), question="half"))
    ranked = Summary([*ROWS, other]).mistakes
    assert [(each.question, each.name, each.students) for each in ranked] == [
        ("double", "squared", ("=cmd|'/C calc'!A0", "bob")),
        ("double", "halved", ("cyd",)),
        ("half", "doubled", ("eve",)),
    ]
    assert [each.share for each in ranked] == [2 / 5, 1 / 5, 1]


def test_the_page_ranks_misconceptions_and_names_who_has_them(written: tuple[Path, Path]) -> None:
    page = written[1].read_text(encoding="utf-8")
    section = page.split("Misconceptions of the class")[1].split("<h2>")[0]
    assert section.index("You have squared.") < section.index("You have halved.")
    assert 'href="#s-bob"' in section
    assert 'id="s-bob"' in page


SCALE = ((75.0, 1.0), (100.0, 0.8), (300.0, 0.0))


def measured(student: str, measure: float | None, **changes: Any) -> Row:
    """Make a row with one measured answer."""
    points = round(12 * share(SCALE, measure), 2) if measure is not None else 0.0
    about = Verdict(
        "poet", "A poet.", points, 12, points == 12, f"The perplexity is {measure}.",
        measure=measure, unit="perplexity", scale=SCALE,
    )  # fmt: skip
    return graded(student, replace(about, **changes))


POETS = [
    measured("cyd", 83.2),
    measured("bob", 120.0, remarks=(f"Has it seen them? {EVIL}",)),
    measured("ada", 70.0),
    measured("dan", 83.2),
    measured("=eve", 500.0),
    measured("fay", None, reason=f"There is no file. {EVIL}"),
    measured("gus", None, reason=f"There is no file. {EVIL}"),
    measured("hal", 1.0, points=0.0, passed=False, held=True, reason="Withheld."),
    graded("ivy", Verdict.undecided("poet", "It never ended.", max_points=12)),
]


def test_a_leaderboard_ranks_who_was_measured() -> None:
    (board,) = Summary([*POETS, ROWS[0]]).leaderboards
    assert (board.question, board.unit, board.max_points) == ("poet", "perplexity", 12)
    assert [(place.rank, place.student, place.measure) for place in board.places] == [
        (1, "ada", 70.0),
        (2, "cyd", 83.2),
        (2, "dan", 83.2),
        (4, "bob", 120.0),
        (5, "=eve", 500.0),
    ]
    assert board.unmeasured[0] == (f"There is no file. {EVIL}", 2)
    assert board.left_out == "4 submissions have no place here:"
    assert Summary(ROWS).leaderboards == []


def test_a_measured_question_is_summed_up_like_others() -> None:
    (question,) = Summary(POETS).questions
    assert (question.answered, question.passed) == (9, 1)
    assert question.difficulty == pytest.approx(sum(row.score for row in POETS) / 9 / 12)
    # Measures differ from student to student: the leaderboard lists them, not the mistakes.
    assert {reason for reason, _ in question.others} == {
        f"There is no file. {EVIL}",
        "It never ended.",
    }


def test_the_page_has_a_leaderboard(make_assignment: MakeAssignment, tmp_path: Path) -> None:
    make_assignment()
    feedback = tmp_path / "feedback" / "ada" / "tiny"
    feedback.mkdir(parents=True)
    (feedback / "tiny.html").touch()
    rows = [replace(row, feedback=feedback) if row.student == "ada" else row for row in POETS]
    grades, path, _ = write(Course(tmp_path), "tiny", lambda: rows, tmp_path / "reports" / "tiny")
    page = path.read_text(encoding="utf-8")
    board = page[page.index('id="l-poet"') : page.index("<h2>Questions")]
    assert "<script" not in board
    order = [board.index(f">{name}</a>") for name in ("ada", "cyd", "dan", "bob")]
    assert order == sorted(order)
    assert board.count('class="fill"') == 5
    assert "width: 100.0%" in board
    assert 'href="#s-ada"' in board
    assert 'href="../../feedback/ada/tiny/tiny.html"' in board
    assert "Has it seen them?" in board
    assert "hal" not in board
    assert "4 submissions have no place here:" in board
    assert "Has it seen them?" not in page.replace(board, "")
    with grades.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    names = list(table[0])
    assert names[names.index("poet") + 1] == "poet perplexity"
    assert [line["poet perplexity"] for line in table] == [
        "83.2", "120", "70", "83.2", "500", "", "", "1", "",
    ]  # fmt: skip


def test_a_long_leaderboard_is_folded(make_assignment: MakeAssignment, tmp_path: Path) -> None:
    make_assignment()
    rows = [measured(f"s{k}", 80.0 + k) for k in range(60)]
    _, path, _ = write(Course(tmp_path), "tiny", lambda: rows, tmp_path / "reports")
    page = path.read_text(encoding="utf-8")
    board = page[page.index('id="l-poet"') : page.index("<h2>Questions")]
    assert "All that follow: 10" in board
    assert board.count('class="fill"') == 60
    assert "no place here" not in board
