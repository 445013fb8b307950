"""A line carries messages whole and in order, and what is no message closes it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder import line
from autograder.line import OUTPUTS, REQUESTS, End, Line

PATIENCE = 10.0  # seconds on a busy machine


@pytest.fixture
def pair() -> Iterator[tuple[Line, socket.socket]]:
    """Return a line, and the bare socket at its other end."""
    ours, theirs = socket.socketpair()
    made = Line(ours)
    yield made, theirs
    made.close()
    theirs.close()


@contextlib.contextmanager
def both() -> Iterator[tuple[Line, Line]]:
    first, second = map(Line, socket.socketpair())
    with contextlib.closing(first), contextlib.closing(second):
        yield first, second


@given(
    st.lists(
        st.tuples(
            st.sampled_from([REQUESTS, OUTPUTS]), st.lists(st.binary(max_size=50), max_size=5)
        ),
        max_size=10,
    )
)
def test_messages_arrive_in_the_order_of_their_channel(
    messages: list[tuple[int, list[bytes]]],
) -> None:
    with both() as (here, there):
        for channel, parts in messages:
            here.send(channel, parts)
        for channel in (OUTPUTS, REQUESTS):
            expected = [parts for wanted, parts in messages if wanted == channel]
            found = []
            while there.poll(channel, 0):
                found.append(there.take(channel))
            assert found == expected


def test_a_large_message_arrives_whole_from_another_thread() -> None:
    with both() as (here, there):
        parts = [b"a" * 3_000_000, memoryview(bytes(range(256)) * 10_000)]
        sender = threading.Thread(target=here.send, args=(OUTPUTS, parts))
        sender.start()
        deadline = time.monotonic() + PATIENCE
        while not there.poll(OUTPUTS, 0.1):
            assert time.monotonic() < deadline
        sender.join()
        assert there.take(OUTPUTS) == [bytes(part) for part in parts]


def test_threads_do_not_get_in_each_others_messages() -> None:
    with both() as (here, there):
        sizes = (1, 70_000, 500)

        def send(size: int) -> None:
            for _ in range(50):
                here.send(OUTPUTS, [bytes([size % 251]) * size])

        senders = [threading.Thread(target=send, args=(size,)) for size in sizes]
        for sender in senders:
            sender.start()
        found = []
        while len(found) < 50 * len(sizes):
            assert there.poll(OUTPUTS, PATIENCE) or not there.closed
            while there.poll(OUTPUTS, 0):
                [part] = there.take(OUTPUTS)
                assert part == bytes([len(part) % 251]) * len(part)
                found.append(len(part))
        assert sorted(found) == sorted(50 * sizes)


def test_a_poll_waits_no_longer_than_it_is_told(pair: tuple[Line, socket.socket]) -> None:
    here, there = pair
    for _ in range(2):
        started = time.monotonic()
        assert not here.poll(REQUESTS, 0.1)
        assert 0.09 < time.monotonic() - started < PATIENCE
        there.close()
        here.poll(REQUESTS, 0)  # From now on it is known to be closed, and no busy loop begins.


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack(">IBH", 3, 7, 0),
        struct.pack(">IBHI", 7, OUTPUTS, 1, 9),
        struct.pack(">IBHI", 8, OUTPUTS, 1, 0) + b"a",
        struct.pack(">IBH", 3, OUTPUTS, 9),
        struct.pack(">I", 0),
        struct.pack(">I", line._MAX_FRAME + 1),
    ],
    ids=["channel", "short", "long", "sizes", "empty", "huge"],
)
def test_what_is_no_message_closes_the_line(pair: tuple[Line, socket.socket], sent: bytes) -> None:
    here, there = pair
    there.sendall(sent)
    assert not here.poll(OUTPUTS, PATIENCE)
    assert here.closed


def test_half_a_message_is_waited_for(pair: tuple[Line, socket.socket]) -> None:
    here, there = pair
    frame = struct.pack(">IBHI", 9, REQUESTS, 1, 2) + b"ab"
    for byte in frame[:-1]:
        there.sendall(bytes([byte]))
        assert not here.poll(REQUESTS, 0)
    there.sendall(frame[-1:])
    assert here.poll(REQUESTS, PATIENCE)
    assert here.take(REQUESTS) == [b"ab"]
    assert not here.closed


def test_an_end_is_used_as_a_socket_is() -> None:
    with both() as (here, there):
        End(here, OUTPUTS).send_multipart([b"a", b"b"], copy=True)
        end = End(there, OUTPUTS)
        assert end.poll(timeout=1000)
        assert end.recv_multipart() == [b"a", b"b"]
        assert not End(there, REQUESTS).poll(timeout=0)


def test_a_message_to_nobody_is_lost(pair: tuple[Line, socket.socket]) -> None:
    here, there = pair
    there.close()
    here.send(REQUESTS, [b"a"])
