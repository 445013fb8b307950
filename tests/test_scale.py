"""A scale gives the points that it promises, and a broken one is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.scale import decimals, fault, place, share, written

SCALE = ((75, 1.0), (100, 0.8), (150, 0.5), (300, 0.0))


@pytest.mark.parametrize(
    ("measure", "expected"),
    [(-1, 1), (75, 1), (87.5, 0.9), (100, 0.8), (125, 0.65), (150, 0.5), (225, 0.25), (300, 0),
     (1e300, 0), (math.inf, 0), (math.nan, 0)],
)  # fmt: skip
def test_the_share_changes_evenly_between_marks(measure: float, expected: float) -> None:
    assert share(SCALE, measure) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [(10, 1), (75, 1), (87.5, 5 / 6), (100, 2 / 3), (150, 1 / 3), (225, 1 / 6), (300, 0), (999, 0)],
)
def test_the_marks_stand_evenly(measure: float, expected: float) -> None:
    assert place(SCALE, measure) == pytest.approx(expected)


@given(st.floats(0, 400), st.floats(0, 400))
def test_a_lesser_measure_never_earns_less(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert share(SCALE, low) >= share(SCALE, high)
    assert place(SCALE, low) >= place(SCALE, high)


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (SCALE, "83.2"),
        (((1, 1), (2, 0)), "83.2"),
        (((0.5, 1), (1, 0)), "83.20"),
        (((0.01, 1), (0.02, 0)), "83.200"),
    ],
)
def test_close_marks_can_be_told_apart(scale: Any, expected: str) -> None:
    assert written(scale, 83.2) == expected
    marks = [written(scale, round(mark, decimals(scale))) for mark, _share in scale]
    assert len(set(marks)) == len(marks)


def test_a_huge_measure_is_written_short() -> None:
    assert written(SCALE, 1.234e15) == "1.23e+15"


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (75, "is not a row of pairs"),
        ((75, 100), "is not a row of pairs"),
        ((("a", 1), ("b", 0)), "is not a row of pairs"),
        ((), "fewer than two"),
        (((75, 1),), "fewer than two"),
        (((75, 1), (math.inf, 0)), "no finite number"),
        (((75, 1), (75, 0)), "measures that do not grow"),
        (((100, 1), (75, 0)), "measures that do not grow"),
        (((75, 1), (80, 1), (90, 0)), "shares that do not fall"),
        (((75, 0), (90, 1)), "shares that do not fall"),
        (((75, 0.9), (90, 0)), "from 0.9 to 0;"),
        (((75, 1), (90, 0.1)), "from 1 to 0.1;"),
        (((75, 1), (90, math.nan)), "shares that do not fall"),
        (SCALE, ""),
    ],
)
def test_a_broken_scale_is_told(scale: Any, message: str) -> None:
    assert message in fault(scale)
    assert bool(fault(scale)) == bool(message)
