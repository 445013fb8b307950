"""Where jobs run: in processes of this machine, or on a Dask cluster.

Both are a ``concurrent.futures.Executor``; what differs is how the plan, which all jobs share,
reaches the workers, and what can go wrong.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from . import syscalls as linux
from .course import package_digest
from .errors import AutograderError
from .job import Graded, Plan, Submission, grade_submission, rehearse
from .provisioner import ZygoteProvisioner, sandbox_level, share_zygote, too_low
from .sandbox import Level
from .zygote import available

__all__ = [
    "Pool",
    "WorkerLostError",
    "cluster_pool",
    "default_jobs",
    "local_pool",
]

_PATIENCE = 30.0  # Seconds to wait for a scheduler, or for a worker to come back.


class WorkerLostError(AutograderError):
    """The process that graded a submission died; the submission may be why."""


def default_jobs() -> int:
    """Return how many submissions to grade at a time.

    Much of a submission's time is waiting for messages, so more than one a core pays.
    """
    return 4 * (os.cpu_count() or 1)


class Pool(ABC):
    """Runs jobs; a plan's context manager opens one."""

    workers: int
    """How many jobs run at a time."""

    @abstractmethod
    def submit(self, submission: Submission) -> Future[Graded]:
        """Start a job.

        Raises:
            AutograderError: if the pool is gone.
        """

    @abstractmethod
    def check(self) -> None:
        """Look after the workers, now and then.

        Raises:
            AutograderError: if there is nothing left to wait for.
        """


class _LocalPool(Pool):
    def __init__(self, jobs: int, plan: Plan) -> None:
        self.workers = jobs
        self._plan = plan
        self._executor = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # The collector would visit, and so copy, all that the workers share with this process.
        gc.collect()
        gc.freeze()
        # Forked workers have all imports done already; elsewhere fork is not safe.
        method = "fork" if sys.platform == "linux" else None
        executor = ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context(method),
            initializer=_prepare_worker,
            initargs=(self._plan, os.getpid()),
        )
        executor.submit(os.getpid)  # Forks now, before this process has other threads.
        if method == "fork":
            # A worker that is killed in mid-sentence would leave us waiting for the rest for ever,
            # as long as anybody can write there; and we never do.
            executor._result_queue._writer.close()  # type: ignore[attr-defined]
        return executor

    def submit(self, submission: Submission) -> Future[Graded]:
        try:
            return self._executor.submit(_grade_here, submission)
        except BrokenProcessPool:  # A worker died, and all the others with it.
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = self._start()
            return self._executor.submit(_grade_here, submission)

    def check(self) -> None:
        """End all workers when one has died, which may have held a lock that the others want."""
        workers = list((self._executor._processes or {}).values())
        if any(worker.exitcode is not None for worker in workers):
            for worker in workers:
                worker.kill()

    def close(self, *, at_once: bool) -> None:
        workers = multiprocessing.active_children()
        if at_once:
            for worker in workers:
                worker.terminate()
        self._executor.shutdown(wait=True, cancel_futures=True)


_plan_of_this_worker: Plan


def _prepare_worker(plan: Plan, parent: int) -> None:
    global _plan_of_this_worker
    _plan_of_this_worker = plan
    # Notebooks are large and free of cycles; the collector would look at them all the time.
    gc.set_threshold(50_000)
    # Whoever started the run decides what an interruption means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        # Workers of a killed parent would otherwise wait for its word forever.
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _grade_here(submission: Submission) -> Graded:
    return grade_submission(_plan_of_this_worker, submission)


@contextmanager
def local_pool(plan: Plan, jobs: int | None = None) -> Iterator[Pool]:
    """Open a pool of processes on this machine, which share one zygote.

    Args:
        plan: what the jobs share.
        jobs: how many submissions to grade at a time; :func:`default_jobs` by default.

    Raises:
        AutograderError: if the sandbox gives less than the course asks for.
    """
    if available():
        share_zygote()
    rehearse(plan)  # While the zygote is getting warm.
    wanted = ZygoteProvisioner(config=plan.config).level
    found = sandbox_level()
    if found < Level(wanted):
        raise AutograderError(too_low(found, Level(wanted)))
    pool = _LocalPool(jobs or default_jobs(), plan)
    at_once = True
    try:
        yield pool
        at_once = False
    finally:
        pool.close(at_once=at_once)


class _ClusterPool(Pool):
    def __init__(self, client: Any, address: str, plan: Plan) -> None:
        self._client = client
        self._address = address
        self._plan = plan
        self._idle_since: float | None = None
        self.workers = 0
        while True:
            self.check()
            if self.workers:
                break
            time.sleep(0.1)
        self._executor = client.get_executor(pure=False)
        # A task, and not scattered data: data is lost with the workers that hold it, a task is
        # done again by another.
        self._handle = client.submit(_given, plan, pure=False)

    def submit(self, submission: Submission) -> Future[Graded]:
        future: Future[Graded] = self._executor.submit(
            _grade_there, self._handle, submission, self._plan.package
        )
        return future

    def check(self) -> None:
        threads = 0
        if self._client.status == "running":
            # What it does not answer it says again, or its status changes.
            with contextlib.suppress(OSError, TimeoutError):
                known = self._client.scheduler_info(n_workers=-1)["workers"]
                threads = sum(worker["nthreads"] for worker in known.values())
        if threads:
            self._idle_since = None
            self.workers = threads
            return
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        if now - self._idle_since < _PATIENCE and self._client.status != "closed":
            return
        if self._client.status != "running":
            raise self._gone()
        raise AutograderError(
            f"The scheduler at {self._address} has had no workers for {_PATIENCE:g} seconds; "
            f"start some: dask worker {self._address} --nthreads 1 --nworkers auto"
        )

    def _gone(self) -> AutograderError:
        return AutograderError(f"The scheduler at {self._address} is gone.")


def _given(plan: Plan) -> Plan:
    return plan


def _grade_there(plan: Plan, submission: Submission, package: str) -> Graded:
    if package_digest() != package:
        raise AutograderError(
            f"The worker on {os.uname().nodename} runs another version of autograder, torch, "
            "nbgrader or nbclient than this machine; install the same there."
        )
    return grade_submission(plan, submission)


@contextmanager
def cluster_pool(plan: Plan, address: str) -> Iterator[Pool]:
    """Open a pool on a Dask cluster.

    Args:
        plan: what the jobs share.
        address: the scheduler's, such as ``tcp://10.0.0.1:8786``.

    Raises:
        AutograderError: if the scheduler does not answer, or has no workers.
    """
    try:
        import dask
        from distributed import Client
    except ImportError:
        raise AutograderError(
            "Grading on a cluster needs Dask: pip install 'autograder[cluster]'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_PATIENCE / 3, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise AutograderError(
            f"The scheduler at {address} does not answer ({type(error).__name__}). Is it running, "
            "and is this its address? Start one with: dask scheduler"
        ) from None
    try:
        # Data files of an assignment may be large, and Dask would warn of that.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": sys.maxsize}):
            yield _ClusterPool(client, address, plan)
    finally:
        # A scheduler that is gone does not say goodbye.
        client.close(timeout=_PATIENCE / 3)


def outcome(future: Future[Graded]) -> Graded:
    """Return a finished job's outcome.

    Raises:
        WorkerLostError: if the job's process died.
        AutograderError: if grading cannot go on.
    """
    try:
        return future.result()
    except BrokenProcessPool:
        raise WorkerLostError("The process that graded this submission died.") from None
    except concurrent.futures.CancelledError:
        raise AutograderError(
            "The scheduler or its last worker is gone, and the jobs with it."
        ) from None
    except Exception as error:
        if type(error).__name__ == "KilledWorker":
            raise WorkerLostError("The workers that graded this submission died.") from None
        raise
