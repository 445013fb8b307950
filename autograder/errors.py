"""Errors that people meet; their text says what is wrong, where, and what to do."""

from __future__ import annotations

from difflib import get_close_matches

from .i18n import _

__all__ = ["AutograderError", "CourseError", "SpecError", "suggestion"]


class AutograderError(Exception):
    """Base of all errors that are shown to people as one message, without a traceback."""


class SpecError(AutograderError):
    """An exercise's ``checks.py`` is missing, does not import, or declares something impossible."""


class CourseError(AutograderError):
    """The course directory or a notebook in it is not what it should be."""


def suggestion(name: str, known: list[str]) -> str:
    """Write a sentence that helps somebody who mistyped a name.

    Args:
        name: what was typed.
        known: what there is.
    """
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return _("Did you mean “{name}”?").format(name=close[0])
    if known:
        return _("There is: {names}.").format(names=", ".join(sorted(known)))
    return _("There is none.")
