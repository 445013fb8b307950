"""Nested values are walked, named and described."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from autograder.tree import Opaque, describe, leaf_kind, leaves, map_leaves, shape_text


def test_map_leaves_keeps_the_structure_and_tells_paths() -> None:
    tree = {"a": (1, [2, None]), "b": {"c": 3}}
    paths: list[str] = []

    def function(path: str, leaf: Any) -> Any:
        paths.append(path)
        return leaf and leaf * 10

    assert map_leaves(function, tree) == {"a": (10, [20, None]), "b": {"c": 30}}
    assert paths == ["a.0", "a.1.0", "a.1.1", "b.c"]
    assert tree == {"a": (1, [2, None]), "b": {"c": 3}}


@pytest.mark.parametrize(
    ("tree", "names", "paths"),
    [
        (5, (), [""]),
        ((1, 2), (), ["0", "1"]),
        ((1, (2, 3)), ("output", ("h_n", "c_n")), ["output", "h_n", "c_n"]),
        ((1, (2, 3)), ("output",), ["output", "1.0", "1.1"]),
        ((1, (2, 3)), ("output", "state"), ["output", "state.0", "state.1"]),
        ({"a": [1, 2]}, (), ["a.0", "a.1"]),
    ],
)
def test_leaves_carry_readable_paths(tree: Any, names: Any, paths: list[str]) -> None:
    assert [path for path, _ in leaves(tree, names)] == paths


@pytest.mark.parametrize(
    ("leaf", "kind"),
    [
        (torch.ones(2), "tensor"),
        (True, "number"),
        (1.5, "number"),
        ("a", "text"),
        (None, "None"),
        (Opaque("numpy.ndarray"), "numpy.ndarray object"),
    ],
)
def test_leaf_kind(leaf: Any, kind: str) -> None:
    assert leaf_kind(leaf) == kind


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ((torch.ones(2, 3), (torch.ones(1), None)), "(tensor (2, 3), (tensor (1,), None))"),
        ((torch.ones(()),), "(tensor (),)"),
        ([1, "a", "b" * 25], "[1, 'a', text]"),
        ({"a": Opaque("set")}, "{a: set}"),
    ],
)
def test_describe(tree: Any, text: str) -> None:
    assert describe(tree) == text


def test_shapes_are_written_as_torch_does() -> None:
    assert [shape_text(s) for s in ((), (2,), torch.Size((2, 3)))] == ["()", "(2,)", "(2, 3)"]
