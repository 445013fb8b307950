"""Answers: everything the referee needs to know of what a student's object did with one case."""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .case import Case
from .forbidden import Ban
from .loader import is_checks
from .oneline import violation
from .spec import Spec
from .tree import Opaque, Tree, leaves, map_leaves

__all__ = ["Answer", "Failure", "observe", "plain", "play", "raised_by_specs"]

_PACKAGE = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True)
class Failure:
    """An exception that ended an answer early."""

    type_name: str
    """The exception's type, ``RuntimeError``; empty if its message says it all."""
    message: str
    """The exception's message, cut to a few hundred characters."""
    line: str = ""
    """The line of the student's code in which it was raised, if known."""
    interpreted: bool = field(default=False, kw_only=True)
    """Whether it was raised later, when the answer was put to use on the trusted side."""


@dataclass(frozen=True)
class Answer:
    """What came of one case; holds arrays and plain values only, so that it can cross a wire."""

    outputs: Tree = None
    """What the object returned."""
    gradients: Mapping[str, torch.Tensor | None] = field(default_factory=dict)
    """The gradient with respect to each asked-for input, by path; ``None`` if there is none."""
    parameters: Mapping[str, tuple[int, ...]] | None = None
    """The parameters a module registered, with their shapes; ``None`` for anything else."""
    modified: Sequence[str] = ()
    """Paths of the inputs that were changed in place."""
    forbidden: Sequence[str] = ()
    """Dotted names of the forbidden functions that it tried to call."""
    broken_rule: str = ""
    """The rule of a one-line puzzle that it breaks, as :mod:`autograder.oneline` names it."""
    failure: Failure | None = None
    """The exception that ended it, if one did."""
    backward_failed: bool = False
    """Whether the exception came from the backward pass, after good outputs."""
    callable: bool = True
    """Whether the object could be called, if it must be."""
    remarks: Sequence[str] = ()
    """What the spec says to the instructor; made on the trusted side, never taken from a wire."""


def play(spec: Spec, student: Any, case: Case, ban: Ban | None = None) -> Answer:
    """Let a student's object answer one case and record all that the referee asks about.

    Args:
        spec: the question.
        student: the function or class handed in, or whatever else a question asks for.
        case: the inputs; they stay as they are, the object gets a copy.
        ban: forbids what the spec does, if it is in force already.

    Returns:
        The answer; any exception the object raises is recorded in it.

    Raises:
        KeyboardInterrupt: the only exception that passes, so that people can stop a long run.
    """
    if spec.called and not callable(student):
        return Answer(outputs=Opaque(type(student).__name__), callable=False)
    if spec.allows is not None and (broken := violation(student, spec.allows)):
        return Answer(broken_rule=broken)
    found: dict[str, tuple[int, ...]] | None = None

    def function(given: Case) -> Tree:
        nonlocal found
        built = spec.build(student, given)
        expected = spec.parameters(given)
        if expected is not None and isinstance(built, nn.Module):
            found = {name: tuple(value.shape) for name, value in built.named_parameters()}
            if found != expected:
                return None  # The state does not fit into this module, so there is nothing to run.
        return spec.call(built, given)

    watch: AbstractContextManager[object] = nullcontext()
    if ban is None:
        ban = watch = Ban(spec.forbids)
    ban.called.clear()
    answer = observe(function, spec, case, watch=watch)
    return Answer(**{**vars(answer), "parameters": found, "forbidden": tuple(ban.called)})


@torch.enable_grad()
def observe(
    function: Callable[[Case], Tree],
    spec: Spec,
    case: Case,
    *,
    backward: bool = True,
    watch: AbstractContextManager[object] | None = None,
) -> Answer:
    """Run a function on a copy of a case, forward and backward, and record what happens.

    The gradients are those of a fixed weighted sum of all floating outputs, with weights that
    differ from entry to entry so that no two mistakes cancel.

    Args:
        function: answers a case: a student's object, the reference or a misconception.
        spec: says which gradients are wanted.
        case: the inputs; they stay as they are.
        backward: whether to find the gradients too.
        watch: is entered whenever code that is not ours may run.
    """
    watch = watch or nullcontext()
    originals: dict[str, torch.Tensor] = {}
    copies: dict[str, torch.Tensor] = {}

    def copy(path: str, leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        original = leaf.detach().clone()
        if backward and path.split(".")[0] in spec.gradients and original.is_floating_point():
            original.requires_grad_()
        originals[path] = original
        # The object gets a non-leaf clone: it may work in place, which is reported, not a crash.
        copies[path] = original.clone()
        return copies[path]

    given = Case(case.label, **map_leaves(copy, dict(case)))
    try:
        with watch:
            outputs = map_leaves(plain, function(given))
        kept = map_leaves(_detached, outputs)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Answer(failure=_failure(error))
    modified = tuple(
        path
        for path, original in originals.items()
        if path.split(".")[0] not in spec.modifies
        and not torch.equal(original.detach(), copies[path].detach())
    )
    wanted = {path: value for path, value in originals.items() if value.requires_grad}
    try:
        gradients = _gradients(outputs, wanted, watch)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        failure = _failure(error)
        return Answer(outputs=kept, modified=modified, failure=failure, backward_failed=True)
    return Answer(outputs=kept, gradients=gradients, modified=modified)


def _gradients(
    outputs: Tree,
    wanted: Mapping[str, torch.Tensor],
    watch: AbstractContextManager[object],
) -> dict[str, torch.Tensor | None]:
    terms = []
    # By path, so that the weights do not depend on the order of a dict's keys.
    for k, (_, leaf) in enumerate(sorted(leaves(outputs), key=lambda pair: pair[0])):
        if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and leaf.requires_grad:
            # The default device may be another one by now.
            steps = torch.arange(leaf.numel(), dtype=torch.float64, device=leaf.device)
            weights = torch.cos(1.7 * steps + k + 1.0).reshape(leaf.shape).to(leaf.dtype)
            terms.append((leaf * weights).sum().to(torch.float64))
    if not terms or not wanted:
        return dict.fromkeys(wanted)
    total = torch.stack(terms).sum()
    with watch:
        found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
    return dict(zip(wanted, found, strict=True))


def plain(path: str, leaf: Any) -> Any:
    """Make a leaf one that a tree may hold: a plain tensor, a plain value or an opaque object."""
    if not isinstance(leaf, torch.Tensor):
        if leaf is None or type(leaf) in (bool, int, float, str, Opaque):
            return leaf
        name = f"{type(leaf).__module__}.{type(leaf).__qualname__}"
        return Opaque(name.removeprefix("builtins."))
    # A plain tensor, whatever subclass came back: nothing of the student's is run later.
    with torch._C.DisableTorchFunctionSubclass():
        return torch.Tensor.as_subclass(leaf, torch.Tensor)


def _detached(path: str, leaf: Any) -> Any:
    return leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf


def _failure(error: BaseException) -> Failure:
    message = str(error).strip()
    return Failure(type(error).__name__, message[:400], _student_line(error))


def raised_by_specs(error: BaseException) -> bool:
    """Tell whether an error was raised in an assignment's specs, and not in what they call."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return is_checks(frames[-1][0].f_code.co_filename)


def _student_line(error: BaseException) -> str:
    """Find the innermost line outside this package, the specs, torch and the standard library."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        filename = frame.f_code.co_filename
        if not filename.startswith((_PACKAGE, _TORCH, sys.base_prefix, "<frozen")) and (
            not is_checks(filename)
        ):
            return linecache.getline(filename, number).strip()
    return ""
