"""What code in a notebook may use: the tables of names, the verdicts, and the words for them.

To change what is held, change a table. In the first one, the longest path decides, and "*" stands
for all that is not named. A module without a rule is held: it may be a file that nobody has read.
"""

from __future__ import annotations

import io
import sys
import tokenize
from functools import lru_cache
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import PurePosixPath
from types import ModuleType

from .i18n import _


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _dunders(text: str) -> frozenset[str]:
    return frozenset(f"__{word}__" for word in text.split())


_TABLE = """
fine -: __future__ abc argparse array ast asyncio bisect calendar cmath collections contextlib copy
fine -: csv dataclasses datetime decimal difflib enum fractions functools hashlib heapq itertools
fine -: json locale logging math numbers operator pathlib platform pprint queue random re secrets
fine -: statistics string struct tempfile textwrap time timeit types typing typing_extensions uuid
fine -: unicodedata unittest warnings weakref inspect os sys traceback IPython autograder numpy
fine -: colorsys configparser contextvars errno fnmatch graphlib hmac html keyword reprlib sched
fine -: shlex stat zoneinfo
fine -: torch matplotlib mpl_toolkits scipy pandas sklearn seaborn tqdm PIL einops torchvision
tell -: dis resource atexit base64 codecs zlib gzip bz2 lzma binascii zipfile
tell -: tarfile urllib requests http shutil glob io getpass
tell -: gc signal subprocess threading _thread concurrent builtins safetensors
hold -: ctypes cffi marshal importlib bltns codeop code pickle cloudpickle dill shelve
hold -: runpy multiprocessing socket pty mmap ipykernel checks copyreg
hold -: doctest pdb bdb trace pydoc pkgutil site cProfile profile
tell builtins: print input open exit quit
hold builtins: *
hold signal: signal sigaction
fine sys: version version_info stdout stderr stdin maxsize getsizeof platform executable argv flags
fine sys: float_info byteorder getrecursionlimit getrefcount exc_info implementation hexversion
tell sys: exit setrecursionlimit settrace setprofile
path sys: path
hold sys: *
fine os: path name sep linesep getcwd getpid cpu_count makedirs mkdir urandom fspath PathLike
tell os: environ getenv listdir walk remove chdir scandir stat rename rmdir unlink uname _exit
tell os: abort close closerange fork forkpty getppid kill killpg nice popen system waitpid
hold os: *
fine types: SimpleNamespace MappingProxyType NoneType EllipsisType UnionType GenericAlias MethodType
hold types: *
fine inspect: signature getdoc cleandoc isfunction isclass ismethod Parameter getfullargspec
tell inspect: getsource getsourcelines
hold inspect: *
fine traceback: print_exc format_exc print_exception format_exception print_tb format_tb
fine traceback: print_stack format_stack
hold traceback: *
fine IPython.display: display clear_output HTML Image Markdown Latex Math SVG Audio
fine IPython: display
hold IPython: * display.*
fine unittest: TestCase main TextTestRunner TestSuite skip
hold unittest: *
fine autograder: check status
hold autograder: *
fine torch.utils: data checkpoint tensorboard
hold torch.utils: *
hold torch: ops jit compile library fx export onnx ao package hub overrides classes quantization
hold torch: compiler multiprocessing distributed serialization nn.quantized nn.quantizable nn.qat
hold torch: import_ir_module import_ir_module_from_buffer nn.intrinsic nn.modules.module.*
hold torch: nn.parallel
fine torch: nn.modules.module.Module types signal random
tell torch: save load from_file
fine numpy: random typing lib.stride_tricks
tell numpy: memmap load save savez savetxt loadtxt fromfile
hold numpy: core f2py distutils compat ctypeslib lib.* lib.stride_tricks.as_strided
hold numpy: testing.runstring testing.measure testing.rundocs
hold asyncio: subprocess create_subprocess_exec create_subprocess_shell to_thread
hold tqdm: contrib.concurrent
hold operator: attrgetter methodcaller
hold functools: update_wrapper
hold string: Formatter
hold io: FileIO open_code
hold logging: config
hold dataclasses: make_dataclass
hold typing: get_type_hints ForwardRef evaluate_forward_ref
hold pandas: eval read_pickle
"""
PATHS: dict[str, str] = {}
for _rule in _TABLE.split("\n")[1:-1]:
    _head, _names = _rule.split(": ")
    _how, _base = _head.split()
    PATHS |= {name if _base == "-" else f"{_base}.{name}": _how for name in _words(_names)}

# Modules
HOMES = _words("""
    torch sys os types inspect builtins bltns importlib ctypes gc marshal pickle subprocess operator
    multiprocessing socket copyreg runpy threading _thread traceback unittest mock pydoc pkgutil
""")  # Modules have modules as attributes: typing.sys is sys. These are known wherever they are.
LOOKING = _words("print help dir type hasattr id repr str isinstance len sorted")
PLAIN = _words("math cmath time random datetime copy itertools statistics")  # Nothing is behind.
STARS = _words("math cmath torch torch.nn numpy random itertools functools collections time")
SETTINGS = ("torch.backends.", "matplotlib.")
# To change these helps nobody to deceive the check.
SETTINGS_TOLD = ("sys.stdout", "sys.stderr", "os.environ", "os.getcwd", "random.", "time.")
TIMERS = _words("timeit.timeit timeit.repeat timeit.Timer")
LOADS = {"torch.load": ("weights_only", True), "numpy.load": ("allow_pickle", False)}
ONLY_CALLED = TIMERS | {"functools.wraps"}
STARTUP = _words("sitecustomize usercustomize")

# Attributes
ATTRIBUTES = _words("""
    mro f_back f_locals f_globals f_builtins f_code gi_frame gi_code cr_frame cr_code ag_frame
    ag_code tb_frame tb_next co_code co_consts co_names attrgetter methodcaller getattr_static
    getmembers getclosurevars swap_tensors run_in_executor subprocess_exec subprocess_shell
    switch_backend TorchFunctionMode TorchDispatchMode BaseTorchFunctionMode DisableTorchFunction
    DisableTorchFunctionSubclass
""")
ATTRIBUTES_TOLD = _words("read_text write_text read_bytes write_bytes fromhex reference")
PRIVATE = _words("""
    _C _VF _dynamo _inductor _ops _refs _decomp _prims _functorch _subclasses _python_dispatch
    _tensor _jit_internal _make_subclass _make_wrapper_subclass _getframe _current_frames
""")  # Held even where a class of the student's own has an attribute with such a name.
NAMEDTUPLE = _words("_replace _asdict _fields _make _field_defaults")
DUNDERS = _dunders("""
    init new name qualname class doc len call getitem setitem delitem contains iter next main
    reversed enter exit aenter aexit aiter anext await repr str format bytes hash bool int dir
    float index complex round trunc floor ceil version getattr setattr delattr del post_init
    copy deepcopy array array_ufunc array_priority slots all author missing length_hint sizeof
    annotations get set delete class_getitem init_subclass set_name debug file dict future
    neg pos abs invert lt le gt ge eq ne
""") | {
    f"__{how}{name}__"
    for how in ("", "r", "i")
    for name in _words("""
        add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or
    """)
}
ONLY_OF_SELF = _dunders("dict slots annotations getattr setattr delattr init")
CLASS_TOLD = _dunders("init_subclass set_name")
CHECKED = _words("""
    forward detach clone requires_grad_ is_floating_point as_subclass named_parameters reshape numel
    state_dict load_state_dict named_modules
""")  # What the check itself asks of tensors and modules: no answer has a reason to set it.
CHECKED_OF_TORCH = _words("lstm lstm_cell equal")  # The same of torch; self may have them, too.
DANGEROUS = (
    ATTRIBUTES
    | PRIVATE
    | _dunders("""
    globals code closure builtins dict subclasses bases base mro self func wrapped import loader
    spec reduce reduce_ex getattribute torch_function torch_dispatch array_interface traceback
    array_struct setstate module defaults kwdefaults context cause
""")
)

# Names of Python's own
RUN_TEXT = _words("exec eval __import__ breakpoint compile")
NAMESPACES = _words("globals vars locals")
BY_NAME = _words("getattr setattr delattr")
FILES = _words("open input")
SHADOWED = _words("vars compile open input")  # Students have variables with these names.
REBOUND = _words("print isinstance len type callable getattr setattr hasattr")

TOLD = _words("tell class rebind command open")  # Of the kinds of flags, those that hold nothing.

# Magics and commands
MAGICS_FINE = _words("""
    time timeit matplotlib precision pwd who whos who_ls pinfo pinfo2 pdoc psource pdef psearch
    capture lsmagic xmode config
""")
MAGICS_TOLD = _words("""
    pip conda ls ll cd env html HTML javascript js latex markdown svg writefile autoreload history
    reset sx system bash sh script python python3 perl ruby pypy
""")
MAGICS_HELD = _words("""
    run load load_ext reload_ext macro rerun recall rep edit ed alias autocall debug pdb prun store
    autoawait cython aimport
""")  # Any other magic does not exist.


def is_dunder(name: str) -> bool:
    """Tell whether a name is one of Python's own, such as __init__."""
    return name.startswith("__") and name.endswith("__")


def verdict(path: str) -> tuple[str, str] | None:
    """Judge a dotted path: how and what it violates, or None if it is harmless."""
    parts = path.split(".")
    if path not in PATHS:
        for part in parts[1:]:
            if part.startswith("_") and part not in DUNDERS - ONLY_OF_SELF | {"__init__"}:
                return "private", path
            if part in ATTRIBUTES:
                return "hold", path
    for k in range(len(parts), 0, -1):
        start = ".".join(parts[:k])
        star = PATHS.get(f"{start}.*") if k < len(parts) else None
        if how := star or PATHS.get(start):
            if how != "hold" and not is_there(parts[0]):
                return "unknown", parts[0]
            return None if how == "fine" else (how, path if star else start)
    return "unknown", parts[0]


@lru_cache(maxsize=512)
def is_there(module: str) -> bool:
    """Tell whether a module of a table is installed; otherwise a file can take its name."""
    if module in sys.modules or module in sys.stdlib_module_names:
        return True
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@lru_cache(maxsize=4096)
def loaded(path: str) -> ModuleType | None:
    """Find the module that a dotted path leads to, where it is loaded already; nothing is run."""
    if path.startswith("torch."):
        import torch  # noqa: F401
    head, _dot, last = path.rpartition(".")
    inner = vars(home).get(last) if head and (home := loaded(head)) else None
    found = sys.modules.get(path) if inner is None else inner
    return found if isinstance(found, ModuleType) else None


def real_path(path: str) -> str:
    """Shorten typing.sys to sys: a module that another module imported."""
    if path in PATHS:
        return path
    if "." in path and (found := loaded(path)):
        return str(found.__name__)
    last = path.rpartition(".")[2]
    return last if last in HOMES else path


@lru_cache(maxsize=1)
def _installed() -> frozenset[str]:
    return frozenset(packages_distributions())


def is_library(module: str) -> bool:
    """Tell whether a module's name is that of Python, of a library or of a rule."""
    return module in PATHS or module in sys.stdlib_module_names | STARTUP | _installed()


def _path(cell: str) -> list[str]:
    """Split a file's path into the names of a module, none for a cell."""
    if not cell.endswith(".py"):
        return []
    path = PurePosixPath(cell)
    return [*path.parent.parts, *([] if path.stem == "__init__" else [path.stem])]


def file_modules(cell: str) -> set[str]:
    """List the modules that a file can be imported as, from whatever folder, and their packages."""
    parts = _path(cell)
    if not parts or is_library(parts[-1]):
        return set()
    ends = range(1, len(parts) + 1)
    names = {".".join(parts[start:end]) for end in ends for start in range(end)}
    return {name for name in names if not is_library(name)}


def judge_file(cell: str, source: str) -> list[tuple[int, str, str]]:
    """Judge the name of a file, and whether Python reads the same text in it."""
    found: list[tuple[int, str, str]] = []
    parts = _path(cell)
    if parts and is_library(parts[-1]):
        found.append((1, "shadow", parts[-1]))
    if cell.endswith(".py"):
        try:
            content = io.BytesIO(source.encode(errors="replace"))
            encoding = tokenize.detect_encoding(content.readline)[0]
        except SyntaxError:
            encoding = _("it is in an unknown encoding")
        if not encoding.startswith(("utf-8", "iso-8859", "ascii")):
            found.append((1, "unread", encoding))
    return found


def reason(kind: str, name: str) -> str:
    """Say in a whole sentence what a place in the code violates."""
    texts = {
        "hold": _(
            "It uses “{name}”, by which code can reach into Python or torch and change them."
        ),
        "tell": _("It uses “{name}”, which an answer to a question does not need."),
        "path": _("It changes where modules are looked for, with “{name}”."),
        "unknown": _("It imports “{name}”, whose code is not part of this notebook."),
        "private": _("It uses “{name}”, an internal part of something that is not its own."),
        "name": _("It finds “{name}” by a name that is put together while the code runs."),
        "text": _("It holds the text “{name}”, the name of an internal part of Python or torch."),
        "value": _("It hands the module “{name}” around, so that its uses cannot be followed."),
        "patch": _("It changes “{name}”, which is not its own and which the check may rely on."),
        "define": _("It defines “{name}”, by which an object can deceive whoever looks at it."),
        "class": _("It changes how objects or classes behave: {name}."),
        "rebind": _("It gives the name “{name}” of Python itself another meaning."),
        "shell": _("It starts a command or a magic, “{name}”, whose code cannot be read here."),
        "command": _("It uses the command or the magic “{name}”, which an answer does not need."),
        "file": _("It opens “{name}”, where the system shows or changes a running program."),
        "open": _("It opens a file or asks for input with “{name}”."),
        "shadow": _("It is a file with the name of the module “{name}”, and can take its place."),
        "unread": _("It cannot be read here: {name}; it may still run."),
    }
    return texts[kind].format(name=name[:80])
