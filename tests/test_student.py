"""``check`` in plain Python: it shows, returns, and helps; it raises only for nbgrader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from autograder import check, student
from autograder.student import CheckFailed
from autograder.wire import Address


@pytest.fixture(autouse=True)
def _in_the_assignment(monkeypatch: pytest.MonkeyPatch, lstm_cell: Path) -> None:
    monkeypatch.setattr(student, "_folder", lstm_cell)


def right(
    x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any
) -> Any:
    i, f, g, o = (x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def wrong(*args: Any, **kwargs: Any) -> Any:
    return tuple(reversed(right(*args, **kwargs)))


def test_a_right_answer(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = check("lstm_cell", right)
    assert verdict.passed
    assert verdict.points == 10
    assert "✓ lstm_cell · 10 of 10 points" in capsys.readouterr().out


def test_a_wrong_answer_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = check("lstm_cell", wrong)
    assert not verdict.passed
    assert verdict.misconception == "states_exchanged"
    assert "You return (c, h)" in capsys.readouterr().out


def test_the_result_of_a_call_is_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert "without calling it" in check("lstm_cell", torch.ones(2)).reason


def test_an_answer_that_no_wire_takes_is_a_wrong_answer() -> None:
    def student(x: Any, **_: Any) -> Any:
        return x.to(torch.complex32), x.expand(10**9, *x.shape)

    verdict = check("lstm_cell", student)
    assert not verdict.passed
    assert verdict.points == 0


def test_an_unknown_question_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = check("lstm_cel", right)
    assert not verdict.passed
    assert verdict.reason.endswith("Did you mean “lstm_cell”?")
    assert "✗ lstm_cel" in capsys.readouterr().out


def test_a_missing_checks_file_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(student, "_folder", tmp_path)
    assert not check("lstm_cell", right).passed
    assert "There is no checks.py" in capsys.readouterr().out


def test_nbgraders_validation_learns_of_failure_by_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    assert check("lstm_cell", right).passed
    with pytest.raises(CheckFailed, match=r"You return \(c, h\)"):
        check("lstm_cell", wrong)
    with pytest.raises(CheckFailed, match="Did you mean"):
        check("lstm_cel", right)


def test_a_referee_that_is_gone_is_no_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(student, "_referee", Address(f"00@{tmp_path / 'nobody'}"))
    verdict = check("lstm_cell", right)
    assert not verdict.passed
    assert "cannot be reached" in verdict.reason
