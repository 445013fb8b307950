"""Each rung fails first when it should, and says what is wrong in words a student understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from autograder import Case, Draw, MeasuredSpec, ModuleSpec, Rung, Spec
from autograder.answer import Answer, observe, play
from autograder.ladder import Finding, climb, rungs_of
from autograder.tree import Opaque


class Pair(Spec):
    """A product, and the sum of each row."""

    name = "pair"
    points = 1
    returns = ("product", "sums")
    gradients = ("x", "y")
    forbids = ("torch.mm",)

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield Case("small", x=draw.normal(2, 3), y=draw.normal(3, 5))

    def reference(self, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
        return case.x @ case.y, case.x.sum(dim=1)


class Linear(ModuleSpec):
    """A linear layer."""

    name = "linear"
    points = 1
    gradients = ("inputs", "state")

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield Case(
            "small",
            arguments={"a": 3, "b": 2},
            inputs=(draw.normal(5, 3),),
            state={"weight": draw.normal(2, 3), "bias": draw.normal(2)},
        )

    def reference(self, case: Case) -> torch.Tensor:
        return nn.functional.linear(case.inputs[0], case.state["weight"], case.state["bias"])


def finding(student: Any, spec: Spec | None = None) -> Finding | None:
    spec = spec or Pair()
    (case,) = spec.cases(Draw(0))
    expected = observe(spec.reference, spec, case)
    return climb(spec, play(spec, student, case), expected, spec.parameters(case))


def failing(student: Any, spec: Spec | None = None) -> Finding:
    found = finding(student, spec)
    assert found is not None
    return found


def right(x: torch.Tensor, y: torch.Tensor) -> Any:
    return x @ y, x.sum(dim=1)


def test_a_right_answer_climbs_to_the_top() -> None:
    assert finding(right) is None


def test_a_list_is_as_good_as_a_tuple() -> None:
    assert finding(lambda x, y: list(right(x, y))) is None


@pytest.mark.parametrize("obj", [torch.ones(2), 3, None, "pair", (1, 2)])
def test_exists(obj: object) -> None:
    found = failing(obj)
    assert found.rung is Rung.EXISTS
    assert "cannot be called" in found.reason


def test_not_written_yet() -> None:
    def student(x: torch.Tensor, y: torch.Tensor) -> Any:
        raise NotImplementedError

    found = failing(student)
    assert found.rung is Rung.RUNS
    assert "not written yet" in found.reason


def test_another_error_is_told_with_its_line() -> None:
    def student(x: torch.Tensor, y: torch.Tensor) -> Any:
        return y @ x

    found = failing(student)
    assert found.rung is Rung.RUNS
    assert "RuntimeError" in found.reason
    assert "“return y @ x”" in found.reason


def mend(change: Callable[[torch.Tensor, torch.Tensor], Any]) -> Callable[..., Any]:
    """Return a student whose right answer goes through a change."""
    return lambda x, y: change(*right(x, y))


@pytest.mark.parametrize(
    ("student", "rung", "reason", "difference"),
    [
        (
            mend(lambda p, s: None),
            Rung.STRUCTURE,
            "return statement",
            ("the answer", "None", "(tensor (2, 5), tensor (2,))"),
        ),
        (
            mend(lambda p, s: p),
            Rung.STRUCTURE,
            "built",
            ("the answer", "tensor (2, 5)", "(tensor (2, 5), tensor (2,))"),
        ),
        (
            mend(lambda p, s: (p, s, s)),
            Rung.STRUCTURE,
            "built",
            (
                "the answer",
                "(tensor (2, 5), tensor (2,), tensor (2,))",
                "(tensor (2, 5), tensor (2,))",
            ),
        ),
        (
            mend(lambda p, s: (p, s.detach().numpy())),
            Rung.STRUCTURE,
            "built",
            ("the answer", "(tensor (2, 5), numpy.ndarray)", "(tensor (2, 5), tensor (2,))"),
        ),
        (
            mend(lambda p, s: (p.T, s)),
            Rung.SHAPE,
            "The shape of product",
            ("product", "(5, 2)", "(2, 5)"),
        ),
        # This one would broadcast.
        (mend(lambda p, s: (p, s[:1])), Rung.SHAPE, "shape of sums", ("sums", "(1,)", "(2,)")),
        (
            mend(lambda p, s: (p, s.unsqueeze(1))),
            Rung.SHAPE,
            "shape of sums",
            ("sums", "(2, 1)", "(2,)"),
        ),
        (
            mend(lambda p, s: (p.float(), s)),
            Rung.DTYPE,
            "dtype of product",
            ("product", "torch.float32", "torch.float64"),
        ),
        (mend(lambda p, s: (p, 0 * s / 0)), Rung.VALUES, "NaN in sums", None),
        (mend(lambda p, s: (p, -s)), Rung.VALUES, "values of sums differ", None),
        (mend(lambda p, s: (p, s.detach() + 0 * s)), Rung.GRADIENTS, "respect to x differs", None),
        (
            mend(lambda p, s: (p.detach(), s.detach())),
            Rung.GRADIENTS,
            "no gradient reaches x",
            None,
        ),
        (
            lambda x, y: (torch.mm(x, y), x.sum(dim=1)),
            Rung.ALLOWED,
            "calls torch.mm",
            None,
        ),
        (
            lambda x, y: (right(x, y), y.zero_())[0],
            Rung.GRADIENTS,
            "backward pass through your code raised RuntimeError",
            None,
        ),
        (
            lambda x, y: (right(x, y.clone()), y.zero_())[0],
            Rung.UNMODIFIED,
            "changes its input y in place",
            None,
        ),
    ],
)
def test_the_first_failing_rung(
    student: Any, rung: Rung, reason: str, difference: tuple[str, str, str] | None
) -> None:
    found = failing(student)
    assert found.rung is rung
    assert reason in found.reason
    if difference:
        assert found.difference is not None
        shown = (found.difference.place, found.difference.got, found.difference.expected)
        assert shown == difference


def test_the_first_wrong_value_is_pointed_at() -> None:
    def student(x: torch.Tensor, y: torch.Tensor) -> Any:
        product = x @ y
        off = torch.zeros_like(product)
        off[1, 2] = off[1, 4] = 1e3
        return product + off, x.sum(dim=1)

    found = failing(student)
    assert found.difference is not None
    assert found.difference.place == "product[1, 2]"
    assert float(found.difference.got) - float(found.difference.expected) == pytest.approx(1e3)
    assert "2 of 10 entries" in found.reason


@pytest.mark.parametrize(("error", "passes"), [(1e-10, True), (1e-5, False)])
def test_values_agree_up_to_rounding(error: float, passes: bool) -> None:
    assert (finding(mend(lambda p, s: (p + error, s))) is None) == passes


def test_a_number_must_agree_too() -> None:
    class Count(Pair):
        gradients = ()
        returns = ()

        def reference(self, case: Case) -> Any:
            return case.x, len(case.x)

    assert finding(lambda x, y: (x, 2), Count()) is None
    found = failing(lambda x, y: (x, 3), Count())
    assert found.rung is Rung.VALUES
    assert found.difference is not None
    assert (found.difference.got, found.difference.expected) == ("3", "2")


def test_a_dict_may_list_its_parts_in_any_order() -> None:
    class Named(Pair):
        returns = ()

        def reference(self, case: Case) -> Any:
            return {"product": case.x @ case.y, "sums": case.x.sum(dim=1)}

    assert finding(lambda x, y: {"product": x @ y, "sums": x.sum(dim=1)}, Named()) is None
    assert finding(lambda x, y: {"sums": x.sum(dim=1), "product": x @ y}, Named()) is None


def test_an_opaque_object_cannot_pose_as_a_tensor() -> None:
    """Its type's name comes over the wire, from code that need not be honest."""
    spec = Pair()
    (case,) = spec.cases(Draw(0))
    expected = observe(spec.reference, spec, case)
    answer = Answer(outputs=(Opaque("tensor"), Opaque("tensor")))
    found = climb(spec, answer, expected)
    assert found is not None
    assert found.rung is Rung.STRUCTURE


class Right(nn.Module):
    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(b, a))
        self.bias = nn.Parameter(torch.ones(b))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.T + self.bias


class Missing(Right):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)
        del self.bias
        self.bias = torch.ones(b)


class Renamed(Right):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)
        del self.weight
        self.weights = nn.Parameter(torch.ones(b, a))


class Unexpected(Right):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)
        self.scale = nn.Parameter(torch.ones(1))


class Transposed(Right):
    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)
        self.weight = nn.Parameter(torch.ones(a, b))


def test_a_right_module_climbs_to_the_top() -> None:
    assert finding(Right, Linear()) is None


@pytest.mark.parametrize(
    ("student", "reason"),
    [
        (lambda a, b: lambda x: x, "does not make a torch.nn.Module"),
        (Missing, "no parameter called bias: a parameter counts"),
        (Renamed, "no parameter called weight; it has one called weights"),
        (Unexpected, "a parameter called scale, which the reference has not"),
        (Transposed, "parameter weight has another shape"),
    ],
)
def test_parameters(student: Any, reason: str) -> None:
    found = failing(student, Linear())
    assert found.rung is Rung.PARAMETERS
    assert reason in found.reason


def test_a_parameters_shapes_are_shown() -> None:
    difference = failing(Transposed, Linear()).difference
    assert difference is not None
    assert (difference.got, difference.expected) == ("(3, 2)", "(2, 3)")


def test_the_top_is_respected() -> None:
    spec = Pair()
    (case,) = spec.cases(Draw(0))
    expected = observe(spec.reference, spec, case)
    answer = play(spec, mend(lambda p, s: (p.detach(), s)), case)
    assert climb(spec, answer, expected, top=Rung.VALUES) is None


def test_an_expected_error_is_the_right_answer_to_a_misconception() -> None:
    spec = Pair()
    (case,) = spec.cases(Draw(0))
    expected = observe(lambda given: given.y @ given.x, spec, case)
    assert climb(spec, play(spec, lambda x, y: y @ x, case), expected) is None
    found = climb(spec, play(spec, right, case), expected)
    assert found is not None
    assert found.rung is Rung.RUNS


def test_rungs_that_mean_nothing_are_not_shown() -> None:
    assert Rung.PARAMETERS not in rungs_of(Pair(), module=False)
    assert Rung.ALLOWED not in rungs_of(Linear(), module=True)
    assert rungs_of(Linear(), module=True)[:3] == (Rung.EXISTS, Rung.RUNS, Rung.PARAMETERS)


def test_a_measured_question_has_a_short_ladder() -> None:
    class Measured(MeasuredSpec):
        """A measured question."""

        name, points, unit, scale = "measured", 1, "loss", ((1, 1), (2, 0))

        def cases(self, draw: Draw) -> Iterator[Case]:
            yield Case("one", k=0)

        def measure(self, outputs: Any, case: Case) -> float:
            return 1.0

    class File(Measured):
        """A question that asks for a file."""

        called = False

    wanted = (Rung.EXISTS, Rung.RUNS, Rung.VALUES)
    assert rungs_of(Measured(), module=False) == wanted
    assert rungs_of(File(), module=False) == wanted[1:]
    assert failing(3, Measured()).rung is Rung.EXISTS
    reason = failing(3, File()).reason
    assert reason.startswith("What you handed in cannot be used: TypeError: 'int' object is not ")


class Puzzle(Pair):
    """A puzzle that allows one name."""

    forbids = ()
    allows = ("sum",)


@pytest.mark.parametrize(
    ("student", "words"),
    [
        (lambda x, y: (torch.mm(x, y), x.sum(1)), "uses “mm”; .* only sum"),
        (lambda x, y: [2 * a for a in (x @ y, x.sum(1))], "loops"),
        (lambda x, y: ((z := x @ y), z.sum(1)), "more than return one expression"),
        (lambda x, y, z=1: (x @ y, x.sum(1)), "one function of your own"),
    ],
)
def test_a_puzzle_has_rules(student: Any, words: str) -> None:
    found = failing(student, Puzzle())
    assert found.rung is Rung.ALLOWED
    assert re.search(words, found.reason)
    assert Rung.ALLOWED in rungs_of(Puzzle(), module=False)
    assert finding(lambda x, y: (x @ y, x.sum(1)), Puzzle()) is None


class Careless(Pair):
    """A pair whose first matrix nobody needs any more."""

    gradients = ()
    modifies = ("x",)


def test_some_inputs_may_be_changed() -> None:
    def student(x: Any, y: Any) -> Any:
        answer = x @ y, x.sum(1)
        x.detach().zero_()
        return answer

    kept = Careless()
    kept.modifies = ()
    assert failing(student, kept).rung is Rung.UNMODIFIED
    assert finding(student, Careless()) is None


def test_a_nan_is_shown_where_it_is() -> None:
    def student(x: Any, y: Any) -> Any:
        product = x @ y
        product = product + torch.tensor([1.0, float("nan"), 0, 0, 0], dtype=product.dtype)
        return product, x.sum(1)

    found = failing(student)
    assert "There is a NaN in product" in found.reason
    assert found.difference is not None
    assert (found.difference.place, found.difference.got) == ("product[0, 1]", "nan")


def test_an_error_of_torchs_own_is_not_taken_for_a_stub() -> None:
    def student(x: Any, y: Any) -> Any:
        raise NotImplementedError("There is no kernel for it.")

    reason = failing(student).reason
    assert reason.startswith("Your code raised NotImplementedError: There is no kernel for it")
    assert ".." not in reason
