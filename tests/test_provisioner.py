"""Kernels by name: what a kernelspec asks for, what is refused, and what a cell may use."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager
from traitlets import TraitError
from traitlets.config import Config

from autograder import provisioner
from autograder.errors import AutograderError
from autograder.provisioner import SANDBOX_KERNEL, WARM_KERNEL, ZygoteProvisioner, too_low
from autograder.sandbox import Level
from autograder.scratch import home
from autograder.zygote import Channel, ZygoteLostError, available

needs_linux = pytest.mark.skipif(not available(), reason="a zygote needs Linux")
PATIENCE = 30.0  # seconds on a busy machine; no test takes so long


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., KernelManager]]:
    """Return a function that starts a kernel, with options of the provisioner."""
    started: list[KernelManager] = []

    def make(name: str, *, settings: dict[str, Any] | None = None, **options: Any) -> KernelManager:
        manager = KernelManager(kernel_name=name, **options)
        spec = manager.kernel_spec
        spec.metadata["kernel_provisioner"]["config"].update(settings or {})
        started.append(manager)
        manager.start_kernel(cwd=str(tmp_path))
        return manager

    yield make
    for manager in started:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def run(manager: KernelManager, *cells: str) -> list[str]:
    """Run cells. Returns what each prints, and the name of its error."""
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE)
        return [one(client, cell) for cell in cells]
    finally:
        client.stop_channels()


def one(client: Any, cell: str) -> str:
    told: list[str] = []

    def hook(message: Any) -> None:
        content = message["content"]
        told.append(content.get("text") or content.get("ename") or "")

    client.execute_interactive(cell, output_hook=hook, timeout=PATIENCE)
    return "".join(told).strip()


def folders() -> set[str]:
    """List what kernels have for their sockets."""
    return {path.name for path in home().glob("tmp*")}


def test_the_kernelspecs_name_what_they_are() -> None:
    specs = KernelSpecManager()
    for name, sandboxed in ((WARM_KERNEL, False), (SANDBOX_KERNEL, True)):
        about = specs.get_kernel_spec(name).metadata["kernel_provisioner"]
        assert about == {
            "provisioner_name": "autograder-zygote",
            "config": {"sandboxed": sandboxed},
        }


@needs_linux
def test_a_level_too_low_is_refused(
    start: Callable[..., KernelManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a machine that allows no namespaces.
    real = Channel.read
    channels = []

    def read(self: Channel, timeout: float = 0.0) -> Any:
        message = real(self, timeout)
        if message and "level" in message:
            channels.append(self)
            message["level"] = "landlock"
        return message

    monkeypatch.setattr(Channel, "read", read)
    before = folders()
    with pytest.raises(AutograderError) as refused:
        start(SANDBOX_KERNEL, settings={"level": "full"})
    assert str(refused.value) == too_low(Level.LANDLOCK, Level.FULL)
    assert "“landlock”, and the course asks for “full”" in str(refused.value)
    assert "--level landlock" in str(refused.value)
    assert folders() == before, "nothing of the kernel is left"
    [channel] = channels
    assert channel._connection.fileno() == -1, "the kernel that was refused is let go of"
    for enough in ("landlock", "none"):
        assert start(SANDBOX_KERNEL, settings={"level": enough}).is_alive()
    assert start(WARM_KERNEL, settings={"level": "full"}).is_alive(), "its code is trusted"


def test_settings_that_make_no_sense_are_refused() -> None:
    for name, value in (("level", "high"), ("cpu_seconds", "much"), ("sandboxed", "maybe")):
        with pytest.raises(TraitError, match=name):
            ZygoteProvisioner(**{name: value})
        with pytest.raises(TraitError, match=name):
            ZygoteProvisioner(config=Config({"ZygoteProvisioner": {name: value}}))
    assert ZygoteProvisioner().level == "landlock"


def test_without_a_zygote_trusted_code_gets_an_ordinary_kernel(
    start: Callable[..., KernelManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioner, "available", lambda: False)
    monkeypatch.setattr(provisioner, "zygote", lambda **_: pytest.fail("there is none"))
    warm = start(WARM_KERNEL)
    assert psutil.Process(warm.provisioner.pid).ppid() == os.getpid()
    assert not warm.provisioner.lost
    told = run(warm, "import os; print(os.getpid())", "print('goes on')")
    assert told == [str(warm.provisioner.pid), "goes on"]


def test_without_a_zygote_student_code_needs_somebodys_word(
    start: Callable[..., KernelManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioner, "available", lambda: False)
    for level in ("landlock", "full"):
        with pytest.raises(AutograderError) as refused:
            start(SANDBOX_KERNEL, settings={"level": level})
        assert str(refused.value) == too_low(Level.NONE, Level(level))
    trusted = start(SANDBOX_KERNEL, settings={"level": "none"})
    assert run(trusted, "import os; print(os.getppid())") == [str(os.getpid())]


@needs_linux
@pytest.mark.parametrize("name", [WARM_KERNEL, SANDBOX_KERNEL])
@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_sockets_are_in_a_private_folder(
    start: Callable[..., KernelManager], name: str, transport: str, tmp_path: Path
) -> None:
    given = tmp_path / "runtime"
    given.mkdir()
    (given / "other.json").write_text("another kernel's key")
    options = {"ip": str(given / "kernel")} if transport == "ipc" else {}
    manager = start(name, transport=transport, **options)
    assert run(manager, "print('ready')") == ["ready"]
    place = Path(manager.ip).parent
    assert manager.transport == "ipc"
    assert home() in place.parents
    assert place.stat().st_mode & 0o777 == 0o700
    assert Path(manager.connection_file).parent == place
    sockets = [path for path in place.iterdir() if path.is_socket()]
    assert len(sockets) == 5
    assert (given / "other.json").stat().st_uid == os.getuid(), "not given to the kernel"
    if name == SANDBOX_KERNEL:
        assert psutil.Process(manager.provisioner.pid).net_connections("inet") == []
        if provisioner.zygote(sandboxed=True).level() == Level.FULL:
            table = Path(f"/proc/{manager.provisioner.pid}/net/tcp").read_text()
            assert len(table.splitlines()) == 1, "the headings"
    manager.shutdown_kernel(now=True)
    assert not place.exists()


@needs_linux
def test_a_folder_of_our_own_is_used_as_it_is(tmp_path: Path) -> None:
    # nbgrader's plugin puts the referee's socket there, too.
    from autograder.scratch import folder

    with folder() as place:
        manager = KernelManager(kernel_name=SANDBOX_KERNEL)
        manager.transport, manager.ip = "ipc", f"{place}/kernel"
        manager.start_kernel(cwd=str(tmp_path))
        assert run(manager, "print('ready')") == ["ready"]
        assert manager.ip == f"{place}/kernel"
        manager.shutdown_kernel(now=True)
        assert os.path.isdir(place)


@needs_linux
def test_a_cell_that_uses_up_its_time_fails_and_the_kernel_lives_on(
    start: Callable[..., KernelManager],
) -> None:
    manager = start(SANDBOX_KERNEL, settings={"cell_cpu_seconds": 1})
    told = run(
        manager,
        "x = 1",
        "while True: pass",
        "print(x)",
        "import torch\na = torch.ones(300, 300)\nwhile True: a @ a",
        "print('enough')",
    )
    assert told == ["", "CpuTimeoutError", "1", "CpuTimeoutError", "enough"]
    assert manager.is_alive()


@needs_linux
def test_time_that_is_over_is_an_error_in_the_cell(start: Callable[..., KernelManager]) -> None:
    manager = start(SANDBOX_KERNEL, settings={"cpu_seconds": 2})
    # A submission whose time is over gets no more, however many cells it has.
    assert run(manager, *["while True: pass"] * 2) == ["CpuTimeoutError"] * 2


@needs_linux
def test_a_kernel_cannot_use_more_than_its_submission_may(
    start: Callable[..., KernelManager],
) -> None:
    manager = start(SANDBOX_KERNEL, settings={"cpu_seconds": 7, "cell_cpu_seconds": 1000})
    limits = "import resource; print(resource.getrlimit(resource.RLIMIT_CPU))"
    undo = "resource.setrlimit(resource.RLIMIT_CPU, (9, 9)); print('undone')"
    more = "resource.setrlimit(resource.RLIMIT_CPU, (10, 10))"
    assert run(manager, limits, undo, more) == ["(7, 9)", "undone", "ValueError"]


@needs_linux
def test_limits_are_those_of_the_settings(start: Callable[..., KernelManager]) -> None:
    manager = start(SANDBOX_KERNEL, settings={"disk_mb": 5, "processes": 21})
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
    assert run(manager, code) == [str(5 * 2**20)]


@needs_linux
def test_trusted_code_has_no_limit(start: Callable[..., KernelManager]) -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_CPU)[0])"
    manager = start(WARM_KERNEL)
    import resource

    now = str(resource.getrlimit(resource.RLIMIT_CPU)[0])
    assert run(manager, code, code) == [now, now]


@needs_linux
def test_a_zygote_that_dies_at_the_request_is_replaced_once(
    start: Callable[..., KernelManager],
) -> None:
    old = provisioner.zygote(sandboxed=False)
    old.process.kill()
    old.process.wait()
    manager = start(WARM_KERNEL)
    assert run(manager, "print('ready')") == ["ready"]
    assert provisioner.zygote(sandboxed=False) is not old


@needs_linux
def test_a_zygote_that_dies_each_time_is_an_error(
    start: Callable[..., KernelManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        sandboxed = False
        made = 0

        def __init__(self) -> None:
            Dying.made += 1

        def ask(self, request: Any) -> Any:
            raise ZygoteLostError("It has ended.")

        def close(self) -> None:
            pass

    monkeypatch.setattr(provisioner, "zygote", lambda sandboxed: Dying())
    before = folders()
    with pytest.raises(ZygoteLostError):
        start(WARM_KERNEL)
    assert Dying.made == 2
    assert folders() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_the_shared_zygote_is_the_one_for_student_code() -> None:
    if not available():
        pytest.skip("a zygote needs Linux")
    assert provisioner.share_zygote() is provisioner.zygote(sandboxed=True)
    assert provisioner.share_zygote().sandboxed


def test_a_kernel_may_be_quicker_than_the_zygote_that_tells_its_number() -> None:
    class Hasty:
        pid = 0
        returncode = None
        messages: ClassVar = [None, {"level": "none"}, None, {"pid": 7}]

        def read(self) -> dict[str, Any] | None:
            message: dict[str, Any] | None = self.messages.pop(0)
            self.pid = (message or {}).get("pid", self.pid)
            return message

    channel = Hasty()
    started = ZygoteProvisioner._started(channel)  # type: ignore[arg-type]
    assert asyncio.run(started) == {"level": "none"}
    assert channel.pid == 7
