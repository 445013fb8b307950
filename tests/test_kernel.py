"""The sandboxed kernel, half of which is made before the fork, behaves as any other."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbclient
import pytest
from jupyter_client import AsyncKernelClient, BlockingKernelClient, KernelManager
from nbformat.v4 import new_code_cell, new_notebook

from autograder.client import Client
from autograder.provisioner import SANDBOX_KERNEL
from autograder.zygote import available

pytestmark = pytest.mark.skipif(not available(), reason="a zygote needs Linux")

PATIENCE = 30.0  # seconds on a busy machine; no test takes so long
Message = dict[str, Any]
Run = Callable[..., list[Message]]


@contextlib.contextmanager
def kernel(folder: Path) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    manager = KernelManager(kernel_name=SANDBOX_KERNEL)
    manager.start_kernel(cwd=str(folder))
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingKernelClient]:
    """Return a client of a kernel that the tests of this module share."""
    with kernel(tmp_path_factory.mktemp("files")) as (_manager, client):
        yield client


@pytest.fixture
def run(client: BlockingKernelClient) -> Run:
    """Return a function that runs a cell and lists its outputs."""

    def run(code: str, **options: Any) -> list[Message]:
        told: list[Message] = []

        def hook(message: Message) -> None:
            if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
                told.append({"type": message["msg_type"], **message["content"]})

        client.execute_interactive(code, output_hook=hook, timeout=PATIENCE, **options)
        return told

    return run


def texts(told: list[Message], name: str = "stdout") -> str:
    """Join what a cell has printed."""
    return "".join(one["text"] for one in told if one["type"] == "stream" and one["name"] == name)


def test_printing(run: Run) -> None:
    assert texts(run("print('a', 'b')\nprint('ü€')")) == "a b\nü€\n"
    assert texts(run("import os; os.write(1, b'')")) == ""


def test_a_figure_is_shown_inline(run: Run) -> None:
    told = run("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    [figure] = [one for one in told if one["type"] == "display_data"]
    assert figure["data"]["image/png"].startswith("iVBOR")


def test_a_traceback_shows_the_students_lines(run: Run) -> None:
    [error] = run("def f():\n    return 1 / 0\n\nf()")
    assert (error["type"], error["ename"]) == ("error", "ZeroDivisionError")
    lines = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error["traceback"]))
    assert "return 1 / 0" in lines
    assert "----> 4 f()" in lines
    assert "zygote" not in lines


def test_results_are_numbered_and_kept(run: Run) -> None:
    [first] = run("6 * 7")
    count = first["execution_count"]
    assert first["data"] == {"text/plain": "42"}
    assert run("_ + 1")[0]["data"] == {"text/plain": "43"}
    assert run(f"Out[{count}], _{count}, In[{count}]")[0]["data"] == {
        "text/plain": "(42, 42, '6 * 7')"
    }


def test_magics(run: Run) -> None:
    assert "per loop" in texts(run("%timeit -n 1 -r 1 1 + 1"))
    assert run("%%capture kept\nprint('caught')\n1") == []
    assert texts(run("print(kept.stdout, end='')")) == "caught\n"
    assert "kept" in texts(run("%who"))
    assert run("%no_such_magic")[0]["type"] in ("stream", "error")
    assert texts(run("%pwd\nprint(_)")).strip() != ""
    assert texts(run("!echo said")).strip() == "said"
    assert texts(run("%%bash\necho $((1 + 1))")).strip() == "2"


def test_input_is_a_clean_error(run: Run) -> None:
    told = run("input('your name? ')", allow_stdin=False)
    assert told[-1]["ename"] == "StdinNotImplementedError"
    assert texts(run("print('goes on')")) == "goes on\n"


def test_completion_and_help(client: BlockingKernelClient, run: Run) -> None:
    run("some_name = 1")
    for code, expected in (("some_na", "some_name"), ("%timei", "%timeit")):
        content = client.complete(code, reply=True, timeout=PATIENCE)["content"]
        assert content["status"] == "ok"
        assert any(match.endswith(expected) for match in content["matches"]), content
    content = client.inspect("len", reply=True, timeout=PATIENCE)["content"]
    assert "number of items" in content["data"]["text/plain"]


def test_kernel_info(client: BlockingKernelClient) -> None:
    content = client.kernel_info(reply=True, timeout=PATIENCE)["content"]
    assert content["implementation"] == "ipython"
    assert content["language_info"]["name"] == "python"


def test_await_at_the_top_level(run: Run) -> None:
    told = run("import asyncio\nawait asyncio.sleep(0, result=5)")
    assert told[0]["data"] == {"text/plain": "5"}
    code = (
        "x = []\nasync def later():\n    x.append(1)\nt = asyncio.create_task(later())\nawait t; x"
    )
    assert run(code)[0]["data"] == {"text/plain": "[1]"}


def test_warnings_go_to_stderr(run: Run) -> None:
    told = run("import sys, warnings\nwarnings.warn('careful')\nprint('said', file=sys.stderr)")
    assert "UserWarning: careful" in texts(told, "stderr")
    assert texts(told, "stderr").endswith("said\n")
    assert texts(told) == ""


def test_many_outputs_arrive_whole_and_in_order(run: Run) -> None:
    told = run("for i in range(300): print(i); display(i)\nprint('x' * 1_000_000)")
    shown = [one["data"]["text/plain"] for one in told if one["type"] == "display_data"]
    assert shown == [str(i) for i in range(300)]
    assert texts(told) == "".join(f"{i}\n" for i in range(300)) + "x" * 1_000_000 + "\n"


def test_displays_are_updated(run: Run, client: BlockingKernelClient) -> None:
    told = run("handle = display('first', display_id=True)")
    assert told[0]["transient"]["display_id"]
    assert run("display({'text/html': '<b>b</b>'}, raw=True)")[0]["data"] == {
        "text/html": "<b>b</b>"
    }


def test_output_of_threads_and_children_is_no_error(run: Run) -> None:
    start = "from threading import Thread\nt = Thread(target=print, args=('thread',))\n"
    code = f"{start}t.start()\nt.join()"
    assert texts(run(code)) == "thread\n"
    assert run("import subprocess; subprocess.run(['true']).returncode")[0]["data"] == {
        "text/plain": "0"
    }


def test_variables_of_the_zygote_are_not_seen(run: Run) -> None:
    names = texts(run("print(sorted(n for n in globals() if not n.startswith('_')))"))
    for name in ("app", "jail", "request", "kernel", "server"):
        assert f"'{name}'" not in names
    assert texts(run("print(__name__)")) == "__main__\n"
    assert texts(run("import sys; print(sys.argv[0])")).strip() == "ipykernel_launcher"


@pytest.mark.parametrize("code", ["exit()", "quit()"])
def test_the_kernel_stays_for_the_cells_below(run: Run, code: str) -> None:
    assert "exit() has no effect" in texts(run(code))
    assert texts(run("print(1)")) == "1\n"


CELLS = [
    "import numpy as np, torch, warnings\nprint('text')\nx = 6 * 7\nx",
    "import sys; print('to stderr', file=sys.stderr)",
    "torch.arange(6.0).reshape(2, 3)",
    "import matplotlib.pyplot as plt\nfig, ax = plt.subplots(figsize=(1, 1))\nax.plot([1, 2]);",
    "from IPython.display import HTML, Markdown\ndisplay(HTML('<b>b</b>'))\nMarkdown('*m*')",
    "def f(x):\n    return x / 0\n\nf(1)",
    "raise KeyError('k')",
    "for",
    "%%capture out\nprint(1)",
    "out.stdout, In[1][:6], Out[1], _",
    "await __import__('asyncio').sleep(0, result=5)",
    "input()",
    "print(open('data.txt').read()); import beside; beside.answer",
    "%precision 3",
    "3.14159",
    "%who_ls",
]


def executed(folder: Path, kernel: str, client: Any) -> str:
    """Execute the cells, and return all that the notebook keeps of it."""
    nb = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    options = {"timeout": 60, "allow_errors": True, "resources": {"metadata": {"path": folder}}}
    run = nbclient.NotebookClient(nb, kernel_name=kernel, **options)
    run.create_kernel_manager().client_factory = client
    run.execute()
    assert nb.metadata.language_info.pop("name") == "python"
    found = [(cell.execution_count, cell.outputs) for cell in nb.cells]
    # Where a cell is compiled to differs from process to process.
    return re.sub(r"(ipykernel_\d+[/\\])?\d+\.py|0x[0-9a-f]+", "", repr(found))


def test_a_notebook_has_the_same_outputs_with_any_kernel_and_client(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("data")
    (tmp_path / "beside.py").write_text("answer = 42")
    expected = executed(tmp_path, "python3", AsyncKernelClient)
    for kernel, client in (
        ("python3", Client),
        (SANDBOX_KERNEL, AsyncKernelClient),
        (SANDBOX_KERNEL, Client),
    ):
        assert executed(tmp_path, kernel, client) == expected, (kernel, client)
