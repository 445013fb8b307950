"""The gallery holds every card, on a light and on a dark ground."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MakeAssignment, call

from autograder.gallery import exhibits


def test_each_outcome_is_shown_once(make_assignment: MakeAssignment) -> None:
    shown = exhibits(make_assignment(), "double")
    assert [name for name, _ in shown] == ["solved", "untouched", "squares"]
    assert [verdict.passed for _, verdict in shown] == [True, False, False]
    assert shown[2][1].misconception == "squared"
    assert len(exhibits(make_assignment(), "half")) == 2


def test_the_command_writes_the_page(
    make_assignment: MakeAssignment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_assignment()
    target = tmp_path / "pages" / "cards.html"
    arguments = ("gallery", "--course", str(tmp_path), "--output", str(target))
    assert call(monkeypatch, *arguments, "--text") == 0
    told = capsys.readouterr().out
    assert "5 cards:" in told
    assert "✗ double · 0 of 4 points" in told
    page = target.read_text(encoding="utf-8")
    assert page.count("autograder-card") == 10
    assert page.count('class="dark"') == 5
    assert page.count("You square it; double it instead.") == 2


def test_a_page_that_cannot_be_written(
    make_assignment: MakeAssignment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_assignment()
    assert call(monkeypatch, "gallery", "--course", str(tmp_path), "--output", str(tmp_path)) == 2
    assert "cannot be written" in capsys.readouterr().err
