"""The referee decides fairly, names what it can, and keeps its secrets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from conftest import CHECKS, MakeAssignment

from autograder import Case, Draw, misconception
from autograder.answer import play
from autograder.errors import SpecError
from autograder.loader import load_specs
from autograder.referee import interpreted, judge
from autograder.spec import Spec
from autograder.verdict import Rung, Verdict

SEED = 8_675_309_123


@pytest.fixture
def double(make_assignment: MakeAssignment) -> Spec:
    """Return the spec of a small question."""
    return load_specs(make_assignment())["double"]


def decide(spec: Spec, student: Any, *, public: bool = False) -> Verdict:
    return judge(spec, SEED, partial(play, spec, student), public=public)


def test_a_right_answer_earns_everything(double: Spec) -> None:
    verdict = decide(double, lambda x: x + x)
    assert verdict.passed
    assert verdict.points == verdict.max_points == 4
    assert (verdict.cases, verdict.failed_cases) == (2, 0)
    assert "all 2 cases" in verdict.reason
    assert verdict.rung is verdict.misconception is verdict.difference is None


def test_a_misconception_is_named(double: Spec) -> None:
    verdict = decide(double, lambda x: x * x)
    assert not verdict.passed
    assert verdict.points == 0
    assert verdict.misconception == "squared"
    assert verdict.hint == "You square it; double it instead."


def test_a_misconception_must_explain_every_case(double: Spec) -> None:
    verdict = decide(double, lambda x: x**2 if len(x) == 1 else 3 * x)
    assert verdict.rung is Rung.VALUES
    assert verdict.misconception is None


def test_the_smallest_failing_case_is_shown(double: Spec) -> None:
    verdict = decide(double, lambda x: 3 * x)
    assert verdict.case == "one row"
    assert verdict.failed_cases == 2
    verdict = decide(double, lambda x: 2 * x if len(x) == 1 else 3 * x)
    assert verdict.case == "usual"
    assert verdict.failed_cases == 1


def test_the_lowest_rung_comes_first(double: Spec) -> None:
    verdict = decide(double, lambda x: 3 * x if len(x) == 1 else x[:1])
    assert verdict.rung is Rung.SHAPE
    assert verdict.case == "usual"


def test_partial_credit(double: Spec) -> None:
    verdict = decide(double, lambda x: 2 * x.detach())
    assert verdict.rung is Rung.GRADIENTS
    assert verdict.points == 2
    assert not verdict.passed


def test_what_cannot_be_called_is_asked_once(double: Spec) -> None:
    verdict = decide(double, torch.ones(2))
    assert verdict.rung is Rung.EXISTS
    assert verdict.failed_cases == 1


def test_the_seed_is_told_only_if_it_is_public(double: Spec) -> None:
    for student in (lambda x: 3 * x, lambda x: 2 * x, lambda x: x[9]):
        assert str(SEED) not in repr(decide(double, student).to_json())
    assert decide(double, lambda x: 3 * x, public=True).seed == SEED


def test_the_cases_depend_on_the_seed(double: Spec) -> None:
    seen: list[float] = []
    for seed in (1, 1, 2):
        judge(
            double, seed, partial(play, double, lambda x: seen.append(x.sum().item())), public=True
        )
    assert seen[0] == seen[2] != seen[4]


def test_a_student_cannot_spoil_the_reference(double: Spec) -> None:
    def student(x: torch.Tensor) -> torch.Tensor:
        result = 2 * x.detach().clone()
        x.zero_()
        return result

    verdict = decide(double, student)
    assert verdict.rung is Rung.GRADIENTS  # The values were right.


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("return 2 * case.x", "return 2 * case.y", "reference of the spec “double” fails .*usual"),
        ("draw.primes(2)", "draw.primes(9)", "“double” cannot draw its cases: ValueError"),
        ('        n, m = draw.primes(2)\n        yield Case("usual", x=draw.normal(n, m))\n'
         '        yield Case("one row", x=draw.normal(1, m))\n', "        return []\n",
         "“double” draws no case"),
    ],
)  # fmt: skip
def test_a_broken_spec_is_never_the_students_fault(
    make_assignment: MakeAssignment, old: str, new: str, message: str
) -> None:
    assert old in CHECKS
    spec = load_specs(make_assignment(CHECKS.replace(old, new)))["double"]
    with pytest.raises(SpecError, match=message):
        decide(spec, lambda x: 2 * x)


class Choice(Spec):
    """Any kernel that makes five numbers of seven."""

    name = "choice"
    points = 2

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield Case("seven", L=7)

    def call(self, student: Any, case: Case) -> Any:
        return student()

    def interpret(self, outputs: Any, case: Case) -> Any:
        layer = torch.nn.Conv1d(1, 1, **outputs, device="meta")
        return tuple(layer(torch.empty(1, 1, case.L, device="meta")).shape)

    def reference(self, case: Case) -> Any:
        return (1, 1, 5)

    @misconception("The size stays as it was.")
    def same(self, case: Case) -> Any:
        return (1, 1, 7)


def choose(**chosen: Any) -> Verdict:
    spec = Choice()
    return judge(spec, SEED, interpreted(spec, partial(play, spec, lambda: chosen)), public=True)


def test_every_right_answer_counts() -> None:
    assert choose(kernel_size=3).passed
    assert choose(kernel_size=5, padding=1).passed
    assert choose(kernel_size=2, dilation=2).passed


def test_an_interpreted_answer_may_be_a_misconception() -> None:
    assert choose(kernel_size=3, padding=1).misconception == "same"
    verdict = choose(kernel_size=4)
    assert (verdict.rung, verdict.misconception) == (Rung.VALUES, None)


def test_torch_refuses_a_senseless_answer() -> None:
    verdict = choose(kernel_size=9)
    assert verdict.rung is Rung.RUNS
    assert verdict.reason.startswith("torch cannot work with what you answered: RuntimeError")
    assert choose(size=3).rung is Rung.RUNS


def test_a_spec_may_say_what_is_wrong_with_an_answer(make_assignment: MakeAssignment) -> None:
    refuse = "\n\n    def interpret(self, outputs, case):\n        raise ValueError('Too large.')\n"
    checks = CHECKS.replace("\n\nclass Half", refuse + "\n\nclass Half")
    spec = load_specs(make_assignment(checks))["double"]
    player = interpreted(spec, partial(play, spec, lambda x: x))
    verdict = judge(spec, SEED, player, public=True)
    assert (verdict.rung, verdict.reason) == (Rung.RUNS, "Too large.")


def test_what_fails_before_is_not_interpreted() -> None:
    spec = Choice()

    def decide(student: Any) -> Verdict:
        return judge(spec, SEED, interpreted(spec, partial(play, spec, student)), public=True)

    assert "It returns None" in decide(lambda: None).reason
    assert "ZeroDivisionError" in decide(lambda: 1 / 0).reason
    assert decide(3).rung is Rung.EXISTS


def test_no_case_is_named_where_one_sentence_says_it_all(double: Spec) -> None:
    def unwritten(x: Any) -> Any:
        raise NotImplementedError

    assert decide(double, unwritten).case is None
    assert decide(double, lambda x: 3 * x).case == "one row"


def test_an_object_of_another_kind_is_called_by_its_name(double: Spec) -> None:
    player = interpreted(double, partial(play, double, lambda x: x.detach().numpy()))
    verdict = judge(double, SEED, player, public=True)
    assert verdict.rung is Rung.STRUCTURE
    assert verdict.difference is not None
    assert verdict.difference.got == "numpy.ndarray"


def test_a_line_of_the_specs_is_not_the_students(make_assignment: MakeAssignment) -> None:
    helper = "\n\n    def call(self, student, case):\n        return student(lambda: case.y)\n"
    checks = CHECKS.replace("\n\nclass Half", helper + "\n\nclass Half")
    spec = load_specs(make_assignment(checks))["double"]
    reason = decide(spec, lambda get: get()).reason
    assert "AttributeError" in reason
    assert "in the line" in reason
    assert "case.y" not in reason
