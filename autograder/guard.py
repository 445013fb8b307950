"""Keeps student code from looking behind the check that runs beside it, in the same process.

Python tells an audit hook (PEP 578) of whatever leads to frames, to all objects there are, or to
memory.  A hook cannot be removed, so it says no to code of the student's, and lets libraries work.
What Python does not tell of, :mod:`autograder.integrity` looks for in the source.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from threading import get_ident
from types import FrameType
from typing import Any

__all__ = ["GuardError", "install"]

_PATHS = sysconfig.get_paths()
_LIBRARIES = (_PATHS["purelib"], _PATHS["platlib"], str(Path(__file__).parent))
# Libraries may lie below this.
_STDLIB = (_PATHS["stdlib"], _PATHS["platstdlib"], str(Path(sysconfig.__file__).parent), "<frozen ")

# The standard library's own functions that hand out frames, or what is in them.
_GIVING = frozenset(
    {
        "_task_get_stack",
        "currentframe",
        "get_stack",
        "getasyncgenlocals",
        "getcoroutinelocals",
        "getframeinfo",
        "getgeneratorlocals",
        "getinnerframes",
        "getouterframes",
        "set_trace",
        "stack",
        "trace",
        "walk_stack",
        "walk_tb",
    }
)
_FRAMES = frozenset(["tb_frame", "gi_frame", "cr_frame", "ag_frame"])
_CODE = frozenset(["__code__", "__defaults__", "__kwdefaults__"])
_NEVER = frozenset(
    {
        "code.__new__",
        "function.__new__",
        "gc.get_objects",
        "gc.get_referents",
        "gc.get_referrers",
        "marshal.loads",
        "sys._current_exceptions",
        "sys._current_frames",
        "sys.addaudithook",
        "sys.setprofile",
        "sys.settrace",
    }
)
# What is forbidden is forbidden in one process, so an answer must come from there.
_ELSEWHERE = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "subprocess.Popen",
    }
)
_WATCHED = (
    _NEVER | _ELSEWHERE | {"compile", "object.__getattr__", "object.__setattr__", "sys._getframe"}
)


playing = 0
"""How many checks are under way in which a student's object answers."""


class GuardError(RuntimeError):
    """Student code has reached for what it may not see while it is graded."""


def install() -> None:
    """Guard this process from now on, and what is forked from it."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _WATCHED and not event.startswith("ctypes."):
        return
    if _busy.get(get_ident()):
        return  # The hook itself asks for a frame.
    _busy[get_ident()] = True
    try:
        caller = sys._getframe(1)
    finally:
        del _busy[get_ident()]
    if _is_denied(event, arguments, caller):
        raise GuardError(f"Python's {event} is closed to code that is being graded.")


_busy: dict[int, bool] = {}


def _is_denied(event: str, arguments: tuple[Any, ...], caller: FrameType) -> bool:
    if event in ("object.__getattr__", "object.__setattr__"):
        wanted = arguments[1] in (_FRAMES if event == "object.__getattr__" else _CODE)
        return bool(wanted) and _gets_it(caller)
    if event == "sys._getframe":
        return _gets_it(caller)
    if event in _ELSEWHERE and not playing:
        return False
    if event in ("sys.settrace", "sys.setprofile"):
        return not caller.f_code.co_filename.startswith(_LIBRARIES)  # A thread's has no student.
    if event == "compile":
        return _is_disguised(*arguments) and _is_on_behalf_of_a_student(caller)
    return _is_on_behalf_of_a_student(caller)


def _is_students(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith((*_STDLIB, *_LIBRARIES))


def _gets_it(frame: FrameType) -> bool:
    """Tell whether student code gets a frame, or is it just a library that looks at one?"""
    if _is_students(frame):
        return True
    if frame.f_code.co_name == "<lambda>" and frame.f_back:  # as logging's is
        return _is_students(frame.f_back)
    return frame.f_code.co_name in _GIVING and _is_on_behalf_of_a_student(frame, same=True)


def _is_on_behalf_of_a_student(frame: FrameType | None, *, same: bool = False) -> bool:
    """Tell whose code called the standard library.

    Args:
        frame: where to begin.
        same: whether only its own file counts as the standard library.
    """
    own = frame.f_code.co_filename if frame and same else None
    while frame is not None and _is_skipped(frame.f_code.co_filename, own):
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return False  # A module of its own is being imported.
        frame = frame.f_back
    return frame is not None and _is_students(frame)


def _is_skipped(filename: str, own: str | None) -> bool:
    if own is not None:
        return filename == own
    return filename.startswith(_STDLIB) and not filename.startswith(_LIBRARIES)


def _is_disguised(source: Any, filename: Any) -> bool:
    """Tell whether code that is not a library's would pass for a library's."""
    if isinstance(filename, bytes):
        filename = filename.decode(errors="replace")
    if not isinstance(filename, str) or not filename.startswith((*_STDLIB, *_LIBRARIES)):
        return False
    try:
        text = Path(filename).read_bytes()
    except (OSError, ValueError):
        return True
    return source is not None and text != (source.encode() if isinstance(source, str) else source)
