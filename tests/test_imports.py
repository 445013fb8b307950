"""A graded notebook imports libraries and what was read, and nothing that it writes itself."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.imports import told

# What may be imported stays so for the life of a process, so each has one of its own.
RUN = """
import json, sys
sys.path = [*sys.path[1:], ""]
from autograder import imports
told, source = json.load(sys.stdin)
imports.restrict(told)
try:
    exec(source)
except BaseException as error:
    print(f"{type(error).__name__}: {error}")
"""


def said(folder: Path, source: str, *read: str, path: str = "") -> str:
    """Run a source in a folder of which some files were read; return what it prints or raises.

    Args:
        path: where else modules are looked for.
    """
    given = json.dumps([told((folder / name).read_bytes() for name in read), source])
    result = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        input=given,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("VALUE = 1\n")
    package = tmp_path / "parts"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from .one import VALUE\n")
    (package / "one.py").write_text("VALUE = 2\n")
    (package / "inner" / "two.py").write_text("VALUE = 3\n")
    return tmp_path


def test_files_that_were_read_are_imported(folder: Path) -> None:
    source = (
        "import helper, parts, parts.inner.two as two; print(helper.VALUE, parts.VALUE, two.VALUE)"
    )
    read = ("helper.py", "parts/__init__.py", "parts/one.py", "parts/inner/two.py")
    assert said(folder, source, *read) == "1 2 3"
    told = said(folder, source, *read[:2])
    assert "“parts.one” cannot be imported" in told


def test_the_text_that_was_read_counts_and_no_bytecode(folder: Path) -> None:
    assert said(folder, "import helper; print(helper.VALUE)", "helper.py") == "1"
    assert not list(folder.rglob("*.pyc"))
    other = folder / "other.py"
    other.write_text("VALUE = 8\n")
    cached = folder / "__pycache__" / f"helper.{sys.implementation.cache_tag}.pyc"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(other), str(cached), invalidation_mode=mode)
    assert said(folder, "import helper; print(helper.VALUE)", "helper.py") == "1"


@pytest.mark.parametrize(
    "change",
    [
        "open('helper.py', 'a').write('VALUE = 9')",
        "open('made.py', 'w').write('VALUE = 9'); import made as helper",
        "import os; os.mkdir('made'); open('made/__init__.py', 'w'); import made as helper",
        "import py_compile; py_compile.compile('helper.py', 'made.pyc'); import made as helper",
        "import zipfile; zipfile.ZipFile('a.zip', 'w').writestr('made.py', 'VALUE = 9'); "
        "sys.path.insert(0, 'a.zip'); import made as helper",
        "import tempfile; path = tempfile.mkdtemp(); sys.path.insert(0, path); "
        "open(path + '/made.py', 'w').write('VALUE = 9'); import made as helper",
    ],
    ids=["changed", "written", "empty", "compiled", "zipped", "elsewhere"],
)
def test_what_the_notebook_writes_is_not_imported(folder: Path, change: str) -> None:
    told = said(folder, f"{change}; import helper; print(helper.VALUE)", "helper.py")
    assert told.startswith("ImportError: “")
    assert "its file was not handed in, or was changed by the notebook" in told


def test_libraries_are_imported_and_found(folder: Path) -> None:
    source = (
        "import colorsys, wave, jinja2; from importlib.metadata import version, entry_points;"
        "version('nbgrader'); import importlib; importlib.invalidate_caches(); print('fine')"
    )
    assert said(folder, source) == "fine"
    assert "No module named 'nowhere'" in said(folder, "import nowhere")


def test_the_working_directory_may_lie_among_libraries(folder: Path) -> None:
    work = folder / "work"
    work.mkdir()
    (work / "own.py").write_text("VALUE = 5\n")
    source = "import helper; print(helper.VALUE); import own"
    lines = said(work, source, path=str(folder)).splitlines()
    assert lines[0] == "1"
    assert "“own” cannot be imported" in lines[1]
