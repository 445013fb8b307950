"""A cell that ends its kernel, or does not end, costs nobody else."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from autograder.execute import DEAD, OVER, Executor, error_of
from autograder.provisioner import SANDBOX_KERNEL
from autograder.zygote import available

pytestmark = pytest.mark.skipif(not available(), reason="a zygote needs Linux")


class Runs(Executor):
    """Executes all cells, and asks no referee."""

    def _around(self) -> Any:
        return nullcontext()

    def preprocess_cell(
        self, cell: NotebookNode, resources: Any, index: int
    ) -> tuple[NotebookNode, Any]:
        self._run(cell, resources, index)
        return cell, resources


def run(folder: Path, *sources: str, **options: Any) -> tuple[list[Any], Runs]:
    """Execute cells. Returns what each printed, or the name of its error, and the executor."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    executor = Runs(kernel_name=SANDBOX_KERNEL, **options)
    nb, _same = executor.preprocess(
        nbformat.v4.new_notebook(cells=cells), {"metadata": {"path": str(folder)}}
    )
    return [told(cell) for cell in nb.cells], executor


def told(cell: NotebookNode) -> str:
    error = error_of(cell)
    return error["ename"] if error else "".join(each.get("text", "") for each in cell.outputs)


def test_what_ran_before_a_death_is_there_after_it(tmp_path: Path) -> None:
    said, executor = run(
        tmp_path, "x = 1", "x += 1; print(x)", "import os; os._exit(1)", "x += 1; print(x)"
    )
    assert said == ["", "2\n", DEAD, "3\n"]
    assert len(executor.deaths) == 1
    assert "“number 3” ended the kernel" in executor.deaths[0]


def test_two_deaths_cost_two_cells(tmp_path: Path) -> None:
    die = "import os; os._exit(1)"
    said, _executor = run(tmp_path, die, "print(1)", die, "print(2)")
    assert said == [DEAD, "1\n", DEAD, "2\n"]


def test_a_cell_that_kills_later_is_found(tmp_path: Path) -> None:
    late = "import os, threading\nthreading.Timer(0.5, os._exit, (1,)).start()\nprint('started')"
    said, executor = run(tmp_path, late, "import time; time.sleep(2); print('slept')", "print(3)")
    assert said == ["started\n", "slept\n", "3\n"]
    assert "“number 1” left running ended the kernel later" in executor.deaths[0]


def test_code_that_will_not_be_interrupted_does_not_hold_up_the_next_cell(tmp_path: Path) -> None:
    stubborn = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on')\nwhile True: pass"
    )
    said, _executor = run(tmp_path, "x = 1", stubborn, "print(x)", timeout=2)
    assert said == ["", "CellTimeoutError", "1\n"]


def test_a_cell_that_was_interrupted_has_run_once(tmp_path: Path) -> None:
    counts = "import time\nn = globals().get('n', 0) + 1\ntime.sleep(60)"
    said, _executor = run(tmp_path, counts, "print(n)", timeout=2)
    assert said == ["CellTimeoutError", "1\n"]


def test_processes_end_with_their_cell(tmp_path: Path) -> None:
    fork = "import os, time\npid = os.fork()\nif pid == 0:\n    time.sleep(60)\n    os._exit(0)"
    look = "done, status = os.waitpid(pid, 0)\nprint(os.WTERMSIG(status))"
    said, executor = run(tmp_path, fork, look)
    assert said == ["", "9\n"]
    assert executor.deaths == []


def test_a_copy_of_the_kernel_has_no_say(tmp_path: Path) -> None:
    said, _executor = run(tmp_path, "import os\npid = os.fork()\nprint(pid > 0)", "print('once')")
    assert said == ["True\n", "once\n"]


def test_what_is_left_when_the_time_is_over_says_so(tmp_path: Path) -> None:
    said, _executor = run(
        tmp_path, "import time; time.sleep(1.5)", "print(1)", submission_seconds=1
    )
    assert said[1] == OVER
