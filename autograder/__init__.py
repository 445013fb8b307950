"""Exercises that grade themselves against PyTorch.

Students need :func:`check`; authors of exercises need :class:`Spec`, :class:`ModuleSpec`,
:func:`misconception` and :class:`Rung`.
"""

from .case import Case, Draw, relayout
from .spec import ModuleSpec, Spec, misconception
from .student import check
from .verdict import Rung, Verdict

__all__ = [
    "Case",
    "Draw",
    "ModuleSpec",
    "Rung",
    "Spec",
    "Verdict",
    "check",
    "misconception",
    "relayout",
]
