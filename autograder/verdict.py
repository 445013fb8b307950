"""Verdicts: points, reason and evidence for one question of one submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from .i18n import _

__all__ = ["Difference", "Rung", "Verdict"]


class Rung(str, Enum):
    """The steps of the check ladder, in the order in which they are tested."""

    EXISTS = "exists"
    ALLOWED = "allowed"
    RUNS = "runs"
    PARAMETERS = "parameters"
    STRUCTURE = "structure"
    SHAPE = "shape"
    DTYPE = "dtype"
    VALUES = "values"
    GRADIENTS = "gradients"
    UNMODIFIED = "unmodified"

    @property
    def height(self) -> int:
        """How many rungs lie below this one."""
        return _HEIGHTS[self]

    @property
    def label(self) -> str:
        """The rung's name for people."""
        return {
            Rung.EXISTS: _("exists and can be called"),
            Rung.ALLOWED: _("allowed calls only"),
            Rung.RUNS: _("runs"),
            Rung.PARAMETERS: _("parameters registered"),
            Rung.STRUCTURE: _("structure"),
            Rung.SHAPE: _("shapes"),
            Rung.DTYPE: _("dtypes"),
            Rung.VALUES: _("values"),
            Rung.GRADIENTS: _("gradients"),
            Rung.UNMODIFIED: _("inputs left unmodified"),
        }[self]


_HEIGHTS = {rung: height for height, rung in enumerate(Rung)}


@dataclass(frozen=True)
class Difference:
    """Where an answer first differs from the reference."""

    place: str
    """The part of the answer and the index in it: ``h[0, 2]``."""
    got: str
    """What the student's object gave there."""
    expected: str
    """What torch gave there."""


@dataclass(frozen=True)
class Verdict:
    """What the referee decided on one question, and why."""

    question: str
    """The question's name."""
    title: str
    """What the question asks for, in one sentence."""
    points: float
    """The points earned."""
    max_points: float
    """The points that a full answer earns."""
    passed: bool
    """Whether the answer is right in every respect."""
    reason: str
    """What is right or wrong, in whole sentences."""
    rung: Rung | None = None
    """The first rung of the ladder that failed; ``None`` if none did or none was reached."""
    misconception: str | None = None
    """The name of the misconception that explains the wrong answer, if one does."""
    hint: str | None = None
    """That misconception in whole sentences."""
    case: str | None = None
    """The label of the smallest failing case."""
    sizes: str | None = None
    """The sizes of the smallest failing case."""
    seed: int | None = None
    """The seed of the cases when it is the public one; never a secret one."""
    difference: Difference | None = None
    """Where the answer first differs in that case."""
    failed_cases: int = 0
    """In how many cases the answer was wrong."""
    cases: int = 0
    """In how many cases the answer was compared."""
    held: bool = False
    """Whether the points are withheld until a person has looked."""
    tested: tuple[Rung, ...] = ()
    """The rungs of this question's ladder."""
    measure: float | None = None
    """What a measured question is judged by, the less the better; ``None`` if nothing was."""
    unit: str | None = None
    """What a measured question measures; ``None`` for all other questions."""
    scale: tuple[tuple[float, float], ...] = ()
    """The published marks of a measured question: measures, and the share that each earns."""
    remarks: tuple[str, ...] = ()
    """What the spec says to the instructor alone, in sentences."""

    def to_json(self) -> dict[str, Any]:
        """Turn the verdict into plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """Rebuild a verdict from :meth:`to_json`'s result.

        Raises:
            TypeError, ValueError: if ``data`` is no verdict.
        """
        rung, difference = data.get("rung"), data.get("difference")
        measure = data.get("measure")
        return cls(
            **{
                **data,
                "rung": Rung(rung) if rung else None,
                "difference": Difference(**difference) if difference else None,
                "tested": tuple(Rung(name) for name in data.get("tested", ())),
                "measure": None if measure is None else float(measure),
                "scale": tuple(
                    (float(mark), float(share)) for mark, share in data.get("scale", ())
                ),
                "remarks": tuple(map(str, data.get("remarks", ()))),
            }
        )

    @classmethod
    def undecided(
        cls, question: str, reason: str, *, title: str = "", max_points: float = 0.0
    ) -> Verdict:
        """Give no points, because no answer could be compared; ``reason`` says why."""
        return cls(question, title, 0.0, max_points, False, reason)

    def __repr__(self) -> str:
        return f"<Verdict {self.question}: {self.points:g} of {self.max_points:g} points>"

    def __str__(self) -> str:
        from .card import to_text

        return to_text(self)

    def _ipython_display_(self) -> None:
        from .card import show_again

        show_again(self)
