"""Calls of forbidden functions are seen under every name, and nothing stays patched."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from autograder.forbidden import Recorder, resolve

NAMES = ("torch.nn.LSTMCell", "torch.lstm_cell", "torch.nn.functional.softmax")
Cell = nn.LSTMCell  # Another name for the same class.


class Heir(nn.LSTMCell):
    """A class of the student's own that inherits everything."""


def operands() -> tuple[Any, ...]:
    parameters = [torch.ones(8, 3), torch.ones(8, 2), torch.ones(8), torch.ones(8)]
    return torch.ones(1, 3), (torch.ones(1, 2), torch.ones(1, 2)), *parameters


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: nn.LSTMCell(3, 2)(torch.ones(1, 3)), "torch.nn.LSTMCell"),
        (lambda: Cell(3, 2)(torch.ones(1, 3)), "torch.nn.LSTMCell"),
        (lambda: Heir(3, 2)(torch.ones(1, 3)), "torch.nn.LSTMCell"),
        (lambda: getattr(nn, "LSTM" + "Cell")(3, 2)(torch.ones(1, 3)), "torch.nn.LSTMCell"),
        (lambda: nn.LSTMCell(3, 2).forward(torch.ones(1, 3)), "torch.nn.LSTMCell"),
        (lambda: torch.lstm_cell(*operands()), "torch.lstm_cell"),
        (lambda: torch._VF.lstm_cell(*operands()), "torch.lstm_cell"),
        (lambda: nn.functional.softmax(torch.ones(2), dim=0), "torch.nn.functional.softmax"),
    ],
)
def test_a_forbidden_call_is_recorded(call: Callable[[], Any], name: str) -> None:
    with Recorder(NAMES) as recorder:
        call()
        call()
    assert name in recorder.called
    assert len(recorder.called) == len(set(recorder.called))


def test_an_allowed_call_is_not_recorded_and_works_as_ever() -> None:
    with Recorder(NAMES) as recorder:
        result = torch.sigmoid(torch.zeros(2)) @ torch.ones(2)
        nn.GRUCell(3, 2)(torch.ones(1, 3))
        nn.LSTMCell(3, 2)  # Making one is no call of it.
    assert result.item() == 1
    assert recorder.called == []


def test_everything_is_undone_afterwards() -> None:
    forward = nn.LSTMCell.forward
    recorder = Recorder(NAMES)
    with contextlib.suppress(ValueError), recorder:
        assert nn.LSTMCell.forward is not forward
        raise ValueError
    nn.LSTMCell(3, 2)(torch.ones(1, 3))
    torch.lstm_cell(*operands())
    assert nn.LSTMCell.forward is forward
    assert recorder.called == []


def test_an_inherited_forward_is_watched_on_its_class_alone() -> None:
    with Recorder(["torch.nn.BatchNorm1d"]) as recorder:
        nn.BatchNorm2d(3)(torch.ones(2, 3, 4, 4))
        assert recorder.called == []
        nn.BatchNorm1d(3)(torch.ones(2, 3))
    assert recorder.called == ["torch.nn.BatchNorm1d"]
    assert "forward" not in vars(nn.BatchNorm1d)


def test_resolve() -> None:
    assert resolve("torch.nn.LSTMCell") is nn.LSTMCell
    assert resolve("torch.lstm_cell") is torch.lstm_cell
    for name in ("torch.nn.LTSMCell", "nowhere.at.all", "nowhere"):
        with pytest.raises(AttributeError):
            resolve(name)
