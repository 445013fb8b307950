"""Cases: the inputs on which a student's object and the torch reference are compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from .tree import Tree, describe, leaves

__all__ = ["Case", "Draw", "relayout"]

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23)


class Case(Mapping[str, Any]):
    """One set of named inputs.

    A case is a read-only mapping, so ``function(**case)`` passes every input by name, and each
    input is an attribute too: ``case.weight_ih``.

    Args:
        label: what is special about this case, in a word or two: ``"batch of one"``.
        **inputs: the inputs: tensors, numbers, and tuples, lists or dicts of these.

    Raises:
        ValueError: if an input has the name of one of a mapping's methods, such as ``values``.
    """

    def __init__(self, label: str, /, **inputs: Tree) -> None:
        taken = [name for name in inputs if hasattr(Case, name)]
        if taken:
            raise ValueError(f"an input cannot be called {taken[0]!r}: a case has that already")
        self.label = label
        self._inputs = inputs

    def __getitem__(self, name: str) -> Tree:
        return self._inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return len(self._inputs)

    def __getattr__(self, name: str) -> Tree:
        try:
            return self.__dict__["_inputs"][name]
        except KeyError:
            raise AttributeError(f"this case has no input called {name!r}") from None

    def __repr__(self) -> str:
        return f"Case({self.label!r}, {self.describe()})"

    def with_(self, **changes: Tree) -> Case:
        """Copy the case with some inputs replaced; misconceptions are often just that.

        Raises:
            KeyError: if a name is not an input of this case.
        """
        for name in changes:
            if name not in self._inputs:
                raise KeyError(f"this case has no input called {name!r}")
        return Case(self.label, **{**self._inputs, **changes})

    def describe(self) -> str:
        """Write down the inputs in code-like words: ``x (2, 3), weight_ih (20, 3)``.

        Dicts, such as a module's state, are left out: they would fill the page.
        """
        shown = {k: v for k, v in self._inputs.items() if not isinstance(v, Mapping)}
        return ", ".join(
            f"{name} {describe(value).removeprefix('tensor ')}" for name, value in shown.items()
        )

    def numel(self) -> int:
        """Count the entries of all tensors: the smallest case is the easiest to think about."""
        return sum(
            leaf.numel() for _, leaf in leaves(self._inputs) if isinstance(leaf, torch.Tensor)
        )


class Draw:
    """A seeded source of sizes and tensors, from which a spec draws its cases.

    Args:
        seed: any integer from 0 to 2**63 - 1; the same seed always draws the same cases.
    """

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def primes(self, count: int, *, below: int = 12) -> tuple[int, ...]:
        """Draw distinct primes to use as sizes, so that no transposed axis can hide.

        Args:
            count: how many.
            below: all are less than this; at most 24.

        Raises:
            ValueError: if there are not so many primes below ``below``.
        """
        choices = [prime for prime in PRIMES if prime < below]
        if count > len(choices):
            raise ValueError(f"there are only {len(choices)} primes below {below}, not {count}")
        order = torch.randperm(len(choices), generator=self._generator)[:count]
        return tuple(choices[i] for i in order.tolist())

    def normal(
        self, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64
    ) -> torch.Tensor:
        """Draw from a normal distribution with mean 0 and standard deviation ``scale``.

        Shape:
            - Output: ``shape``
        """
        drawn = torch.randn(shape, generator=self._generator, dtype=torch.float64)
        return (drawn * scale).to(dtype)

    def uniform(
        self,
        *shape: int,
        low: float = 0.0,
        high: float = 1.0,
        dtype: torch.dtype = torch.float64,
    ) -> torch.Tensor:
        """Draw from the uniform distribution on ``[low, high)``.

        Shape:
            - Output: ``shape``
        """
        drawn = torch.rand(shape, generator=self._generator, dtype=torch.float64)
        return (low + (high - low) * drawn).to(dtype)

    def integers(
        self, *shape: int, low: int = 0, high: int = 10, dtype: torch.dtype = torch.int64
    ) -> torch.Tensor:
        """Draw whole numbers from ``low`` to ``high - 1``, all equally likely.

        Shape:
            - Output: ``shape``
        """
        return torch.randint(low, high, shape, generator=self._generator).to(dtype)

    def integer(self, low: int, high: int) -> int:
        """Draw one whole number from ``low`` to ``high - 1``."""
        return int(self.integers(low=low, high=high))

    def permutation(self, n: int) -> torch.Tensor:
        """Draw an order of the numbers from 0 to ``n - 1``.

        Shape:
            - Output: ``(n,)``
        """
        return torch.randperm(n, generator=self._generator)


def relayout(tensor: torch.Tensor) -> torch.Tensor:
    """Copy a tensor into a permuted memory layout: equal, but not contiguous.

    Code that uses ``view`` where ``reshape`` is needed fails on such a tensor.

    Shape:
        - Input: ``(*)``, at least two axes longer than one if the result is to be non-contiguous
        - Output: ``(*)``
    """
    if tensor.dim() < 2:
        return tensor.clone()
    return tensor.transpose(0, -1).contiguous().transpose(0, -1)
