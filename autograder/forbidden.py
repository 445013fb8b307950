"""Forbidding calls of the very functions that an exercise asks the student to write."""

from __future__ import annotations

import _thread
import importlib
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial, wraps
from pathlib import Path
from sys import _getframe  # The name in sys may be given another meaning.
from types import FrameType, TracebackType
from typing import Any
from unittest.mock import patch

import safetensors
import torch
from torch import nn
from torch.autograd import graph
from torch.library import Library
from torch.overrides import TorchFunctionMode

from . import guard

__all__ = ["Ban", "ForbiddenCallError", "resolve", "watched_in_one_thread"]

_COMPOSITE = "CompositeImplicitAutograd"
_PLACES = (torch, torch.Tensor, nn.functional, torch.special)
_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(safetensors.__file__).parent))
_OURS = {str(Path(__file__).with_name(name)) for name in ("answer.py", "case.py", "wire.py")}
# Nothing else in torch is built on these, whoever seems to call them; the others have callers.
_ALONE = frozenset(
    [
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "adaptive_avg_pool3d",
        "avg_pool1d",
        "batch_norm",
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "cross_entropy_loss",
        "embedding_bag",
        "group_norm",
        "gru",
        "gru_cell",
        "instance_norm",
        "layer_norm",
        "lstm",
        "lstm_cell",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "rnn_relu",
        "rnn_relu_cell",
        "rnn_tanh",
        "rnn_tanh_cell",
    ]
)
_BACKWARD = graph._engine_run_backward.__code__


class ForbiddenCallError(Exception):
    """Ends an answer that calls what the exercise asks the student to write."""


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


@cache
def _operators(name: str) -> tuple[str, ...]:
    """List torch's composite operators behind a function, such as ``lstm.input``.

    Those are put together from others.  The others are called from too many places in torch.
    """
    packet = getattr(torch.ops.aten, name, None)
    found = [f"{name}.{overload}" for overload in packet.overloads()] if packet else []
    found = [operator.removesuffix(".default") for operator in found]
    return tuple(operator for operator in found if _is_composite(f"aten::{operator}"))


def _is_composite(operator: str) -> bool:
    try:
        return torch._C._dispatch_has_kernel_for_dispatch_key(operator, _COMPOSITE)
    except RuntimeError:
        return False  # It is known to TorchScript alone.


class Ban(TorchFunctionMode):
    """Raises :class:`ForbiddenCallError` at calls of forbidden functions while it is active.

    Functions are recognised by identity, under whatever name they are called, and so are their
    other forms, such as the method of a tensor; module classes by their ``forward``.  Composite
    operators are taken out of torch's dispatcher too, which every way to them goes through: in
    another thread, from TorchScript, or by a private name.

    Args:
        names: the dotted names of what is forbidden.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.called: list[str] = []
        """The dotted names that were called, each once, in the order of their first call."""
        self._functions: dict[Any, str] = {}
        self._classes: dict[type[nn.Module], str] = {}
        self._operators: dict[str, str] = {}
        self._watches = watched_in_one_thread(names)
        self._undo = ExitStack()
        self._take_back: Callable[[], None] = _nothing
        for name in names:
            found = resolve(name)
            if isinstance(found, type) and issubclass(found, nn.Module):
                self._classes[found] = name
                continue
            for form in (found, *_forms(getattr(found, "__name__", ""))):
                self._functions.setdefault(form, name)
            for operator in _operators(getattr(found, "__name__", "")):
                self._operators.setdefault(operator, name)

    def _stop(self, name: str) -> None:
        if name not in self.called:
            self.called.append(name)
        raise ForbiddenCallError(f"{name} is what this exercise asks you to write yourself.")

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in self._functions and not _is_ours(_caller(_getframe(1))):
            self._stop(self._functions[func])
        return func(*args, **(kwargs or {}))

    def _operator(self, operator: str, *args: Any, **kwargs: Any) -> Any:
        if not _is_part_of_another(operator):
            self._stop(self._operators[operator])
        self._take_back()
        try:
            name, _dot, overload = operator.partition(".")
            packet = getattr(torch.ops.aten, name)
            return getattr(packet, overload or "default")(*args, **kwargs)
        finally:
            self._take_out()

    def _take_out(self) -> None:
        library = Library("aten", "IMPL")
        self._take_back = library._destroy
        with warnings.catch_warnings():
            # Torch warns once that an operator is overridden; that is the purpose.
            warnings.simplefilter("ignore")
            for operator in self._operators:
                library.impl(operator, partial(self._operator, operator), _COMPOSITE)

    def __enter__(self) -> Ban:
        guard.playing += 1
        for cls, name in self._classes.items():
            # Where a class inherits its forward, the patch sits on the class itself all the same.
            stopped = wraps(cls.forward)(_stopping(self._stop, name))
            self._undo.enter_context(patch.object(cls, "forward", stopped))
        if self._watches:
            # A mode of torch's knows one thread.
            for module, start in ((_thread, "start_new_thread"), (threading, "_start_new_thread")):
                self._undo.enter_context(patch.object(module, start, _refuse))
        if self._operators:
            self._take_out()
            self._undo.callback(lambda: self._take_back())
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        guard.playing -= 1
        super().__exit__(exc_type, exc_val, exc_tb)  # type: ignore[no-untyped-call]
        self._undo.close()


def _stopping(stop: Callable[[str], None], name: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: stop(name)


def watched_in_one_thread(names: Sequence[str]) -> bool:
    """Tell whether some of what is forbidden can be called unseen from another thread.

    Args:
        names: the dotted names of what is forbidden.
    """
    found = [resolve(name) for name in names]
    functions = [each for each in found if not isinstance(each, type)]
    return any(not _operators(getattr(each, "__name__", "")) for each in functions)


def _is_part_of_another(operator: str) -> bool:
    """Tell whether torch itself calls an operator, for another function or in a backward pass."""
    if operator.partition(".")[0] in _ALONE:
        return False
    frame = _getframe(1)
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code is _BACKWARD or _is_ours(frame):
            return True
        if frame.f_code is Ban.__torch_function__.__code__:
            called = getattr(frame.f_locals["func"], "__name__", operator)
            if str(called).partition(".")[0] != operator.partition(".")[0]:
                return True
            continue  # It was called by this very name; but by whom?
        if not frame.f_code.co_filename.startswith((__file__, *_LIBRARIES)):
            break
    return False


def _is_ours(frame: FrameType | None) -> bool:
    """Tell whether it is our code that handles tensors here; it never calls what is checked."""
    return frame is not None and frame.f_code.co_filename in _OURS


def _caller(frame: FrameType | None) -> FrameType | None:
    """Find whose code has called a library."""
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame = frame.f_back
    return frame


def _forms(name: str) -> Iterator[Any]:
    """Find the other forms of a function: ``torch.softmax`` is ``Tensor.softmax``, too."""
    for place in _PLACES:
        for form in (name, f"{name}_"):
            found = getattr(place, form, None) if name else None
            if callable(found):
                yield found


def _refuse(*_arguments: Any, **_named: Any) -> None:
    raise ForbiddenCallError("An answer must not start threads here: they cannot be watched.")


def _nothing() -> None:
    pass
