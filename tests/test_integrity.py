"""What reaches into Python or torch is held; what honest students write is not even mentioned."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jupytext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import rules
from autograder.integrity import Flag, scan
from autograder.students import read_class

ROOT = Path(__file__).parent.parent
LSTM_CELL = ROOT / "exercises/source/lstm-cell"

HELD = [
    # modules, by whatever name they come
    "import sympy",
    "from zipimport import zipimporter",
    "import _ctypes",
    "import ctypes",
    "import torch, ctypes",
    "import ctypes as c",
    "from ctypes import *",
    "from torch import _C",
    "import torch._C as q",
    "import torch\ntorch._C",
    "import torch as t\nt._C._nn",
    "from torch import nn\nnn.functional.torch._C",
    "from torch.nn import functional as F\nF._VF",
    "import torch\na = b = torch.nn\nb.functional._VF",
    "import torch\nF = torch.nn.functional\nF.torch.ops.aten",
    "import torch\n(q := torch)._C",
    "import torch, numpy\n(torch if 1 else numpy)._C",
    "import torch\nx, y = torch, 1\nx.ops",
    "import torch\nfor m in (torch,):\n    m.jit",
    "import torch\n[m.library for m in [torch]]",
    "import torch\ndef f(m=torch):\n    return m.overrides",
    "import torch\ndef f(*, m=torch):\n    return m.overrides",
    "import torch\nf = lambda m=torch: m.fx",
    "import torch\n(lambda m: m.zeros)(torch)",
    "import torch\nstore = [torch]",
    "import torch\nclass A:\n    lib = staticmethod(torch)",
    "class A:\n    import torch",
    "import torch\ndef f():\n    return torch",
    "import typing\ntyping.sys.modules",
    "import dataclasses\ndataclasses.inspect.currentframe()",
    "from dataclasses import sys as s\ns.modules",
    "from torch.nn.functional import *\nimportlib.reload",
    "def f():\n    class A:\n        try:\n            import ctypes\n        except ImportError:\n"
    "            0",
    "import checks",
    "from checks import LSTMCell",
    "import helper\nopen('helper.py', 'w')",
    "from . import helper\n!ls",
    "import autograder.answer",
    "from autograder import student",
    "import autograder\nautograder.student.play",
    "import IPython\nIPython.get_ipython()",
    "import sys\nsys.modules['torch']",
    "import sys\nsys._getframe()",
    "import sys\nsys.meta_path.insert(0, 1)",
    "import importlib",
    "import inspect\ninspect.currentframe()",
    "import inspect\ninspect.getmembers(print)",
    "import types\ntypes.FunctionType",
    "from types import CodeType",
    "import traceback\ntraceback.walk_tb(None)",
    "import operator\noperator.attrgetter('x')",
    "from operator import methodcaller as m",
    "import unittest.mock",
    "from unittest.mock import patch",
    "from os import *\npopen",
    "import os\nos.write(3, b'')",
    "import pickle",
    "import torch\ntorch.load('x', weights_only=False)",
    "import torch\ntorch.load('x', weights_only=flag)",
    "import numpy as np\nnp.load('x', allow_pickle=True)",
    "import torch\ntorch.compile(f)",
    "import torch\ntorch.jit.script(f)",
    "from torch.utils import cpp_extension",
    "import torch.utils._python_dispatch",
    "from torch.overrides import TorchFunctionMode",
    "x.TorchDispatchMode",
    "a.DisableTorchFunctionSubclass()",
    "import torch\nx: torch._C = 1",
    "import torch\nf'{torch._C}'",
    "import torch\n@torch._C.f\ndef g(): 0",
    "def f(m=__import__('ctypes')):\n    0",
    "class A:\n    gc = __import__('ctypes')",
    # code that is run from texts
    "exec('1')",
    "eval('1')",
    "run = eval",
    "eval = eval\neval('1')",
    "compile(text, 'a', 'exec')",
    "compile('import ctypes', 'a', 'exec')",
    "import timeit\ntimeit.timeit('import ctypes')",
    "import timeit\ntimeit.timeit(text)",
    "globals()['x']",
    "import torch\nvars(torch)['_C']",
    "vars(x).get('y')",
    "n = locals()\nn['x']",
    "__builtins__",
    "open(5, 'wb')",
    "open('/proc/self/mem', 'r+b')",
    "open('/pro' + 'c/self/mem')",
    "type('A', (object,), {})",
    "breakpoint()",
    # attributes
    "import torch\ntorch.__dict__",
    "f.__globals__",
    "f.__code__",
    "f.__closure__[0]",
    "x.__class__.__subclasses__()",
    "x.__class__.__mro__",
    "A.mro()",
    "super().__getattribute__('x')",
    "try:\n    f()\nexcept Exception as e:\n    e.__traceback__.tb_frame",
    "g.gi_frame",
    "x.lstm = print",
    "import torch\nclass A:\n    def f(self):\n        self.lstm = 1\nA.f(torch)",
    "class A:\n    @staticmethod\n    def f(x):\n        x.lstm = 1",
    "a.b.f_back",
    "c.co_consts",
    "x._base",
    "def f(self):\n    return self._C",
    "class A:\n    _C = 1\nx._C",
    "match x:\n    case A(f_locals=y):\n        pass",
    "match x:\n    case object(__globals__=y):\n        pass",
    "'__globals__'",
    "d['f_locals']",
    "'__glo' + 'bals__'",
    "f'{\"_\"}C'",
    "import torch\ngetattr(torch, '_' + 'C')",
    "import torch\ngetattr(torch, name)",
    "getattr(x, name)",
    "class A:\n    def f(self, k):\n        n = f'weight_{k}'\n        n = k\n"
    "        getattr(self, n)",
    "class A:\n    def f(self, k):\n        n = f'weight_{k}'\n        n += k\n"
    "        getattr(self, n)",
    "class A:\n    def f(self, k):\n        for n in ('f', 'w'):\n"
    "            getattr(self, f'{n}_l{k}')",
    "class A:\n    def f(self, k):\n        for n in ('w', k):\n"
    "            getattr(self, f'{n}_l{k}')",
    "class A:\n    def f(self, k, n):\n        getattr(self, f'{n}_l{k}')",
    "class A:\n    def f(self, n):\n        n = f'weight_{n}'\n        getattr(self, n)",
    "class A:\n    def f(self, k):\n        n = f'__{k}'\n        getattr(self, n)",
    "class A:\n    def f(self, k):\n        n = '__cl' + k\n        getattr(self, n)",
    "n = 'a'\nclass A:\n    def f(self, k):\n        global n\n        n = f'w_{k}'\n"
    "        getattr(self, n)",
    "class A:\n    def f(self, k):\n        for n in (f'{k}obals__',):\n"
    "            getattr(self, n)",
    "class A:\n    def f(self, k):\n        n = f'w_{k}'\n        def g():\n"
    "            nonlocal n\n            n = k\n        g()\n        getattr(self, n)",
    "getattr(x, '__globals__')",
    "class A:\n    def f(self, name):\n        return getattr(self, name)",
    "class A:\n    def f(self, a, b):\n        return getattr(self, f'{a}_{b}')",
    "[*map(getattr, [x], ['y'])]",
    "g = getattr\ng(x, 'y')",
    "from functools import reduce\nreduce(getattr, names, x)",
    "delattr(x, name)",
    "def f():\n    global q\n    q = x.__self__",
    "A.__init__(f, 1)",
    # what others rely on
    "import torch\ntorch.add = f",
    "import torch\ndel torch.add",
    "from torch import nn\nnn.Module.__call__ = g",
    "import numpy as np\nnp.allclose = f",
    "import torch\nT = torch.Tensor\nT.__eq__ = g",
    "import torch\ntorch.add, x = f, 1",
    "import torch\nfor torch.add in [f]:\n    pass",
    "import torch\nsetattr(torch.Tensor, 'add', f)",
    "def patch(c):\n    c.forward = f",
    "type(x).size = f",
    "x.__class__ = A",
    "class A:\n    def __torch_function__(self): 0",
    "class A:\n    def __reduce__(self): 0",
    "class A:\n    __array_interface__ = {}",
    "class A:\n    __match_args__ = ('x',)",
    "class A:\n    def __getattribute__(self, name): 0",
    "import torch\nsub = torch.utils.swap_tensors",
    "from numpy.lib.stride_tricks import as_strided",
    # magics
    "%run a.py",
    "run a.py",
    "!echo {__import__('ctypes')}",
    "!ls $(python a.py)",
    "%load_ext Cython",
    "%time import ctypes",
    "%%time\nx = 1\nimport ctypes",
    "%%capture out\nimport ctypes",
    "%%timeit import ctypes\n1",
    "%%writefile tqdm.py\n1",
    "%time run a.py",
    "import torch\n%matplotlib inline\ntorch._C",
    "time import ctypes",
    "%config InlineBackend.x = __import__('ctypes')",
    # found by attacking the rules
    "import torch\ntorch",
    "import torch\nx == torch",
    "import torch\nprint = keep\nprint(torch)",
    "import torch\n[torch.optim.adam]",
    "from torch.nn.modules.rnn import *",
    "import torch\ndef f():\n    [0 for torch in ()]\n    return torch.ops.aten",
    "import torch\nx.jit\ntorch.autograd.forward_ad.os.dup(1)",
    "import functools\nfunctools.update_wrapper(a, f, ['__glo' + b])",
    "import functools\nfunctools.wraps(f, names)(a)",
    "import functools\nmap(functools.wraps, a, b)",
    "B = A.__init__\nB(f, n)",
    "class A:\n    def __init__(self, n):\n        self = n\n        getattr(self, n)",
    "class A:\n    @staticmethod\n    def __init__(self, n):\n        getattr(self, n)",
    "class A:\n    def __init__(self, n):\n        def q(self):\n            getattr(self, n)",
    "setattr(c, f'forw{a}', f)",
    "from torch import load\nload(a, weights_only=False)",
    "import io\nio.FileIO(3, 'w')",
    "if 0:\n    getattr = 1\ng = getattr",
    "get_ipython()",
    "get_ipython().user_ns",
    "ip = get_ipython\n",
    "get_ipython().run_cell('1')",
    # threads
    "import asyncio\nasyncio.to_thread(f)",
    "loop.run_in_executor(None, f)",
    "import torch\ntorch.nn.parallel.parallel_apply(a, b)",
    # what looks like what is allowed
    "f('x', compile)",
    "compile()",
    "class A:\n    def f(self, n):\n        self.__init__(n)",
    "class A:\n    def f(self, n):\n        B.__init__(self, n)",
    "class A:\n    def __init__(self, n):\n        getattr(self, n)",
    "import torch\nf((q := torch))",
    "import torch\nx is torch == y",
    "import torch\ntorch.ops.aten.q" + ".__call__" * 30,
    "def g(): 0\ng = text\nimport timeit\ntimeit.timeit(g)",
    "object.__setattr__(x, 'y', 1)",
    "def f(self):\n    object.__setattr__(self, 'y', 1)",
    "class A:\n    def f(self, name):\n        object.__setattr__(self, name, 1)",
    "class A:\n    def f(self):\n        object.__setattr__(self, '__class__', 1)",
    "import torch\nfor k, m in enumerate((torch,)):\n    m.jit",
    "import torch\nfor k, m in zip(names, [torch]):\n    m.jit",
    "import torch\nfor k, m in {'a': torch}.items():\n    m.jit",
    "import torch\nfor m in [f(torch)]:\n    m",
]

TOLD = [
    "import a_module_that_is_nowhere",
    "from safetensors.torch import save_file\nsave_file({}, 'my.safetensors')",
    "from sys import settrace",
    "import os\nos.system('ls')",
    "import os\nos.fork()",
    "import subprocess",
    "%%bash\nls",
    "%%script python\n1",
    "%%python\n1",
    "!python a.py",
    "!ls; python a.py",
    "x = !python a.py",
    "import threading",
    "import _thread",
    "from concurrent.futures import ThreadPoolExecutor",
    "import concurrent.futures",
    "import queue\nqueue.threading.Thread",
    "import gc\ngc.get_objects()",
    "import helper",
    "from . import helper",
    "import os\nos.environ['HOME']",
    "import os\nos.getenv('HOME')",
    "open('notes.txt')",
    "from pathlib import Path\nPath('a').read_text()",
    "import os\nos.listdir('.')",
    "import urllib.request",
    "import torch\ntorch.save(x, 'a')",
    "import torch\ntorch.load('a', weights_only=True)",
    "import sys\nsys.exit()",
    "import os\nos._exit(0)",
    "name = input()",
    "import inspect\ninspect.getsource(f)",
    "import sys\nsys.stdout = f",
    "spec.reference(case)",
    "import dis",
    "import atexit",
    "import base64",
    "bytes.fromhex('00')",
    "import torch\nclass A(torch.Tensor): 0",
    "class A(metaclass=B): 0",
    "class A:\n    def __init_subclass__(cls): 0",
    "def print(*a): 0",
    "len = 5",
    "!ls -l",
    "!pip install x",
    "%pip install x",
    "%%html\n<b>",
    "%%writefile notes.txt\n1",
    "%load_ext autoreload\n%autoreload 2",
]

ORDINARY = [
    "import configparser, html, shlex, zoneinfo\nfrom fnmatch import fnmatch",
    "import torch\nfrom torch import nn\nimport torch.nn.functional as F\nimport numpy as np\n"
    "import matplotlib.pyplot as plt\nimport math, random, time, copy, itertools",
    "import torch\nfrom torch import nn\nclass Net(nn.Module):\n    def __init__(self, n):\n"
    "        super().__init__()\n        self._n = n\n        self.cells = nn.ModuleList()\n"
    "        self.register_buffer('mask', torch.zeros(n))\n        self._reset()\n"
    "    def _reset(self):\n        for p in self.parameters():\n            nn.init.zeros_(p)\n"
    "    def forward(self, x):\n        return self.cells[0](x) * self._n\n"
    "net = Net(3)\nnet._reset()\nprint(net._n, list(net.modules()))",
    "class A:\n    def w(self, k):\n        return getattr(self, f'weight_ih_l{k}')\n"
    "    def set(self, k):\n        setattr(self, 'bias_' + k, 1)",
    "class A:\n    def __init__(self, **kwargs):\n        for k, v in kwargs.items():\n"
    "            setattr(self, k, v)",
    "class A:\n    def f(self, k, end):\n        for n in ('weight_ih', 'weight_hh'):\n"
    "            getattr(self, f'{n}_l{k}{end}')\n"
    "        return [getattr(self, f'{n}_l{k}') for n in ['bias_ih', 'bias_hh']]",
    "class A:\n    def f(self, k, d):\n        end = '_reverse' if d else ''\n"
    "        name = f'weight_ih_l{k}{end}'\n        return getattr(self, name)",
    "class A:\n    def f(self, k):\n        for n in (f'weight_ih_l{k}', f'bias_l{k}'):\n"
    "            getattr(self, n)",
    "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.lstm = nn.LSTM(2, 3)\n"
    "        self.lstm_cell = nn.LSTMCell(2, 3)",
    "for name in ('weight_ih', 'bias_ih'):\n    print(name, getattr(cell, name).shape)",
    "ws = [getattr(lstm, n) for n in ['weight_ih_l0', 'weight_hh_l0']]",
    "for k in range(2):\n    getattr(lstm, f'weight_ih_l{k}')",
    "from functools import partial\nf = partial(lstm_cell, x=1)\n[f(h=i) for i in range(3)]",
    "from dataclasses import dataclass, field\n@dataclass\nclass State:\n    h: int = 0\n"
    "    _c: int = 0\ns = State()\ns._c = 1",
    "from collections import namedtuple\nS = namedtuple('S', 'h c')\n"
    "S(1, 2)._replace(h=3)._asdict()",
    "from typing import NamedTuple, Optional\nclass S(NamedTuple):\n    h: int\n"
    "x: Optional[int] = None",
    "import matplotlib.pyplot as plt\nplt.rcParams['figure.dpi'] = 100\nplt.plot([1])\nplt.show()",
    "import time\nt = time.perf_counter()\nprint(time.time() - t)",
    "import torch, random, numpy as np\ntorch.manual_seed(0)\nrandom.seed(0)\nnp.random.seed(0)",
    "import torch\ntorch.backends.cudnn.deterministic = True",
    "try:\n    f()\nexcept (RuntimeError, TypeError) as e:\n"
    "    print(type(e).__name__, e, repr(e))",
    "import traceback\ntry:\n    f()\nexcept Exception:\n    traceback.print_exc()",
    "import torch\nwith torch.no_grad():\n    p.data -= 0.1 * p.grad\n    x.grad.zero_()\n"
    "    x.grad = None",
    "import torch\nclass Exp(torch.autograd.Function):\n    @staticmethod\n"
    "    def forward(ctx, x):\n        ctx.save_for_backward(x)\n        ctx.n = 1\n"
    "        return x\n"
    "    @staticmethod\n    def backward(ctx, g):\n        (x,) = ctx.saved_tensors\n"
    "        return g\ntorch.autograd.gradcheck(Exp.apply, x)",
    "from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence\n"
    "pack_padded_sequence(x, [1], enforce_sorted=False)",
    "import torch\ntorch.einsum('ij,jk->ik', a, b)\ntorch.testing.assert_close(a, b)",
    "print(model.__class__.__name__, f.__name__, f.__doc__)",
    "if __name__ == '__main__':\n    main()",
    "x.data_ptr(), x.untyped_storage(), id(x), x.__array__()",
    "import torch\ntorch.set_printoptions(precision=3)\nprint(torch.__version__)\nhelp(torch)\n"
    "dir(torch)",
    "import numpy as np, torch\nfor lib in (np, torch):\n    print(lib.__name__, lib.__version__)",
    "import torch\nprint(f'{torch.__version__}')\nassert torch is not None",
    "import torch\nxp = torch if fast else None\nxp.zeros(3)",
    "%timeit f(x)",
    "%timeit -n 10 -r 3 f(x)",
    "%%time\ny = f(x)\nprint(y)",
    "%%timeit\nf(x)",
    "%matplotlib inline\n%config InlineBackend.figure_format = 'svg'",
    "f?",
    "import torch.nn.functional as F\ndef g(x):\n    N, F = x.shape\n    return [N, F]",
    "import torch.nn.functional as F\ndef g(x, F):\n    return h(x, F)",
    "import sys\nprint(sys.version, file=sys.stderr)\nsys.getsizeof(x)",
    "print(locals())\nlocals()\nlen(vars(x))\n'x' in globals()",
    "gc = torch_tanh(x)\ni, f, gc, o = gates\nself_gc = gc * i",
    "class C:\n    def __init__(self):\n        self.gc = 1\n    def f(self):\n"
    "        return self.gc",
    "class V:\n    def __add__(self, o): return o\n    def __eq__(self, o): return True\n"
    "    def __getitem__(self, i): return i\n    def __len__(self): return 3\n"
    "    def __repr__(self): return 'V'\n    def __enter__(self): return self\n"
    "    def __exit__(self, *a): return None\n    def __hash__(self): return 1",
    "vars = [x, h, c]\nfor v in vars:\n    print(v, vars[0])",
    "input = torch_randn(3)\noutput = model(input)\nsum = 0\nmax = 3\ninput = input + 1",
    "model.train()\nmodel.eval()\nmodel.apply(init)\nmodel.weight_ih.data = w",
    "import torch\nfrom torch.func import functional_call\nfunctional_call(m, p, (x, (h, c)))",
    "from torch import nn\nclass B(nn.LSTMCell):\n    def __init__(self, a, b):\n"
    "        nn.LSTMCell.__init__(self, a, b)\n        self._all = list(self._parameters)",
    "import timeit\ntimeit.timeit(lambda: f(x), number=3)\ndef g(): pass\ntimeit.timeit(g)",
    "import inspect\nprint(inspect.signature(f))",
    "from time import time\nprint([time], time() - 1)\nimport time\ntime = time.time()\nf(time)",
    "from functools import wraps\ndef d(f):\n    @wraps(f)\n    def g(*a): return f(*a)\n"
    "    return g",
    "import warnings\nwarnings.filterwarnings('ignore')",
    "from IPython.display import display, HTML\ndisplay(HTML('<b>'))",
    "from torch.utils.data import DataLoader, TensorDataset",
    "from torch import *\nx = zeros(3)\nfrom math import *\ny = sqrt(4)",
    "for _ in range(3):\n    a, _ = f(a)",
    "from autograder import check\ncheck('lstm_cell', lstm_cell)",
    "import autograder\nautograder.check('lstm_cell', lstm_cell)",
    "import autograder\nif hasattr(x, 'grad') and callable(f) and isinstance(x, int):\n    pass",
    "f.calls = 0\nf.calls += 1\ndel f.calls",
    "'torch._C is an internal part, as is f.__globals__'",
    "spec.misconception",
    "class A:\n    def __init__(self, x):\n        object.__setattr__(self, 'x', x)",
    "import torch, numpy as np\nfor name, lib in (('np', np), ('torch', torch)):\n"
    "    print(name, lib.ones(3))",
    "import torch, numpy as np\nfor k, lib in enumerate([np, torch]):\n    x[k] = lib.ones(3)",
    "import torch, numpy as np\nfor lib, n in zip((np, torch), names):\n    lib.ones(n)",
    "import torch, numpy as np\nfor n, lib in {'a': np, 'b': torch}.items():\n    lib.ones(3)",
]


def ids(sources: list[str]) -> list[str]:
    return [source.replace("\n", " ")[:40] for source in sources]


@pytest.mark.parametrize("source", HELD, ids=ids(HELD))
def test_what_reaches_into_internals_is_held(source: str) -> None:
    assert any(flag.holds for flag in scan([("a", source)]))


@pytest.mark.parametrize("source", TOLD, ids=ids(TOLD))
def test_what_is_only_unusual_is_told(source: str) -> None:
    flags = scan([("a", source)])
    assert flags
    assert not [flag for flag in flags if flag.holds]


@pytest.mark.parametrize("source", ORDINARY, ids=ids(ORDINARY))
def test_ordinary_code_is_not_mentioned(source: str) -> None:
    assert scan([("a", source)]) == []


def test_all_ordinary_code_in_one_notebook() -> None:
    # Without the star imports, after which any name may be a module's.
    cells = [(f"cell {k}", source) for k, source in enumerate(ORDINARY) if "import *" not in source]
    assert scan(cells) == []


@pytest.mark.parametrize("student", read_class(LSTM_CELL), ids=lambda student: student.name)
def test_the_sample_class_is_not_mentioned(student) -> None:
    given_cells = [("cell 1", "import torch\n\nfrom autograder import check")]
    assert scan(given_cells + list(student.cells.items())) == []


@pytest.mark.parametrize("path", [LSTM_CELL / "lstm-cell.md", ROOT / "chapters/lstm.md"])
def test_our_own_notebooks_are_not_mentioned(path: Path) -> None:
    cells = [c.source for c in jupytext.read(path).cells if c.cell_type == "code"]
    assert len(cells) > 5
    assert scan([(f"cell {k}", source) for k, source in enumerate(cells)]) == []


def test_names_are_followed_from_cell_to_cell() -> None:
    flags = scan(
        [("a", "q = t.nn"), ("b", "import torch as t"), ("c", "x = 1\ny = q.functional._VF")]
    )
    assert [(flag.cell, flag.line, flag.code) for flag in flags] == [
        ("c", 2, "y = q.functional._VF")
    ]


def test_the_evidence_is_the_line_as_it_was_written() -> None:
    source = "\n\n%%time\nx = 1\n   \nimport ctypes  # " + 300 * "a"
    (flag,) = scan([("a", source)])
    assert flag.line == 6
    assert flag.code == ("import ctypes  # " + 300 * "a")[:200]
    assert "ctypes" in flag.reason
    assert flag.reason.endswith(".")


def test_each_reason_is_given_once_a_line() -> None:
    assert len(scan([("a", "f.__code__ + f.__code__")])) == 1
    assert len(scan([("a", "f.__code__\nf.__code__")])) == 2


def test_flags_survive_json() -> None:
    for flag in scan([("a", "import ctypes, marshal")]):
        assert Flag.from_json(json.loads(json.dumps(flag.to_json()))) == flag
    with pytest.raises(TypeError):
        Flag.from_json({"cell": "a"})


@pytest.mark.parametrize(
    "source",
    ["", "\n", "\x00", "x = '\x00'", "def f(", "    x\n y", "?", "\ud800", "x = '\ud800'",
    "%%", "%",
     "!", "%%\x00", "'''", "# -*- coding: nonsense -*-\nx", "\ufeffx = 1", "\x0c", "9" * 5000,
     "a\rb\r\nc", "get_ipython().run_line_magic()", "\\d = 5", "x = '\\d'", "/", ",f a", "x = %"],
)  # fmt: skip
def test_what_cannot_run_raises_nothing(source: str) -> None:
    scan([("a", source)])


@pytest.mark.parametrize(
    "source",
    ["(" * 5000 + ")" * 5000, "x = " + "-" * 50_000 + "1", "+".join(["x"] * 20_000),
     "x" + ".a" * 50_000, "x = 1\n" * 200_000, "x[" * 150 + "0" + "]" * 150],
)  # fmt: skip
def test_huge_and_nested_sources_end_in_time(source: str) -> None:
    start = time.perf_counter()
    scan([("a", source)])
    assert time.perf_counter() - start < 10


def test_what_is_too_long_or_too_deep_to_read_is_held() -> None:
    assert any(flag.holds for flag in scan([("a", "x = 1\n" * 200_000)]))
    assert any(flag.holds for flag in scan([("a", "+".join(["x"] * 20_000))]))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_random_text_raises_nothing(cells: list[tuple[str, str]]) -> None:
    scan(cells)


WORDS = ["import ", "torch", ".", "_C", "\n", " ", "%", "!", "(", ")", "=", ":", "getattr",
    "self", "'",
         "class A", "def f", "{", "}", "get_ipython", "x", ",", "*", "for ", "in ",
         "    "]  # fmt: skip


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(WORDS), max_size=30))
def test_random_words_raise_nothing(words: list[str]) -> None:
    scan([("a", "".join(words))])


def test_a_notebook_that_was_seen_before_takes_milliseconds() -> None:
    cells = [(f"cell {k}", source) for k, source in enumerate((ORDINARY * 2)[:20])]
    scan(cells)
    start = time.perf_counter()
    for _ in range(10):
        scan(cells)
    assert (time.perf_counter() - start) / 10 < 0.05  # It is below 5 ms on an idle machine.


def test_every_kind_of_flag_has_a_reason() -> None:
    for source in HELD + TOLD:
        for flag in scan([("a", source)]):
            assert flag.reason.endswith(".")
            assert len(flag.code) <= 200
    assert not rules.PATHS.keys() & {"", "-"}


FILES_FINE = [
    [("a", "import helper\nhelper.f(1)"), ("helper.py", "def f(x):\n    return x")],
    [("a", "from helper import _f as g, K\ng(K)"), ("helper.py", "def _f(x): 0\nK = 1")],
    [("a", "import helper as h\nh.K = 1\nh._f()"), ("helper.py", "K = 0\ndef _f(): 0")],
    [("a", "from helper import *"), ("helper.py", "import torch\ntorch.ones(3)")],
    [("a", "from utils import cells\ncells.f()"), ("utils/cells.py", "def f(): 0")],
    [("a", "import utils.cells\nutils.cells.f()"), ("utils/cells.py", "def f(): 0")],
    [("a", "from utils import f"), ("utils/__init__.py", "from .b import f"),
     ("utils/b.py", "f = 1")],
    [("a", "import cells"), ("utils/cells.py", "")],
]  # fmt: skip
FILES_HELD = [
    [("a", "import helper\n!ls")],
    [("a", "import helper\n!ls"), ("helper", "f = 1")],
    [("a", "import other\n!ls"), ("helper.py", "f = 1")],
    [("a", "import utils.b\n!ls"), ("utils/a.py", "f = 1")],
    [("a", "import helper"), ("helper.py", "import ctypes")],
    [("helper.py", "import ctypes")],
    [("a", "import helper\nhelper.t.jit"), ("helper.py", "import torch as t")],
    [("a", "from helper import t as q\nq.jit"), ("helper.py", "import torch as t")],
    [("a", "import helper as h\nh.t.add = 1"), ("helper.py", "import torch as t")],
    [("a", "import helper\nf(helper)"), ("helper.py", "import torch as t")],
    [("a", "import helper\nhelper.f.__globals__"), ("helper.py", "def f(): 0")],
    [("helper.py", "# coding: unicode_escape\n# \\u000aimport ctypes")],
    [("helper.py", "#" * 2000 + "\n# coding: utf-7\n")],
    [("helper.py", "# coding: mine\nx = 1")],
    *([(f"{name}.py", "f = 1")] for name in (
        "torch", "numpy", "einops", "colorsys", "autograder", "sitecustomize", "usercustomize",
        "checks", "sympy", "lib/random", "torch/__init__")),
]  # fmt: skip


@pytest.mark.parametrize("cells", FILES_FINE, ids=str)
def test_a_file_that_was_handed_in_may_be_imported(cells: list[tuple[str, str]]) -> None:
    assert not [flag for flag in scan(cells) if "import *" not in flag.code]
    assert not [flag for flag in scan(cells) if flag.holds]


@pytest.mark.parametrize("cells", FILES_HELD, ids=str)
def test_a_file_is_judged_like_a_cell_and_takes_no_librarys_place(
    cells: list[tuple[str, str]],
) -> None:
    assert any(flag.holds for flag in scan(cells))
