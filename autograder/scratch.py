"""Folders for sockets and work in progress, of which nothing is left behind.

A process has one scratch home, which its children share; all other folders are made inside.  The
home is locked by whoever uses it.  Its owner removes it in the end; if the owner is killed, the
zygote does; and should that be killed too, the next run does.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from .errors import AutograderError

try:
    import fcntl
except ImportError:  # Windows has no locks of this kind, and no zygote that might need them.
    fcntl = None  # type: ignore[assignment]

__all__ = ["discard", "folder", "home", "sweep"]

PREFIX = "autograder-"
_LONGEST = 70  # A Unix socket's path has 107 bytes at most; a folder and a name come on top.
_GRACE = 60.0  # Seconds between making a home and locking it, and then some.

_home: Path | None = None


def home() -> Path:
    """Return this process's scratch home, made at the first call.

    Raises:
        AutograderError: if it cannot be made; the message says where and what to do.
    """
    global _home
    if _home is None:
        sweep()
        try:
            made = Path(tempfile.mkdtemp(prefix=PREFIX))
        except OSError as error:
            raise AutograderError(
                f"No scratch folder can be made in {_place()}: {error.strerror or error}. "
                "Set TMPDIR to a folder that you may write to and that has free space."
            ) from None
        if len(os.fsencode(made)) > _LONGEST:
            made.rmdir()
            raise AutograderError(
                f"The path of the scratch folder {made} is too long for sockets: "
                "set TMPDIR to a shorter one, such as /tmp."
            )
        made.chmod(0o711)  # A kernel that runs as another user must reach its own folder inside.
        lock = None
        if fcntl is not None:
            lock = os.open(made, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)  # Held until the last process that inherits it ends.
        _home = made
        atexit.register(_leave, made, lock, os.getpid())
    return _home


def _place() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return os.environ.get("TMPDIR") or "/tmp"


def _leave(path: Path, lock: int | None, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder in the scratch home that only this user may enter, as a context manager.

    Raises:
        AutograderError: if it cannot be made.
    """
    inside = home()
    try:
        return tempfile.TemporaryDirectory(dir=inside, ignore_cleanup_errors=True)
    except OSError as error:
        raise AutograderError(
            f"No folder can be made in {inside}: {error.strerror or error}."
        ) from None


def discard(path: Path, patience: float = 0.0) -> None:
    """Remove a scratch home that nobody uses any more.

    Args:
        path: the home.
        patience: for how many seconds to wait until the last user is gone.
    """
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            deadline = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        return
                    time.sleep(0.05)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)


def sweep() -> None:
    """Remove the scratch homes of runs that were killed with all their processes."""
    if fcntl is None:
        return
    for path in Path(_place()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            state = path.lstat()
            if os.getuid() in (0, state.st_uid) and time.time() - state.st_mtime > _GRACE:
                discard(path)
