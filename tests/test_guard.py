"""Code that is being graded does not get at frames, all objects or memory; libraries work on."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap

import pytest

# A hook cannot be removed, so all of this happens in a process of its own.
RUN = """
import json, sys
import asyncio, collections, ctypes, dataclasses, enum, gc, inspect, logging, marshal, numpy
import threading, torch, traceback, types, typing, unittest
from autograder import guard
guard.install()
found = []
for source in json.load(sys.stdin):
    try:
        exec(compile(source, "/tmp/ipykernel_1/1.py", "exec"), {"__name__": "cell"})
        found.append("")
    except BaseException as error:
        found.append(type(error).__name__)
print(json.dumps(found))
"""

DENIED = {
    "the own frame": "import sys; sys._getframe()",
    "a traceback's frame": "try: 1 / 0\nexcept Exception as error: error.__traceback__.tb_frame",
    "a generator's frame": "(i for i in []).gi_frame",
    "a coroutine's frame": "async def f(): pass\nc = f()\ntry: c.cr_frame\nfinally: c.close()",
    "inspect": "import inspect; inspect.currentframe()",
    "inspect.stack": "import inspect; inspect.stack()",
    "a generator's locals": (
        "import inspect\ndef f(): yield\ng = f(); next(g); inspect.getgeneratorlocals(g)"
    ),
    "logging's frame": "import logging; logging.currentframe()",
    "traceback.walk_stack": "import traceback; list(traceback.walk_stack(None))",
    "all frames": "import sys; sys._current_frames()",
    "all objects": "import gc; gc.get_objects()",
    "referrers": "import gc; gc.get_referrers(print)",
    "a trace": "import sys; sys.settrace(print)",
    "a profile": "import sys; sys.setprofile(print)",
    "a profile of threads": (
        "import threading; seen = []; threading.setprofile(lambda *event: seen.append(event))\n"
        "t = threading.Thread(target=print); t.start(); t.join(); threading.setprofile(None)\n"
        "from autograder.guard import GuardError\n"
        "if not seen: raise GuardError"
    ),
    "a function's code": "def f(): pass\nf.__code__ = (lambda: 1).__code__",
    "new code": "(lambda: 1).__code__.replace(co_name='f')",
    "a new function": "import types; types.FunctionType((lambda: 1).__code__, {})",
    "loaded code": "import marshal; marshal.loads(marshal.dumps((lambda: 1).__code__))",
    "code in disguise": f"compile('1', {logging.__file__!r}, 'eval')",
    "memory": "import ctypes; ctypes.string_at(id(1), 4)",
    "a library": "import ctypes; ctypes.CDLL(None)",
}
ALLOWED = {
    "logging": "import logging; logging.getLogger('x').debug('x'); logging.warning('x')",
    "a named tuple": "import collections, typing; collections.namedtuple('A', 'b')",
    "a typed tuple": "import typing; typing.NamedTuple('B', [('x', int)]); typing.TypeVar('T')",
    "a data class": "import dataclasses\n@dataclasses.dataclass\nclass A:\n  x: int = 1\nA()",
    "an enumeration": "import enum; enum.Enum('F', 'a b')",
    "a traceback": "import traceback\ntry: 1 / 0\nexcept Exception: traceback.format_exc()",
    "a signature": "import inspect; inspect.signature(lambda x: 1); inspect.getsource(textwrap)",
    "asyncio": "import asyncio\nasync def f(): return 1\nasyncio.run(f())",
    "numpy": "import numpy as np; np.zeros(3).ctypes.data",
    "a training step": (
        "import torch; x = torch.ones(2, requires_grad=True)\n"
        "torch.nn.Linear(2, 3)(x).sum().backward()"
    ),
    "new modules": "import this, turtledemo, wsgiref.types",
    "a thread": "import threading; t = threading.Thread(target=print); t.start(); t.join()",
    "a copy": "import copy, torch; copy.deepcopy(torch.nn.Linear(2, 2))",
    "a unit test": (
        "import unittest\nclass T(unittest.TestCase):\n  def test_a(self): self.assertEqual(1, 1)\n"
        "unittest.TextTestRunner(stream=open('/dev/null', 'w')).run(T('test_a'))"
    ),
    "own code": "exec(compile('a = 1', '<mine>', 'exec')); (lambda: 1).__code__.co_varnames",
    "a collection": "import gc; gc.collect()",
}
ALLOWED["a signature"] = "import textwrap, inspect\n" + ALLOWED["a signature"]


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """Return the name of what each piece of code raised, or nothing."""
    sources = {**DENIED, **ALLOWED}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN)],
        input=json.dumps(list(sources.values())),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(sources, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize("name", DENIED)
def test_what_leads_behind_the_check_is_denied(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] == "GuardError"


@pytest.mark.parametrize("name", ALLOWED)
def test_what_libraries_do_is_allowed(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] == ""
