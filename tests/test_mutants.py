"""Every small change of a worked solution is made, and those that pass are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CHECKS, NOTEBOOK, MakeAssignment, call

from autograder import Draw
from autograder.errors import CourseError
from autograder.mutants import SEEDS, mutants, survey
from autograder.seeds import public_seed


def changes(body: str) -> list[str]:
    source = f"def f(x, y):\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION\n"
    return [mutant.change for mutant in mutants(source)]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("return x + y", ["pass", "return x - y"]),
        ("return x - y", ["pass", "return x + y", "return y - x"]),
        ("return x @ y.T", ["pass", "return y.T @ x", "return x @ y"]),
        ("return x // y", ["pass", "return x * y"]),
        ("return -x", ["pass", "return x"]),
        ("return x.sum(dim=1)", ["pass", "return x.sum(dim=2)", "return x.sum(dim=0)"]),
        ("return x.sum(0, True)", ["pass", "return x.sum(1, True)", "return x.sum(0, False)"]),
        ("return x < y and y", ["pass", "return x < y or y", "return x <= y and y"]),
        ("x += y", ["pass", "x -= y"]),
        ("return x if y else 1.5",
         ["pass", "return x if not y else 1.5", "return x if y else 2.5", "return x if y else 0"]),
    ],
)  # fmt: skip
def test_the_mutants_of_a_line(line: str, wanted: list[str]) -> None:
    assert changes(line) == [f"{line}  ->  {new}" for new in wanted]


def test_only_the_solution_is_changed() -> None:
    source = "n = 1 + 1\ndef f(x):\n    '''Adds 1.'''\n    ### BEGIN SOLUTION\n    return n\n"
    source += "    ### END SOLUTION\nm = 3 - 2\n"
    assert [mutant.change for mutant in mutants(source)] == ["return n  ->  pass"]


def test_statements_inside_others_have_their_own_turn() -> None:
    found = changes("for a in x:\n        y += a")
    assert found == [
        "for a in x:  ->  pass",
        "y += a  ->  pass",
        "y += a  ->  y -= a",
    ]


def test_every_mutant_of_a_good_check_is_rejected(make_assignment: MakeAssignment) -> None:
    found = survey(make_assignment(), "double")
    assert (found.mutants, found.rejected, found.faults) == (4, 4, ())


BLIND = CHECKS.replace("return case.x / 2", "return case.x.sign()")
SIGN = NOTEBOOK.replace("return x / 2", "return x.sign() * 1")


def test_a_survivor_is_told(make_assignment: MakeAssignment) -> None:
    found = survey(make_assignment(BLIND, SIGN), "half")
    assert (found.mutants, found.rejected, found.missed) == (4, 3, 1)
    (fault,) = found.faults
    assert "“return x.sign() * 1  ->  return x.sign() / 1” passes" in fault


def test_a_mutant_must_be_rejected_on_every_seed(make_assignment: MakeAssignment) -> None:
    # Twice nothing is nothing: on some seeds it cannot be told from once, on others it can.
    seeds = [public_seed("half") + k for k in range(SEEDS)]
    assert {Draw(seed).integer(0, 3) > 0 for seed in seeds} == {False, True}
    checks = CHECKS.replace("x=draw.normal(2, 3))", "x=torch.ones(2) * draw.integer(0, 3))")
    checks = checks.replace("return case.x / 2", "return case.x * 1")
    found = survey(
        make_assignment(checks, NOTEBOOK.replace("return x / 2", "return x * 1")), "half"
    )
    assert any("return x * 1  ->  return x * 2” passes" in fault for fault in found.faults)


@pytest.mark.parametrize("kind", ["equivalent", "missed"])
def test_a_survivor_may_be_explained(make_assignment: MakeAssignment, kind: str) -> None:
    folder = make_assignment(BLIND, SIGN)
    change = "return x.sign() * 1  ->  return x.sign() / 1"
    (folder / "mutants.yml").write_text(f'half: {{{kind}: {{"{change}": "One is one."}}}}')
    found = survey(folder, "half")
    assert (found.equivalent, found.missed) == ((1, 0) if kind == "equivalent" else (0, 1))
    assert found.faults == ()


def test_an_explanation_of_nothing_is_told(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    (folder / "mutants.yml").write_text('half: {equivalent: {"a  ->  b": "Why not."}}')
    assert "“a  ->  b” does not pass, or there is none" in survey(folder, "half").faults[0]


def test_a_mutant_that_never_ends_is_rejected(
    make_assignment: MakeAssignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograder.mutants.SECONDS", 1)
    endless = "n = 2\n    while n > 1:\n        n -= 1\n    return n * x"
    folder = make_assignment(
        CHECKS.replace("return 2 * case.x", "return case.x * 1"),
        NOTEBOOK.replace("return 2 * x", endless),
    )
    found = survey(folder, "double")
    assert found.rejected == found.mutants - len(found.faults)
    assert not any("n -= 1  ->  pass" in fault for fault in found.faults)


def test_a_broken_list_is_told(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    (folder / "mutants.yml").write_text("half: {")
    with pytest.raises(CourseError, match=r"mutants\.yml cannot be read"):
        survey(folder, "half")


def test_the_command(
    make_assignment: MakeAssignment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_assignment()
    assert call(monkeypatch, "mutate", "--course", str(tmp_path)) == 0
    assert "100.0% of the 8 mutants" in capsys.readouterr().out
    make_assignment(BLIND, SIGN)
    assert call(monkeypatch, "mutate", "tiny", "--course", str(tmp_path)) == 1
    assert "passes; reject it by another case" in capsys.readouterr().err
