"""Work on a course's own questions, spread over the cores of this machine."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

__all__ = ["spread"]

T = TypeVar("T")


def spread(
    function: Callable[..., T],
    tasks: Sequence[tuple[Any, ...]],
    jobs: int | None = None,
    done: Callable[[], object] = lambda: None,
) -> Iterator[T]:
    """Call a function for each task, several at a time, in processes of their own.

    Args:
        function: a function that another process can import.
        tasks: its arguments, task by task.
        jobs: how many processes; by default, one for each core.
        done: called, in any thread, whenever a task is done.

    Yields:
        What the function returned, in the order of the tasks.

    Raises:
        Exception: what the function raised for a task, when its turn comes.
    """
    jobs = min(jobs or (os.cpu_count() or 1), len(tasks))
    if jobs <= 1:
        for task in tasks:
            _alone()
            yield function(*task)
            done()
        return
    # Spawned, not forked: torch may have started threads here, and a fork would hang in its child.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare) as pool:
        futures: list[Future[T]] = [pool.submit(function, *task) for task in tasks]
        for future in futures:
            future.add_done_callback(lambda _: done())
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _alone() -> None:
    """Use one thread: the tensors are small, and the other cores have work of their own."""
    import torch

    torch.set_num_threads(1)


def _prepare() -> None:
    _alone()
    gc.freeze()  # What is imported is no garbage, nor is most of what comes.
    gc.set_threshold(50_000)
