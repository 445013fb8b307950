"""A client waits as nbclient asks it to, whatever the kernel does meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nbclient
import pytest
from broken import SEGFAULT
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

from autograder.client import Client
from autograder.provisioner import SANDBOX_KERNEL
from autograder.zygote import available

pytestmark = pytest.mark.skipif(not available(), reason="a zygote needs Linux")

KERNELS = pytest.mark.parametrize("kernel", ["python3", SANDBOX_KERNEL])
SOON = 20.0  # seconds on a busy machine


def execute(folder: Path, kernel: str, *cells: str, **options: Any) -> list[Any]:
    """Execute cells, and list their outputs."""
    nb = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    options = {"timeout": 60, "resources": {"metadata": {"path": str(folder)}}, **options}
    run = nbclient.NotebookClient(nb, kernel_name=kernel, **options)
    run.create_kernel_manager().client_factory = Client
    run.execute()
    return [cell.outputs for cell in nb.cells]


def text(outputs: list[Any]) -> str:
    return "".join(output.get("text", "") for output in outputs)


@KERNELS
def test_a_cell_that_takes_too_long_is_interrupted(tmp_path: Path, kernel: str) -> None:
    cells = ("while True: pass", "while True: print('x' * 100)", "print('goes on')")
    options = {"timeout": 2, "interrupt_on_timeout": True, "allow_errors": True}
    started = time.monotonic()
    silent, loud, after = execute(tmp_path, kernel, *cells, **options)
    assert time.monotonic() - started < SOON
    assert silent[-1].ename == loud[-1].ename == "KeyboardInterrupt"
    assert text(after) == "goes on\n"


def test_a_cell_that_takes_too_long_raises_if_it_should(tmp_path: Path) -> None:
    with pytest.raises(CellTimeoutError):
        execute(tmp_path, SANDBOX_KERNEL, "import time; time.sleep(60)", timeout=1)


@KERNELS
@pytest.mark.parametrize("death", ["import os; os._exit(1)", SEGFAULT])
def test_a_dead_kernel_is_noticed_at_once(tmp_path: Path, kernel: str, death: str) -> None:
    started = time.monotonic()
    with pytest.raises(DeadKernelError):
        execute(tmp_path, kernel, death)
    assert time.monotonic() - started < SOON


@KERNELS
def test_large_outputs_arrive_whole(tmp_path: Path, kernel: str) -> None:
    code = "from IPython.display import HTML\nprint('a' * 2_000_000)\nHTML('b' * 2_000_000)"
    [outputs] = execute(tmp_path, kernel, code)
    assert text(outputs) == "a" * 2_000_000 + "\n"
    assert outputs[-1].data["text/html"] == "b" * 2_000_000


@KERNELS
def test_outputs_of_threads_and_of_the_system_are_kept(
    tmp_path: Path, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # An ordinary kernel would leave descriptors alone.
    thread = "from threading import Thread\nt = Thread(target=print, args=('thread',))\n"
    system = "import os, time\nos.write(1, b'system\\n'); time.sleep(0.5)"
    outputs = execute(tmp_path, kernel, f"{thread}t.start(); t.join()", system)
    assert [text(one) for one in outputs] == ["thread\n", "system\n"]


def test_a_child_process_does_not_get_in_between(tmp_path: Path) -> None:
    child = "print('child' * 100, flush=True)\n    os._exit(0)"
    fork = f"import os\nif os.fork() == 0:\n    {child}\nos.wait();"
    outputs = execute(tmp_path, SANDBOX_KERNEL, fork, "print('after')")
    assert [text(one) for one in outputs] == ["", "after\n"]


def test_what_was_printed_before_a_kernel_died_is_kept(tmp_path: Path) -> None:
    print_and_die = "import os, time\nprint('first'); time.sleep(0.5); print('then'); os._exit(1)"
    cell = new_code_cell(print_and_die)
    options = {"timeout": 60, "resources": {"metadata": {"path": str(tmp_path)}}}
    run = nbclient.NotebookClient(new_notebook(cells=[cell]), kernel_name=SANDBOX_KERNEL, **options)
    run.create_kernel_manager().client_factory = Client
    with pytest.raises(DeadKernelError):
        run.execute()
    assert "first" in text(run.nb.cells[0].outputs)


@pytest.mark.parametrize("code", ["exit()", "quit()"])
def test_the_kernel_stays_for_the_cells_below(tmp_path: Path, code: str) -> None:
    cells = execute(tmp_path, SANDBOX_KERNEL, code, "print(1)", timeout=10)
    assert "exit() has no effect" in text(cells[0])
    assert text(cells[1]) == "1\n"


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    def open_ones() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    execute(tmp_path, SANDBOX_KERNEL, "1")
    before = open_ones()
    for _ in range(3):
        execute(tmp_path, SANDBOX_KERNEL, "1")
    assert open_ones() <= before + 1
