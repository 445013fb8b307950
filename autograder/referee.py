"""The referee: the trusted side, which draws the cases, holds the reference and decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from .answer import Answer, Failure, observe, plain, raised_by_specs
from .case import Case, Draw
from .errors import SpecError
from .i18n import _, ngettext
from .ladder import Finding, climb, rungs_of
from .measured import measured
from .spec import MeasuredSpec, Misconception, Spec
from .tree import map_leaves
from .verdict import Rung, Verdict

__all__ = ["Exam", "Player", "exam", "explanations", "interpreted", "judge"]

Player = Callable[[Case], Answer]
"""Answers a case on the student's behalf: in this process, or at the far end of a wire."""


class Exam:
    """The cases of a question drawn from one seed, and torch's answers to them.

    Args:
        spec: the question.
        seed: seeds the cases.

    Raises:
        SpecError: if the spec cannot draw its cases or answer them.
    """

    def __init__(self, spec: Spec, seed: int) -> None:
        self.spec = spec
        """The question."""
        try:
            self.cases = list(spec.cases(Draw(seed)))
            """The cases, in the spec's order."""
        except Exception as error:
            raise SpecError(
                f"The spec “{spec.name}” cannot draw its cases: {type(error).__name__}: {error}."
            ) from error
        if not self.cases:
            raise SpecError(f"The spec “{spec.name}” draws no case.")
        self.expected = [_reference(spec, case) for case in self.cases]
        """The right answers, case by case."""
        self._wrong: dict[tuple[str, int, bool], Answer] = {}

    def wrong(self, misconception: Misconception, index: int, *, backward: bool) -> Answer:
        """Return the answer that a misconception leads to.

        Args:
            misconception: one of the spec's.
            index: the case's place.
            backward: whether its gradients are wanted too.
        """
        backward = backward and bool(self.spec.gradients)
        key = (misconception.name, index, backward)
        if not backward and (misconception.name, index, True) in self._wrong:
            key = (misconception.name, index, True)
        if key not in self._wrong:
            case = self.cases[index]
            self._wrong[key] = observe(misconception.answer, self.spec, case, backward=backward)
        return self._wrong[key]


@lru_cache(maxsize=64)
def exam(spec: Spec, seed: int) -> Exam:
    """Return an exam, made once for all who sit it.

    Raises:
        SpecError: if it cannot be made.
    """
    return Exam(spec, seed)


def interpreted(spec: Spec, player: Player, *, remarks: bool = False) -> Player:
    """Let a spec interpret the answers of a player, on the trusted side.

    Args:
        spec: the question.
        player: answers as a student does.
        remarks: whether the spec is asked for its remarks, too.
    """

    def answer(case: Case) -> Answer:
        given = player(case)
        if given.outputs is None or given.failure is not None or not given.callable:
            return given
        try:
            outputs = map_leaves(plain, spec.interpret(given.outputs, case))
        except Exception as error:
            # What the spec itself has to say is a sentence for the student.
            own = isinstance(error, ValueError) and raised_by_specs(error)
            name = "" if own else type(error).__name__
            failure = Failure(name, str(error).strip()[:400], interpreted=True)
            return replace(given, failure=failure)
        found = _remarks(spec, given, case) if remarks else ()
        return replace(given, outputs=outputs, remarks=found)

    return answer


def _remarks(spec: Spec, given: Answer, case: Case) -> tuple[str, ...]:
    if not isinstance(spec, MeasuredSpec):
        return ()
    try:
        return tuple(map(str, spec.remarks(given.outputs, case)))
    except Exception as error:  # It must not cost the student the points.
        text = _("The remarks on this answer failed: {error}.")
        return (text.format(error=f"{type(error).__name__}: {str(error).strip()[:400]}"),)


def judge(spec: Spec, seed: int, player: Player, *, public: bool) -> Verdict:
    """Decide on one question.

    Args:
        spec: the question.
        seed: seeds the cases.
        player: answers them, in the form that is compared.
        public: whether the seed may be told.

    Returns:
        The verdict: full points if every case is right on every rung; otherwise what went wrong in
        the smallest failing case, and the misconception that explains all answers, if one does.
        If the question is measured and nothing went wrong, the points that the measure earns.

    Raises:
        SpecError: if the spec itself is broken, which is never the student's fault.
    """
    held = exam(spec, seed)
    cases = held.cases
    answers: list[Answer] = []
    findings: list[Finding | None] = []
    about: dict[str, Any] = {}
    top = Rung.UNMODIFIED
    if isinstance(spec, MeasuredSpec):
        about = {"unit": spec.unit, "scale": tuple((float(m), float(s)) for m, s in spec.scale)}
        top = Rung.STRUCTURE  # What comes above it compares, and a measure is compared to nothing.
    for case, right in zip(cases, held.expected, strict=True):
        answer = player(case)
        answers.append(answer)
        findings.append(climb(spec, answer, right, spec.parameters(case), top))
        if not answer.callable:
            break
    tested = rungs_of(spec, module=spec.parameters(cases[0]) is not None)
    failed = [i for i, finding in enumerate(findings) if finding is not None]
    if not failed:
        right_everywhere = Verdict(
            spec.name,
            spec.title,
            points=spec.points,
            max_points=spec.points,
            passed=True,
            reason=_passed(spec, len(cases)),
            cases=len(cases),
            tested=tested,
            **about,
        )
        if not isinstance(spec, MeasuredSpec):
            return right_everywhere
        return measured(spec, right_everywhere, answers, seed if public else None)
    # The lowest rung first, as somebody who mends code would; then the smallest case.
    worst = min(failed, key=lambda i: (_finding(findings[i]).rung.height, cases[i].numel()))
    finding = _finding(findings[worst])
    named = next(explanations(held, answers, finding.rung), None)
    told = None if _says_all(finding, findings) else cases[worst]
    return Verdict(
        spec.name,
        spec.title,
        points=round(spec.points * spec.partial_credit.get(finding.rung, 0.0), 2),
        max_points=spec.points,
        passed=False,
        reason=finding.reason,
        rung=finding.rung,
        misconception=named.name if named else None,
        hint=named.hint if named else None,
        case=told.label if told else None,
        sizes=told.describe() if told else None,
        seed=seed if public else None,
        difference=finding.difference,
        failed_cases=len(failed),
        cases=len(cases),
        tested=tested,
        **about,
    )


def _says_all(finding: Finding, findings: list[Finding | None]) -> bool:
    """Tell whether the same sentence holds for every case, so that no case need be named."""
    same = all(each is not None and each.reason == finding.reason for each in findings)
    return same and finding.difference is None


def _finding(finding: Finding | None) -> Finding:
    assert finding is not None
    return finding


def _passed(spec: Spec, cases: int) -> str:
    if spec.gradients:
        return ngettext(
            "Values and gradients agree with torch in the {cases} case.",
            "Values and gradients agree with torch in all {cases} cases.",
            cases,
        ).format(cases=cases)
    return ngettext(
        "The answer agrees with torch in the {cases} case.",
        "The answers agree with torch in all {cases} cases.",
        cases,
    ).format(cases=cases)


def _reference(spec: Spec, case: Case) -> Answer:
    answer = observe(spec.reference, spec, case)
    if answer.failure is not None:
        raise SpecError(
            f"The reference of the spec “{spec.name}” fails on the case “{case.label}” "
            f"({case.describe()}): {answer.failure.type_name}: {answer.failure.message}."
        )
    return answer


def explanations(held: Exam, answers: list[Answer], rung: Rung) -> Iterator[Misconception]:
    """Yield the misconceptions that give the same answer, right or wrong, in every case.

    Args:
        held: the exam.
        answers: the student's answers to its cases.
        rung: the lowest rung on which an answer failed.
    """
    if rung in (Rung.EXISTS, Rung.ALLOWED) or rung.height > Rung.GRADIENTS.height:
        return
    backward = rung is Rung.GRADIENTS
    top = Rung.GRADIENTS if backward else Rung.VALUES

    def explains(candidate: Misconception) -> bool:
        return all(
            climb(held.spec, answer, held.wrong(candidate, i, backward=backward), top=top) is None
            for i, answer in enumerate(answers)
        )

    yield from filter(explains, held.spec.misconceptions)
