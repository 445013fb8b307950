"""``check``: the student's whole interface."""

from __future__ import annotations

import os
import textwrap
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from .answer import Answer, Failure, play
from .card import mark_shown, show
from .case import Case
from .errors import AutograderError
from .forbidden import Ban
from .i18n import _
from .imports import IMPORTS_VARIABLE, restrict
from .loader import find_spec, load_specs
from .referee import interpreted, judge
from .seeds import public_seed
from .spec import Spec
from .verdict import Verdict
from .wire import (
    Address,
    Wire,
    WireError,
    answer_from_wire,
    answer_to_wire,
    case_from_wire,
    case_to_wire,
    decode,
    encode,
)

__all__ = ["WIRE_VARIABLE", "CheckFailed", "check", "here", "seen", "settle"]

WIRE_VARIABLE = "AUTOGRADER_WIRE"
"""The environment variable that holds the referee's address while a class is graded."""

_folder: Path
_referee: Address | None
_specs: dict[str, Spec] = {}
_wire: Wire | None = None
_seen: dict[str, Verdict] = {}


def settle() -> None:
    """Note where this process is and who grades it, before any code of a student's runs.

    The working directory is the assignment's folder, though a cell may change it later, or delete
    the specs in it.  The referee's address is taken out of the environment, where that code would
    find it, and so is what may be imported.
    """
    global _folder, _referee, _specs
    _folder = Path.cwd()
    given = os.environ.pop(WIRE_VARIABLE, None)
    _referee = Address(given) if given else None
    _specs = {}
    if _referee:
        with suppress(AutograderError):
            _specs = load_specs(_folder)
    told = os.environ.pop(IMPORTS_VARIABLE, None)
    if told is not None:
        restrict(told)


settle()


def here() -> Path:
    """The assignment's folder: the working directory when this process began."""
    return _folder


def seen() -> dict[str, Verdict]:
    """The last verdict on each question that was checked in this process."""
    return dict(_seen)


class CheckFailed(AssertionError):
    """Tells nbgrader's own validation that a check did not pass."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks for this: the student needs the message, not the way through our code.
        # nbgrader validate cuts lines off at 90 columns.
        return textwrap.wrap(f"{type(self).__name__}: {self}", 80)


def check(question: str, obj: Any) -> Verdict:
    """Check your answer to a question against torch, and show what is right or wrong.

    Args:
        question: the question's name, as the notebook gives it: ``"lstm_cell"``.
        obj: your function or class itself, not its result: ``lstm_cell``, not ``lstm_cell(...)``.

    Returns:
        The verdict, with ``passed``, ``points``, ``reason`` and ``misconception``.

    Raises:
        CheckFailed: only under ``nbgrader validate``, which counts a cell as failed if it raises.
    """
    try:
        spec = _specs.get(question) or find_spec(_folder, question)
        graded = _ask_referee(spec, obj)
        if graded is not None:
            mark_shown(graded)  # The referee puts the card under the cell itself.
            return graded
        player = interpreted(spec, partial(_play_locally, spec, obj))
        verdict = judge(spec, public_seed(question), player, public=True)
    except AutograderError as error:
        verdict = Verdict.undecided(question, str(error))
    _seen[question] = verdict
    show(verdict)
    if not verdict.passed and not _referee and os.environ.get("NBGRADER_EXECUTION"):
        # Stock nbgrader reads marks from a cell's outputs, and knows failure by an exception.
        raise CheckFailed(f"{verdict.question}: {verdict.hint or verdict.reason}")
    return verdict


def _play_locally(spec: Spec, obj: Any, case: Case) -> Answer:
    """Answer a case through the wire's own encoding, so that practice and grading agree."""
    received = case_from_wire(decode(encode(case_to_wire(case))))
    return answer_from_wire(decode(_packed(play(spec, obj, received))))


def _packed(answer: Answer) -> bytes:
    try:
        return encode(answer_to_wire(answer))
    except WireError as error:
        message = _("Your answer cannot be compared: {error}").format(error=error)
        failure = Failure("WireError", message)
        return encode(answer_to_wire(Answer(failure=failure)))


def _ask_referee(spec: Spec, obj: Any) -> Verdict | None:
    """Let the referee at the far end of the wire decide.

    Returns:
        Its verdict, or ``None`` if nobody grades, or if this cell is not one that is graded.
    """
    global _wire
    if not _referee:
        return None
    try:
        if _wire is None:
            _wire = _referee.connect()
        # From before a case arrives until after it is answered: whatever of the student's code
        # may run meanwhile, and be it by a trick, is under the ban.
        with Ban(spec.forbids) as ban:
            _wire.send({"ask": spec.name})
            while "case" in (message := _wire.receive()):
                answer = play(spec, obj, case_from_wire(message["case"]), ban)
                _wire.send_frame(_packed(answer))
        return Verdict.from_json(message["verdict"]) if "verdict" in message else None
    except (OSError, EOFError, WireError, KeyError, TypeError, ValueError) as error:
        _hang_up()
        # Not the error's text: whatever might be asked for it, the ban is over.
        reason = _("The referee cannot be reached: {error}").format(error=type(error).__name__)
        return Verdict.undecided(spec.name, reason, title=spec.title, max_points=spec.points)
    except BaseException:
        _hang_up()
        raise


def _hang_up() -> None:
    """End what was under way; the next check begins with a connection of its own."""
    global _wire
    if _wire is not None:
        _wire.close()
        _wire = None
