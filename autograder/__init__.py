"""Exercises that grade themselves against PyTorch.

Students need :func:`check` and :func:`status`; authors of exercises need :class:`Spec`,
:class:`ModuleSpec`, :class:`MeasuredSpec`, :func:`misconception` and :class:`Rung`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .case import Case, Draw, relayout
    from .spec import MeasuredSpec, ModuleSpec, Spec, misconception
    from .standing import status
    from .student import check
    from .verdict import Rung, Verdict

__all__ = [
    "Case",
    "Draw",
    "MeasuredSpec",
    "ModuleSpec",
    "Rung",
    "Spec",
    "Verdict",
    "check",
    "misconception",
    "relayout",
    "status",
]

_HOMES = {
    "Case": "case",
    "Draw": "case",
    "MeasuredSpec": "spec",
    "ModuleSpec": "spec",
    "Rung": "verdict",
    "Spec": "spec",
    "Verdict": "verdict",
    "check": "student",
    "misconception": "spec",
    "relayout": "case",
    "status": "standing",
}


def __getattr__(name: str) -> Any:
    # At their first use: torch takes a second to import, and not every command needs it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
