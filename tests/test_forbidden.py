"""Calls of forbidden functions are stopped under every name, and nothing stays changed."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from autograder.answer import play
from autograder.case import Case, Draw, relayout
from autograder.forbidden import Ban, ForbiddenCallError, resolve, watched_in_one_thread
from autograder.spec import Spec
from autograder.wire import (
    answer_from_wire,
    answer_to_wire,
    case_from_wire,
    case_to_wire,
    decode,
    encode,
)

NAMES = ("torch.nn.LSTMCell", "torch.lstm_cell", "torch.nn.functional.softmax", "torch.relu")
Cell = nn.LSTMCell  # Another name for the same class.


class Heir(nn.LSTMCell):
    """A class of the student's own that inherits everything."""


class Deaf(nn.LSTMCell):
    """A class that goes around its forward, which is watched."""

    def forward(self, input: Any, hx: Any = None) -> Any:
        return torch._VF.lstm_cell(input, (torch.ones(1, 2), torch.ones(1, 2)), *self.parameters())


def operands() -> tuple[Any, ...]:
    parameters = [torch.ones(8, 3), torch.ones(8, 2), torch.ones(8), torch.ones(8)]
    return torch.ones(1, 3), (torch.ones(1, 2), torch.ones(1, 2)), *parameters


def scripted() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(nn.LSTMCell(3, 2))


SCRIPTED = scripted()


def in_a_thread() -> None:
    raised = []

    def run() -> None:
        try:
            torch.lstm_cell(*operands())
        except ForbiddenCallError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def with_modes_disabled() -> None:
    with torch._C.DisableTorchFunction():
        torch.lstm_cell(*operands())


def in_a_hook() -> None:
    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda grad: grad + 0 * torch.ops.aten.lstm_cell(*operands())[0].sum())
    (2 * x).sum().backward()


STOPPED: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.LSTMCell(3, 2)(torch.ones(1, 3)), "torch.nn.LSTMCell"),
    (lambda: Cell(3, 2)(torch.ones(1, 3)), "torch.nn.LSTMCell"),
    (lambda: Heir(3, 2)(torch.ones(1, 3)), "torch.nn.LSTMCell"),
    (lambda: Deaf(3, 2)(torch.ones(1, 3)), "torch.lstm_cell"),
    (lambda: getattr(nn, "LSTM" + "Cell")(3, 2)(torch.ones(1, 3)), "torch.nn.LSTMCell"),
    (lambda: nn.LSTMCell(3, 2).forward(torch.ones(1, 3)), "torch.nn.LSTMCell"),
    (lambda: torch.lstm_cell(*operands()), "torch.lstm_cell"),
    (lambda: torch._VF.lstm_cell(*operands()), "torch.lstm_cell"),
    (lambda: torch.ops.aten.lstm_cell(*operands()), "torch.lstm_cell"),
    (lambda: torch.ops.aten.lstm_cell.default._op(*operands()), "torch.lstm_cell"),
    (lambda: torch.ops.aten.lstm_cell.default.decompose(*operands()), "torch.lstm_cell"),
    (lambda: SCRIPTED(torch.ones(1, 3)), "torch.lstm_cell"),
    (with_modes_disabled, "torch.lstm_cell"),
    (in_a_hook, "torch.lstm_cell"),
    (lambda: nn.functional.softmax(torch.ones(2), dim=0), "torch.nn.functional.softmax"),
    (lambda: torch.ones(2).softmax(0), "torch.nn.functional.softmax"),
    (lambda: nn.Softmax(0)(torch.ones(2)), "torch.nn.functional.softmax"),
    (lambda: torch.ones(2).relu_(), "torch.relu"),
    (lambda: nn.ReLU()(torch.ones(2)), "torch.relu"),
]


@pytest.mark.parametrize(("call", "name"), STOPPED)
def test_a_forbidden_call_is_stopped(call: Callable[[], Any], name: str) -> None:
    with Ban(NAMES) as ban:
        for _time in range(2):
            with pytest.raises((ForbiddenCallError, RuntimeError)):
                call()
    assert ban.called == [name]
    call()


def test_an_allowed_call_works_as_ever() -> None:
    with Ban(NAMES) as ban:
        result = torch.sigmoid(torch.zeros(2)) @ torch.ones(2)
        nn.GRUCell(3, 2)(torch.ones(1, 3))
        nn.LSTMCell(3, 2)  # Making one is no call of it.
    assert result.item() == 1
    assert ban.called == []


def test_what_torch_itself_calls_is_no_call_of_the_students() -> None:
    x, target = torch.randn(2, 3, 4, requires_grad=True), torch.tensor([1, 2])
    weight = torch.randn(5, 4, requires_grad=True)

    def compute() -> list[Any]:
        product = nn.functional.linear(x, weight)
        loss = nn.functional.cross_entropy(product[:, 0], target)
        power = torch.linalg.matrix_power(torch.mm(x[0], x[0].T), 3)
        return [product, loss, *torch.autograd.grad(loss + power.sum(), (x, weight))]

    expected = compute()
    names = ("torch.matmul", "torch.log_softmax", "torch.nn.functional.linear")
    with Ban(names[:2]) as ban:
        found = compute()
    assert ban.called == []
    for got, want in zip(found, expected, strict=True):
        torch.testing.assert_close(got, want)
    with Ban(names), pytest.raises(ForbiddenCallError, match="linear"):
        compute()


def test_everything_is_undone_afterwards() -> None:
    forward = nn.LSTMCell.forward
    ban = Ban(NAMES)
    with contextlib.suppress(ValueError), ban:
        assert nn.LSTMCell.forward is not forward
        raise ValueError
    nn.LSTMCell(3, 2)(torch.ones(1, 3))
    torch.lstm_cell(*operands())
    assert nn.LSTMCell.forward is forward
    assert ban.called == []


def test_an_inherited_forward_is_stopped_on_its_class_alone() -> None:
    with Ban(["torch.nn.BatchNorm1d"]) as ban:
        nn.BatchNorm2d(3)(torch.ones(2, 3, 4, 4))
        assert ban.called == []
        with pytest.raises(ForbiddenCallError):
            nn.BatchNorm1d(3)(torch.ones(2, 3))
    assert ban.called == ["torch.nn.BatchNorm1d"]
    assert "forward" not in vars(nn.BatchNorm1d)


def test_resolve() -> None:
    assert resolve("torch.nn.LSTMCell") is nn.LSTMCell
    assert resolve("torch.lstm_cell") is torch.lstm_cell
    for name in ("torch.nn.LTSMCell", "nowhere.at.all", "nowhere"):
        with pytest.raises(AttributeError):
            resolve(name)


def test_a_check_may_use_what_it_forbids() -> None:
    class Stacks(Spec):
        name = "stacks"
        points = 1
        gradients = ("x",)
        forbids = ("torch.stack", "torch.cat", "torch.reshape", "torch.clone", "torch.cos")

        def cases(self, draw: Any) -> Any:
            yield Case("usual", x=relayout(draw.normal(2, 3)))

        def reference(self, case: Case) -> Any:
            return torch.stack([case.x, case.x])

    spec = Stacks()
    [case] = spec.cases(Draw(1))
    for student, expected in (
        (lambda x: x.expand(2, 2, 3), ()),
        (lambda x: torch.stack([x, x]), ("torch.stack",)),
    ):
        with Ban(spec.forbids) as ban:
            given = case_from_wire(decode(encode(case_to_wire(case))))
            answer = play(spec, lambda x, call=student: call(x), given, ban)
            answer_from_wire(decode(encode(answer_to_wire(answer))))
        assert answer.forbidden == expected
    for direct in (torch.cos, torch.clone):
        with Ban(spec.forbids) as ban:
            answer = play(spec, lambda x, call=direct: call(x), case, ban)
        assert answer.forbidden == (f"torch.{direct.__name__}",)


def test_no_thread_is_started_where_calls_are_watched_in_one() -> None:
    with Ban(["torch.relu"]), pytest.raises(ForbiddenCallError, match="threads"):
        threading.Thread(target=print).start()
    with Ban(["torch.lstm_cell"]):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        with pytest.raises(ForbiddenCallError, match="lstm_cell"):
            in_a_thread()
    assert watched_in_one_thread(["torch.lstm", "torch.relu"])
    assert not watched_in_one_thread(["torch.lstm", "torch.nn.LSTM", "torch.lstm_cell"])


def test_a_function_of_torchs_handed_in_itself_is_stopped() -> None:
    class Cosine(Spec):
        name = "cosine"
        points = 1
        forbids = ("torch.cos",)

        def cases(self, draw: Any) -> Any:
            yield Case("usual", input=draw.normal(2, 3))

        def reference(self, case: Case) -> Any:
            return torch.cos(case.input)

    [case] = Cosine().cases(Draw(1))
    assert play(Cosine(), torch.cos, case).forbidden == ("torch.cos",)
