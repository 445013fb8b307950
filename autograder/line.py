"""Jupyter messages over one pair of sockets, between a grader and the kernel that it started.

Jupyter's protocol says what is in a message; ZeroMQ carries it from anywhere to anywhere, with five
sockets and as many threads.  One kernel and one client that are born together need none of these.

A frame is its length (4 bytes), its channel (1 byte), the number of the message's parts (2 bytes),
their lengths (4 bytes each), and the parts; all numbers big-endian.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["OUTPUTS", "REQUESTS", "End", "Line"]

REQUESTS = 0
"""The channel of requests and their replies."""
OUTPUTS = 1
"""The channel of what Jupyter calls IOPub."""

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">BH")
_MAX_FRAME = 256 * 2**20
_PIECE = 2**18


@contextlib.contextmanager
def _whole() -> Iterator[None]:
    """Let nothing interrupt this thread: half a message would spoil all that come after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGXCPU])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Line:
    """One end of a line.

    Args:
        connection: one of a pair of stream sockets.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._arrived = bytearray()
        self._waiting: tuple[deque[list[bytes]], ...] = (deque(), deque())
        self._sending = threading.Lock()
        self.closed = False
        """Whether the other end is closed, or does not keep to the format."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._connection.fileno()

    def send(self, channel: int, parts: Sequence[Any]) -> None:
        """Send a message, which is lost if nobody is there any more; any thread may do so.

        Args:
            channel: :data:`REQUESTS` or :data:`OUTPUTS`.
            parts: anything with the buffer protocol.
        """
        views = [memoryview(part).cast("B") for part in parts]
        head = _HEAD.pack(channel, len(views)) + b"".join(_LENGTH.pack(len(v)) for v in views)
        length = len(head) + sum(map(len, views))
        # As with ZeroMQ: whether the other end lives is for others to find out.
        with self._sending, _whole(), contextlib.suppress(OSError):
            self._connection.sendall(b"".join([_LENGTH.pack(length), head, *views]))

    def poll(self, channel: int, seconds: float) -> bool:
        """Wait for a message on a channel.

        Returns:
            Whether there is one; what the other channel gets meanwhile is kept.
        """
        if not self._waiting[channel]:
            self._read(seconds)
        return bool(self._waiting[channel])

    def take(self, channel: int) -> list[bytes]:
        """Return the parts of the next message on a channel.

        Raises:
            IndexError: if there is none.
        """
        return self._waiting[channel].popleft()

    def close(self) -> None:
        """Close this end."""
        self.closed = True
        self._connection.close()

    def _read(self, seconds: float) -> None:
        if self.closed:
            time.sleep(seconds)  # Nothing will come.
            return
        ready = select.poll()
        ready.register(self._connection, select.POLLIN)
        if not ready.poll(1000 * seconds):
            return
        try:
            piece = self._connection.recv(_PIECE)
        except OSError:
            piece = b""
        self._arrived += piece
        self.closed = not piece
        # The other end may be in the hands of hostile code.
        try:
            while self._unpack():
                pass
        except (struct.error, IndexError, ValueError):
            self.closed = True

    def _unpack(self) -> bool:
        if len(self._arrived) < _LENGTH.size:
            return False
        (length,) = _LENGTH.unpack_from(self._arrived)
        if length > _MAX_FRAME:
            raise ValueError("too long")
        end = _LENGTH.size + length
        if len(self._arrived) < end:
            return False
        frame = bytes(self._arrived[_LENGTH.size : end])
        del self._arrived[:end]
        channel, count = _HEAD.unpack_from(frame)
        sizes = struct.unpack_from(f">{count}I", frame, _HEAD.size)
        start = _HEAD.size + _LENGTH.size * count
        parts = []
        for size in sizes:
            parts.append(frame[start : start + size])
            start += size
        if start != length:
            raise ValueError("cut short")
        self._waiting[channel].append(parts)
        return True


class End:
    """One channel of a line, with what Jupyter's libraries use of a ZeroMQ socket's interface.

    Args:
        line: the line.
        channel: :data:`REQUESTS` or :data:`OUTPUTS`.
    """

    def __init__(self, line: Line, channel: int) -> None:
        self._line = line
        self._channel = channel

    def send_multipart(self, parts: Sequence[Any], **_options: Any) -> None:
        """Send a message."""
        self._line.send(self._channel, parts)

    def poll(self, timeout: float) -> bool:
        """Wait up to ``timeout`` milliseconds, and say whether there is a message."""
        return self._line.poll(self._channel, timeout / 1000)

    def recv_multipart(self) -> list[bytes]:
        """Return the next message's parts."""
        return self._line.take(self._channel)

    def close(self, linger: int | None = None) -> None:
        """Do nothing: the line belongs to whoever made it."""
