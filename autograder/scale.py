"""Scales: how large a share of the points a measure earns, where the least measure is the best.

A scale is a row of marks, pairs of a measure and a share: the measures grow, the shares fall from 1
to 0.  In between, the share changes evenly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["Scale", "decimals", "fault", "place", "share", "written"]

Scale = Sequence[tuple[float, float]]


def fault(scale: Scale) -> str:
    """Say what is wrong with a scale; an empty text if nothing is."""
    try:
        measures = [float(measure) for measure, _share in scale]
        shares = [float(share) for _measure, share in scale]
    except (TypeError, ValueError):
        return "is not a row of pairs of a measure and a share"
    if len(measures) < 2:
        return "holds fewer than two marks"
    if not all(math.isfinite(measure) for measure in measures):
        return "holds a measure that is no finite number"
    if not all(first < second for first, second in pairwise(measures)):
        return "holds measures that do not grow from each mark to the next"
    if not all(first > second for first, second in pairwise(shares)):
        return "holds shares that do not fall from each mark to the next"
    if (shares[0], shares[-1]) != (1, 0):
        return f"holds shares from {shares[0]:g} to {shares[-1]:g}; they must fall from 1 to 0"
    return ""


def place(scale: Scale, measure: float) -> float:
    """Return where a measure stands, if the marks stand evenly from the last, 0, to the first, 1.

    Args:
        scale: the scale.
        measure: a number.
    """
    steps = len(scale) - 1
    for step, ((low, _), (high, _)) in enumerate(pairwise(scale)):
        if measure <= high:
            along = (high - max(measure, low)) / (high - low)
            return (steps - step - 1 + along) / steps
    return 0.0


def share(scale: Scale, measure: float) -> float:
    """Return the share of the points, from 0 to 1, that a measure earns.

    Args:
        scale: the scale.
        measure: a number; NaN earns nothing.
    """
    if measure <= scale[0][0]:
        return 1.0
    for (low, more), (high, less) in pairwise(scale):
        if measure <= high:
            return less + (more - less) * (high - measure) / (high - low)
    return 0.0


def decimals(scale: Scale) -> int:
    """Return with how many decimals a measure is shown: one, or what tells close marks apart."""
    closest = min(high - low for (low, _), (high, _) in pairwise(scale))
    return max(1, 1 - math.floor(math.log10(closest)))


def written(scale: Scale, measure: float) -> str:
    """Write a measure down for people."""
    return f"{measure:.{decimals(scale)}f}" if abs(measure) < 1e6 else f"{measure:.3g}"
