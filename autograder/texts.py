"""Comparing what somebody wrote in a cell with what was handed out."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterable

__all__ = ["defined", "differs", "extra_lines", "parses", "without"]

_PARSED_CHARACTERS = 20_000


def differs(text: str, other: str) -> bool:
    """Tell whether two texts differ by more than white space."""
    return text.split() != other.split()


def parses(text: str) -> bool:
    """Tell whether a text is Python, IPython's magics apart."""
    return _tree(text) is not None


def defined(text: str) -> frozenset[str]:
    """Find the functions and classes that a text defines at its top level."""
    tree = _tree(text)
    if tree is None:
        found = re.findall(r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", text, re.MULTILINE)
        return frozenset(found)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


def _tree(text: str) -> ast.Module | None:
    if len(text) > _PARSED_CHARACTERS:
        return None
    # IPython's own transformation of magics takes too long for some texts.
    for attempt in (text, re.sub(r"^([ \t]*)[%!?].*$", r"\1pass", text, flags=re.MULTILINE)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").split("\n")]


def without(text: str, blocks: Iterable[str]) -> str:
    """Cut whole blocks of lines out of a text.

    Args:
        text: the text.
        blocks: what to cut; of each the last occurrence goes.

    Returns:
        The rest, or the very same text if none of the blocks is in it.
    """
    lines = _lines(text)
    cut = False
    for block in map(_lines, blocks):
        size = len(block)
        for start in range(len(lines) - size, -1, -1):
            if any(block) and lines[start] == block[0] and lines[start : start + size] == block:
                lines[start : start + size] = []
                cut = True
                break
    return "\n".join(lines).strip("\n") if cut else text


def extra_lines(text: str, known: str) -> list[str]:
    """List the lines of a text that another one does not have; empty if there is only space."""
    left = without(text, [known])
    extra = left.split("\n")
    if left == text:
        counts = Counter(_lines(known))
        extra = []
        for line in _lines(text):
            if line and counts[line] > 0:
                counts[line] -= 1
            else:
                extra.append(line)
    return extra if any(line.strip() for line in extra) else []
