"""Folders of which nothing is left behind: where they are, who removes them, and when."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder import scratch
from autograder.errors import AutograderError

fcntl = pytest.importorskip("fcntl", reason="Windows has no locks of this kind")

OLD = 3600.0  # seconds, well beyond any grace


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Let homes be made in a short folder of this test's own, and forget the real home."""
    with tempfile.TemporaryDirectory(prefix="place-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.setattr(scratch, "_home", None)
        monkeypatch.setattr(scratch.atexit, "register", lambda *arguments: None)
        yield Path(folder)


def abandon(place: Path, name: str = "autograder-old", age: float = OLD) -> Path:
    """Leave a home behind, as a process that was killed long ago would."""
    home = place / name
    (home / "inner").mkdir(parents=True)
    (home / "inner" / "file").write_text("left")
    os.utime(home, (time.time() - age, time.time() - age))
    return home


def locked(path: Path) -> Iterator[int]:
    """Hold a home's lock, as a process that uses it would."""
    lock = os.open(path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield lock
    os.close(lock)


SCRIPT = """
import json, os, sys
from autograder.scratch import folder, home

made = home()
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.write(write, str(home()).encode())
    sys.exit()  # with the functions of atexit, unlike os._exit
os.waitpid(child, 0)
told = os.read(read, 1000).decode()
inner = folder()
modes = [oct(os.stat(path).st_mode & 0o777) for path in (made, inner.name)]
print(json.dumps([str(made), str(home()), told, os.path.dirname(inner.name), modes,
                  os.path.isdir(inner.name)]))
inner.cleanup()
"""


def test_one_home_is_shared_by_forked_children_and_removed_in_the_end(place: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        env={**os.environ, "TMPDIR": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    made, again, in_child, parent_of_folder, modes, alive = json.loads(run.stdout)
    assert Path(made).parent == place
    assert made == again == in_child == parent_of_folder
    assert modes == ["0o711", "0o700"], "others may pass through, and not look around"
    assert alive, "the child's end must not remove what is its parent's"
    assert list(place.iterdir()) == []
    assert run.stderr == ""


def test_the_home_is_locked_while_it_is_used(place: Path) -> None:
    home = scratch.home()
    os.utime(home, (time.time() - OLD, time.time() - OLD))
    scratch.discard(home)
    scratch.sweep()
    assert home.is_dir()


def test_a_folder_that_does_not_exist_is_refused_in_one_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "missing"))
    with pytest.raises(AutograderError) as refused:
        scratch.home()
    assert f"in {place / 'missing'}: No such file or directory. Set TMPDIR" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.__suppress_context__, "the message is enough"


def test_no_usable_folder_at_all_is_refused_in_one_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = str(place / "nowhere")
    monkeypatch.setenv("TMPDIR", nowhere)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [nowhere])
    with pytest.raises(AutograderError, match=f"in {nowhere}: .*Set TMPDIR to a folder"):
        scratch.home()


def test_a_folder_that_may_not_be_written_to_is_refused_in_one_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        readonly = Path("/proc")  # root may write to any folder of an ordinary file system
        if not readonly.is_dir():
            pytest.skip("root may write to all folders here")
    else:
        readonly = place / "readonly"
        readonly.mkdir(mode=0o500)
    monkeypatch.setattr(tempfile, "tempdir", str(readonly))
    with pytest.raises(AutograderError, match=rf"made in {readonly}: .+\. Set TMPDIR to a folder"):
        scratch.home()


def test_a_path_too_long_for_sockets_is_refused_and_nothing_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = place / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(AutograderError, match="too long for sockets: set TMPDIR to a shorter one"):
        scratch.home()
    assert list(long.iterdir()) == []


def test_bytes_count_in_a_path_not_letters(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = place / ("長" * 15)  # 45 bytes
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(AutograderError, match="too long"):
        scratch.home()


def test_a_folder_in_a_home_that_is_gone_is_refused_in_one_sentence(place: Path) -> None:
    home = scratch.home()
    home.rmdir()
    with pytest.raises(AutograderError, match=f"No folder can be made in {home}: No such file"):
        scratch.folder()


def test_sweeping_removes_what_was_abandoned_and_nothing_else(place: Path) -> None:
    old = abandon(place)
    young = abandon(place, "autograder-young", age=0)
    foreign = abandon(place, "other")
    used = abandon(place, "autograder-used")
    holder = locked(used)
    next(holder)
    scratch.sweep()
    assert not old.exists()
    assert young.is_dir(), "it may have been made by somebody who has not locked it yet"
    assert foreign.is_dir()
    assert (used / "inner" / "file").exists()
    next(holder, None)
    scratch.sweep()
    assert not used.exists()


def test_making_a_home_sweeps_first(place: Path) -> None:
    old = abandon(place)
    assert scratch.home().is_dir()
    assert not old.exists()


def test_sweeping_follows_no_link(place: Path) -> None:
    precious = abandon(place, "precious")
    link = place / "autograder-link"
    link.symlink_to(precious)
    os.utime(link, (0, 0), follow_symlinks=False)
    scratch.sweep()
    assert (precious / "inner" / "file").exists()


def test_sweeping_leaves_what_is_another_users(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = abandon(place)
    monkeypatch.setattr(os, "getuid", lambda: old.stat().st_uid + 1)
    scratch.sweep()
    assert old.is_dir()


def test_discarding_waits_for_the_last_user(place: Path) -> None:
    home = abandon(place)
    script = (
        "import fcntl, os, sys, time; lock = os.open(sys.argv[1], os.O_RDONLY);"
        "fcntl.flock(lock, fcntl.LOCK_EX); print('locked', flush=True); time.sleep(0.3)"
    )
    command = [sys.executable, "-c", script, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        user.stdout.readline()
        scratch.discard(home)
        assert home.is_dir(), "somebody uses it, and there was no patience"
        scratch.discard(home, patience=20)
        assert not home.exists()


def test_discarding_what_is_gone_is_no_error(place: Path) -> None:
    scratch.discard(place / "autograder-gone", patience=1)


def test_without_locks_there_is_a_home_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As on Windows, where folders cannot be opened either.
    real = os.open

    def refusing(path: Any, *arguments: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    left: list[Any] = []
    monkeypatch.setattr(scratch, "fcntl", None)
    monkeypatch.setattr(scratch.atexit, "register", lambda *arguments: left.append(arguments))
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        home = scratch.home()
    assert stat.S_ISDIR(home.stat().st_mode)
    old = abandon(place)
    scratch.sweep()
    assert old.is_dir(), "without locks nobody knows whether it is used"
    for function, *arguments in left:
        function(*arguments)
    assert not home.exists()
