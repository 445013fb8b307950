"""The rules of a puzzle: one expression, no loop, and only the names that the puzzle lists.

What counts is the code that runs, not its text, which a notebook can change: the function's own
bytecode says which names it uses and whether it loops.
"""

from __future__ import annotations

import builtins
import dis
from collections.abc import Collection
from types import FunctionType
from typing import Any

import torch

__all__ = ["LOOP", "OTHER_CODE", "STATEMENT", "violation"]

LOOP = "loop"
"""The function loops, or makes a function or a generator that may."""
STATEMENT = "statement"
"""The function does more than return one expression."""
OTHER_CODE = "other code"
"""It is not a plain function, or hides other code in its defaults or its closure."""

_ALWAYS = {"torch": torch, "NotImplementedError": NotImplementedError}
_LOOPS = ("FOR_ITER", "GET_ITER", "JUMP_BACKWARD", "JUMP_ABSOLUTE", "MAKE_FUNCTION", "YIELD")
_STATEMENTS = ("STORE_", "DELETE_", "IMPORT_", "SETUP_", "BEFORE_WITH")


def violation(student: Any, allows: Collection[str]) -> str:
    """Find the first rule that a function breaks.

    Args:
        student: what was handed in.
        allows: the functions, methods, attributes and builtins that it may name, beside ``torch``
            itself, its own arguments and all operators.

    Returns:
        ``LOOP``, ``STATEMENT``, ``OTHER_CODE``, the name that is not allowed, or an empty text.
    """
    if type(student) is not FunctionType or student.__closure__:
        return OTHER_CODE
    if student.__defaults__ or student.__kwdefaults__:
        return OTHER_CODE
    for instruction in dis.get_instructions(student):
        operation, name = instruction.opname, str(instruction.argval)
        if operation.startswith(_LOOPS):
            return LOOP
        if operation.startswith(_STATEMENTS):
            return STATEMENT
        if operation in ("LOAD_GLOBAL", "LOAD_NAME"):
            missing = object()
            found = student.__globals__.get(name, getattr(builtins, name, missing))
            known = _ALWAYS.get(name, vars(builtins).get(name) if name in allows else None)
            if known is None or found is not known:
                return name
    attributes = set(student.__code__.co_names) - set(_ALWAYS) - set(allows)
    return min(attributes, default="")
