"""Executing the cells of a submission, whatever they do.

A cell that goes beyond a limit is stopped.  One that ends the kernel costs nobody else: another
kernel is forked, in which the cells before it run again without it, and the rest goes on there.
"""

from __future__ import annotations

import asyncio
import copy
import shutil
import time
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_core.utils import ensure_async, run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, from_dict
from nbformat.validator import NotebookValidationError
from nbgrader.preprocessors import Execute
from traitlets import Enum, Integer

from .client import Client
from .i18n import _
from .provisioner import ZygoteProvisioner
from .zygote import ZygoteLostError

__all__ = ["DEAD", "OVER", "Executor", "error_of", "name_of", "new_output"]

_ATTEMPTS = 3
_PATIENCE = 2.0
"""Seconds for a kernel to come to itself after its cell was interrupted."""
DEAD = "DeadKernelError"
"""The name of the error in a cell that ended its kernel."""
OVER = "SubmissionTimeoutError"
"""The name of the error in a cell for which there was no time left."""


class Executor(Execute):  # type: ignore[misc]
    """Executes a submission within limits, and goes on when a cell ends the kernel."""

    submission_seconds = Integer(
        300, help="Wall time of a submission, in seconds; a cell's is the option timeout."
    ).tag(config=True)
    cell_output_kb = Integer(512, help="Output of a cell, in KB.").tag(config=True)
    submission_output_kb = Integer(4096, help="Output of a submission, in KB.").tag(config=True)

    # There is nothing in a student's kernel that would have to be wound up.
    shutdown_kernel = Enum(
        ["graceful", "immediate"], "immediate", help="How the kernel is stopped."
    ).tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: Any, km: Any = None
    ) -> tuple[NotebookNode, Any]:
        self._folder: Path | None = None
        self._env: dict[str, str] = {}
        for attempt in range(1, _ATTEMPTS + 1):
            self._begin()
            try:
                with self._around():
                    return super().preprocess(nb, resources, km)  # type: ignore[no-any-return]
            except (ZygoteLostError, RuntimeError) as error:
                # Not the student's fault: start again, with a new zygote. To nbclient, a kernel
                # whose zygote ends while it starts is one that “died before replying”.
                provisioner = getattr(self._manager, "provisioner", None)
                lost = isinstance(error, ZygoteLostError) or getattr(provisioner, "lost", False)
                if not lost or attempt == _ATTEMPTS:
                    raise
                for cell in nb.cells:
                    if cell.cell_type == "code":
                        cell.outputs, cell.execution_count = [], None
        raise AssertionError("The last attempt returns or raises.")

    def _around(self) -> Any:
        """Return the context in which the notebook is executed."""
        raise NotImplementedError

    def _begin(self) -> None:
        self._deadline = time.monotonic() + self.submission_seconds
        self._output_bytes = self._cell_bytes = 0
        self._silenced = False
        self._alive = True
        self._manager: Any = None
        self._culprits: dict[int, bool] = {}  # True: by what the cell had left running
        self._running: list[int] = []  # cells that left something running
        self._threading: list[int] = []  # those of them whose threads run on
        self._endless: set[int] = set()
        self._threads: int | None = None

    def create_kernel_manager(self) -> Any:
        km = self._manager = super().create_kernel_manager()
        km.client_factory = Client
        if self._folder is not None:
            # Sockets in a folder that only this user may enter; the default is ports open to all.
            km.transport = "ipc"
            km.ip = str(self._folder / "kernel")
        return km

    def _run(self, cell: NotebookNode, resources: Any, index: int) -> None:
        """Execute a cell; what keeps it from that is what its outputs say then."""
        if cell.cell_type != "code":
            return
        while time.monotonic() < self._deadline:
            try:
                if not self._replay(resources, index):
                    continue
                if index in self._culprits:
                    name, message = DEAD, _("The kernel died while this cell ran.")
                    break
                self._execute(cell, resources, index)
                return
            except DeadKernelError:
                self._bury(index)
        else:
            name = OVER
            message = _("The {seconds} seconds for the whole submission were over.").format(
                seconds=self.submission_seconds
            )
        cell.outputs = [new_output("error", ename=name, evalue=message, traceback=[message])]

    def _execute(self, cell: NotebookNode, resources: Any, index: int) -> None:
        self._cell_bytes, self._silenced = 0, False
        provisioner: Any = self.km.provisioner
        watched = isinstance(provisioner, ZygoteProvisioner)
        if watched and self._threads is None:
            self._threads = provisioner.tidy()[1]
        timeout = self.error_on_timeout
        try:
            super().preprocess_cell(cell, resources, index)
        except CellTimeoutError:  # It has not come to an end although it was interrupted.
            cell.outputs.append(new_output("error", **timeout))
        error = error_of(cell)
        if error is not None and error["ename"] == timeout["ename"]:
            self._endless.add(index)
            # Code may refuse to be interrupted, and then the next cells would wait in vain.
            self._alive = self._answers()
        if self._alive and watched:
            ended, threads = provisioner.tidy()
            if threads > (self._threads or 0):
                self._threading.append(index)
                self._threads = threads
            if ended or index in self._threading:
                self._running.append(index)

    def _on_new_kernel(self) -> None:
        """Note that a new kernel takes a dead one's place."""

    def _answers(self) -> bool:
        deadline = time.monotonic() + _PATIENCE
        asked = self.kc.kernel_info()
        while (left := deadline - time.monotonic()) > 0:
            try:
                reply = run_sync(self.kc.shell_channel.get_msg)(timeout=left)
            except Empty:
                break
            if reply["parent_header"].get("msg_id") == asked:
                return True
        return False

    def _bury(self, index: int) -> None:
        """Find out which cell it was that ended the kernel."""
        if getattr(self.km.provisioner, "lost", False):
            raise ZygoteLostError("The zygote ended while this cell ran.") from None
        self._alive = False
        suspects = [cell for cell in self._running if cell not in self._culprits]
        if suspects and index not in self._culprits:
            self._culprits[suspects[-1]] = True
        else:
            self._culprits[index] = False

    def _replay(self, resources: Any, upto: int) -> bool:
        """Bring a new kernel to where the dead one was, without the cells that are to blame.

        Returns:
            Whether there is a kernel now.
        """
        if self._alive:
            return True
        self._cleanup_kernel()
        self._threads = None
        if self._folder is not None:  # What was in the sandbox, where it has no file system.
            shutil.rmtree(self._folder / "tmp", ignore_errors=True)
        self.km = self.create_kernel_manager()
        self.start_new_kernel(env=self._env)
        self.start_new_kernel_client()
        self.wait_for_reply(self.kc.kernel_info())
        self._alive = True
        self._on_new_kernel()
        for index, cell in enumerate(self.nb.cells[:upto]):
            if index in self._culprits or index in self._endless or cell.cell_type != "code":
                continue
            if time.monotonic() > self._deadline:
                return False
            again = copy.deepcopy(cell)
            again.outputs = []
            try:
                self._execute(again, resources, index)
            except DeadKernelError:
                self._bury(index)
            if not self._alive:
                return False
        return True

    @property
    def deaths(self) -> list[str]:
        """What ended kernels, in sentences."""
        found = []
        for index, later in sorted(self._culprits.items()):
            name = name_of(self.nb.cells[index], index)
            if later:
                text = _(
                    "What the cell “{cell}” left running ended the kernel later; the other cells "
                    "were run in a new one, without this cell."
                )
            else:
                text = _(
                    "The cell “{cell}” ended the kernel; the other cells were run in a new one, "
                    "without this cell."
                )
            found.append(text.format(cell=name))
        return found

    def _get_timeout(self, cell: NotebookNode | None) -> int | None:
        timeout = super()._get_timeout(cell)
        left = max(1, round(self._deadline - time.monotonic()))
        return left if timeout is None else min(timeout, left)

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        """Take a message of the kernel's, which student code may have made up."""
        content = msg["content"]
        if "data" in content:
            content["data"] = _presentable(content["data"])
        if not isinstance(content.get("metadata", {}), dict):
            content["metadata"] = {}
        try:
            return super().process_message(msg, cell, cell_index)
        except (NotebookValidationError, KeyError, TypeError, AttributeError):
            return None  # It is none of Jupyter's.

    def output(self, outs: list[Any], msg: Any, display_id: str, cell_index: int) -> Any:
        """Collect a cell's output, up to what is allowed; then stop the cell."""
        if self._silenced:
            if time.monotonic() - self._interrupted > 1:  # Code can catch an interrupt, or lose it.
                self._interrupt()
            return None
        size = len(str(msg["content"]))
        self._cell_bytes += size
        self._output_bytes += size
        over_cell = self._cell_bytes > 1024 * self.cell_output_kb
        if not over_cell and self._output_bytes <= 1024 * self.submission_output_kb:
            return super().output(outs, msg, display_id, cell_index)
        self._silenced = True
        message = _("The output was cut here: a cell may print {cell} KB, all of them {all} KB.")
        text = message.format(cell=self.cell_output_kb, all=self.submission_output_kb)
        notice = new_output("stream", name="stdout", text=f"\n{text}\n")
        outs.append(notice)
        self._interrupt()
        return notice

    def _interrupt(self) -> None:
        """Interrupt the cell: what prints without end would go on until the time is over."""
        self._interrupted = time.monotonic()
        self._interruption = asyncio.ensure_future(ensure_async(self.km.interrupt_kernel()))


def name_of(cell: NotebookNode, index: int) -> str:
    """Name a cell for people: by its ``grade_id``, or else by its place."""
    grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
    return str(grade_id or _("number {number}").format(number=index + 1))


def error_of(cell: NotebookNode) -> dict[str, str] | None:
    """Return the name and the text of the error that ended a cell, if one did."""
    errors = [found for found in cell.outputs if found.output_type == "error"]
    return {"ename": errors[-1].ename, "evalue": errors[-1].evalue} if errors else None


def _presentable(data: Any) -> dict[str, Any]:
    """Keep of an output, which code can make up, what a page can show."""
    given = data if isinstance(data, dict) else {}
    shown = {
        str(kind): value
        for kind, value in given.items()
        if isinstance(value, str) or str(kind).endswith("json")
    }
    return {"text/plain": "", **shown}


def new_output(output_type: str, **fields: Any) -> NotebookNode:
    """Make a cell's output; nbformat would validate it now, and again when it is written."""
    made: NotebookNode = from_dict({"output_type": output_type, **fields})
    return made
