"""A small assignment with a measured question: a file is handed in, and its mean byte counts."""

from book import HEADER

CHECKS = '''
import numpy as np
import torch

from autograder import Case, MeasuredSpec


class Checkpoint(MeasuredSpec):
    """The mean of the bytes in your file."""

    name = "checkpoint"
    points = 12
    called = False
    unit = "mean byte"
    scale = ((75, 1.0), (100, 0.8), (150, 0.5), (200, 0.0))

    def cases(self, draw):
        yield Case("the file", part=draw.integer(0, 1))

    def call(self, path, case):
        return torch.from_numpy(np.fromfile(path, dtype=np.uint8))

    def measure(self, outputs, case):
        if not isinstance(outputs, torch.Tensor) or outputs.dtype != torch.uint8:
            raise ValueError("That is no file.")
        if outputs.numel() and outputs[0] == 255:
            raise ValueError("Your file begins with 255.")
        return outputs.double().mean()

    def remarks(self, outputs, case):
        if outputs[0] == 1:
            raise KeyError("one")
        return ["It begins with 7."] if outputs[0] == 7 else ()
'''

NOTEBOOK = (
    HEADER
    + """# A file

```{code-cell} ipython3
from pathlib import Path

from autograder import check
```

```{code-cell} ipython3
---
nbgrader:
  grade_id: work
  solution: true
---
path = "mine.bin"
### BEGIN SOLUTION
Path(path).write_bytes(bytes([75]) * 4)
### END SOLUTION
```

```{code-cell} ipython3
---
nbgrader:
  grade: true
  grade_id: check-checkpoint
  locked: true
---
check("checkpoint", path)
```
"""
)

STUDENTS = """
worse:
  replace: {"[75]) * 4": "[125]) * 4"}
  expect: {checkpoint: values}
nothing:
  replace: {"[75]) * 4": "[250]) * 4"}
  expect: {checkpoint: values}
empty:
  replace: {"[75]) * 4": "[75]) * 0"}
  expect: {checkpoint: values}
refused:
  replace: {"[75]) * 4": "[255]) * 4"}
  expect: {checkpoint: runs}
elsewhere:
  replace: {'path = "mine.bin"': 'path = "yours.bin"', "Path(path)": 'Path("mine.bin")'}
  expect: {checkpoint: runs}
"""

FILES = {"solved": 75, "good": 100}
"""The byte of which the file of a student consists, where the file itself is handed in."""

HANDED_IN = (
    NOTEBOOK.replace('path = "mine.bin"\n', "")
    .replace("Path(path).write_bytes(bytes([75]) * 4)", 'Path("mine.bin")')
    .replace('"checkpoint", path', '"checkpoint", "mine.bin"')
)
"""A notebook in which the worked solution makes no file."""

FILERS = "good: {expect: {checkpoint: values}}\nsame: {expect: {checkpoint: passed}}\n"
