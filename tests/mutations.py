"""Any folder that might be handed in: a right submission, changed at random.

A student, an editor or a download may have changed the cells, what describes them, the file, or
the folder around it.  All that changes comes from Hypothesis, so that whatever breaks the grader
can be made again, and made smaller.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Collection
from pathlib import PurePosixPath
from typing import Any

from hypothesis import strategies as st

__all__ = ["SNIPPETS", "mutated", "rewritten"]

Json = dict[str, Any]

SNIPPETS = (
    # Harmless.
    "",
    "\n",
    "x = 1",
    "# Nothing yet.",
    "import torch\ntorch.manual_seed(0)",
    "print('Hello')",
    "for number in range(2000):\n    print(number)",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2])",
    "%time 1",
    "?torch",
    # Wrong.
    "def double(x): return x",
    "def half(x): raise ValueError('half')",
    "double = half = None",
    "double = 2",
    "double(3)",
    "1 / 0",
    "def double(x:",
    "  indented",
    "return 1",
    "await nothing",
    "\x00",
    "\ud800",
    "é = 'ü' * 3",
    # Rude: each comes to an end by itself.
    "raise SystemExit",
    "raise KeyboardInterrupt",
    "exit()",
    "quit",
    "import os\nos._exit(0)",
    "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "import os\nos.close(1)",
    "import os\nos.chdir('/')",
    "import os\nos.environ.clear()",
    "import sys\nsys.stdout.close()",
    "import sys\nsys.stdout = None",
    "import sys\nsys.setrecursionlimit(60)",
    "import gc\ngc.disable()",
    "input()",
    "%reset -f",
    "%xmode Minimal",
    "%%bash\nexit 3",
    "%%writefile checks.py\n1 / 0",
    "%%no-such-magic",
    "!echo Hello; false",
    "del check",
    "check = print",
    "check('double', double)",
    "check('nothing', 1)",
    "check()",
    "check",
    "from autograder import *",
    "import autograder\nautograder.check = None",
    "del __builtins__.len",
    "__import__('builtins').print = None",
    "import torch\ntorch.Tensor.__mul__ = None",
    "class Odd:\n    __repr__ = lambda self: 1 / 0\nOdd()",
    "import warnings\nwarnings.warn('Look')",
    "import threading, time\nthreading.Thread(target=time.sleep, args=(0.2,)).start()",
    "from IPython.display import HTML, display\ndisplay(HTML('<script>1</script>'))",
    "from IPython.display import display\n"
    "display({'application/vnd.autograder.verdict+json': 1}, raw=True)",
    "'x' * 10**6",
)
"""Short sources that a cell may have instead of its own."""

TEXTS = st.text(st.characters(), max_size=30)  # Surrogates, too.
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KEYS = ("id", "cell_type", "metadata", "source", "outputs", "attachments", "execution_count")
TYPES = st.sampled_from(["code", "markdown", "raw", "heading", "", 5, None])
MARKS = (
    *("grade", "grade_id", "locked", "schema_version", "solution", "task", "cell_type"),
    *("points", "checksum", "remove"),
)
TOP = ("cells", "metadata", "nbformat", "nbformat_minor", "worksheets", "new")
OUTPUTS = st.sampled_from(
    [
        {"output_type": "stream", "name": "stdout", "text": "x"},
        {"output_type": "stream"},
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": []},
        {"output_type": "display_data", "data": {"text/plain": "4"}, "metadata": {}},
        {"output_type": "odd"},
        {},
        None,
    ]
)


def rewritten(draw: st.DrawFn, notebook: Json, grade_ids: Collection[str]) -> Json:
    """Change the cells of a notebook, and what describes them.

    Args:
        draw: draws from a strategy.
        notebook: the notebook as plain JSON; it stays as it is.
        grade_ids: the assignment's grade_ids, which cells may take from each other.
    """
    notebook = copy.deepcopy(notebook)
    names = st.sampled_from(sorted(grade_ids)) | st.text(max_size=3)
    for _change in range(draw(st.integers(0, 8))):
        cells = notebook.get("cells")
        if not isinstance(cells, list) or not cells:
            break
        draw(st.sampled_from(_CHANGES))(draw, cells, draw(st.integers(0, len(cells) - 1)), names)
    if draw(st.integers(0, 4)) == 0:
        notebook[draw(st.sampled_from(TOP))] = draw(JSON)
    return notebook


Change = Callable[[st.DrawFn, list[Any], int, st.SearchStrategy[str]], object]


def _delete(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    del cells[i]


def _duplicate(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    cells.insert(draw(st.integers(0, len(cells))), copy.deepcopy(cells[i]))


def _shuffle(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    cells[:] = draw(st.permutations(cells))


def _merge(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    """Join a cell to the one before it; either's metadata remain."""
    if i:
        text = "\n\n".join(_source(cell) for cell in cells[i - 1 : i + 1])
        _fields(cells[i - 1])["source"] = _fields(cells[i])["source"] = text
        del cells[i - draw(st.integers(0, 1))]


def _split(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    text = _source(cells[i])
    at = draw(st.integers(0, len(text)))
    cells.insert(i + 1, {**_fields(cells[i]), "source": text[at:]})
    _fields(cells[i])["source"] = text[:at]


def _retype(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    _fields(cells[i])["cell_type"] = draw(TYPES)


def _add(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": draw(_SOURCES)}
    cells.insert(draw(st.integers(0, len(cells))), cell)


def _replace(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    _fields(cells[i])["source"] = draw(_SOURCES)


def _extend(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    parts = [_source(cells[i]), draw(st.sampled_from(SNIPPETS))]
    _fields(cells[i])["source"] = "\n".join(draw(st.permutations(parts)))


def _mark(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    own = _marks(cells[i])
    if draw(st.booleans()):
        own["grade_id"] = draw(names)
    else:
        own[draw(st.sampled_from(MARKS))] = draw(JSON)


def _unmark(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    _marks(cells[i]).pop(draw(st.sampled_from(MARKS)), None)


def _strip(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    _fields(cells[i]).pop(draw(st.sampled_from(KEYS)), None)


def _distort(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    _fields(cells[i])[draw(st.sampled_from(KEYS))] = draw(JSON)


def _describe(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    meta = _fields(cells[i]).get("metadata")
    if isinstance(meta, dict):
        key = draw(st.sampled_from(["nbgrader", "tags", "deletable", "jupyter", "name", "odd"]))
        meta[key] = draw(JSON)


def _show(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    _fields(cells[i])["outputs"] = draw(st.lists(OUTPUTS, max_size=3))


def _no_cell(draw: st.DrawFn, cells: list[Any], i: int, names: Any) -> None:
    cells[i] = draw(JSON)


_SOURCES = st.sampled_from(SNIPPETS) | TEXTS | st.lists(TEXTS, max_size=3)
_CHANGES: tuple[Change, ...] = (
    *(_delete, _duplicate, _shuffle, _merge, _split, _retype, _add, _replace, _extend),
    *(_mark, _unmark, _strip, _distort, _describe, _show, _no_cell),
)


def _fields(cell: Any) -> Json:
    return cell if isinstance(cell, dict) else {}


def _marks(cell: Any) -> Json:
    meta = _fields(cell).get("metadata")
    own = meta.get("nbgrader") if isinstance(meta, dict) else None
    return own if isinstance(own, dict) else {}


def _source(cell: Any) -> str:
    source = _fields(cell).get("source")
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))


# The file and the folder.

ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252")
EXTRA = (
    *("checks.py", "sitecustomize.py", "torch.py", "autograder.py", "autograder/__init__.py"),
    *("json.py", "conftest.py", "helpers.py", "requirements.txt", "data/given.csv", "notes.md"),
    *("{name}.html", "{name}.verdicts.json", "{name}_files/figure.png", "{name}.md", "{name}.py"),
    *(".ipynb_checkpoints/{name}-checkpoint.ipynb", "__MACOSX/._{name}.ipynb", "._{name}.ipynb"),
    *("old/{name}.ipynb", "other.ipynb", "{name} (1).ipynb", "{name}.zip", "x.so", "a b/ü.txt"),
    *(
        "{name}.ipynb/inside.txt",
        "checks.py/inside.txt",
        "-rf",
        "%s.txt",
        "{{0}}.ipynb",
        "a\nb.ipynb",
        "~",
    ),
)
NAMES = (
    *("{name} (1).ipynb", "{name}-Copy1.ipynb", "{name}.IPYNB", "{name}.ipynb.txt", "{name}.json"),
    *("deep/er/{name}.ipynb", "mine.ipynb", "{name}", "{name}.txt", "{{name}}.ipynb", "ü .ipynb"),
    *(".ipynb_checkpoints/{name}.ipynb", "{name}.py", "a\nb.ipynb", "<b>.ipynb"),
)


@st.composite
def mutated(
    draw: st.DrawFn, notebook: Json, grade_ids: Collection[str], name: str = "tiny"
) -> dict[str, bytes]:
    """Draw the files of a submission, as a folder on disk might hold them.

    Args:
        draw: draws from a strategy; Hypothesis gives it.
        notebook: a right submission's notebook, as plain JSON.
        grade_ids: the assignment's grade_ids.
        name: the notebook's name, without ``.ipynb``.
    """
    own = f"{name}.ipynb"
    text = json.dumps(rewritten(draw, notebook, grade_ids), ensure_ascii=draw(st.booleans()))
    raw = text.encode("utf-8", "surrogatepass")
    whole = json.dumps(notebook).encode()
    files = {own: raw}
    kind = draw(st.integers(0, 11))
    if kind == 0:
        files = {draw(st.sampled_from(NAMES)).format(name=name): raw}
    elif kind == 1:
        inside = draw(st.sampled_from([own, *NAMES])).format(name=name)
        files = {f"{name}.zip": _zipped({inside: raw})}
    elif kind == 2:
        files[own] = draw(st.sampled_from([_zipped({own: raw}), gzip.compress(raw, mtime=0)]))
    elif kind == 3:
        files[own] = text.encode(draw(st.sampled_from(ENCODINGS)), "replace")
    elif kind == 4:
        files[own] = raw[: draw(st.integers(0, len(raw)))]
    elif kind == 5:
        files[own] = _flipped(draw, raw)
    elif kind == 6:
        files[own] = _flipped(draw, _zipped({own: raw}))
    elif kind == 7:
        files = draw(st.sampled_from([{}, {own: b""}, {own: b"null"}, {own: whole + whole}]))
    for _extra in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3]))):
        path = draw(st.sampled_from(EXTRA)).format(name=name)
        content = draw(
            st.sampled_from([raw, whole, b"", b"1 / 0\n", b"import os\nos._exit(0)\n"])
            | st.binary(max_size=20)
        )
        if _fits(path, files):
            files[path] = content
    return files


def _zipped(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            # A date of its own would make each run another one.
            archive.writestr(zipfile.ZipInfo(path), content)
    return target.getvalue()


def _flipped(draw: st.DrawFn, raw: bytes) -> bytes:
    """Overwrite, cut out and put in a few bytes."""
    for _flip in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        stop = min(len(raw), start + draw(st.integers(0, 40)))
        raw = raw[:start] + draw(st.binary(max_size=5)) + raw[stop:]
    return raw


def _fits(path: str, files: Collection[str]) -> bool:
    """Tell whether a folder can hold a file beside others: none may be another's folder."""
    above = {str(folder) for folder in PurePosixPath(path).parents}
    return path not in files and not any(
        other in above or path in map(str, PurePosixPath(other).parents) for other in files
    )
