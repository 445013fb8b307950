"""The proof holds for what is right, and finds what is wrong with a broken assignment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import CHECKS, STUDENTS, MakeAssignment

from autograder.errors import SpecError
from autograder.prove import claims, proofs


def failures(folder: Path, seeds: int = 3) -> list[str]:
    found = proofs(claims(folder), seeds)
    return [f"{proof.statement} {proof.failure}" for proof in found if proof.failure]


def test_every_claim_about_lstm_cell_holds(lstm_cell: Path) -> None:
    assert failures(lstm_cell) == []


def test_what_is_claimed(make_assignment: MakeAssignment) -> None:
    found = [(claim.question, claim.statement) for claim in claims(make_assignment())]
    assert found == [
        ("double", "The student “solved” gets the verdict “passed”."),
        ("double", "The student “untouched” gets the verdict “runs”."),
        ("double", "The student “squares” gets the verdict “squared”."),
        ("double", "The misconception “squared” is rejected and named, and no other fits."),
        ("half", "The student “solved” gets the verdict “passed”."),
        ("half", "The student “untouched” gets the verdict “runs”."),
    ]
    assert failures(make_assignment()) == []


AGAIN = """
    @misconception("You multiply it by itself; double it instead.")
    def multiplied(self, case):
        return case.x * case.x


class Half"""


@pytest.mark.parametrize(
    ("old", "new", "failure"),
    [
        ("return case.x**2", "return 2 * case.x", "“squared” is rejected .*it passes"),
        ("return case.x**2", "return case.x**3", "“squares” gets .*the verdict is “values”"),
        ("return 2 * case.x", "return 3 * case.x", "“solved” gets .*the verdict is “values”"),
        ("\n\nclass Half", AGAIN, "“multiplied” is rejected .*it is taken for “squared”"),
        ("\n\nclass Half", AGAIN, "“squared” is rejected .*it cannot be told from “multiplied”"),
        ("\n\nclass Half", AGAIN, "makes the mistake “multiplied”. .*students.yml has no student"),
        ("{Rung.GRADIENTS: 0.5}", "{Rung.RUNS: 0.5}", "untouched notebook earns 2 points"),
    ],
)
def test_a_broken_assignment_is_found_out(
    make_assignment: MakeAssignment, old: str, new: str, failure: str
) -> None:
    assert old in CHECKS
    found = failures(make_assignment(CHECKS.replace(old, new, 1)))
    assert any(re.search(failure, text) for text in found), found


def test_a_verdict_that_depends_on_the_seed_is_found_out(make_assignment: MakeAssignment) -> None:
    checks = CHECKS.replace("return case.x**2", "return case.x**(2 if case.x.sum() > 0 else 3)")
    found = failures(make_assignment(checks), seeds=10)
    assert any("squares" in text for text in found)


def test_a_student_nobody_expects_is_found_out(make_assignment: MakeAssignment) -> None:
    students = STUDENTS + 'right:\n  replace: {"2 * x": "x + x"}\n  expect: {double: squared}\n'
    (found,) = failures(make_assignment(students=students))
    assert "“right” gets the verdict “squared”. seed 0: the verdict is “passed”" in found


def test_a_wrong_reference_in_the_real_assignment_is_found_out(
    lstm_cell: Path, make_assignment: MakeAssignment
) -> None:
    folder = make_assignment(
        (lstm_cell / "checks.py")
        .read_text(encoding="utf-8")
        .replace("return output, (state_1, state_2)", "return output, (state_2, state_1)", 2),
        (lstm_cell / "lstm-cell.md").read_text(encoding="utf-8"),
        (lstm_cell / "students.yml").read_text(encoding="utf-8"),
    )
    assert any("“solved”" in text for text in failures(folder, seeds=1))


def test_a_reference_that_raises_stops_the_proof(make_assignment: MakeAssignment) -> None:
    folder = make_assignment(CHECKS.replace("return 2 * case.x", "return case.y"))
    with pytest.raises(SpecError, match="reference of the spec “double” fails"):
        failures(folder)
