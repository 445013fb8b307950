"""Specs: the declaration of one question, from which check, grade, hints and proof all come."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from . import scale
from .case import Case, Draw
from .tree import Names, Tree
from .verdict import Rung

__all__ = ["MeasuredSpec", "Misconception", "ModuleSpec", "Spec", "misconception"]

Play = Callable[[Any, Case], Tree]
F = TypeVar("F", bound=Play)


@dataclass(frozen=True)
class Misconception:
    """A wrong answer worth naming."""

    name: str
    """The method's name: ``gate_order``."""
    hint: str
    """What the student sees: one or two whole sentences, which do not give the solution away."""
    answer: Callable[[Case], Tree]
    """What somebody with this misconception answers on a case (or raises)."""


def misconception(hint: str) -> Callable[[F], F]:
    """Declare a method of a spec to be a misconception.

    The method answers a case as somebody with the misconception would: wherever it can be, it is
    the reference on a changed case, or a change to the reference's answer, so that students may
    read it.  It may raise the error that the mistake leads to.

    Args:
        hint: what to tell the student, in whole sentences.
    """

    def mark(method: F) -> F:
        method._hint = hint  # type: ignore[attr-defined]
        return method

    return mark


class Spec(ABC):
    """One question: how to draw cases, how to call the student's object, and what torch answers.

    Subclasses set the class attributes and define :meth:`cases` and :meth:`reference`.  The first
    sentence of the docstring is the question's title.
    """

    name: ClassVar[str]
    """The question's name, as in ``check("lstm_cell", lstm_cell)``."""
    points: ClassVar[float]
    """The points that a full answer earns."""
    called: ClassVar[bool] = True
    """Whether what is handed in must be something to call; if not, :meth:`build` gets it as it is.

    A question may ask for a file: ``check("checkpoint", "my-poem.safetensors")``.
    """
    proof_seeds: ClassVar[int] = 20
    """On how many seeds ``autograder prove`` tests it by default; fewer if its answers train."""
    returns: ClassVar[Names] = ()
    """Names for the parts of the answer, used in messages: ``("output", ("h_n", "c_n"))``."""
    gradients: ClassVar[Sequence[str]] = ()
    """The inputs with respect to which gradients are compared."""
    forbids: ClassVar[Sequence[str]] = ()
    """Dotted names of torch functions and classes that the student's object must not call."""
    allows: ClassVar[Sequence[str] | None] = None
    """For a one-line puzzle: all names that its one expression may use; ``None`` if it is none."""
    modifies: ClassVar[Sequence[str]] = ()
    """The inputs that an answer may change in place; :meth:`call` can return what they became."""
    partial_credit: ClassVar[Mapping[Rung, float]] = {}
    """The share of the points, from 0 to 1, for an answer whose lowest failing rung is this one."""
    tolerances: ClassVar[Mapping[torch.dtype, tuple[float, float]]] = {
        torch.float64: (1e-7, 1e-8),
        torch.float32: (1e-4, 1e-5),
    }
    """``(rtol, atol)`` for each floating dtype; other dtypes must agree exactly."""

    @abstractmethod
    def cases(self, draw: Draw) -> Iterable[Case]:
        """Draw the cases of this question, each with sizes and numbers from ``draw``."""

    @abstractmethod
    def reference(self, case: Case) -> Tree:
        """Answer a case with torch; runs on the trusted side only."""

    def build(self, student: Any, case: Case) -> Any:
        """Turn what the student handed in into what answers this case; runs beside the student."""
        return student

    def call(self, built: Any, case: Case) -> Tree:
        """Ask for the answer to a case; runs beside the student."""
        return built(**case)

    def interpret(self, outputs: Tree, case: Case) -> Tree:
        """Turn what the student's object returned into what is compared with the reference.

        For questions with more than one right answer: the hyper-parameters of a layer become the
        shape that torch makes with them, random numbers become what is known of their law.  Runs on
        the trusted side, and may raise the error that a senseless answer leads to; a ``ValueError``
        of the spec's own is shown to the student as it is.  What the reference and the
        misconceptions answer is compared as it is.  A question that uses this cannot have
        gradients.
        """
        return outputs

    def parameters(self, case: Case) -> dict[str, tuple[int, ...]] | None:
        """Name the parameters, with their shapes, that a module must register, or ``None``."""
        return None

    @property
    def title(self) -> str:
        """The first sentence of the spec's docstring."""
        return (type(self).__doc__ or self.name).strip().splitlines()[0]

    @property
    def misconceptions(self) -> list[Misconception]:
        """The named wrong answers, in the order of their definition."""
        methods: dict[str, Play] = {}
        for base in reversed(type(self).__mro__):
            methods.update({k: v for k, v in vars(base).items() if hasattr(v, "_hint")})
        return [
            Misconception(name, method._hint, method.__get__(self))  # type: ignore[attr-defined]
            for name, method in methods.items()
        ]


class ModuleSpec(Spec):
    """A question whose answer is an :class:`torch.nn.Module` class.

    Each case has the inputs ``arguments`` (a dict: the constructor's arguments), ``state`` (a dict
    of tensors: the parameters by name) and ``inputs`` (a tuple: what ``forward`` gets).  The
    student's module is built, its parameters are compared with ``state`` by name and shape, and
    then it runs with the values of ``state`` in their place.
    """

    def build(self, student: Any, case: Case) -> Any:
        return student(**case.arguments)

    def call(self, built: Any, case: Case) -> Tree:
        if not isinstance(built, nn.Module):
            return built(*case.inputs)
        return torch.func.functional_call(built, dict(case.state), tuple(case.inputs))

    def parameters(self, case: Case) -> dict[str, tuple[int, ...]] | None:
        return {name: tuple(value.shape) for name, value in case.state.items()}


class MeasuredSpec(Spec):
    """A question whose answer is not right or wrong, but so good: a measure decides on the points.

    The less is measured, the better: a loss, an error, a perplexity.  What counts is the mean of
    the measures of all cases, rounded as it is shown.  Such a question has no gradients, no
    misconceptions and no partial credit: its scale says what an answer earns.
    """

    unit: ClassVar[str]
    """What is measured, for people: ``"perplexity"``."""
    scale: ClassVar[Sequence[tuple[float, float]]]
    """Pairs of a measure and the share of the points, from 0 to 1, that it earns.

    The measures grow and the shares fall, from 1 to 0: ``((75, 1.0), (100, 0.8), (300, 0.0))``.
    Up to the first measure an answer earns everything, from the last on nothing; between two of
    them the share changes evenly.
    """

    measuring_seconds: ClassVar[float] = 60.0
    """Wall time that the trusted side may need; a cell of the student's may last so much longer."""

    @abstractmethod
    def measure(self, outputs: Tree, case: Case) -> float:
        """Measure what the student's object returned; runs on the trusted side only.

        The outputs may come from hostile code, and be anything.  As in :meth:`interpret`, whose
        role this takes, a ``ValueError`` of the spec's own is shown to the student as it is.  A
        measure that is no finite number earns nothing.
        """

    def remarks(self, outputs: Tree, case: Case) -> Sequence[str]:
        """Say in sentences what the instructor should know of an answer that has been measured.

        They stand beside the student in the report's leaderboard and cost no points.  This runs
        on the trusted side, and only while a class is graded; students do not see what it says.
        """
        return ()

    def share(self, measure: float) -> float:
        """Return the share of the points, from 0 to 1, that a measure earns."""
        return scale.share(self.scale, measure)

    def interpret(self, outputs: Tree, case: Case) -> Tree:
        return float(self.measure(outputs, case))

    def reference(self, case: Case) -> Tree:
        return float(self.scale[0][0])
