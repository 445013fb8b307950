"""A puzzle's answer is one expression, without a loop, from the listed names alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from autograder.oneline import LOOP, OTHER_CODE, STATEMENT, violation

ALLOWS = ("arange", "shape", "len", "float64")


def made(source: str) -> Any:
    """Define a function ``f`` as a notebook cell would, and return it."""
    namespace: dict[str, Any] = {"torch": torch}
    exec(source, namespace)
    return namespace["f"]


@pytest.mark.parametrize(
    "source",
    [
        "def f(x): return x[:, None] * torch.arange(x.shape[0], dtype=torch.float64)",
        "def f(x):\n    '''Says what it does.'''\n    return x @ x.T if len(x) else -x"
        .replace("x.T", "x"),
        "f = lambda x: x[1:] - x[:-1]",
        "def f(x): raise NotImplementedError()",
        "def f(x, *, n): return (x > n) & ~(x == 3) | (0 < x)",
    ],
)  # fmt: skip
def test_what_is_allowed(source: str) -> None:
    assert violation(made(source), ALLOWS) == ""


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("def f(x): return x.sum()", "sum"),
        ("def f(x): return torch.cumsum(x, 0)", "cumsum"),
        ("def f(x): return sorted(x)", "sorted"),
        ("def f(x): return helper(x)", "helper"),
        ("def f(x): return [a for a in x]", LOOP),
        ("def f(x): return torch.arange(a for a in x)", LOOP),
        ("def f(x):\n    for a in x:\n        pass\n    return x", LOOP),
        ("def f(x):\n    while True:\n        x += 1", LOOP),
        ("def f(x): return (lambda y: y)(x)", LOOP),
        ("def f(x):\n    yield x", LOOP),
        ("def f(x):\n    y = x\n    return y", STATEMENT),
        ("def f(x): return (y := x) + y", STATEMENT),
        ("def f(x):\n    x[0] = 1\n    return x", STATEMENT),
        ("def f(x):\n    import numpy\n    return x", STATEMENT),
        ("def f(x, g=torch.cumsum): return g(x, 0)", OTHER_CODE),
        ("def f(x, *, g=torch.cumsum): return g(x, 0)", OTHER_CODE),
        ("def outer(g):\n    return lambda x: g(x, 0)\nf = outer(torch.cumsum)", OTHER_CODE),
        ("f = torch.cumsum", OTHER_CODE),
        ("class f:\n    def __init__(self, x): pass", OTHER_CODE),
        # A name that is allowed, given another meaning.
        ("arange = torch.cumsum\ndef f(x): return arange(x, 0)", "arange"),
        ("len = torch.numel\ndef f(x): return len(x)", "len"),
        ("import numpy as torch\ndef f(x): return torch.arange(3)", "torch"),
    ],
)
def test_what_breaks_a_rule(source: str, rule: str) -> None:
    found = violation(made(source), ALLOWS)
    # Which of two rules that one line breaks is told depends on the version of Python.
    assert found == rule or (rule in (LOOP, STATEMENT) and found in (LOOP, STATEMENT))


def test_other_callables() -> None:
    function: Callable[..., Any] = partial(torch.add, 1)
    assert violation(function, ALLOWS) == OTHER_CODE
    assert violation(3, ALLOWS) == OTHER_CODE
