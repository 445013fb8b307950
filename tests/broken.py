"""A catalogue of broken submissions: what breaks them, and what they are worth all the same.

The assignment is the small one of the other tests, with a cell for each function, a locked cell
that imports, and an essay that people mark.  Each kind starts from a submission in which
everything is right.

A score is what the work is worth on its merits, out of 6 points:

- A question earns nothing if its own code, or the cell that defines it, is broken in such a way
  that it cannot be right.
- Every other question of the submission keeps its points, whatever became of the kernel.
- Where it is clear what was meant, for example in a notebook that was renamed, the points are full.
"""

from __future__ import annotations

import json
import os
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from conftest import CHECKS, RIGHT
from conftest import NOTEBOOK as TINY

__all__ = ["BROKEN", "CHECKS", "ESSAY", "NOTEBOOK", "SOLVED", "Broken", "solve"]

NOTEBOOK = (
    TINY.split("# Two functions")[0]
    + """# Two functions

```{code-cell} ipython3
---
nbgrader:
  grade_id: setup
  locked: true
---
import torch

from autograder import check
```

```{code-cell} ipython3
---
nbgrader:
  grade_id: work-double
  solution: true
---
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION
```

```{code-cell} ipython3
---
nbgrader:
  grade: true
  grade_id: check-double
  locked: true
---
check("double", double)
```

```{code-cell} ipython3
---
nbgrader:
  grade_id: work-half
  solution: true
---
def half(x):
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION
```

```{code-cell} ipython3
---
nbgrader:
  grade: true
  grade_id: check-half
  locked: true
---
check("half", half)
```

+++ {"nbgrader": {"grade": true, "grade_id": "essay", "points": 2, "solution": true}}

Say what the two have to do with each other.
"""
)

DOUBLE, HALF = RIGHT.split("\n\n")
ESSAY = "Half of the double is what you began with."
SOLVED = {"work-double": DOUBLE, "work-half": HALF, "essay": ESSAY}
UNTOUCHED = "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"

Json = dict[str, Any]
Break = Callable[[Path], None]


@dataclass(frozen=True)
class Broken:
    """A kind of broken submission."""

    about: str
    """What is broken, in one sentence."""
    break_: Break
    """Breaks the submission in a folder, which holds a right ``tiny.ipynb``."""
    score: float
    """What it is worth on its merits."""
    told: str = ""
    """What must be told about it, in any case of letters; empty if nothing has to be."""


# Iterators over iterators, a million deep: the stack of the process overflows, and it ends.
SEGFAULT = (
    "from functools import reduce\n"
    "next(reduce(lambda f, _: map(int, f), range(10**6), iter(())), None)"
)
WITHHELD = frozenset(
    {
        "endless-stubborn",
        "excepthook",
        "no-builtins",
        "no-interrupts",
        "no-json",
        "no-len",
        "no-modules",
        "no-pickle",
        "no-sockets",
        "no-tensor",
    }
)
"""Kinds that change what the check could rely on: a person decides, and until then it is 0."""

BROKEN: dict[str, Broken] = {}


def kind(name: str, score: float, told: str, about: str) -> Callable[[Break], Break]:
    """Enter a function as a kind of broken submission."""

    def enter(break_: Break) -> Break:
        assert name not in BROKEN, name
        worth = 0 if name in WITHHELD else score
        BROKEN[name] = Broken(about, break_, worth, told)
        return break_

    return enter


def solve(folder: Path, sources: dict[str, str] = SOLVED) -> None:
    """Write sources into a submission's cells, named by their grade_id."""
    with opened(folder) as notebook:
        for grade_id, source in sources.items():
            cell(notebook, grade_id)["source"] = source.splitlines(keepends=True)


@contextmanager
def opened(folder: Path) -> Iterator[Json]:
    """Read a submission's notebook as plain JSON, which may become anything, and write it."""
    path = folder / "tiny.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    yield notebook
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), encoding="utf-8")


def place(notebook: Json, grade_id: str) -> int:
    """Find a cell by its grade_id."""
    names = [one["metadata"].get("nbgrader", {}).get("grade_id") for one in notebook["cells"]]
    return names.index(grade_id)


def cell(notebook: Json, grade_id: str) -> Json:
    found: Json = notebook["cells"][place(notebook, grade_id)]
    return found


def code(source: Any, name: str = "scratch", **fields: Any) -> Json:
    """Make a code cell of the student's own."""
    made: Json = {"cell_type": "code", "execution_count": None, "id": name, "metadata": {}}
    return {**made, "outputs": [], "source": source, **fields}


def retype(one: Json, cell_type: str) -> None:
    """Change the type of a cell, as JupyterLab does."""
    one["cell_type"] = cell_type
    if cell_type == "code":
        one.update(execution_count=None, outputs=[])
    else:
        one.pop("execution_count", None)
        one.pop("outputs", None)


def _scratch(source: str, before: str = "work-double") -> Break:
    """Put a cell of the student's own before another one."""

    def break_(folder: Path) -> None:
        with opened(folder) as notebook:
            notebook["cells"].insert(place(notebook, before), code(source))

    return break_


# Cells that are there twice, or not at all.


def _duplicate(grade_id: str, source: str | None = None, *, before: bool = False) -> Break:
    def break_(folder: Path) -> None:
        with opened(folder) as notebook:
            index = place(notebook, grade_id)
            copy = deepcopy(notebook["cells"][index])
            copy["id"] += "-copy"
            copy["source"] = copy["source"] if source is None else source
            notebook["cells"].insert(index + (not before), copy)

    return break_


def _delete(*grade_ids: str) -> Break:
    def break_(folder: Path) -> None:
        with opened(folder) as notebook:
            for grade_id in grade_ids:
                del notebook["cells"][place(notebook, grade_id)]

    return break_


def _fill(grade_id: str, source: Any) -> Break:
    def break_(folder: Path) -> None:
        with opened(folder) as notebook:
            cell(notebook, grade_id)["source"] = source

    return break_


# The worked copy counts: nobody hands in “not written yet” beside an answer on purpose.
kind("copy-untouched-after", 6, "work-double", "An untouched copy follows the worked cell.")(
    _duplicate("work-double", UNTOUCHED)
)
kind("copy-untouched-before", 6, "work-double", "An untouched copy precedes the worked cell.")(
    _duplicate("work-double", UNTOUCHED, before=True)
)
kind("copy-worked", 6, "work-double", "The worked cell is there twice.")(_duplicate("work-double"))
# Whoever runs the notebook from the top ends with the second one.
kind("copy-better-after", 6, "work-double", "A wrong first try precedes the worked cell.")(
    _duplicate("work-double", "def double(x):\n    return x**2", before=True)
)
kind("copy-grade", 6, "check-double", "A grade cell is there twice.")(_duplicate("check-double"))
kind("copy-locked", 6, "setup", "The locked cell that imports is there twice.")(_duplicate("setup"))
kind("copy-essay", 6, "essay", "The essay is there twice.")(_duplicate("essay"))

kind("deleted-solution", 2, "work-double", "The cell with a solution is gone.")(
    _delete("work-double")
)
kind("deleted-grade", 6, "check-double", "A grade cell is gone.")(_delete("check-double"))
kind("deleted-grades", 6, "check-half", "Both grade cells are gone.")(
    _delete("check-double", "check-half")
)
kind("deleted-locked", 6, "setup", "The locked cell that imports is gone.")(_delete("setup"))
kind("deleted-essay", 6, "essay", "The essay is gone.")(_delete("essay"))


@kind("deleted-all", 0, "work-double", "The notebook has no cells.")
def _no_cells(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["cells"] = []


kind("emptied-solution", 2, "not defined", "The cell with a solution is empty.")(
    _fill("work-double", "")
)
# nbgrader itself puts back what a grade cell was.
kind("emptied-grade", 6, "", "A grade cell is empty.")(_fill("check-double", ""))
kind("emptied-locked", 6, "", "The locked cell that imports is empty.")(_fill("setup", ""))


# Cells in another order, of another type, merged and split.


@kind("grade-before-solution", 6, "order", "A grade cell stands before its solution.")
def _grade_first(folder: Path) -> None:
    with opened(folder) as notebook:
        cells = notebook["cells"]
        grade = cells.pop(place(notebook, "check-double"))
        cells.insert(place(notebook, "work-double"), grade)


@kind("reversed", 6, "order", "All cells stand in the reverse order.")
def _reversed(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["cells"].reverse()


@kind("imports-last", 6, "order", "The locked cell that imports stands at the end.")
def _imports_last(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["cells"].append(notebook["cells"].pop(place(notebook, "setup")))


def _retype(grade_id: str, cell_type: str) -> Break:
    def break_(folder: Path) -> None:
        with opened(folder) as notebook:
            retype(cell(notebook, grade_id), cell_type)

    return break_


for _type in ("markdown", "raw"):
    for _part, _grade_id in (("solution", "work-double"), ("grade", "check-double")):
        kind(f"{_part}-to-{_type}", 6, _grade_id, f"A {_part} cell has become a {_type} cell.")(
            _retype(_grade_id, _type)
        )
kind("essay-to-code", 6, "essay", "The essay has become a code cell.")(_retype("essay", "code"))
kind("essay-to-raw", 6, "essay", "The essay has become a raw cell.")(_retype("essay", "raw"))
kind("unknown-cell-type", 6, "work-double", "A solution's cell has a type that does not exist.")(
    _retype("work-double", "python")
)


def _merge(first: str, second: str) -> Break:
    """Merge two cells as Jupyter does: the metadata of the first one remains."""

    def break_(folder: Path) -> None:
        with opened(folder) as notebook:
            parts = [cell(notebook, name)["source"] for name in (first, second)]
            texts = [part if isinstance(part, str) else "".join(part) for part in parts]
            cell(notebook, first)["source"] = "\n\n".join(texts)
            del notebook["cells"][place(notebook, second)]

    return break_


kind("merged-solutions", 6, "work-half", "Both solutions are in one cell.")(
    _merge("work-double", "work-half")
)
kind("merged-with-grade", 6, "check-double", "A solution and its grade cell are one cell.")(
    _merge("work-double", "check-double")
)
kind("merged-into-grade", 6, "work-half", "A solution was merged into the grade cell above it.")(
    _merge("check-double", "work-half")
)


@kind("merged-all", 6, "check-half", "All code is in one cell, which has the metadata of none.")
def _merge_all(folder: Path) -> None:
    with opened(folder) as notebook:
        codes = [one for one in notebook["cells"] if one["cell_type"] == "code"]
        merged = code("\n\n".join("".join(one["source"]) for one in codes))
        notebook["cells"] = [merged, cell(notebook, "essay")]


@kind("split-solution", 6, "", "A solution is in two cells; the second one has no metadata.")
def _split(folder: Path) -> None:
    with opened(folder) as notebook:
        cell(notebook, "work-double")["source"] = "def times(n, x):\n    return n * x"
        rest = code("def double(x):\n    return times(2, x)")
        notebook["cells"].insert(place(notebook, "check-double"), rest)


# JupyterLab gives both halves of a split cell its metadata. Here neither works without the other.
@kind("split-same-id", 6, "work-double", "A solution is in two cells with the same grade_id.")
def _split_same_id(folder: Path) -> None:
    _duplicate("work-double", "def double(x):\n    return times(2, x)")(folder)
    with opened(folder) as notebook:
        cell(notebook, "work-double")["source"] = "def times(n, x):\n    return n * x"


@kind("split-grade", 6, "", "A grade cell is in two cells; the second one has no metadata.")
def _split_grade(folder: Path) -> None:
    with opened(folder) as notebook:
        cell(notebook, "check-double")["source"] = "# Does it work?"
        rest = code('check("double", double)')
        notebook["cells"].insert(place(notebook, "work-half"), rest)


# Metadata.


def _meta(grade_id: str, /, **changes: Any) -> Break:
    def break_(folder: Path) -> None:
        with opened(folder) as notebook:
            cell(notebook, grade_id)["metadata"]["nbgrader"].update(changes)

    return break_


@kind("no-grade-id", 6, "work-double", "A solution's metadata have no grade_id.")
def _no_grade_id(folder: Path) -> None:
    with opened(folder) as notebook:
        del cell(notebook, "work-double")["metadata"]["nbgrader"]["grade_id"]


@kind("no-grade-id-of-grade", 6, "check-double", "A grade cell's metadata have no grade_id.")
def _no_grade_id_of_grade(folder: Path) -> None:
    with opened(folder) as notebook:
        del cell(notebook, "check-double")["metadata"]["nbgrader"]["grade_id"]


@kind("stripped", 6, "check-double", "Colab has taken all of nbgrader's metadata away.")
def _strip(folder: Path) -> None:
    with opened(folder) as notebook:
        for one in notebook["cells"]:
            one["metadata"] = {"id": "aBcDeF"}
        notebook["metadata"]["colab"] = {"provenance": []}


@kind("metadata-missing", 6, "check-double", "The cells have no metadata at all.")
def _no_metadata(folder: Path) -> None:
    with opened(folder) as notebook:
        for one in notebook["cells"]:
            del one["metadata"]


kind("same-grade-id", 6, "work-double", "Both solutions have the same grade_id.")(
    _meta("work-half", grade_id="work-double")
)
kind("same-grade-id-of-grade", 6, "check-double", "A solution has a grade cell's grade_id.")(
    _meta("work-double", grade_id="check-double")
)
kind("unknown-grade-id", 6, "work-double", "A solution's grade_id is misspelt.")(
    _meta("work-double", grade_id="work-dbl")
)


@kind("foreign-cell", 6, "", "There is a grade cell with 100 points that was never released.")
def _foreign(folder: Path) -> None:
    with opened(folder) as notebook:
        made = deepcopy(cell(notebook, "check-half"))
        made.update(id="foreign", source="assert True")
        made["metadata"]["nbgrader"].update(grade_id="foreign", points=100)
        notebook["cells"].append(made)


# The forgers have squared, not doubled: what they claim must not help.
def _forge(**changes: Any) -> Break:
    def break_(folder: Path) -> None:
        _fill("work-double", "def double(x):\n    return x**2")(folder)
        _meta("check-double", **changes)(folder)
        _fill("check-double", "10")(folder)

    return break_


kind("forged-points", 2, "square", "A grade cell gives itself 600 points.")(_forge(points=600))
kind("forged-locked", 2, "square", "A grade cell calls itself a solution that is not locked.")(
    _forge(locked=False, grade=False, solution=True)
)
kind("forged-checksum", 2, "square", "A grade cell has a checksum of the student's own.")(
    _forge(checksum="0" * 32)
)
kind("forged-types", 2, "square", "A grade cell's metadata are of other types than they should.")(
    _forge(points="many", locked=[], checksum=5, schema_version="new", cell_type=None)
)
kind("forged-schema", 2, "square", "A grade cell's metadata are of a version yet to come.")(
    _forge(schema_version=99)
)


@kind("metadata-malformed", 6, "", "The metadata of cells and notebook are no dictionaries.")
def _malformed_metadata(folder: Path) -> None:
    with opened(folder) as notebook:
        double, half = cell(notebook, "work-double"), cell(notebook, "work-half")
        double["metadata"], half["metadata"]["nbgrader"] = [1, 2], "yes"
        notebook["metadata"] = None


# Files.


def _rename(name: str) -> Break:
    def break_(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (folder / "tiny.ipynb").rename(path)

    return break_


for _name, _path, _about in (
    ("renamed-case", "Tiny.IPYNB", "The notebook's name is written with capitals."),
    ("renamed-copy", "tiny (1).ipynb", "The notebook is called as a browser calls a second copy."),
    ("renamed", "Ada's homework.ipynb", "The notebook has another name."),
    ("nested", "tiny/tiny.ipynb", "The notebook is in a folder."),
    ("nested-deep", "home/ada/course/my work/tiny.ipynb", "The notebook is in folders of folders."),
    ("suffix-json", "tiny.ipynb.json", "A browser has added a suffix to the notebook's name."),
    ("suffix-txt", "tiny.ipynb.txt", "A mail program has added a suffix to the notebook's name."),
):
    kind(_name, 6, _path, _about)(_rename(_path))


@kind("extra-notebooks", 6, "", "There are other notebooks beside the right one.")
def _extra_notebooks(folder: Path) -> None:
    nbformat.write(nbformat.v4.new_notebook(), folder / "scratch.ipynb")
    (folder / "old").mkdir()
    (folder / "old" / "tiny.ipynb").write_text("{")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "tiny-checkpoint.ipynb").write_text("{")


@kind("zipped", 6, "work.zip", "The notebook is in a ZIP file.")
def _zip(folder: Path) -> None:
    with zipfile.ZipFile(folder / "work.zip", "w") as archive:
        archive.write(folder / "tiny.ipynb", "tiny/tiny.ipynb")
    (folder / "tiny.ipynb").unlink()


@kind("zip-bomb", 0, "work.zip", "The notebook is in a ZIP file, and has 300 MB of zeros.")
def _zip_bomb(folder: Path) -> None:
    (folder / "tiny.ipynb").unlink()
    with (
        zipfile.ZipFile(folder / "work.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("tiny.ipynb", "w") as file,
    ):
        for _block in range(300):
            file.write(bytes(1_000_000))


def _instead(name: str, content: bytes) -> Break:
    def break_(folder: Path) -> None:
        (folder / "tiny.ipynb").unlink()
        (folder / name).write_bytes(content)

    return break_


# A script is no notebook: which part of it answers which question is not for us to guess.
_SCRIPT = f"import torch\nfrom autograder import check\n\n{DOUBLE}\n\n{HALF}\n".encode()
_PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"
_PAGE = b"<!DOCTYPE html>\n<html><body><pre>def double(x):</pre></body></html>\n"
for _suffix, _content in (("py", _SCRIPT), ("pdf", _PDF), ("html", _PAGE)):
    kind(f"only-{_suffix}", 0, f"tiny.{_suffix}", f"Only a .{_suffix} file was handed in.")(
        _instead(f"tiny.{_suffix}", _content)
    )
    kind(f"{_suffix}-as-notebook", 0, "tiny.ipynb", f"The notebook is a renamed .{_suffix} file.")(
        _instead("tiny.ipynb", _content)
    )


@kind("folder-as-checks", 6, "", "A folder has the name of the assignment's checks.")
def _(folder: Path) -> None:
    (folder / "checks.py").unlink(missing_ok=True)
    (folder / "checks.py").mkdir()
    (folder / "checks.py" / "inside.txt").write_text("inside")


@kind("folder-as-full-notebook", 0, "not a file", "The notebook is a folder with a file in it.")
def _(folder: Path) -> None:
    (folder / "tiny.ipynb").unlink()
    (folder / "tiny.ipynb").mkdir()
    (folder / "tiny.ipynb" / "inside.txt").write_text("inside")


@kind("folder-as-record", 6, "", "A folder has the name of the file of verdicts.")
def _(folder: Path) -> None:
    (folder / "tiny.verdicts.json").mkdir()
    (folder / "tiny.verdicts.json" / "inside.txt").write_text("inside")


@kind("nameless", 6, "no text", "Names of files are bytes that are no text.")
def _(folder: Path) -> None:
    here = os.fsencode(folder)
    for name in (b"/\xff", b"/" + b"\xff" * 200 + b".txt"):
        with open(here + name, "wb"):
            pass
    os.mkdir(here + b"/\xfe")
    with open(here + b"/\xfe/x", "wb"):
        pass


@kind("empty-folder", 0, "not handed in", "Nothing was handed in.")
def _empty_folder(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@kind("symlink", 0, "link", "The notebook is a link to a file elsewhere.")
def _symlink(folder: Path) -> None:
    path = folder / "tiny.ipynb"
    target = folder.parents[2] / "release" / "tiny" / "tiny.ipynb"
    path.unlink()
    path.symlink_to(target)


@kind("symlink-loop", 0, "link", "The notebook is a link to itself.")
def _symlink_loop(folder: Path) -> None:
    path = folder / "tiny.ipynb"
    path.unlink()
    path.symlink_to(path.name)


@kind("folder-as-notebook", 0, "tiny.ipynb", "The notebook is a folder.")
def _folder(folder: Path) -> None:
    (folder / "tiny.ipynb").unlink()
    (folder / "tiny.ipynb").mkdir()


@kind("fifo", 0, "tiny.ipynb", "The notebook is a pipe, which has no end.")
def _fifo(folder: Path) -> None:
    (folder / "tiny.ipynb").unlink()
    os.mkfifo(folder / "tiny.ipynb")


@kind("fifo-beside", 6, "", "There is a pipe beside the notebook.")
def _fifo_beside(folder: Path) -> None:
    os.mkfifo(folder / "data.csv")


@kind("unreadable", 0, "Permission denied", "The notebook may not be read.")
def _unreadable(folder: Path) -> None:
    (folder / "tiny.ipynb").chmod(0)


@kind("huge-file", 6, "", "There is a file of 300 MB beside the notebook.")
def _huge_file(folder: Path) -> None:
    with (folder / "data.bin").open("wb") as file:
        file.truncate(300_000_000)


@kind("many-files", 6, "", "There are 5,000 files beside the notebook.")
def _many_files(folder: Path) -> None:
    (folder / "data").mkdir()
    for number in range(5_000):
        (folder / "data" / f"{number}.txt").touch()


@kind("own-checks", 2, "square", "The student has written a checks.py that is content with all.")
def _own_checks(folder: Path) -> None:
    _fill("work-double", "def double(x):\n    return x**2")(folder)
    text = CHECKS.replace("2 * case.x", "case.x**2")
    (folder / "checks.py").write_text(text, encoding="utf-8")


# JSON and encodings.


def _text(change: Callable[[str], str | bytes]) -> Break:
    """Change the text of the notebook's file."""

    def break_(folder: Path) -> None:
        path = folder / "tiny.ipynb"
        changed = change(path.read_text(encoding="utf-8"))
        path.write_bytes(changed.encode("utf-8") if isinstance(changed, str) else changed)

    return break_


def _trailing_comma(text: str) -> str:
    head, end = text.rstrip().rsplit("}", 1)
    return f"{head.rstrip()},\n}}{end}"


def _conflict(text: str) -> str:
    ours = ' "nbformat": 4,\n'
    assert text.count(ours) == 1
    both = f"<<<<<<< HEAD\n{ours}=======\n{ours}>>>>>>> 4f1e2d3 (Run all)\n"
    return text.replace(ours, both)


def _first_half(text: str) -> str:
    """Cut a notebook off in the middle, in the first grade cell."""
    return text[: text.index(", double)")]


kind("trailing-comma", 6, "damaged", "There is a comma too many at the end.")(
    _text(_trailing_comma)
)
kind("conflict-markers", 6, "damaged", "Git's conflict markers are in the file.")(_text(_conflict))
# The first solution is whole; the grade cells are put back; the second solution is lost.
kind("truncated", 4, "work-half", "The second half of the file is missing.")(_text(_first_half))
kind("truncated-bracket", 6, "", "The file's last bracket is missing.")(
    _text(lambda text: text.rstrip()[:-1])
)
# What is cut off is the essay and the notebook's own metadata.
kind("truncated-tail", 6, "essay", "The end of the file is missing.")(
    _text(lambda text: text[: text.index(ESSAY)])
)
kind("truncated-start", 0, "tiny.ipynb", "Only the first 20 characters of the file are there.")(
    _text(lambda text: text[:20])
)
kind("text-after", 6, "", "The file goes on after its end.")(
    _text(lambda text: text + "\n]\n}\nSent from my telephone")
)
kind("utf-16", 6, "UTF-16", "The file is in UTF-16.")(_text(lambda text: text.encode("utf-16")))
kind("utf-8-bom", 6, "", "The file begins with a byte order mark.")(
    _text(lambda text: b"\xef\xbb\xbf" + text.encode("utf-8"))
)
kind("nul-bytes-after", 6, "", "A crash has filled the end of the file with NULs.")(
    _text(lambda text: text.encode("utf-8") + bytes(5000))
)


@kind("gb18030", 6, "GB18030", "The file is in GB18030, with Chinese text.")
def _gb18030(folder: Path) -> None:
    chinese = "# 床前明月光，疑是地上霜。举头望明月，低头思故乡。\n"
    solve(folder, {"work-double": chinese + DOUBLE, "essay": chinese})
    _text(lambda text: text.encode("gb18030"))(folder)


@kind("latin-1", 6, "", "The file is in Latin-1, with an accent.")
def _latin_1(folder: Path) -> None:
    solve(folder, {"work-double": f"# Zweimal, für René\n{DOUBLE}"})
    _text(lambda text: text.encode("latin-1"))(folder)


@kind("surrogates", 6, "", "A comment and the essay hold halves of characters.")
def _surrogates(folder: Path) -> None:
    solve(folder, {"work-double": f"# SURROGATE\n{DOUBLE}", "essay": "SURROGATE"})
    _text(lambda text: text.replace("SURROGATE", "\\ud83d"))(folder)


for _name, _content, _about in (
    ("empty-file", b"", "The notebook is an empty file."),
    ("blank-file", b"\n  \n", "The notebook is a blank file."),
    ("nul-file", bytes(5000), "The notebook is a file of NULs."),
    ("noise", bytes(range(256)) * 40, "The notebook is a file of arbitrary bytes."),
    ("json-list", b"[1, 2, 3]", "The notebook is a JSON list."),
    ("json-number", b"5", "The notebook is a JSON number."),
    ("json-other", b'{"name": "Ada"}', "The notebook is a JSON object of another sort."),
    ("json-deep", b"[" * 100_000, "The notebook is 100,000 opening brackets."),
    (
        "json-deep-closed",
        b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "The notebook's cells are 100,000 nested lists.",
    ),
):
    kind(_name, 0, "tiny.ipynb", _about)(_instead("tiny.ipynb", _content))


# The notebook format.


@kind("nbformat-3", 6, "", "The notebook is in version 3 of the format.")
def _version_3(folder: Path) -> None:
    notebook = nbformat.read(folder / "tiny.ipynb", as_version=4)
    older = nbformat.convert(notebook, 3)
    (folder / "tiny.ipynb").write_text(nbformat.v3.writes_json(older), encoding="utf-8")


@kind("nbformat-5", 6, "", "The notebook claims a version of the format yet to come.")
def _version_5(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["nbformat"] = 5


@kind("nbformat-minor-new", 6, "", "The notebook claims a minor version of the format yet to come.")
def _minor_new(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["nbformat_minor"] = 99
        notebook["cells"][0]["mood"] = "new"


@kind("nbformat-missing", 6, "", "The notebook does not say the version of its format.")
def _version_missing(folder: Path) -> None:
    with opened(folder) as notebook:
        del notebook["nbformat"], notebook["nbformat_minor"]


@kind("nbformat-text", 6, "", "The versions of the notebook's format are words.")
def _version_text(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["nbformat"], notebook["nbformat_minor"] = "four", "five"


@kind(
    "nbformat-minor-old", 6, "", "The notebook is in version 4.0 of the format, without cell ids."
)
def _minor_old(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["nbformat_minor"] = 0
        for one in notebook["cells"]:
            del one["id"]


@kind("same-cell-ids", 6, "", "All cells have the same id, some of them one that is not allowed.")
def _same_ids(folder: Path) -> None:
    with opened(folder) as notebook:
        for one in notebook["cells"]:
            one["id"] = "the same"


@kind("cells-not-dicts", 6, "", "Some cells are numbers, words, lists or nothing.")
def _not_dicts(folder: Path) -> None:
    with opened(folder) as notebook:
        cells = notebook["cells"]
        notebook["cells"] = [5, "import os", *cells[:3], None, [cells[0]], *cells[3:], {}, True]


@kind("source-number", 2, "not defined", "The source of a solution is a number.")
def _source_number(folder: Path) -> None:
    with opened(folder) as notebook:
        cell(notebook, "work-double")["source"] = 5
        notebook["cells"] += [code(7, "a"), code(None, "b"), code({"a": 1}, "c")]


@kind("source-mixed", 6, "", "The lines of a cell are words, numbers and nothing.")
def _source_mixed(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["cells"].insert(2, code(["import os\n", 5, None, "\n", ["x"]]))
        del notebook["cells"][0]["source"]


@kind("outputs-malformed", 6, "", "The outputs are not what outputs should be.")
def _outputs(folder: Path) -> None:
    with opened(folder) as notebook:
        cell(notebook, "work-double")["outputs"] = 5
        cell(notebook, "check-double")["outputs"] = [{"output_type": "applause"}, 7, None]
        del cell(notebook, "work-half")["outputs"]
        cell(notebook, "check-half")["execution_count"] = "first"


@kind("large-output", 6, "", "A cell has 50 MB of output.")
def _large_output(folder: Path) -> None:
    with opened(folder) as notebook:
        shown = {"output_type": "stream", "name": "stdout", "text": "x" * 50_000_000}
        cell(notebook, "work-double")["outputs"] = [shown]


@kind("large-source", 6, "", "A cell of the student's own has 50 MB of source.")
def _large_source(folder: Path) -> None:
    with opened(folder) as notebook:
        notebook["cells"].append(code("#" + "x" * 50_000_000))


@kind("many-cells", 6, "", "The notebook has 10,000 more cells.")
def _many_cells(folder: Path) -> None:
    with opened(folder) as notebook:
        texts = [
            {"cell_type": "markdown", "id": f"text-{i}", "metadata": {}, "source": "So far."}
            for i in range(5_000)
        ]
        codes = [code("pass", f"code-{i}") for i in range(5_000)]
        notebook["cells"] += [one for pair in zip(texts, codes, strict=True) for one in pair]


# Other kernels. All code is Python, whatever the notebook calls itself.


def _kernel(**metadata: Any) -> Break:
    def break_(folder: Path) -> None:
        with opened(folder) as notebook:
            notebook["metadata"] = metadata

    return break_


for _name, _display, _language in (("ir", "R", "R"), ("julia-1.10", "Julia 1.10", "julia")):
    kind(f"kernel-{_language.lower()}", 6, "", f"The notebook asks for {_display}.")(
        _kernel(
            kernelspec={"name": _name, "display_name": _display, "language": _language},
            language_info={"name": _language, "file_extension": ".r", "version": "4.4"},
        )
    )
kind("kernel-none", 6, "", "The notebook names no kernel.")(_kernel())
kind("kernel-malformed", 6, "", "What should name the kernel is a number.")(
    _kernel(kernelspec=5, language_info=["python"])
)
kind("kernel-nameless", 6, "", "The kernel has no name.")(
    _kernel(kernelspec={"display_name": None}, language_info={})
)


# Code that is wrong inside of a function: its own question is lost, and no other.

for _name, _told, _about, _source in (
    ("asks", "StdinNotImplementedError", "asks for input", "input('How much? ')"),
    ("exits-inside", "SystemExit", "raises SystemExit", "raise SystemExit"),
    ("interrupts-inside", "KeyboardInterrupt", "raises it", "raise KeyboardInterrupt"),
    ("dies-inside", "kernel", "ends the process", "import os; os._exit(0)"),
    ("aborts-inside", "kernel", "aborts", "import os; os.abort()"),
    ("segfaults", "kernel", "overflows the stack in C, and the process ends", SEGFAULT),
    (
        "kills-itself",
        "double:",
        "kills its own process",  # In a sandbox it may be the first process, which cannot die so.
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL); return",
    ),
    (
        "kills-its-group",
        "double:",
        "kills all processes that it may",
        "import os, signal; os.kill(-1, signal.SIGKILL); return",
    ),
    (
        "stops-itself",  # Nobody would ever wake it up.
        "double:",
        "stops its own process",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP); return",
    ),
    (
        "out-of-memory",
        "memory",
        "needs more and more memory",
        "kept = []\nwhile True: kept.append(bytearray(2**24))",
    ),
    ("huge-tensor", "memory", "makes a tensor of 8 TB", "torch.zeros(10**12, dtype=torch.float64)"),
    (
        "fork-bomb",
        "GuardError",  # No process may be started while a function answers.
        "makes processes that make processes",
        "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(60)",
    ),
    ("endless", "double:", "never ends", "while True: pass"),
    ("endless-output", "double:", "prints without end", "while True: print('x' * 1000)"),
    (
        "endless-stubborn",
        "double:",
        "never ends and does not listen to signals",
        "import signal\n"
        "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU, signal.SIGALRM):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "while True: pass",
    ),
    (
        "endless-catching",
        "double:",
        "catches whatever is to stop it",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    ),
    ("endless-in-c", "double:", "never comes back from C", "sum(iter(int, 1))"),
    ("recursion", "RecursionError", "calls itself", "return double(x)"),
    (
        "recursion-unlimited",  # The frames are in memory, of which there is less than that.
        "double:",
        "calls itself, and has taken the limit away",
        "import sys; sys.setrecursionlimit(2**31 - 1)\nreturn double(x)",
    ),
    (
        "recursion-in-c",
        "double:",
        "overflows the stack in C",
        "import sys; sys.setrecursionlimit(2**31 - 1)\n"
        "nested = []\nfor _ in range(10**6): nested = [nested]\nrepr(nested)",
    ),
    (
        "deadlock",
        "did not finish within",
        "takes a lock twice",
        "import threading\nlock = threading.Lock()\nlock.acquire(); lock.acquire()",
    ),
    (
        "fills-disk",
        "double:",
        "writes until the disk is full",
        "with open('large', 'wb') as file:\n    while True: file.write(bytes(2**20))",
    ),
    (
        "broken-repr-inside",
        "double:",
        "returns what cannot be shown",
        "class Answer:\n    def __repr__(self): raise ValueError\nreturn Answer()",
    ),
    (
        "broken-error",
        "double:",
        "raises an error that cannot be printed",
        "class Wrong(Exception):\n    def __str__(self): raise ValueError\nraise Wrong",
    ),
):
    _lines = textwrap.indent(_source, "    ")
    kind(_name, 2, _told, f"A function {_about}.")(
        _fill("work-double", f"def double(x):\n{_lines}\n    return 2 * x")
    )


# Code that is wrong in the cell of a solution, before or after it.


def _cell(name: str, score: float, told: str, about: str, source: str) -> None:
    kind(name, score, told, about)(_fill("work-double", source))


_cell(
    "dies-at-top",  # Without this cell there is no function.
    2,
    "kernel",
    "The cell with a solution ends the process.",
    f"{DOUBLE}\n\nimport os\nos._exit(1)",
)
_cell(
    "segfaults-at-top",
    2,
    "kernel",
    "The cell with a solution overflows the stack in C.",
    f"{DOUBLE}\n\n{SEGFAULT}",
)
_cell(
    "dies-a-moment-later",  # The function is slower than the thread that ends the process.
    2,
    "kernel",
    "The cell with a solution starts a thread that ends the process.",
    "import os, threading, time\n"
    "threading.Timer(1, os._exit, (1,)).start()\n"
    "def double(x):\n    time.sleep(2)\n    return 2 * x",
)
_cell(
    "closes-everything",  # Not even its error can be told.
    2,
    "double:",
    "The cell with a solution closes all files and sockets of the process.",
    f"{DOUBLE}\n\nimport os\nos.closerange(0, 10_000)",
)
_cell("syntax-error", 2, "SyntaxError", "A solution is not Python.", "def double(x)\n  return 2 x")
_cell(
    "mixed-tabs",
    2,
    "TabError",
    "A solution is indented with tabs and blanks.",
    "def double(x):\n        y = 2 * x\n\treturn y",
)
_cell("tabs", 6, "", "A solution is indented with tabs.", "def double(x):\n\treturn 2 * x")
_cell("crlf", 6, "", "A solution has the line ends of Windows.", DOUBLE.replace("\n", "\r\n"))
_cell(
    "prompts",  # The questions are answered by code that was pasted from a terminal.
    6,
    "",
    "A solution has the prompts of a terminal.",
    ">>> def double(x):\n...     return 2 * x",
)
_cell(
    "endless-at-top",  # It is stopped when the function is there.
    6,
    "",
    "The cell with a solution never ends.",
    f"{DOUBLE}\n\nwhile True: pass",
)
_cell(
    "rebound-check",
    6,
    "",
    "The cell with a solution gives the name check to something else.",
    f"{DOUBLE}\n\ncheck = double(1) == 2\nprint(check)",
)
_cell(
    "rebound-torch",
    6,
    "",
    "The cell with a solution gives the name torch to something else.",
    f"{DOUBLE}\n\ntorch = 'light'",
)
_cell(
    "prints-in-thread",
    6,
    "",
    "The cell with a solution starts a thread that keeps printing.",
    f"{DOUBLE}\n\nimport threading, time\ndef chatter():\n"
    "    while True:\n        print('still here')\n        time.sleep(0.01)\n"
    "threading.Thread(target=chatter).start()",
)
_cell(
    "endless-thread",
    6,
    "",
    "The cell with a solution starts a thread that waits for ever.",
    f"{DOUBLE}\n\nimport threading\nthreading.Thread(target=threading.Event().wait).start()",
)
_cell(
    "child-process",
    6,
    "",
    "The cell with a solution starts a process that keeps running.",
    f"{DOUBLE}\n\nimport os, time\nif os.fork() == 0:\n    time.sleep(600)\n    os._exit(0)",
)


# Code in a cell of the student's own, before the first question: no question is broken.

_ODD = "class Odd:\n    def {method}(self):\n        {body}\n\nOdd()"

for _name, _told, _about, _source in (
    ("raises", "", "raises an error", "1 / 0"),
    ("imports-what-is-not-there", "", "imports what is not there", "import pandas_profiling"),
    ("input", "", "asks for input", "name = input('Your name? ')"),
    ("getpass", "", "asks for a password", "import getpass\ngetpass.getpass()"),
    ("stdin", "", "reads what is typed in", "import sys\nsys.stdin.read()"),
    ("sys-exit", "", "calls sys.exit", "import sys\nsys.exit(0)"),
    ("exit", "", "calls exit", "exit()"),
    ("quit", "", "calls quit", "quit()"),
    ("system-exit", "", "raises SystemExit", "raise SystemExit"),
    ("keyboard-interrupt", "", "raises KeyboardInterrupt", "raise KeyboardInterrupt"),
    ("dies-in-scratch", "kernel", "ends the process", "import os\nos._exit(1)"),
    ("aborts-in-scratch", "kernel", "aborts", "import os\nos.abort()"),
    ("endless-in-scratch", "", "never ends", "while True: pass"),
    ("waits-in-scratch", "", "waits for ever", "import time\ntime.sleep(3600)"),
    ("prints-in-scratch", "", "prints without end", "while True: print('x' * 1000)"),
    ("closed-stdout", "", "closes stdout and stderr", "import sys\nsys.stdout.close()"),
    (
        "closed-files",
        "",
        "closes the files of stdout and stderr",
        "import os\nos.close(1); os.close(2)",
    ),
    ("changed-directory", "", "changes the working directory", "import os\nos.chdir('/tmp')"),
    (
        "deleted-files",
        "",
        "deletes all files that it can",
        "import os, shutil\n"
        "for name in os.listdir():\n"
        "    try: shutil.rmtree(name) if os.path.isdir(name) else os.remove(name)\n"
        "    except OSError as error: print(error)",
    ),
    ("float64", "", "changes the default dtype", "torch.set_default_dtype(torch.float64)"),
    ("meta", "", "changes the default device", "torch.set_default_device('meta')"),
    ("no-grad", "", "turns autograd off", "torch.set_grad_enabled(False)"),
    ("anomaly", "", "turns anomaly detection on", "torch.autograd.set_detect_anomaly(True)"),
    (
        "deterministic",
        "",
        "changes many settings of torch",
        "torch.use_deterministic_algorithms(True); torch.set_num_threads(1)\n"
        "torch.set_flush_denormal(True); torch.set_printoptions(precision=1)",
    ),
    ("numpy-errors", "", "lets NumPy raise errors", "import numpy as np\nnp.seterr(all='raise')"),
    ("warnings", "", "makes warnings errors", "import warnings\nwarnings.simplefilter('error')"),
    ("no-json", "", "replaces json.dumps", "import json\njson.dumps = json.loads = None"),
    ("no-cwd", "", "replaces os.getcwd", "import os\nos.getcwd = lambda: 1 / 0"),
    ("no-time", "", "replaces time.time", "import time\ntime.time = lambda: -1\ntime.sleep = None"),
    ("no-print", "", "replaces print", "import builtins\nbuiltins.print = None"),
    ("no-open", "", "replaces open", "import builtins\nbuiltins.open = lambda *a: 1 / 0"),
    ("no-random", "", "replaces random", "import random\nrandom.random = random.seed = None"),
    (
        "no-pickle",
        "",
        "replaces pickle and struct",
        "import pickle, struct\npickle.dumps = struct.pack = None",
    ),
    (
        "no-tensor",
        "",
        "replaces parts of torch",
        "torch.tensor = torch.equal = torch.Tensor.__eq__ = None",
    ),
    ("no-sockets", "", "replaces socket", "import socket\nsocket.socket = None"),
    ("no-len", "", "deletes builtins", "import builtins\ndel builtins.len, builtins.isinstance"),
    (
        "no-builtins",
        "",
        "deletes all builtins",
        "import builtins\nfor name in dir(builtins):\n    delattr(builtins, name)",
    ),
    (
        "shadowed",
        "",
        "names variables after builtins",
        "list = dict = str = int = print = type = 5",
    ),
    ("bad-magic", "", "has a magic that does not exist", "%solve_everything --now"),
    ("bad-cell-magic", "", "is a magic that does not exist", "%%solve\neverything"),
    ("shell", "", "installs a package", "!pip install torch"),
    ("bash-magic", "", "is a script of the shell", "%%bash\nkill -9 $PPID; exit 3"),
    ("matplotlib-magic", "", "asks for a window", "%matplotlib qt"),
    ("autoreload", "", "loads an extension", "%load_ext autoreload\n%autoreload 2"),
    ("await", "", "awaits at the top", "import asyncio\nawait asyncio.sleep(0)"),
    ("await-for-ever", "", "awaits for ever", "import asyncio\nawait asyncio.Event().wait()"),
    (
        "html-raises",
        "",
        "shows what cannot be shown",
        _ODD.format(method="_repr_html_", body="1 / 0"),
    ),
    (
        "repr-raises",
        "",
        "shows what cannot be printed",
        _ODD.format(method="__repr__", body="1 / 0"),
    ),
    (
        "repr-endless",
        "",
        "shows what never ends",
        _ODD.format(method="__repr__", body="while True: pass"),
    ),
    ("repr-huge", "", "shows 100 MB", "'x' * 10**8"),
    ("nice", "", "asks for less CPU time", "import os\nos.nice(19)"),
    (
        "figure",
        "",
        "shows a picture of ten thousand inches",
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(10_000, 10_000))\n"
        "plt.plot([1])\nplt.show()",
    ),
    (
        "locale",
        "",
        "changes language and time zone",
        "import locale, os, time\nlocale.setlocale(locale.LC_ALL, 'C')\n"
        "os.environ.update(LC_ALL='tr_TR.UTF-8', TZ='Asia/Tokyo')\ntime.tzset()",
    ),
    ("no-environment", "", "empties the environment", "import os\nos.environ.clear()"),
    ("no-path", "", "empties sys.path", "import sys\nsys.path.clear()"),
    ("no-modules", "", "forgets all modules", "import sys\nsys.modules.clear()"),
    ("no-gc", "", "stops collecting garbage", "import gc\ngc.disable()"),
    (
        "no-interrupts",
        "",
        "replaces all signal handlers",
        "import signal\nfor number in signal.valid_signals():\n"
        "    try: signal.signal(number, signal.SIG_IGN)\n    except OSError: pass",
    ),
    ("loop-stopped", "", "stops the event loop", "import asyncio\nasyncio.get_event_loop().stop()"),
    (
        "loop-closed",
        "",
        "closes the event loop",
        "import asyncio\nasyncio.get_event_loop().close()",
    ),
    ("traced", "", "traces every line", "import sys\nsys.settrace(lambda *a: 1 / 0)"),
    ("low-recursion", "", "allows few calls", "import sys\nsys.setrecursionlimit(60)"),
    (
        "daemons",
        "",
        "starts many threads",
        "import threading, time\nfor _ in range(10):\n"
        "    threading.Thread(target=time.sleep, args=(600,)).start()",
    ),
    (
        "atexit",
        "",
        "never ends in the end",
        "import atexit, time\natexit.register(time.sleep, 600)",
    ),
    (
        "excepthook",
        "",
        "replaces how errors are shown",
        "get_ipython().showtraceback = None\n"
        "get_ipython().set_custom_exc((Exception,), lambda *a: 1 / 0)",
    ),
    ("reset", "", "forgets all names", "%reset -f"),
    (
        "shows-numbers",
        "",
        "shows numbers for pictures",
        "from IPython.display import display\n"
        "display({'text/html': 5, 'image/png': 7, 'image/svg+xml': None}, raw=True)",
    ),
    (
        "shows-what-nobody-can-show",
        "",
        "shows a kind of thing that does not exist",
        "from IPython.display import display\ndisplay({'application/x': 'x'}, raw=True)\n"
        "display({'application/vnd.autograder.verdict+json': 1}, raw=True)",
    ),
    (
        "shows-it-later",
        "",
        "changes what it has shown into what cannot be shown",
        "from IPython.display import display\n"
        "handle = display({'text/plain': 'x'}, raw=True, display_id=True)\n"
        "handle.update({'text/html': [1, 2]}, raw=True)",
    ),
    ("prints-surrogates", "", "prints what is no text", "print(chr(0xd800))"),
):
    kind(_name, 6, _told, f"A cell of the student's own {_about}.")(_scratch(_source))


# A reset after the first question: what was imported at the top is gone for the second one.
kind("reset-between", 6, "", "A cell between the questions forgets all names.")(
    _scratch("%reset -f", before="work-half")
)
