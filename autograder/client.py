"""A kernel client for graders: the protocol is Jupyter's, the waiting is not asyncio's.

A cell of an exercise takes milliseconds, and so does every turn of an event loop in which
jupyter_client waits for one of its half a dozen messages.  This client waits in the socket itself
while a cell runs, and gives the event loop a turn only now and then.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from queue import Empty
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.channels import ZMQSocketChannel
from traitlets import Instance, Type

from .line import OUTPUTS, REQUESTS, End, Line

__all__ = ["Client"]


class _Channel(ZMQSocketChannel):
    """Receives messages in order; other tasks run when there are none, and every little while."""

    _slice_ms = 20
    """How long to wait before others have a turn."""
    _turn = 0.0

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:  # type: ignore[override]
        """Return the next message.

        Raises:
            queue.Empty: if there is none within ``timeout`` seconds.
        """
        assert self.socket is not None
        started = time.monotonic()
        if 1000 * (started - self._turn) > self._slice_ms:
            await self._yield()  # For those who wait while messages come without a pause.
        while not self.socket.poll(self._slice_ms):
            if timeout is not None and time.monotonic() - started >= timeout:
                raise Empty
            await self._yield()
        return self._recv()

    def _recv(self, **kwargs: Any) -> dict[str, Any]:
        # As Session.deserialize does, but dates stay strings: parsing them takes most of its time.
        assert self.socket is not None
        parts = self.socket.recv_multipart(**kwargs)
        message: list[Any] = self.session.feed_identities(parts)[1]
        signature, *frames = message
        if not hmac.compare_digest(signature, self.session.sign(frames[:4])):
            raise ValueError("A message of the kernel is not signed with its key.")
        header, parent, metadata, content = map(self.session.unpack, frames[:4])
        return {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": header["msg_type"],
            "parent_header": parent,
            "metadata": metadata,
            "content": content,
            "buffers": [memoryview(frame) for frame in frames[4:]],
        }

    async def _yield(self) -> None:
        await asyncio.sleep(0)
        self._turn = time.monotonic()


class _ReplyChannel(_Channel):
    """Waits for a reply beside one who waits for outputs, and must not keep those."""

    _slice_ms = 2


class Client(AsyncKernelClient):
    """Talks to one kernel: requests, replies and outputs, and nothing else.

    Through a line if the kernel was started with one, otherwise through ZeroMQ.  Whether the kernel
    lives is its manager's to know, not a heartbeat's.
    """

    context: Any = Instance(zmq.Context)
    iopub_channel_class: Any = Type(_Channel)
    shell_channel_class: Any = Type(_ReplyChannel)

    def _context_default(self) -> Any:
        return zmq.Context.instance()

    @property
    def _line(self) -> Line | None:
        return getattr(getattr(self.parent, "provisioner", None), "line", None)

    def connect_shell(self, identity: bytes | None = None) -> Any:
        return End(self._line, REQUESTS) if self._line else super().connect_shell(identity)

    def connect_iopub(self, identity: bytes | None = None) -> Any:
        return End(self._line, OUTPUTS) if self._line else super().connect_iopub(identity)

    def start_channels(self, *args: bool, **wanted: bool) -> None:
        if self._line:
            self.session.key = b""  # Nobody else can write to a line, so nothing needs a signature.
        super().start_channels(stdin=False, hb=False, control=False)

    def stop_channels(self) -> None:
        self.iopub_channel.stop()
        self.shell_channel.stop()

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers, if messages could get lost before."""
        if not self._line:
            await super().wait_for_ready(timeout)
