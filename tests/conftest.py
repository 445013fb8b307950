"""What the tests share: the course's own assignment, and small ones made on the spot."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "exercises" / "source"

# The kernels are those of the environment that runs the tests, and every process one thread wide.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("NBGRADER_EXECUTION", None)
os.environ.pop("AUTOGRADER_WIRE", None)
torch.set_num_threads(1)

CHECKS = '''
import torch

from autograder import Case, Rung, Spec, misconception


class Double(Spec):
    """Twice a matrix."""

    name = "double"
    points = 4
    gradients = ("x",)
    partial_credit = {Rung.GRADIENTS: 0.5}

    def cases(self, draw):
        n, m = draw.primes(2)
        yield Case("usual", x=draw.normal(n, m))
        yield Case("one row", x=draw.normal(1, m))

    def reference(self, case):
        return 2 * case.x

    @misconception("You square it; double it instead.")
    def squared(self, case):
        return case.x**2


class Half(Spec):
    """Half of a matrix."""

    name = "half"
    points = 2

    def cases(self, draw):
        yield Case("usual", x=draw.normal(2, 3))

    def reference(self, case):
        return case.x / 2
'''

NOTEBOOK = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Two functions

```{code-cell} ipython3
from autograder import check
```

```{code-cell} ipython3
---
nbgrader:
  grade_id: work
  solution: true
---
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

def half(x):
    ### BEGIN SOLUTION
    return x / 2
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
  grade: true
  grade_id: check-half
  locked: true
---
check("half", half)
```
"""

STUDENTS = """
squares:
  replace: {"2 * x": "x**2"}
  expect: {double: squared}
"""

MakeAssignment = Callable[..., Path]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command autograder in this process. Returns its exit code."""
    from autograder.cli import main

    monkeypatch.setattr(sys, "argv", ["autograder", *arguments])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def lstm_cell() -> Path:
    """Return the source folder of the assignment lstm-cell."""
    return SOURCE / "lstm-cell"


@pytest.fixture
def make_assignment(tmp_path: Path) -> MakeAssignment:
    """Return a function that writes a course with a small assignment, and returns its folder."""

    def make(checks: str = CHECKS, notebook: str = NOTEBOOK, students: str = STUDENTS) -> Path:
        folder = tmp_path / "source" / "tiny"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "exercises" / "nbgrader_config.py", tmp_path)
        (folder / "checks.py").write_text(checks, encoding="utf-8")
        (folder / "tiny.md").write_text(notebook, encoding="utf-8")
        (folder / "students.yml").write_text(students, encoding="utf-8")
        return folder

    return make
