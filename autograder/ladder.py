"""The check ladder: how an answer is held against the reference, one rung after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch

from .answer import Answer, Failure
from .i18n import _
from .oneline import LOOP, OTHER_CODE, STATEMENT
from .spec import MeasuredSpec, Spec
from .tree import describe, leaf_kind, leaves, shape_text
from .verdict import Difference, Rung

__all__ = ["Finding", "climb", "rungs_of"]


@dataclass(frozen=True)
class Finding:
    """The first rung on which an answer fails, and the evidence."""

    rung: Rung
    """The rung."""
    reason: str
    """What is wrong, in whole sentences."""
    difference: Difference | None = None
    """Where, if it can be pointed at."""


def rungs_of(spec: Spec, *, module: bool) -> tuple[Rung, ...]:
    """List the rungs that mean something for a question.

    Args:
        spec: the question.
        module: whether it asks for a module, with parameters.
    """
    measured = isinstance(spec, MeasuredSpec)
    absent = {
        Rung.EXISTS: not spec.called,
        Rung.STRUCTURE: measured,
        Rung.SHAPE: measured,
        Rung.DTYPE: measured,
        Rung.UNMODIFIED: measured,
        Rung.PARAMETERS: not module,
        Rung.GRADIENTS: not spec.gradients,
        Rung.ALLOWED: not spec.forbids and spec.allows is None,
    }
    return tuple(rung for rung in Rung if not absent.get(rung, False))


def climb(
    spec: Spec,
    answer: Answer,
    expected: Answer,
    parameters: Mapping[str, tuple[int, ...]] | None = None,
    top: Rung = Rung.UNMODIFIED,
) -> Finding | None:
    """Hold an answer against the expected one, rung by rung, up to ``top``.

    Args:
        spec: the question.
        answer: what the student's object did with a case.
        expected: what the reference, or a misconception, did with the same case.
        parameters: the parameters a module must register, by name, with their shapes.
        top: the last rung to test.

    Returns:
        The first failure, or ``None`` if there is none.
    """
    pairs: list[Pair] = []

    def paired() -> list[Pair]:
        if not pairs:  # Made once, and not before both have the same structure.
            pairs.extend(_pairs(spec, answer, expected))
        return pairs

    steps: dict[Rung, Callable[[], Finding | None]] = {
        Rung.EXISTS: lambda: _exists(answer),
        Rung.ALLOWED: lambda: _allowed(spec, answer),
        Rung.RUNS: lambda: _runs(spec, answer, expected),
        Rung.PARAMETERS: lambda: _parameters(answer, parameters),
        Rung.STRUCTURE: lambda: _structure(spec, answer, expected),
        Rung.SHAPE: lambda: _shape(paired()),
        Rung.DTYPE: lambda: _dtype(paired()),
        Rung.VALUES: lambda: _values(spec, paired()),
        Rung.GRADIENTS: lambda: _gradients(spec, answer, expected),
        Rung.UNMODIFIED: lambda: _unmodified(answer),
    }
    for rung, step in steps.items():
        if rung.height > top.height:
            break
        finding = step()
        if finding is not None:
            return finding
        if rung is Rung.RUNS and expected.failure is not None and not expected.backward_failed:
            return None  # Both raised the same error: there is nothing more to compare.
    return None


def _exists(answer: Answer) -> Finding | None:
    if answer.callable:
        return None
    reason = _(
        "What you handed to check is {description}, which cannot be called; "
        "hand over the function or the class itself, without calling it."
    ).format(description=describe(answer.outputs))
    return Finding(Rung.EXISTS, reason)


def _allowed(spec: Spec, answer: Answer) -> Finding | None:
    if answer.broken_rule:
        return Finding(Rung.ALLOWED, _rule(answer.broken_rule, spec.allows or ()))
    if not answer.forbidden:
        return None
    reason = _(
        "Your answer calls {name}; what that does is what this exercise asks you to write yourself."
    ).format(name=answer.forbidden[0])
    return Finding(Rung.ALLOWED, reason)


def _rule(broken: str, allows: Sequence[str]) -> str:
    if broken == OTHER_CODE:
        return _(
            "A puzzle is answered with one function of your own, written with def or lambda, whose "
            "arguments have no default values and which uses nothing defined around it."
        )
    if broken == LOOP:
        return _(
            "Your answer loops, or makes a function or a list item by item; a puzzle is solved by "
            "operations on whole tensors."
        )
    if broken == STATEMENT:
        return _(
            "Your answer does more than return one expression: no variables, no assignments, no "
            "imports."
        )
    return _("Your answer uses “{name}”; this puzzle allows operators and only {allowed}.").format(
        name=broken, allowed=", ".join(allows)
    )


def _runs(spec: Spec, answer: Answer, expected: Answer) -> Finding | None:
    failure = answer.failure
    if failure is None or answer.backward_failed:
        if expected.failure is None or expected.backward_failed:
            return None
        return Finding(Rung.RUNS, _("An error was expected, and none was raised."))
    if expected.failure is not None and _same(failure, expected.failure):
        return None
    if failure.interpreted and not failure.type_name:
        reason = failure.message
    elif not spec.called:
        reason = _("What you handed in cannot be used: {error}.").format(error=_error(failure))
    elif failure.interpreted:
        reason = _("torch cannot work with what you answered: {error}").format(
            error=_error(failure)
        )
    elif failure.type_name == "NotImplementedError" and not failure.message:
        reason = _(
            "This is not written yet: put your own code where it raises NotImplementedError."
        )
    elif failure.line:
        reason = _("Your code raised {error} in the line “{line}”.").format(
            error=_error(failure), line=failure.line
        )
    else:
        reason = _("Your code raised {error}.").format(error=_error(failure))
    return Finding(Rung.RUNS, reason)


def _same(first: Failure, second: Failure) -> bool:
    return (first.type_name, first.message) == (second.type_name, second.message)


def _error(failure: Failure) -> str:
    message = failure.message.removesuffix(".")  # The sentence around it has a full stop.
    return f"{failure.type_name}: {message}" if message else failure.type_name


def _parameters(answer: Answer, parameters: Mapping[str, tuple[int, ...]] | None) -> Finding | None:
    if parameters is None:
        return None
    if answer.parameters is None:
        reason = _("What you handed in does not make a torch.nn.Module; let your class be one.")
        return Finding(Rung.PARAMETERS, reason)
    missing = [name for name in parameters if name not in answer.parameters]
    if missing:
        close = get_close_matches(missing[0], set(answer.parameters) - set(parameters), n=1)
        if close:
            reason = _(
                "Your module has no parameter called {missing}; it has one called {close}."
            ).format(missing=missing[0], close=close[0])
        else:
            reason = _(
                "Your module has no parameter called {missing}: a parameter counts when it is an "
                "nn.Parameter set as an attribute of the module, or of a module set as one."
            ).format(missing=missing[0])
        return Finding(Rung.PARAMETERS, reason)
    for name, shape in answer.parameters.items():
        if name not in parameters:
            reason = _(
                "Your module has a parameter called {name}, which the reference has not."
            ).format(name=name)
            return Finding(Rung.PARAMETERS, reason)
        if tuple(shape) != tuple(parameters[name]):
            reason = _("Your parameter {name} has another shape than the reference's.").format(
                name=name
            )
            difference = Difference(name, shape_text(shape), shape_text(parameters[name]))
            return Finding(Rung.PARAMETERS, reason, difference)
    return None


def _structure(spec: Spec, answer: Answer, expected: Answer) -> Finding | None:
    if answer.outputs is None and expected.outputs is not None:
        reason = _("It returns None: is the return statement missing?")
        difference = Difference(_("the answer"), "None", describe(expected.outputs))
        return Finding(Rung.STRUCTURE, reason, difference)
    if _skeleton(answer.outputs) == _skeleton(expected.outputs):
        return None
    reason = _("What it returns is not built as it should be.")
    difference = Difference(_("the answer"), describe(answer.outputs), describe(expected.outputs))
    return Finding(Rung.STRUCTURE, reason, difference)


def _skeleton(tree: Any) -> Any:
    if isinstance(tree, torch.Tensor):  # Most are, and to ask for a Mapping takes longer.
        return leaf_kind(tree)
    if isinstance(tree, Mapping):
        return {key: _skeleton(item) for key, item in tree.items()}
    if isinstance(tree, (tuple, list)):
        return [_skeleton(item) for item in tree]
    return leaf_kind(tree)


Pair = tuple[str, Any, Any]


def _pairs(spec: Spec, answer: Answer, expected: Answer) -> list[Pair]:
    """Pair the leaves of two answers of the same structure: path, got, expected."""
    given = dict(leaves(answer.outputs))
    return [
        (name or _("the answer"), given[path], want)
        for (path, want), (name, _want) in zip(
            leaves(expected.outputs), leaves(expected.outputs, spec.returns), strict=True
        )
    ]


def _tensors(pairs: Sequence[Pair]) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    return [pair for pair in pairs if isinstance(pair[2], torch.Tensor)]


def _shape(pairs: Sequence[Pair]) -> Finding | None:
    for path, got, want in _tensors(pairs):
        if got.shape != want.shape:
            reason = _("The shape of {path} is not right.").format(path=path)
            difference = Difference(path, shape_text(got.shape), shape_text(want.shape))
            return Finding(Rung.SHAPE, reason, difference)
    return None


def _dtype(pairs: Sequence[Pair]) -> Finding | None:
    for path, got, want in _tensors(pairs):
        if got.dtype != want.dtype:
            reason = _("The dtype of {path} is not right.").format(path=path)
            return Finding(Rung.DTYPE, reason, Difference(path, str(got.dtype), str(want.dtype)))
    return None


def _values(spec: Spec, pairs: Sequence[Pair]) -> Finding | None:
    for path, got, want in pairs:
        if not isinstance(want, torch.Tensor):
            if got != want:
                reason = _("The value of {path} is not right.").format(path=path)
                return Finding(Rung.VALUES, reason, Difference(path, repr(got), repr(want)))
            continue
        found = _compare(spec, path, got, want)
        if found is None:
            continue
        difference, wrong = found
        if bool((got.isnan() & ~want.isnan()).any()):
            reason = _("There is a NaN in {path}, where there should be a number.").format(
                path=path
            )
        else:
            reason = _(
                "The values of {path} differ from torch's: {wrong} of {total} entries are off."
            ).format(path=path, wrong=wrong, total=want.numel())
        return Finding(Rung.VALUES, reason, difference)
    return None


def _compare(
    spec: Spec, path: str, got: torch.Tensor, want: torch.Tensor
) -> tuple[Difference, int] | None:
    """Find the first entry in which two tensors of the same shape differ, and count them."""
    if torch.equal(got, want):  # Most are, and this is quickly found.
        return None
    rtol, atol = spec.tolerances.get(want.dtype, (0.0, 0.0))
    off = ~torch.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    if not bool(off.any()):
        return None
    # A NaN is what the sentence is about, if there is one that should be none.
    lost = got.isnan() & ~want.isnan()
    first = (lost if bool(lost.any()) else off).nonzero()[0].tolist()
    index = ", ".join(str(i) for i in first)
    place = f"{path}[{index}]" if first else path
    numbers = (f"{tensor[tuple(first)].item():.6g}" for tensor in (got, want))
    return Difference(place, *numbers), int(off.sum())


def _gradients(spec: Spec, answer: Answer, expected: Answer) -> Finding | None:
    if answer.backward_failed and answer.failure is not None:
        reason = _(
            "The outputs are right, but the backward pass through your code raised {error}."
        ).format(error=_error(answer.failure))
        return Finding(Rung.GRADIENTS, reason)
    for path, want in expected.gradients.items():
        got = answer.gradients.get(path)
        if want is None or (got is None and not bool(want.any())):
            if got is None or not bool(got.any()):
                continue
            want = torch.zeros_like(got)
        if got is None:
            reason = _(
                "The outputs are right, but no gradient reaches {path}: somewhere your code leaves "
                "autograd, as with detach, .data, .item(), NumPy or torch.no_grad."
            ).format(path=path)
            return Finding(Rung.GRADIENTS, reason)
        if got.shape != want.shape or got.dtype != want.dtype:
            difference = Difference(path, describe(got), describe(want))
        else:
            found = _compare(spec, path, got, want)
            if found is None:
                continue
            difference = found[0]
        reason = _(
            "The outputs are right, but the gradient with respect to {path} differs from torch's."
        ).format(path=path)
        return Finding(Rung.GRADIENTS, reason, difference)
    return None


def _unmodified(answer: Answer) -> Finding | None:
    if not answer.modified:
        return None
    reason = _(
        "Your code changes its input {path} in place; whoever called it still needs that tensor."
    ).format(path=answer.modified[0])
    return Finding(Rung.UNMODIFIED, reason)
