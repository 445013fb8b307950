"""The referee's server answers what it was asked to, when it was asked to, and keeps serving."""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import measures
import pytest
from conftest import CHECKS, MakeAssignment

from autograder.answer import Answer, play
from autograder.errors import SpecError
from autograder.loader import find_spec
from autograder.server import RefereeServer
from autograder.tree import Opaque
from autograder.verdict import Verdict
from autograder.wire import (
    MAX_FRAME,
    Address,
    Wire,
    answer_to_wire,
    case_from_wire,
    encode,
)

CLOSED = {"closed": True}
FORGED = encode({**answer_to_wire(Answer()), "parameters": {"w": [float("inf")]}})
POSING = encode({**answer_to_wire(Answer()), "outputs": Opaque("tensor")})


@pytest.fixture
def folder(make_assignment: MakeAssignment) -> Path:
    """Return the folder of a small assignment."""
    return make_assignment()


@pytest.fixture
def server(folder: Path) -> Iterator[RefereeServer]:
    """Return a running server."""
    with RefereeServer(folder, lambda question: 7) as running:
        yield running


def receive(client: Wire) -> Any:
    assert client.poll(10), "the server does not answer"
    return client.receive()


def ask(client: Wire, question: Any) -> Any:
    client.send({"ask": question})
    return receive(client)


def finish(client: Wire, folder: Path, student: Callable[..., Any], message: Any) -> Any:
    """Answer all cases, as a student's kernel does, from the first message on."""
    while "case" in message:
        answer = play(find_spec(folder, "double"), student, case_from_wire(message["case"]))
        client.send(answer_to_wire(answer))
        message = receive(client)
    return message


def right(x: Any) -> Any:
    return 2 * x


def test_a_question_is_decided_in_its_window(server: RefereeServer, folder: Path) -> None:
    with server.window(["double"]) as window, Address(server.address).connect() as client:
        message = finish(client, folder, right, ask(client, "double"))
    assert window.verdicts["double"].passed
    assert Verdict.from_json(message["verdict"]) == window.verdicts["double"]
    assert "7" not in str(message["verdict"]["seed"])


def test_remarks_stay_with_the_referee(make_assignment: MakeAssignment, tmp_path: Path) -> None:
    folder = make_assignment(measures.CHECKS, measures.NOTEBOOK, "")
    path = tmp_path / "mine.bin"
    path.write_bytes(bytes([7, 159]))
    with (
        RefereeServer(folder, lambda question: 7) as server,
        server.window(["checkpoint"]) as window,
        Address(server.address).connect() as client,
    ):
        message = ask(client, "checkpoint")
        answer = play(find_spec(folder, "checkpoint"), path, case_from_wire(message["case"]))
        client.send({**answer_to_wire(answer), "remarks": ["Well done."]})
        told = Verdict.from_json(receive(client)["verdict"])
    assert window.verdicts["checkpoint"].remarks == ("It begins with 7.",)
    assert told == replace(window.verdicts["checkpoint"], remarks=())
    assert told.measure == 83


def test_outside_of_a_window_nothing_is_answered(server: RefereeServer, folder: Path) -> None:
    with Address(server.address).connect() as client:
        assert ask(client, "double") == CLOSED
        with server.window(["double"]):
            pass
        assert ask(client, "double") == CLOSED


def test_only_the_windows_own_questions_are_answered(server: RefereeServer) -> None:
    with server.window(["double"]) as window, Address(server.address).connect() as client:
        for question in ("half", "nothing", None, 3, ["double"], {"a": 1}):
            assert ask(client, question) == CLOSED
        client.send(["ask", "double"])
        assert receive(client) == CLOSED
    assert window.verdicts == {}


def test_each_question_is_answered_once(server: RefereeServer, folder: Path) -> None:
    with server.window(["double"]) as window, Address(server.address).connect() as client:
        finish(client, folder, lambda x: 3 * x, ask(client, "double"))
        assert ask(client, "double") == CLOSED
    assert not window.verdicts["double"].passed


def test_an_answer_that_comes_after_the_window_does_not_count(
    server: RefereeServer, folder: Path
) -> None:
    with Address(server.address).connect() as late:
        with server.window(["double"]) as window:
            message = ask(late, "double")
        answer = play(find_spec(folder, "double"), right, case_from_wire(message["case"]))
        try:
            late.send(answer_to_wire(answer))
            assert late.poll(10)
            late.receive()
        except (EOFError, OSError):
            pass
    assert window.verdicts == {}


def test_an_exam_that_was_broken_off_is_over(server: RefereeServer, folder: Path) -> None:
    with server.window(["double"]) as window:
        with Address(server.address).connect() as client:
            assert "case" in ask(client, "double")
        with Address(server.address).connect() as client:
            assert ask(client, "double") == CLOSED
        server.forgive()  # Only a new kernel, which does not know the cases, may try again.
        with Address(server.address).connect() as client:
            finish(client, folder, right, ask(client, "double"))
    assert window.verdicts["double"].passed


def test_a_verdict_that_is_reached_after_the_window_does_not_count(
    make_assignment: MakeAssignment,
) -> None:
    slow = "import time; time.sleep(0.3); return case.x**2"
    folder = make_assignment(CHECKS.replace("return case.x**2", slow))
    with (
        RefereeServer(folder, lambda question: 7) as server,
        Address(server.address).connect() as client,
    ):
        with server.window(["double"]) as window:
            message = ask(client, "double")
            for case in ("one more", "the last"):
                spec = find_spec(folder, "double")
                answer = play(spec, lambda x: 3 * x, case_from_wire(message["case"]))
                client.send(answer_to_wire(answer))
                if case == "one more":
                    message = receive(client)
            time.sleep(0.1)  # The referee has the last answer and looks for an explanation.
        with pytest.raises(EOFError):
            receive(client)
    assert window.verdicts == {}


def garbage(client: Wire) -> None:
    client.send_frame(b"garbage")


def too_short(client: Wire) -> None:
    client.send_frame(b"")


def oversize(client: Wire) -> None:
    # Only the announcement of a huge frame: the bytes themselves need not come.
    os.write(client._connection.fileno(), struct.pack("!iQ", -1, MAX_FRAME + 1))


def unfinished(client: Wire) -> None:
    os.write(client._connection.fileno(), struct.pack("!i", 1000) + b"only a few bytes")


def unsealed(client: Wire) -> None:
    client._connection.send_bytes(encode({"ask": "double"}))


def unsealed_answer(client: Wire) -> None:
    ask(client, "double")
    client._connection.send_bytes(encode(answer_to_wire(Answer())))


def repeated(client: Wire) -> None:
    client.send({"ask": "half"})
    client._sent -= 1
    client.send({"ask": "half"})


def abrupt(client: Wire) -> None:
    client.close()


def closed_between_cases(client: Wire) -> None:
    ask(client, "double")


def garbage_for_an_answer(client: Wire) -> None:
    ask(client, "double")
    client.send_frame(b"garbage")


def oversize_answer(client: Wire) -> None:
    ask(client, "double")
    oversize(client)


@pytest.mark.parametrize(
    "misbehave",
    [
        garbage,
        too_short,
        oversize,
        unfinished,
        unsealed,
        unsealed_answer,
        repeated,
        abrupt,
        closed_between_cases,
        garbage_for_an_answer,
        oversize_answer,
    ],
)
def test_a_misbehaving_kernel_does_not_stop_the_server(
    server: RefereeServer, folder: Path, misbehave: Callable[[Wire], None]
) -> None:
    with server.window(["double"]), Address(server.address).connect() as client:
        misbehave(client)
    server.forgive()  # A new kernel takes the place of this one.
    with server.window(["double"]) as window, Address(server.address).connect() as client:
        finish(client, folder, right, ask(client, "double"))
    assert window.verdicts["double"].passed


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage",
        encode(3),
        FORGED,
        POSING,
        encode({**answer_to_wire(Answer()), "gradients": {"x": 3}, "outputs": "text"}),
    ],
    ids=["garbage", "a number", "an endless shape", "a name for a tensor", "texts"],
)
def test_a_forged_answer_earns_nothing(server: RefereeServer, answer: bytes) -> None:
    with server.window(["double"]) as window, Address(server.address).connect() as client:
        message = ask(client, "double")
        while "case" in message:
            client.send_frame(answer)
            message = receive(client)
    assert window.verdicts["double"].points == 0


def test_a_broken_spec_is_the_courses_error(make_assignment: MakeAssignment) -> None:
    folder = make_assignment(CHECKS.replace("return 2 * case.x", "return 1 / 0"))
    with (
        RefereeServer(folder, lambda question: 7) as server,
        server.window(["double"]) as window,
        Address(server.address).connect() as client,
    ):
        assert ask(client, "double") == CLOSED
    assert isinstance(window.error, SpecError)
    assert window.verdicts == {}


def test_the_socket_lies_in_a_folder_of_the_users_own(server: RefereeServer) -> None:
    assert stat.S_IMODE(server.scratch.stat().st_mode) == 0o700
    assert Path(server.address.partition("@")[2]).parent == server.scratch


def test_the_server_ends_with_a_client_still_connected(folder: Path) -> None:
    with RefereeServer(folder, lambda question: 7) as server:
        client = Address(server.address).connect()
        with server.window(["double"]):
            ask(client, "double")
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert not server.scratch.exists()
    client.close()
