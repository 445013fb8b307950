"""The wire between the referee and the student's kernel: JSON and arrays, bounded, no pickle.

A frame is the length of a JSON header (4 bytes, big-endian), the header, and a safetensors blob.
The blob holds one flat tensor for each dtype: the entries of all tensors of that dtype, in the
order in which the header mentions them.  Whatever arrives is checked before it is used.

On a :class:`Wire` each frame is sealed with a key.  The student's code can find the socket, but not
the key, so it cannot speak for the code of ours that runs beside it.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from hashlib import blake2b
from hmac import compare_digest
from multiprocessing.connection import Client, Connection
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from .answer import Answer, Failure
from .case import Case, relayout
from .tree import Opaque, Tree

__all__ = [
    "MAX_FRAME",
    "Address",
    "Wire",
    "WireError",
    "answer_from_wire",
    "answer_to_wire",
    "case_from_wire",
    "case_to_wire",
    "decode",
    "encode",
    "hidden",
]

MAX_FRAME = 64 * 2**20
"""The largest frame, in bytes."""
MAX_DEPTH = 16
"""The deepest nesting of tuples, lists and dicts."""
MAX_AXES = 64
"""The most axes of a tensor; torch has no more."""
MAX_NODES = 20_000
"""The most values, leaves and containers together, in one frame."""

_LENGTH = struct.Struct(">I")
_SEAL = 32


class WireError(ValueError):
    """A frame that cannot be sent, or that must not be believed."""


def encode(message: Tree) -> bytes:
    """Pack a tree into a frame.

    Args:
        message: a tree; tensors may be of any dtype that safetensors knows.

    Raises:
        WireError: if the message is too large, too deep or holds an unsupported dtype.
    """
    entries: dict[str, list[torch.Tensor]] = {}
    size = nodes = 0

    def pack(value: Any, depth: int) -> Any:
        nonlocal size, nodes
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise WireError("it has too many parts, or is nested too deeply")
        if isinstance(value, torch.Tensor):
            size += value.numel() * value.element_size()
            if size > MAX_FRAME:
                raise WireError(f"it is larger than {MAX_FRAME // 2**20} MiB")
            dtype = str(value.dtype)
            entries.setdefault(dtype, []).append(value.detach().cpu().reshape(-1))
            shape, permuted = list(value.shape), not value.is_contiguous()
            return {"$": "tensor", "dtype": dtype, "shape": shape, "permuted": permuted}
        if isinstance(value, Opaque):
            return {"$": "opaque", "type": value.type_name[:200]}
        if isinstance(value, Mapping):
            items = [[str(key), pack(item, depth + 1)] for key, item in value.items()]
            return {"$": "dict", "items": items}
        if isinstance(value, tuple):
            return {"$": "tuple", "items": [pack(item, depth + 1) for item in value]}
        if isinstance(value, list):
            return [pack(item, depth + 1) for item in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise WireError(f"a {type(value).__name__} cannot be sent")

    try:
        header = json.dumps(pack(message, 0)).encode()
        blob = save({dtype: torch.cat(parts) for dtype, parts in entries.items()})
    except WireError:
        raise
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise WireError(f"it holds a tensor that cannot be sent: {error}") from None
    frame = _LENGTH.pack(len(header)) + header + blob
    if len(frame) > MAX_FRAME:
        raise WireError(f"it is larger than {MAX_FRAME // 2**20} MiB")
    return frame


def decode(frame: bytes) -> Tree:
    """Unpack a frame into a tree.

    Raises:
        WireError: if the frame is not one that :func:`encode` makes.
    """
    if len(frame) > MAX_FRAME:
        raise WireError("the frame is too large")
    try:
        (length,) = _LENGTH.unpack_from(frame)
        end = _LENGTH.size + length
        if end > len(frame):
            raise WireError("the frame is cut short")
        header = json.loads(frame[_LENGTH.size : end])
        left = load(frame[end:])
    except (struct.error, ValueError, RecursionError, KeyError, SafetensorError) as error:
        raise WireError(f"the frame cannot be read: {error}") from None
    nodes = 0

    def take(dtype: str, shape: list[int]) -> torch.Tensor:
        count = math.prod(shape)
        if len(shape) > MAX_AXES or not all(0 <= size <= MAX_FRAME for size in shape):
            raise ValueError("there is no tensor of that shape")
        taken, left[dtype] = left[dtype][:count], left[dtype][count:]
        return taken.reshape(shape)

    def unpack(value: Any, depth: int) -> Any:
        nonlocal nodes
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise WireError("the frame has too many parts, or is nested too deeply")
        if isinstance(value, list):
            return [unpack(item, depth + 1) for item in value]
        if not isinstance(value, dict):
            return value
        try:
            kind = value["$"]
            if kind == "tensor":
                tensor = take(value["dtype"], value["shape"])
                return relayout(tensor) if value["permuted"] is True else tensor
            if kind == "opaque":
                return Opaque(str(value["type"]))
            if kind == "dict":
                return {str(key): unpack(item, depth + 1) for key, item in value["items"]}
            if kind == "tuple":
                return tuple(unpack(item, depth + 1) for item in value["items"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WireError(f"the frame's header is malformed: {error}") from None
        raise WireError("the frame's header is malformed")

    return unpack(header, 0)


class Wire:
    """A connection over which only those are heard who know the key, each frame once and in order.

    Args:
        connection: an open connection.
        key: what both ends know, and nobody else, as :func:`hidden` returns it.
        referee: whether this is the referee's end.
    """

    def __init__(self, connection: Connection, key: Any, *, referee: bool = False) -> None:
        self._connection = connection
        self._key = key
        self._process = os.getpid()
        self._ours, self._theirs = (b"R", b"K") if referee else (b"K", b"R")
        self._sent = self._received = 0
        # What was said on one wire counts on no other, though the key is the same.
        self._name = os.urandom(16) if referee else connection.recv_bytes(16)
        if referee:
            connection.send_bytes(self._name)

    def _seal(self, end: bytes, number: int, frame: bytes) -> bytes:
        hashed = self._key.copy()
        hashed.update(self._name + end + _LENGTH.pack(number))
        hashed.update(frame)
        sealed: bytes = hashed.digest()
        return sealed

    def send(self, message: Tree) -> None:
        """Send a message.

        Raises:
            WireError: if it cannot be packed.
            OSError: if the other end is closed.
        """
        self.send_frame(encode(message))

    def send_frame(self, frame: bytes) -> None:
        """Send a message that :func:`encode` has packed."""
        if os.getpid() != self._process:
            os._exit(0)  # A copy of the kernel, forked in mid-answer, has no say.
        self._connection.send_bytes(self._seal(self._ours, self._sent, frame) + frame)
        self._sent += 1

    def poll(self, seconds: float) -> bool:
        """Wait for a message, and say whether there is one."""
        return self._connection.poll(seconds)

    def receive(self) -> Tree:
        """Wait for a message and return it.

        Raises:
            WireError: if it is malformed.
            EOFError, OSError: if the other end is closed, or somebody else has spoken.
        """
        sealed = self._connection.recv_bytes(MAX_FRAME + _SEAL)
        seal, frame = sealed[:_SEAL], sealed[_SEAL:]
        if not compare_digest(seal, self._seal(self._theirs, self._received, frame)):
            self.close()
            raise EOFError("Somebody without the key has spoken.")
        self._received += 1
        return decode(frame)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def hidden(key: bytes) -> Any:
    """Hide a key in an object that seals with it and never shows it.

    No text, no attribute and no patched function leads from it to the key.
    """
    return blake2b(key=key, digest_size=_SEAL)


class Address:
    """Where a kernel finds its referee.

    Args:
        text: what the referee calls its address: the key, an ``@`` and the path of a socket.
    """

    def __init__(self, text: str) -> None:
        key, _at, self._path = text.partition("@")
        self._key = hidden(bytes.fromhex(key))

    def connect(self) -> Wire:
        """Connect to the referee.

        Raises:
            OSError: if it is not there.
        """
        return Wire(Client(self._path), self._key)


def case_to_wire(case: Case) -> Tree:
    """Turn a case into a tree for :func:`encode`."""
    return {"label": case.label, "inputs": dict(case)}


def case_from_wire(message: Tree) -> Case:
    """Rebuild a case.

    Raises:
        WireError: if the message is no case.
    """
    if not (isinstance(message, dict) and isinstance(message.get("inputs"), dict)):
        raise WireError("a case was expected")
    return Case(str(message.get("label")), **message["inputs"])


def answer_to_wire(answer: Answer) -> Tree:
    """Turn an answer into a tree for :func:`encode`."""
    return {
        "outputs": answer.outputs,
        "gradients": dict(answer.gradients),
        "parameters": answer.parameters,
        "modified": list(answer.modified),
        "forbidden": list(answer.forbidden),
        "broken_rule": answer.broken_rule,
        "failure": vars(answer.failure) if answer.failure else None,
        "backward_failed": answer.backward_failed,
        "callable": answer.callable,
    }


def answer_from_wire(message: Tree) -> Answer:
    """Rebuild an answer, which may come from hostile code.

    Raises:
        WireError: if the message is no answer.
    """
    try:
        failure = message["failure"]
        parameters = message["parameters"]
        return Answer(
            outputs=message["outputs"],
            gradients={
                path: value if isinstance(value, torch.Tensor) else None
                for path, value in message["gradients"].items()
            },
            parameters=None
            if parameters is None
            else {name: tuple(int(n) for n in shape) for name, shape in parameters.items()},
            modified=[str(path) for path in message["modified"]],
            forbidden=[str(name) for name in message["forbidden"]],
            broken_rule=str(message["broken_rule"])[:400],
            failure=None
            if failure is None
            else Failure(*(str(failure[part])[:400] for part in ("type_name", "message", "line"))),
            backward_failed=message["backward_failed"] is True,
            callable=message["callable"] is True,
        )
    except (TypeError, KeyError, ValueError, AttributeError, ArithmeticError) as error:
        raise WireError(f"an answer was expected: {error}") from None
