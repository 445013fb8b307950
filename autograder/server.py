"""The referee's end of the wire while a class is graded: one server for each kernel."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Client, Listener
from pathlib import Path
from types import TracebackType

from .answer import Answer, Failure
from .case import Case
from .loader import find_spec
from .referee import interpreted, judge
from .scratch import folder
from .verdict import Verdict
from .wire import Wire, WireError, answer_from_wire, case_to_wire, hidden

__all__ = ["RefereeServer", "Window"]

_POLL = 0.05


class _Closed(Exception):
    """The window closed before the kernel answered."""


class Window:
    """The time during which one grade cell runs, and the verdicts reached in it.

    Args:
        questions: the questions that the instructor's copy of the cell checks.
    """

    def __init__(self, questions: list[str]) -> None:
        self.questions = questions
        """The only questions that are answered in this window, each once."""
        self.verdicts: dict[str, Verdict] = {}
        """The verdicts by question; what is missing here was not decided."""
        self.error: Exception | None = None
        """What is wrong with the course, if a question could not be judged for that reason."""
        self.closed = threading.Event()
        """Set when the cell has ended; nothing that comes later counts."""


class RefereeServer:
    """Decides on the questions that one kernel asks, but only in the window of a grade cell.

    Use it as a context manager; :attr:`address` goes to the kernel in its environment.

    Args:
        folder: the assignment's folder on the instructor's side, with its ``checks.py``.
        seed_of: gives the secret seed of a question.
    """

    def __init__(self, folder: Path, seed_of: Callable[[str], int]) -> None:
        self._folder = folder
        self._seed_of = seed_of
        self._key = secrets.token_bytes(32)
        self._window: Window | None = None
        self._begun: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def __enter__(self) -> RefereeServer:
        # A folder that only this user may enter, so that only this user's processes can connect.
        self._folder_of_sockets = folder()
        self._listener = Listener(str(self.scratch / "wire"), family="AF_UNIX")
        self._thread = threading.Thread(target=self._serve, name="referee", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        exc_traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        with suppress(OSError):
            # Wakes the thread, should it wait for a connection.
            Client(str(self._listener.address)).close()
        self._thread.join()
        self._listener.close()
        self._folder_of_sockets.cleanup()

    @property
    def scratch(self) -> Path:
        """A folder that only this user may enter, removed when the server ends."""
        return Path(self._folder_of_sockets.name)

    @property
    def address(self) -> str:
        """Where the kernel connects, and the key without which it is not heard."""
        return f"{self._key.hex()}@{self._listener.address}"

    @contextmanager
    def window(self, questions: list[str]) -> Iterator[Window]:
        """Answer the given questions, once each, until the ``with`` block ends."""
        window = Window(questions)
        with self._lock:
            self._window = window
        try:
            yield window
        finally:
            with self._lock:
                self._window = None
                window.closed.set()

    def forgive(self) -> None:
        """Let a new kernel be asked what the last one has not come to answer.

        The same kernel is not asked twice: it knows the cases by then.
        """
        with self._lock:
            self._begun.clear()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                connection = self._listener.accept()
            except OSError:
                continue
            with connection, suppress(OSError, EOFError, WireError, _Closed):
                wire = Wire(connection, hidden(self._key), referee=True)
                while True:
                    self._answer(wire)

    def _answer(self, wire: Wire) -> None:
        while not wire.poll(_POLL):
            if self._stopping.is_set():
                raise EOFError
        message = wire.receive()
        question = str(message.get("ask")) if isinstance(message, dict) else ""
        with self._lock:
            window = self._window
            done = {*window.verdicts, *self._begun} if window else set()
            if window is None or question not in window.questions or question in done:
                window = None
            else:
                self._begun.add(question)
        if window is None:
            wire.send({"closed": True})
            return
        closed = window.closed

        def player(case: Case) -> Answer:
            wire.send({"case": case_to_wire(case)})
            while not wire.poll(_POLL):
                if closed.is_set() or self._stopping.is_set():
                    raise _Closed
            try:
                return answer_from_wire(wire.receive())
            except WireError as error:
                return Answer(failure=Failure("WireError", str(error)))

        try:
            spec = find_spec(self._folder, question)
            seed = self._seed_of(question)
            verdict = judge(spec, seed, interpreted(spec, player, remarks=True), public=False)
        except (_Closed, OSError, EOFError):
            raise
        except Exception as error:
            # The course's fault or ours: grading stops with it, and no student pays for it.
            window.error = error
            wire.send({"closed": True})
            return
        with self._lock:
            if window.closed.is_set():
                raise _Closed
            window.verdicts[question] = verdict
        # What is meant for the instructor stays on this side.
        wire.send({"verdict": replace(verdict, remarks=()).to_json()})
