"""Verdicts survive JSON, and what is no verdict is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autograder.verdict import Difference, Rung, Verdict

WRONG = Verdict(
    "lstm_cell",
    "One step.",
    points=0.0,
    max_points=10,
    passed=False,
    reason="The values differ.",
    rung=Rung.VALUES,
    misconception="gate_order",
    hint="Another order.",
    case="a batch of one",
    sizes="x (1, 2)",
    seed=3,
    difference=Difference("h[0, 2]", "1", "2"),
    failed_cases=2,
    cases=3,
    tested=(Rung.EXISTS, Rung.VALUES),
)

MEASURED = Verdict(
    "poet",
    "A poet.",
    9.6,
    12,
    False,
    "The perplexity is 100.",
    rung=Rung.VALUES,
    measure=100.0,
    unit="perplexity",
    scale=((75.0, 1.0), (300.0, 0.0)),
    remarks=("It has seen them.",),
)


@pytest.mark.parametrize(
    "verdict",
    [
        WRONG,
        MEASURED,
        Verdict.undecided("lstm_cell", "It never ended.", max_points=10),
        Verdict("q", "Title.", 1, 1, True, "All right."),
    ],
)
def test_round_trip_through_json(verdict: Verdict) -> None:
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


@pytest.mark.parametrize(
    "change",
    [
        {"rung": "cheated"},
        {"surprise": 1},
        {"difference": "here"},
        {"difference": {"place": "h"}},
        {"tested": ["values", "nothing"]},
        {"tested": 3},
        {"measure": "low"},
        {"measure": []},
        {"scale": 3},
        {"scale": [75, 300]},
        {"scale": [["a", 1]]},
        {"remarks": 3},
    ],
)
def test_junk_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        Verdict.from_json({**WRONG.to_json(), **change})


def test_a_verdict_needs_all_its_parts() -> None:
    data = WRONG.to_json()
    del data["points"]
    with pytest.raises(TypeError):
        Verdict.from_json(data)


def test_a_verdict_from_before_there_were_measures_is_read() -> None:
    data = WRONG.to_json()
    for name in ("measure", "unit", "scale", "remarks"):
        del data[name]
    assert Verdict.from_json(data) == WRONG


def test_undecided_earns_nothing() -> None:
    verdict = Verdict.undecided("q", "because", max_points=4)
    assert (verdict.points, verdict.max_points, verdict.passed) == (0, 4, False)


def test_the_rungs_are_in_order_and_have_names() -> None:
    assert [rung.height for rung in Rung] == list(range(len(Rung)))
    assert len({rung.label for rung in Rung}) == len(Rung)


def test_a_verdict_prints_as_its_card() -> None:
    assert "0 of 10 points" in str(WRONG)
    assert repr(WRONG) == "<Verdict lstm_cell: 0 of 10 points>"
