"""Verdicts on measured questions: the points that a measure earns, and what would earn more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from .answer import Answer
from .i18n import _, ngettext
from .scale import decimals, written
from .spec import MeasuredSpec
from .verdict import Rung, Verdict

__all__ = ["measured"]


def measured(
    spec: MeasuredSpec, verdict: Verdict, answers: Sequence[Answer], seed: int | None
) -> Verdict:
    """Turn the verdict on answers that nothing is wrong with into that on their mean measure.

    Args:
        spec: the question.
        verdict: full points.
        answers: the measure of each case.
        seed: the seed of the cases, if it may be told.
    """
    remarks = tuple(dict.fromkeys(remark for answer in answers for remark in answer.remarks))
    verdict = replace(verdict, remarks=remarks)
    measure = fmean(answer.outputs for answer in answers)
    if not math.isfinite(measure):
        reason = _("The {unit} is no finite number, so it earns nothing.").format(unit=spec.unit)
        return replace(
            verdict, points=0.0, passed=False, reason=reason, rung=Rung.VALUES, seed=seed
        )
    # What is shown decides, so that nobody is a millionth away from the next mark or rank.
    measure = round(measure, decimals(spec.scale))
    points = round(spec.points * spec.share(measure), 2)
    passed = points == spec.points
    return replace(
        verdict,
        points=points,
        passed=passed,
        reason=f"{_told(spec, measure, len(answers))} {_earned(spec, measure, points)}",
        rung=None if passed else Rung.VALUES,
        seed=None if passed else seed,
        measure=measure,
    )


def _told(spec: MeasuredSpec, measure: float, cases: int) -> str:
    return ngettext(
        "The {unit} is {measure}.", "The mean {unit} of {cases} cases is {measure}.", cases
    ).format(unit=spec.unit, measure=written(spec.scale, measure), cases=cases)


def _earned(spec: MeasuredSpec, measure: float, points: float) -> str:
    marks = [(mark, round(spec.points * share, 2)) for mark, share in spec.scale]
    if points == spec.points:
        text = _("That earns all points, as does anything up to {mark}.")
        return text.format(mark=f"{marks[0][0]:g}")
    if not points:
        return _("That earns nothing; points begin below {mark}.").format(mark=f"{marks[-1][0]:g}")
    # The last mark that is better: the next one to reach.
    mark, more = [(mark, more) for mark, more in marks if mark < measure][-1]
    if more == spec.points:
        text = _("That earns {points} of {max_points} points; {mark} would earn all of them.")
    else:
        text = _("That earns {points} of {max_points} points; {mark} would earn {more}.")
    return text.format(
        points=f"{points:g}", max_points=f"{spec.points:g}", mark=f"{mark:g}", more=f"{more:g}"
    )
