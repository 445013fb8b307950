"""Frames bring trees over unchanged; whatever is no such frame is refused, and nothing else."""

from __future__ import annotations

import ast
import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save

import autograder
from autograder import wire
from autograder.answer import Answer, Failure
from autograder.case import Case, relayout
from autograder.tree import Opaque
from autograder.wire import (
    WireError,
    answer_from_wire,
    answer_to_wire,
    case_from_wire,
    case_to_wire,
    decode,
    encode,
)

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.uint8,
    torch.bool,
]


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    values = torch.randn(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    tensor = (3 * values).to(draw(st.sampled_from(DTYPES)))
    if tensor.is_floating_point() and tensor.numel() and draw(st.booleans()):
        tensor.view(-1)[0] = float("nan")
    return relayout(tensor) if draw(st.booleans()) else tensor


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.builds(Opaque, st.text(max_size=50))
    | tensors()
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        close = a.shape == b.shape and a.dtype == b.dtype and torch.equal(a.isnan(), b.isnan())
        return bool(close and torch.equal(a.nan_to_num(), b.nan_to_num()))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b or (a != a and b != b))


@given(TREES)
@example({"$": "tensor", "shape": [0]})
@example([{"$": {"$": "opaque"}}])
def test_a_tree_comes_back_equal(tree: Any) -> None:
    assert same(decode(encode(tree)), tree)


def test_a_permuted_layout_comes_back_permuted() -> None:
    sent = relayout(torch.arange(6.0).reshape(2, 3))
    received = decode(encode(sent))
    assert torch.equal(received, sent)
    assert not received.is_contiguous()


def test_a_tensor_that_needs_gradients_can_be_sent() -> None:
    received = decode(encode(torch.ones(2, requires_grad=True)))
    assert not received.requires_grad


def header_frame(header: Any, **named: torch.Tensor) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text + save(named)


TENSOR = {"$": "tensor", "dtype": "torch.float32", "shape": [2, 3], "permuted": False}


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(WireError):
        decode(garbage)


@given(st.data())
def test_a_cut_or_altered_frame_is_refused_or_read(data: st.DataObject) -> None:
    frame = encode({"a": (torch.ones(2, 3), "text", [1.5, None]), "b": Opaque("set")})
    with pytest.raises(WireError):
        decode(frame[: data.draw(st.integers(0, len(frame) - 1), label="length")])
    altered = bytearray(frame)
    altered[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):  # Anything but this error fails the test.
        decode(bytes(altered))


@pytest.mark.parametrize(
    "header",
    [
        {**TENSOR, "dtype": "torch.float64"},
        {**TENSOR, "dtype": ["torch.float32"]},
        {**TENSOR, "shape": [7]},
        {**TENSOR, "shape": [-2, -3]},
        {**TENSOR, "shape": [6, -1]},
        {**TENSOR, "shape": [2.0, 3]},
        {**TENSOR, "shape": ["a"]},
        {**TENSOR, "shape": [10**30, 0]},
        {**TENSOR, "shape": [2**25, 2**25, 2**25, 0]},
        {**TENSOR, "shape": [6, *[1] * 64]},
        {**TENSOR, "shape": None},
        [TENSOR, TENSOR],
        {"$": "tensor"},
        {"$": "class", "items": []},
        {"$": ["tensor"]},
        {"no": "mark"},
        {"$": "dict", "items": [["a"]]},
        {"$": "dict", "items": 3},
        {"$": "tuple", "items": None},
        b"[" * 5000,
        b"[" * 50 + b"]" * 50,
        b"9" * 5000,
        b"\xff\xfe",
        [0] * (wire.MAX_NODES + 1),
    ],
)
def test_a_malformed_header_is_refused(header: Any) -> None:
    with pytest.raises(WireError):
        decode(header_frame(header, **{"torch.float32": torch.ones(6)}))


def test_the_frame_of_these_tests_is_otherwise_good() -> None:
    received = decode(header_frame(TENSOR, **{"torch.float32": torch.arange(6.0)}))
    assert torch.equal(received, torch.arange(6.0).reshape(2, 3))


def nested(depth: int) -> Any:
    tree: Any = 1
    for _ in range(depth):
        tree = [tree]
    return tree


def test_depth_is_bounded_on_both_sides() -> None:
    assert decode(encode(nested(wire.MAX_DEPTH))) == nested(wire.MAX_DEPTH)
    with pytest.raises(WireError, match="too deeply"):
        encode(nested(wire.MAX_DEPTH + 1))
    with pytest.raises(WireError, match="too deeply"):
        decode(header_frame(nested(wire.MAX_DEPTH + 1)))


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(WireError, match="too deeply"):
        encode(endless)


def test_size_is_bounded_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = encode(torch.ones(1000))
    monkeypatch.setattr(wire, "MAX_FRAME", 1000)
    for tree in (torch.ones(1000), "a" * 1000, [torch.ones(100)] * 10, torch.ones(1).expand(999)):
        with pytest.raises(WireError, match="larger than"):
            encode(tree)
    with pytest.raises(WireError, match="too large"):
        decode(frame)


@pytest.mark.parametrize("value", [{1}, object(), b"bytes", torch.ones, 1j])
def test_other_objects_cannot_be_sent(value: object) -> None:
    with pytest.raises(WireError, match="cannot be sent"):
        encode(value)


def test_case_round_trip() -> None:
    case = Case("small", x=torch.ones(2), state={"w.b": torch.zeros(1)}, sizes=(1, 2))
    received = case_from_wire(decode(encode(case_to_wire(case))))
    assert received.label == "small"
    assert same(dict(received), dict(case))


@pytest.mark.parametrize("message", [None, 3, {}, {"inputs": 3}, {"label": "a", "inputs": [1]}])
def test_what_is_no_case_is_refused(message: Any) -> None:
    with pytest.raises(WireError):
        case_from_wire(message)


def test_answer_round_trip() -> None:
    answer = Answer(
        outputs=(torch.ones(2), None),
        gradients={"x": torch.ones(1), "state.w": None},
        parameters={"w": (2, 3)},
        modified=["x"],
        forbidden=["torch.lstm"],
        failure=Failure("ValueError", "no", "raise ValueError('no')"),
        backward_failed=True,
    )
    received = answer_from_wire(decode(encode(answer_to_wire(answer))))
    assert same(answer_to_wire(received), answer_to_wire(answer))
    assert received.callable


PLAIN = answer_to_wire(Answer())


@pytest.mark.parametrize(
    "message",
    [
        None,
        3,
        [],
        {},
        {**PLAIN, "gradients": 3},
        {**PLAIN, "parameters": [1]},
        {**PLAIN, "parameters": {"w": 3}},
        {**PLAIN, "parameters": {"w": ["a"]}},
        {**PLAIN, "parameters": {"w": [None]}},
        {**PLAIN, "parameters": {"w": [float("nan")]}},
        {**PLAIN, "parameters": {"w": [float("inf")]}},
        {**PLAIN, "parameters": {"w": [torch.ones(2)]}},
        {**PLAIN, "modified": None},
        {**PLAIN, "forbidden": 1},
        {**PLAIN, "failure": "yes"},
        {**PLAIN, "failure": {"type_name": "a"}},
    ],
)
def test_what_is_no_answer_is_refused(message: Any) -> None:
    with pytest.raises(WireError):
        answer_from_wire(decode(encode(message)))


def test_flags_and_gradients_are_taken_only_as_what_they_are() -> None:
    message = {**PLAIN, "callable": "yes", "backward_failed": 1, "gradients": {"x": "a tensor"}}
    answer = answer_from_wire(message)
    assert not answer.callable
    assert not answer.backward_failed
    assert answer.gradients == {"x": None}


def test_the_package_imports_no_pickle() -> None:
    for path in Path(autograder.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module), *(alias.name for alias in node.names)]
            unwanted = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
            assert not unwanted & {part for name in names for part in name.split(".")}, path
