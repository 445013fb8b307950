"""Errors that people meet; their text says what is wrong, where, and what to do."""

from __future__ import annotations

from difflib import get_close_matches

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
        return f"Did you mean “{close[0]}”?"
    return f"There is: {', '.join(sorted(known))}." if known else "There is none."
