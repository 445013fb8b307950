"""Nested values: walking, naming and describing what goes into a function and comes out of it.

A *tree* is a tensor, a number, a string, ``None`` or an :class:`Opaque`, or a tuple, list or
``dict`` of trees.  A tuple and a list count as the same structure, as they do for torch itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Names", "Opaque", "Tree", "describe", "leaf_kind", "leaves", "map_leaves", "shape_text"]

Tree = Any
"""A nested value; an alias, because mypy cannot check so recursive a type usefully."""

_SHORT = 24

Names = Any
"""Nested tuples of strings that name the leaves of a tree: ``("output", ("h_n", "c_n"))``."""


@dataclass(frozen=True)
class Opaque:
    """Stands for an object that is no tree: all that is kept of it is the name of its type."""

    type_name: str
    """The type's name, such as ``numpy.ndarray``."""


def map_leaves(function: Callable[[str, Any], Any], tree: Tree, path: str = "") -> Tree:
    """Replace every leaf of a tree by ``function(path, leaf)``.

    Args:
        function: gets the leaf's dotted path (``"state.cell1.weight_ih"``, ``"0.1"``) and the leaf.
        tree: the nested value; it is left as it is.
        path: the path of ``tree`` itself.

    Returns:
        A new tree of the same structure.
    """
    if isinstance(tree, torch.Tensor):  # Most are, and to ask for a Mapping takes longer.
        return function(path, tree)
    if isinstance(tree, Mapping):
        return {key: map_leaves(function, item, _join(path, key)) for key, item in tree.items()}
    if isinstance(tree, (tuple, list)):
        items = [map_leaves(function, item, _join(path, i)) for i, item in enumerate(tree)]
        return tuple(items) if isinstance(tree, tuple) else items
    return function(path, tree)


def leaves(tree: Tree, names: Names = (), path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a tree with readable paths.

    Args:
        tree: the nested value.
        names: names for the parts of tuples and lists; parts without a name get their position.
        path: the path of ``tree`` itself.

    Yields:
        Pairs of a dotted path and the leaf.
    """
    if isinstance(tree, torch.Tensor):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, item in tree.items():
            yield from leaves(item, (), _join(path, key))
    elif isinstance(tree, (tuple, list)):
        for i, item in enumerate(tree):
            name = names[i] if isinstance(names, tuple) and i < len(names) else ""
            if isinstance(name, str):
                # A leaf's own name says it all: "h_n", not "1.h_n".
                yield from leaves(item, (), name or _join(path, i))
            else:
                yield from leaves(item, name, path)
    else:
        yield path, tree


def leaf_kind(leaf: Any) -> str:
    """Name the kind of a leaf, so that two leaves may be compared or not.

    Returns:
        ``"tensor"``, ``"number"``, ``"text"``, ``"None"``, or ``"<type's name> object"``.
    """
    if isinstance(leaf, torch.Tensor):
        return "tensor"
    if isinstance(leaf, Opaque):
        # Whatever its type is called, it must not pass for one of the kinds below.
        return f"{leaf.type_name} object"
    if isinstance(leaf, (bool, int, float)):
        return "number"
    return "text" if isinstance(leaf, str) else str(leaf)


def describe(tree: Tree) -> str:
    """Describe the structure of a tree in code-like words.

    Returns:
        A text such as ``(tensor (2, 3), (tensor (1, 2, 3), None))``: the same in every language.
        Numbers and short texts are written out.
    """
    if isinstance(tree, Mapping):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in tree.items()) + "}"
    if isinstance(tree, (tuple, list)):
        inside = ", ".join(describe(item) for item in tree)
        if isinstance(tree, list):
            return f"[{inside}]"
        return f"({inside},)" if len(tree) == 1 else f"({inside})"
    if isinstance(tree, torch.Tensor):
        return f"tensor {shape_text(tree.shape)}"
    if isinstance(tree, Opaque):
        return tree.type_name
    kind = leaf_kind(tree)
    short = kind == "number" or (kind == "text" and len(tree) <= _SHORT)
    return repr(tree) if short else kind


def shape_text(shape: tuple[int, ...] | torch.Size) -> str:
    """Write a shape as PyTorch's documentation does: ``(2, 3)``, ``(2,)``, ``()``."""
    return str(tuple(shape))


def _join(path: str, part: object) -> str:
    return f"{path}.{part}" if path else str(part)
