"""Proof that the checks of an assignment are right, before any student meets them."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from .answer import Answer, play
from .forbidden import Ban
from .ladder import climb
from .loader import find_spec, load_specs
from .notebooks import read_text_notebook, worked_notebook
from .referee import Exam, Player, exam, explanations, interpreted, judge
from .spec import Misconception, Spec
from .students import Student, Workplace, objects_of, read_class
from .verdict import Rung, Verdict

__all__ = ["Claim", "Proof", "claims", "proofs", "prove"]


@dataclass(frozen=True)
class Claim:
    """Something that must hold for an assignment's checks."""

    question: str
    """The question's name."""
    statement: str
    """What must hold, in one sentence."""
    test: Callable[[int], str]
    """Tests it on the cases of a seed: returns what is wrong, or an empty text."""


@dataclass(frozen=True)
class Proof:
    """What came of a claim."""

    question: str
    """The question's name."""
    statement: str
    """What was claimed."""
    failure: str
    """The first thing that was wrong, with its seed; empty if the claim held on every seed."""


def prove(folder: Path, question: str, seeds: int | None = None) -> list[Proof]:
    """Test all that must hold for one question.

    Args:
        folder: the assignment's folder.
        question: the question's name.
        seeds: on how many seeds each claim is tested; by default, as its spec says.

    Raises:
        AutograderError: if its specs, its notebook or its sample class cannot be read.
    """
    if seeds is None:
        seeds = find_spec(folder, question).proof_seeds
    return list(proofs(claims(folder, question), seeds))


def claims(folder: Path, only: str | None = None) -> Iterator[Claim]:
    """List all that must hold for an assignment.

    Args:
        folder: the assignment's folder.
        only: the one question that is wanted; by default, all are.

    Raises:
        AutograderError: if its specs, its notebook or its sample class cannot be read.
    """
    specs = load_specs(folder)
    students = read_class(folder)
    notebook = read_text_notebook(worked_notebook(folder))
    for question, spec in specs.items():
        if only not in (None, question):
            continue
        made = set()
        for student in students:
            expected = student.expect.get(question, "passed")
            made.add(expected)
            # A student's other questions are the worked solution once more.
            relevant = expected != "passed" or question in student.expect or not student.expect
            # An endless loop would never end here.
            if relevant and "undecided" not in student.expect.values():
                place = Workplace(folder, student)
                with place.entered():
                    obj = objects_of(student, notebook, last=question)[question]
                yield Claim(
                    question,
                    f"The student “{student.name}” gets the verdict “{expected}”.",
                    partial(_student, spec, obj, place, student, expected),
                )
        for misconception in spec.misconceptions:
            name = misconception.name
            yield Claim(
                question,
                f"The misconception “{name}” is rejected and named, and no other fits.",
                partial(_misconception, spec, misconception),
            )
            if name not in made:
                yield Claim(
                    question,
                    f"Some student of the sample class makes the mistake “{name}”.",
                    lambda seed: "students.yml has no student who expects it",
                )


def proofs(all_claims: Iterable[Claim], seeds: int) -> Iterator[Proof]:
    """Test claims one after another.

    Args:
        all_claims: the claims.
        seeds: on how many seeds each is tested.
    """
    for claim in all_claims:
        failure = ""
        for seed in range(seeds):
            with quiet():
                wrong = claim.test(seed)
            if wrong:
                failure = f"seed {seed}: {wrong}"
                break
        yield Proof(claim.question, claim.statement, failure)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let code that is not ours print and warn unheard."""
    sink = io.StringIO()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(sink),
        contextlib.redirect_stderr(sink),
    ):
        warnings.simplefilter("ignore")
        yield


def outcome(verdict: Verdict) -> str:
    """Say in one word what a verdict is, as ``students.yml`` does."""
    if verdict.passed:
        return "passed"
    if verdict.misconception:
        return verdict.misconception
    return verdict.rung.value if verdict.rung else "undecided"


def _student(
    spec: Spec, obj: Any, place: Workplace, student: Student, expected: str, seed: int
) -> str:
    held = exam(spec, seed)
    with (
        place.entered(),
        Ban(spec.forbids) as ban,
    ):  # Once for all cases, as when a class is graded.
        answers = [play(spec, obj, case, ban) for case in held.cases]
    verdict = judge(spec, seed, interpreted(spec, _said(held, answers)), public=True)
    if outcome(verdict) != expected:
        return f"the verdict is “{outcome(verdict)}”: {verdict.reason}"
    if student.name == "solved" and verdict.points != spec.points:
        return f"the worked solution earns {verdict.points:g} of {spec.points:g} points"
    if student.name == "untouched" and verdict.points != 0:
        return f"the untouched notebook earns {verdict.points:g} points"
    return ""


def _said(held: Exam, answers: list[Answer]) -> Player:
    """Answer the cases of an exam with what has been answered already."""
    # The exam draws its cases once, so that each is the very object that it holds.
    found = {id(case): answer for case, answer in zip(held.cases, answers, strict=True)}
    return lambda case: found[id(case)]


def _misconception(spec: Spec, misconception: Misconception, seed: int) -> str:
    held = exam(spec, seed)

    def answered(*, backward: bool) -> list[Answer]:
        return [
            replace(
                held.wrong(misconception, index, backward=backward),
                parameters=spec.parameters(case),
            )
            for index, case in enumerate(held.cases)
        ]

    answers = answered(backward=False)
    compared = zip(answers, held.expected, strict=True)
    if not any(climb(spec, answer, right, top=Rung.VALUES) for answer, right in compared):
        # It is wrong in the gradients, if at all; to find them takes longer.
        answers = answered(backward=True)
    verdict = judge(spec, seed, _said(held, answers), public=True)
    if verdict.passed:
        return "it passes"
    if verdict.misconception != misconception.name:
        return f"it is taken for “{outcome(verdict)}”: {verdict.reason}"
    assert verdict.rung is not None
    fitting = explanations(held, answers, verdict.rung)
    others = [other.name for other in fitting if other.name != misconception.name]
    return f"it cannot be told from “{others[0]}”" if others else ""
