"""Kernels that are forked: what they share, what they do not, and how they end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client import BlockingKernelClient, KernelManager

from autograder import provisioner
from autograder import zygote as zygotes
from autograder.errors import AutograderError
from autograder.provisioner import SANDBOX_KERNEL, WARM_KERNEL
from autograder.sandbox import Level
from autograder.scratch import folder, home
from autograder.zygote import Channel, Request, Zygote, ZygoteLostError, available

pytestmark = [
    pytest.mark.skipif(not available(), reason="a zygote needs Linux"),
    pytest.mark.alone,
]

PATIENCE = 30.0  # seconds on a busy machine; no test takes so long
SECRET = "AUTOGRADER_TESTS_OWN_SECRET"


class Kernel:
    """A kernel, and a client of it."""

    def __init__(self, name: str, **options: Any) -> None:
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(**options)
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    @property
    def pid(self) -> int:
        pid: int = self.manager.provisioner.pid
        return pid

    def run(self, code: str) -> str:
        """Run a cell. Returns what it prints, and its error's last line."""
        told: list[str] = []

        def hook(message: Any) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                told.append(content["text"])
            elif message["msg_type"] == "error":
                told.append(f"{content['ename']}: {content['evalue']}")

        self.client.execute_interactive(code, output_hook=hook, timeout=PATIENCE)
        return "".join(told).strip()

    def close(self) -> None:
        self.client.stop_channels()
        with contextlib.suppress(RuntimeError):
            self.manager.shutdown_kernel(now=True)


Start = Callable[..., Kernel]


@pytest.fixture(scope="module", autouse=True)
def secret() -> Iterator[None]:
    """Let the module's zygotes start in a process that has a secret in its environment."""
    for old in list(provisioner._zygotes.values()):
        provisioner._forget(old)
    os.environ[SECRET] = "do not tell"
    yield
    del os.environ[SECRET]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a kernel, which ends with the test."""
    started: list[Kernel] = []

    def make(name: str, **options: Any) -> Kernel:
        started.append(Kernel(name, **{"cwd": str(tmp_path), **options}))
        return started[-1]

    yield make
    for kernel in started:
        kernel.close()


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., tuple[Channel, dict[str, Any]]]]:
    """Return a function that asks a zygote for a kernel, without jupyter_client."""
    channels = []

    def make(source: Zygote, **changed: Any) -> tuple[Channel, dict[str, Any]]:
        request = Request(
            **{
                "arguments": ["-f", "none.json"],
                "env": {},
                "cwd": str(tmp_path),
                "sockets": str(tmp_path),
                "limits": None,
                "cell_cpu_seconds": 20,
                **changed,
            }
        )
        channel = source.ask(request)
        channels.append(channel)
        told: dict[str, Any] = {}
        while not (channel.pid and told):  # The kernel may be quicker than the zygote.
            message = channel.read(PATIENCE)
            assert message is not None
            told = told if "pid" in message else message
            if "error" in told:
                break
        return channel, told

    yield make
    for channel in channels:
        channel.close()


def ended(*pids: int) -> bool:
    """Wait until processes have ended. Returns whether they have."""
    deadline = time.monotonic() + PATIENCE
    left = set(pids)
    while left and time.monotonic() < deadline:
        for pid in list(left):
            with contextlib.suppress(psutil.Error):
                if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    continue
            left.discard(pid)
        time.sleep(0.02)
    return not left


def gone(path: str) -> bool:
    """Wait until a folder is gone. Returns whether it is."""
    deadline = time.monotonic() + PATIENCE
    while os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not os.path.exists(path)


@pytest.mark.parametrize("name", [WARM_KERNEL, SANDBOX_KERNEL])
def test_a_kernel_is_a_warm_child_of_the_zygote(start: Start, name: str) -> None:
    kernel = start(name)
    source = provisioner.zygote(sandboxed=name == SANDBOX_KERNEL)
    assert psutil.Process(kernel.pid).ppid() == source.process.pid
    assert kernel.run("import sys; print('torch' in sys.modules)") == "True"
    assert kernel.run("import torch; print((torch.ones(9, 9) @ torch.ones(9, 9)).sum())")
    assert kernel.run("x = torch.ones(2, requires_grad=True); x.sum().backward(); print(x.grad)")


def test_kernels_share_one_zygote(start: Start) -> None:
    first, second = start(WARM_KERNEL), start(WARM_KERNEL)
    assert psutil.Process(first.pid).ppid() == psutil.Process(second.pid).ppid()
    assert first.pid != second.pid


@pytest.mark.parametrize("name", [WARM_KERNEL, SANDBOX_KERNEL])
def test_random_numbers_are_each_kernels_own(start: Start, name: str) -> None:
    kernels = [start(name), start(name)]
    for kernel in kernels:
        kernel.run("import numpy, random, torch")
    for draw in ("torch.rand(3)", "numpy.random.rand(3)", "random.random()"):
        one, other = (kernel.run(f"print({draw})") for kernel in kernels)
        assert one != other, f"{draw} of a fresh process has a seed from the system"
    for draw in ("torch.manual_seed(1), torch.rand(3)", "numpy.random.seed(1), random.seed(1)"):
        one, other = (kernel.run(f"print(str(({draw}))[-40:])") for kernel in kernels)
        assert one == other or "0x" in one


def test_a_warm_kernel_has_the_environment_and_folder_of_its_parent(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provisioner.zygote(sandboxed=False).level()
    monkeypatch.setenv("SET_WHEN_THE_ZYGOTE_WAS_THERE", "seen")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.py").write_text("answer = 42")
    kernel = start(WARM_KERNEL, cwd=None)
    assert kernel.run("import os; print(os.environ['SET_WHEN_THE_ZYGOTE_WAS_THERE'])") == "seen"
    assert kernel.run(f"print(os.environ['{SECRET}'])") == "do not tell"
    assert kernel.run("print(os.getcwd())") == str(tmp_path)
    assert kernel.run("import beside; print(beside.answer)") == "42"
    assert kernel.run("import subprocess; print(subprocess.getoutput('echo $PWD'))") != ""


def test_a_sandboxed_kernel_has_no_secret_of_its_parents(start: Start, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("answer = 42")
    kernel = start(SANDBOX_KERNEL)
    source = provisioner.zygote(sandboxed=True)
    assert SECRET not in Path(f"/proc/{source.process.pid}/environ").read_text()
    assert SECRET not in Path(f"/proc/{kernel.pid}/environ").read_text()
    kernel.run("import os, subprocess")
    everything = kernel.run(
        "print(dict(os.environ), subprocess.getoutput('env'), open('/proc/self/environ').read())"
    )
    assert "PATH" in everything
    assert SECRET not in everything
    assert "do not tell" not in everything
    assert kernel.run("import beside; print(beside.answer)") == "42", "its files are copied"


def test_a_kernel_holds_nothing_of_the_zygotes(start: Start) -> None:
    kernel = start(SANDBOX_KERNEL)
    inherited = set(os.listdir(f"/proc/{provisioner.zygote(sandboxed=True).process.pid}/fd"))
    mine = {
        os.readlink(f"/proc/{provisioner.zygote(sandboxed=True).process.pid}/fd/{number}")
        for number in inherited
    }
    theirs = [os.readlink(link) for link in Path(f"/proc/{kernel.pid}/fd").iterdir()]
    sockets = {link for link in mine if link.startswith("socket:")}
    assert sockets, "the zygote has sockets"
    assert not sockets & set(theirs)


def test_a_warm_kernel_is_quiet_and_stays_alive_in_a_jupyter_server(
    start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # ipykernel ends when its parent is not the one this tells, which it looks at once a second.
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
    provisioner._forget(provisioner.zygote(sandboxed=False))  # The next has this test's stdout.
    kernel = start(WARM_KERNEL)
    assert kernel.run("import time; time.sleep(1.5); print('alive')") == "alive"
    assert kernel.manager.is_alive()
    kernel.close()
    provisioner._forget(provisioner.zygote(sandboxed=False))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [WARM_KERNEL, SANDBOX_KERNEL])
def test_an_interrupt_reaches_a_busy_kernel(start: Start, name: str) -> None:
    kernel = start(name)
    for code in ("while True: pass", "import time\nwhile True: time.sleep(1)"):
        message = kernel.client.execute(f"print('busy', flush=True)\n{code}")
        while kernel.client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
            pass
        kernel.manager.interrupt_kernel()
        reply = kernel.client._recv_reply(message, timeout=PATIENCE)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        kernel.client.wait_for_ready(timeout=PATIENCE)
        for _again in range(2):  # What was queued up when the cell failed is not run.
            said = kernel.run("print('goes on')")
        assert said == "goes on"


@pytest.mark.parametrize("name", [WARM_KERNEL, SANDBOX_KERNEL])
def test_a_restarted_kernel_is_new(start: Start, name: str, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("answer = 42")
    kernel = start(name)
    kernel.run("x = 1")
    first = kernel.pid
    for now in (True, False):
        kernel.manager.restart_kernel(now=now)
        kernel.client.wait_for_ready(timeout=PATIENCE)
        assert kernel.run("print('x' in globals())") == "False"
        assert kernel.run("import beside; print(beside.answer)") == "42"
        assert kernel.pid != first
    assert ended(first)


@pytest.mark.parametrize("now", [True, False], ids=["at once", "politely"])
@pytest.mark.parametrize("name", [WARM_KERNEL, SANDBOX_KERNEL])
def test_a_kernel_that_is_shut_down_has_ended(start: Start, name: str, now: bool) -> None:
    kernel = start(name)
    kernel.run("import subprocess; child = subprocess.Popen(['sleep', '1000'])")
    kernel.run("other = subprocess.Popen(['sleep', '1000'], start_new_session=True)")
    own = psutil.Process(kernel.pid).children(recursive=True)
    assert len(own) == 2
    kernel.manager.shutdown_kernel(now=now)
    assert not kernel.manager.is_alive()
    assert ended(kernel.pid, *(process.pid for process in own)), "its children end with it"


@pytest.mark.parametrize("name", [WARM_KERNEL, SANDBOX_KERNEL])
def test_a_kernel_that_is_asked_to_end_does_so_by_itself(start: Start, name: str) -> None:
    kernel = start(name)
    channel = kernel.manager.provisioner._channel
    kernel.manager.shutdown_kernel()
    assert channel.returncode == 0


def test_a_warm_kernel_does_what_it_has_put_off_to_its_end(start: Start, tmp_path: Path) -> None:
    kernel = start(WARM_KERNEL)
    kernel.run("import atexit; atexit.register(lambda: open('done', 'w').close())")
    kernel.manager.shutdown_kernel()
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("code", "returncode"),
    [("os._exit(7)", 7), ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV)],
)
def test_the_way_a_kernel_ends_is_told(start: Start, code: str, returncode: int) -> None:
    kernel = start(WARM_KERNEL)
    channel = kernel.manager.provisioner._channel
    assert channel.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        channel.wait(timeout=0.01)
    kernel.client.execute(f"import os, signal; {code}")
    assert channel.wait(timeout=PATIENCE) == returncode
    assert channel.poll() == channel.returncode == returncode
    assert not channel.lost, "it was the kernel's own end"
    assert not kernel.manager.provisioner.lost
    assert not kernel.manager.is_alive()
    channel.kill()  # what is gone cannot be killed, and that is no error


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    for name in (WARM_KERNEL, SANDBOX_KERNEL):
        manager = KernelManager(kernel_name=name)
        with pytest.raises(AutograderError, match=r"be started: .*No such file or directory"):
            manager.start_kernel(cwd=str(tmp_path / "missing"))
        assert not manager.has_kernel
        assert manager.provisioner._folder is None, "nothing is left behind"
        manager.cleanup_resources()


def test_an_environment_that_is_too_large_is_refused(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARGE", "x" * 70_000)
    with pytest.raises(AutograderError, match="environment is too large"):
        start(WARM_KERNEL)
    monkeypatch.setenv("LARGE", "x" * 30_000)
    assert start(WARM_KERNEL).run("import os; print(len(os.environ['LARGE']))") == "30000"


def test_letting_go_of_a_channel_ends_its_kernel(ask: Any, tmp_path: Path) -> None:
    source = provisioner.zygote(sandboxed=False)
    channel, message = ask(source, arguments=["-f", str(tmp_path / "new.json")])
    assert message == {"level": "none"}
    assert channel.pid
    assert psutil.pid_exists(channel.pid)
    channel.close()
    assert ended(channel.pid)
    assert source.process.poll() is None


def test_the_zygotes_end_ends_its_kernels_and_the_next_one_has_a_new_zygote(start: Start) -> None:
    old = provisioner.zygote(sandboxed=True)
    kernels = [start(SANDBOX_KERNEL), start(SANDBOX_KERNEL)]
    kernels[0].client.execute("while True: pass")
    old.process.kill()
    assert ended(*(kernel.pid for kernel in kernels))
    for kernel in kernels:
        assert not kernel.manager.is_alive()
        assert kernel.manager.provisioner.lost, "it was no fault of the kernel's"
    assert start(SANDBOX_KERNEL).run("print('the next one')") == "the next one"
    new = provisioner.zygote(sandboxed=True)
    assert new is not old
    assert new.level() > Level.NONE
    assert old.process.returncode == -signal.SIGKILL


def test_a_zygote_that_ends_while_we_wait_is_lost() -> None:
    source = Zygote(sandboxed=False)
    channel = source.ask()
    source.process.kill()
    with pytest.raises(ZygoteLostError):
        channel.read(PATIENCE)
    assert channel.lost
    assert channel.wait() == channel.poll() == -signal.SIGKILL
    channel.close()
    with pytest.raises(ZygoteLostError):
        source.level()
    source.close()


def test_a_zygote_that_takes_too_long_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygotes, "PATIENCE", 0.05)
    source = Zygote(sandboxed=False)
    source.process.send_signal(signal.SIGSTOP)
    with pytest.raises(ZygoteLostError, match=r"within 0\.05 seconds"):
        source.level()
    source.process.kill()
    source.close()


def test_a_closed_zygote_has_ended() -> None:
    source = Zygote(sandboxed=False)
    source.close()
    assert source.process.returncode is not None
    with pytest.raises(ZygoteLostError):
        source.ask()


OWNER = """
import json, os, signal, sys, time
from jupyter_client import KernelManager
from autograder.provisioner import share_zygote
from autograder.scratch import home

zygote = share_zygote()
level = zygote.level()
read, write = os.pipe()
forked = sys.argv[1] == "forked"
child = os.fork() if forked else 0
if child == 0:
    manager = KernelManager(kernel_name="python3-sandbox")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.execute("import time\\nwhile True: time.sleep(0.01)")
    os.write(write, str(manager.provisioner.pid).encode())
    if forked:
        time.sleep(1000)
kernel = int(os.read(read, 100))
try:
    print(json.dumps({"zygote": zygote.process.pid, "kernel": kernel, "home": str(home()),
                      "child": child}), flush=True)
    time.sleep(1000)
except KeyboardInterrupt:
    sys.exit(3)
"""


@pytest.fixture(scope="module")
def owners(secret: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Start the processes that will be killed, all at a time, for each takes seconds to start."""
    empty = tmp_path_factory.mktemp("empty")
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-c", OWNER, name],
            cwd=empty,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for name in ("killed", "interrupted", "group", "forked")
    }
    yield processes
    for process in processes.values():
        with process:
            process.kill()


@pytest.mark.parametrize(
    ("name", "end", "returncode"),
    [
        ("killed", lambda process: process.kill(), -signal.SIGKILL),
        ("interrupted", lambda process: process.send_signal(signal.SIGINT), 3),
        ("group", lambda process: os.killpg(process.pid, signal.SIGKILL), -signal.SIGKILL),
    ],
)
def test_nothing_outlives_the_owner(owners: Any, name: str, end: Any, returncode: int) -> None:
    owner = owners[name]
    told = json.loads(owner.stdout.readline())
    assert os.path.isdir(told["home"])
    assert psutil.Process(told["kernel"]).ppid() == told["zygote"]
    assert os.getpgid(told["zygote"]) != os.getpgid(owner.pid), "Ctrl-C is not for the zygote"
    end(owner)
    assert owner.wait(PATIENCE) == returncode
    assert ended(told["kernel"], told["zygote"])
    assert gone(told["home"])


def test_a_forked_process_uses_the_same_zygote(owners: Any) -> None:
    owner = owners["forked"]
    told = json.loads(owner.stdout.readline())
    assert psutil.Process(told["kernel"]).ppid() == told["zygote"]
    os.kill(told["child"], signal.SIGKILL)
    assert ended(told["kernel"]), "it ends with the process that asked for it"
    assert psutil.Process(told["zygote"]).status() != psutil.STATUS_ZOMBIE
    assert os.path.isdir(told["home"])
    owner.kill()
    assert ended(told["zygote"])
    assert gone(told["home"])


def test_our_own_scratch_home_is_still_there() -> None:
    with folder() as inside:
        assert Path(inside).parent == home()


LATE = """
import os, socket, subprocess
from autograder.zygote import Request, _become_kernel
ended = subprocess.Popen(["true"])
zygote = os.pidfd_open(ended.pid)
ended.wait()
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
request = Request(["-f", "none"], dict(os.environ), "/", "/", None, 20)
_become_kernel(request, None, theirs, None, zygote)
theirs.close()
print("returned", ours.recv(100))
"""


def test_a_kernel_whose_zygote_died_meanwhile_does_not_start() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=30)
    assert done.stdout == "returned b''\n", done.stderr
