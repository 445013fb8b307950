"""Cases are read-only mappings, and draws depend on the seed alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autograder.case import PRIMES, Case, Draw, relayout


@given(st.integers(0, 2**63 - 1))
def test_the_same_seed_draws_the_same(seed: int) -> None:
    first, second = Draw(seed), Draw(seed)
    assert first.primes(3) == second.primes(3)
    assert torch.equal(first.normal(2, 3), second.normal(2, 3))


def test_other_seeds_draw_other_numbers() -> None:
    assert not torch.equal(Draw(1).normal(3), Draw(2).normal(3))
    assert len({Draw(seed).primes(3) for seed in range(20)}) > 5


@given(st.integers(0, 10**6), st.integers(1, 9))
def test_primes_are_distinct_and_bounded(seed: int, count: int) -> None:
    primes = Draw(seed).primes(count, below=24)
    assert len(set(primes)) == count
    assert set(primes) <= set(PRIMES)
    assert max(Draw(seed).primes(5)) < 12


def test_more_primes_than_there_are() -> None:
    with pytest.raises(ValueError, match="only 5 primes below 12"):
        Draw(0).primes(6)


def test_normal_has_the_wanted_scale_and_dtype() -> None:
    drawn = Draw(0).normal(1000, scale=20.0, dtype=torch.float32)
    assert drawn.dtype is torch.float32
    assert 18 < drawn.std().item() < 22
    assert Draw(0).normal(2).dtype is torch.float64


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5)])
def test_relayout_is_equal_but_not_contiguous(shape: tuple[int, ...]) -> None:
    tensor = Draw(0).normal(*shape)
    other = relayout(tensor)
    assert torch.equal(other, tensor)
    assert not other.is_contiguous()
    with pytest.raises(RuntimeError, match="view"):
        other.view(-1)


def test_relayout_of_a_vector_is_a_copy() -> None:
    vector = torch.ones(3)
    relayout(vector).zero_()
    assert vector.tolist() == [1, 1, 1]


def test_a_case_is_a_mapping_with_attributes() -> None:
    case = Case("small", x=torch.ones(2, 3), state={"w": torch.ones(4)}, n=2)
    assert dict(**case) == {"x": case.x, "state": case.state, "n": 2}
    assert len(case) == 3
    assert case.numel() == 10
    assert case.describe() == "x (2, 3), n 2"
    with pytest.raises(AttributeError, match="no input called 'y'"):
        _ = case.y


def test_an_input_may_be_called_label() -> None:
    assert Case("small", label=3)["label"] == 3


def test_with_replaces_in_a_copy() -> None:
    case = Case("small", x=1, y=2)
    assert dict(case.with_(x=3)) == {"x": 3, "y": 2}
    assert case.with_(x=3).label == "small"
    assert case.x == 1
    with pytest.raises(KeyError, match="no input called 'z'"):
        case.with_(z=1)


@pytest.mark.parametrize("name", ["values", "keys", "numel", "with_"])
def test_a_name_that_a_case_has_already(name: str) -> None:
    with pytest.raises(ValueError, match=f"an input cannot be called '{name}'"):
        Case("usual", **{name: 1})


@given(st.integers(0, 10**6))
def test_what_else_can_be_drawn(seed: int) -> None:
    draw, same = Draw(seed), Draw(seed)
    uniform = draw.uniform(3, 5, low=-2, high=2, dtype=torch.float32)
    assert (uniform.shape, uniform.dtype) == ((3, 5), torch.float32)
    assert -2 <= float(uniform.min()) <= float(uniform.max()) < 2
    whole = draw.integers(7, low=2, high=4, dtype=torch.int32)
    assert whole.dtype is torch.int32
    assert set(whole.tolist()) <= {2, 3}
    assert 5 <= draw.integer(5, 8) < 8
    assert sorted(draw.permutation(6).tolist()) == list(range(6))
    assert torch.equal(uniform, same.uniform(3, 5, low=-2, high=2, dtype=torch.float32))
    assert torch.equal(whole, same.integers(7, low=2, high=4, dtype=torch.int32))
