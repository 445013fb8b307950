"""Tasks are done in other processes, and their results come in order."""

from __future__ import annotations

import operator
import os

import pytest

from autograder.spread import spread


def test_results_come_in_the_order_of_the_tasks() -> None:
    done: list[int] = []
    tasks = [(number, 2) for number in range(7)]
    found = list(spread(operator.pow, tasks, jobs=2, done=lambda: done.append(1)))
    assert found == [number**2 for number in range(7)]
    assert len(done) == 7


def test_the_work_is_done_elsewhere() -> None:
    assert os.getpid() not in set(spread(os.getpid, [(), ()], jobs=2))


def test_an_error_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        list(spread(operator.truediv, [(1, 1), (1, 0)], jobs=2))


def test_no_tasks() -> None:
    assert list(spread(operator.pow, [])) == []
