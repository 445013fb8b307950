"""Watching for calls of the very functions that an exercise asks the student to write."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, wraps
from types import TracebackType
from typing import Any
from unittest.mock import patch

from torch import nn
from torch.overrides import TorchFunctionMode

__all__ = ["Recorder", "resolve"]


@cache
def resolve(name: str) -> Any:
    """Find the object that a dotted name stands for.

    Args:
        name: such as ``torch.nn.LSTMCell`` or ``torch.lstm_cell``.

    Raises:
        AttributeError: if there is no such object.
    """
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            found = getattr(found, part)
        return found
    raise AttributeError(f"there is no {name!r}")


class Recorder(TorchFunctionMode):
    """Records calls of forbidden functions while it is active, and lets them happen.

    Functions are recognised by identity, under whatever name they are called; module classes by
    their ``forward``.

    Args:
        names: the dotted names of what is forbidden.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.called: list[str] = []
        """The dotted names that were called, each once, in the order of their first call."""
        self._functions: dict[Any, str] = {}
        self._classes: dict[type[nn.Module], str] = {}
        self._patches = ExitStack()
        for name in names:
            found = resolve(name)
            if isinstance(found, type) and issubclass(found, nn.Module):
                self._classes[found] = name
            else:
                self._functions[found] = name

    def _record(self, name: str) -> None:
        if name not in self.called:
            self.called.append(name)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in self._functions:
            self._record(self._functions[func])
        return func(*args, **(kwargs or {}))

    def _watched(self, forward: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(forward)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._record(name)
            return forward(*args, **kwargs)

        return watched

    def __enter__(self) -> Recorder:
        for cls, name in self._classes.items():
            # Where a class inherits its forward, the patch sits on the class itself all the same.
            self._patches.enter_context(
                patch.object(cls, "forward", self._watched(cls.forward, name))
            )
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        super().__exit__(exc_type, exc_val, exc_tb)  # type: ignore[no-untyped-call]
        self._patches.close()
