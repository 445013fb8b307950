"""What a student's object does with a case is recorded, whatever it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from autograder import Case, Draw, ModuleSpec, Spec
from autograder.answer import observe, play
from autograder.tree import Opaque

CASE = Case("small", x=torch.arange(6.0, dtype=torch.float64).reshape(2, 3), n=2)


class Scale(Spec):
    """Scale a matrix."""

    name = "scale"
    points = 1
    gradients = ("x",)
    forbids = ("torch.multiply",)

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield CASE

    def reference(self, case: Case) -> torch.Tensor:
        return case.x * case.n


class Linear(ModuleSpec):
    """A linear layer."""

    name = "linear"
    points = 1
    gradients = ("inputs", "state")

    def cases(self, draw: Draw) -> Iterator[Case]:
        yield MODULE_CASE

    def reference(self, case: Case) -> torch.Tensor:
        return nn.functional.linear(case.inputs[0], case.state["weight"], case.state["bias"])


MODULE_CASE = Case(
    "small",
    arguments={"in_features": 3, "out_features": 2},
    inputs=(torch.ones(5, 3),),
    state={"weight": torch.full((2, 3), 2.0), "bias": torch.ones(2)},
)


def play_scale(student: Any) -> Any:
    return play(Scale(), student, CASE)


def test_an_answer_holds_outputs_and_gradients() -> None:
    answer = play_scale(lambda x, n: x * n)
    assert torch.equal(answer.outputs, CASE.x * 2)
    assert answer.gradients["x"].shape == (2, 3)
    assert answer.failure is None
    assert answer.modified == ()
    assert answer.parameters is None
    assert not CASE.x.requires_grad


def test_gradients_are_those_of_a_weighted_sum() -> None:
    """One weight for each entry, all of them different, or mistakes could cancel out."""
    spec = Scale()
    ones = observe(lambda case: case.x, spec, CASE).gradients["x"]
    assert ones is not None
    assert len(ones.flatten().unique()) == ones.numel()
    x = CASE.x.clone().requires_grad_()
    (right,) = torch.autograd.grad((x.sin() @ x.T).sin(), x, _weights_of_square())
    answer = play_scale(lambda x, n: (x.sin() @ x.T).sin())
    torch.testing.assert_close(answer.gradients["x"], right)


def _weights_of_square() -> torch.Tensor:
    """Read the weights of a (2, 2) output off its own gradient."""
    case = Case("square", x=torch.ones(2, 2, dtype=torch.float64), n=1)
    weights = observe(lambda given: given.x, Scale(), case).gradients["x"]
    assert weights is not None
    return weights


def test_an_exception_is_recorded_with_the_students_line() -> None:
    def student(x: torch.Tensor, n: int) -> torch.Tensor:
        return x @ x  # the wrong line

    answer = play_scale(student)
    assert answer.failure.type_name == "RuntimeError"
    assert "cannot be multiplied" in answer.failure.message
    assert answer.failure.line == "return x @ x  # the wrong line"
    assert not answer.backward_failed


def test_an_exception_in_torchs_own_python_code_names_the_students_line() -> None:
    def student(x: torch.Tensor, n: int) -> torch.Tensor:
        return nn.functional.linear(nn.LSTMCell(4, 4, dtype=x.dtype)(x)[0], x)

    assert play_scale(student).failure.line.startswith("return nn.functional.linear")


def test_a_long_message_is_cut() -> None:
    def student(x: torch.Tensor, n: int) -> torch.Tensor:
        raise ValueError("a" * 10_000)

    assert len(play_scale(student).failure.message) == 400


def raiser(error: BaseException) -> Callable[..., Any]:
    def student(x: torch.Tensor, n: int) -> torch.Tensor:
        raise error

    return student


@pytest.mark.parametrize("error", [SystemExit(3), RecursionError(), NotImplementedError()])
def test_these_do_not_end_the_check(error: BaseException) -> None:
    assert play_scale(raiser(error)).failure.type_name == type(error).__name__


def test_a_keyboard_interrupt_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        play_scale(raiser(KeyboardInterrupt()))


def test_a_change_in_place_is_found() -> None:
    before = CASE.x.clone()
    answer = play_scale(lambda x, n: x.add_(x * (n - 1)))
    assert answer.modified == ("x",)
    assert torch.equal(CASE.x, before)
    assert torch.equal(answer.outputs, before * 2)


def test_a_wrong_call_is_recorded_not_raised() -> None:
    assert play_scale(lambda x: x).failure.type_name == "TypeError"


def test_what_cannot_be_called() -> None:
    answer = play_scale(torch.ones(2))
    assert not answer.callable
    assert answer.outputs == Opaque("Tensor")


def test_a_failing_backward_pass_keeps_the_outputs() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            raise ValueError("no way back")

    answer = play_scale(lambda x, n: Broken.apply(x))
    assert answer.backward_failed
    assert answer.failure.message == "no way back"
    assert torch.equal(answer.outputs, CASE.x * 2)


def test_no_gradient_is_none() -> None:
    assert play_scale(lambda x, n: x.detach() * n).gradients == {"x": None}


def test_gradients_are_found_under_no_grad_of_the_caller() -> None:
    with torch.no_grad():
        assert play_scale(lambda x, n: x * n).gradients["x"] is not None


def test_only_plain_values_are_kept() -> None:
    class Mine(torch.Tensor):
        pass

    outputs = play_scale(lambda x, n: (x.as_subclass(Mine), {1}, Mine, 1, "a", None)).outputs
    assert type(outputs[0]) is torch.Tensor
    assert outputs[1] == Opaque("set")
    assert isinstance(outputs[2], Opaque)
    assert outputs[3:] == (1, "a", None)


def test_a_forbidden_call_is_recorded() -> None:
    assert play_scale(lambda x, n: torch.multiply(x, n)).forbidden == ("torch.multiply",)
    assert play_scale(lambda x, n: x * n).forbidden == ()


def test_a_module_runs_with_the_values_of_the_case() -> None:
    answer = play(Linear(), nn.Linear, MODULE_CASE)
    assert answer.parameters == {"weight": (2, 3), "bias": (2,)}
    assert torch.equal(answer.outputs, torch.full((5, 2), 7.0))
    assert set(answer.gradients) == {"inputs.0", "state.weight", "state.bias"}


def test_a_module_whose_parameters_do_not_fit_is_not_run() -> None:
    class Unfit(nn.Module):
        def __init__(self, in_features: int, out_features: int) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.ones(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError("it must not run")

    answer = play(Linear(), Unfit, MODULE_CASE)
    assert answer.failure is None
    assert answer.parameters == {"w": (3,)}
