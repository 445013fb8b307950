"""A broken checks.py is reported with its file and line; a good one gives its specs in order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import CHECKS, MakeAssignment

from autograder.errors import SpecError
from autograder.loader import find_spec, load_specs


def test_specs_in_the_order_of_their_definition(lstm_cell: Path) -> None:
    assert list(load_specs(lstm_cell)) == ["lstm_cell", "lstm_layer", "two_layer_lstm"]


def test_an_unchanged_file_is_imported_once_and_a_changed_one_again(
    make_assignment: MakeAssignment,
) -> None:
    folder = make_assignment()
    first = load_specs(folder)["double"]
    assert load_specs(folder)["double"] is first
    make_assignment(CHECKS.replace("points = 4", "points = 5"))
    assert load_specs(folder)["double"].points == 5


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no checks\.py in .*" + tmp_path.name):
        load_specs(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("points = 4", "points == = 4", r"checks\.py does not import: SyntaxError: .*line 11"),
        ("import torch", "import touch", r"ModuleNotFoundError: No module named 'touch' \(line 2"),
        ("import torch\n", "import torch\n1 / 0\n", r"ZeroDivisionError: .*line 3"),
        ('name = "half"', 'name = "double"', "Half .*“double”, which another spec"),
        ("points = 4", "points = 0", "Double .*worth 0 points"),
        ("points = 4", "points = float('nan')", "Double .*worth nan points"),
        ("points = 4\n", "\n", "Double .*does not define points"),
        ("def reference(self, case):\n        return 2", "def other(self, case):\n        return 2",
         "Double .*does not define reference"),
        ("points = 4", "points = 4\n    forbids = ('torch.nn.LSTMM',)", "forbids “torch.nn.LSTMM”"),
        ("GRADIENTS: 0.5", "GRADIENTS: 1", "share of 1 for “gradients”"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(
    make_assignment: MakeAssignment, old: str, new: str, message: str
) -> None:
    assert old in CHECKS
    folder = make_assignment(CHECKS.replace(old, new, 1))
    with pytest.raises(SpecError, match=message):
        load_specs(folder)


def test_no_specs(make_assignment: MakeAssignment) -> None:
    with pytest.raises(SpecError, match="declares no Spec"):
        load_specs(make_assignment("import torch\n"))


def test_a_failed_import_leaves_no_module(make_assignment: MakeAssignment) -> None:
    before = set(sys.modules)
    with pytest.raises(SpecError):
        load_specs(make_assignment("1 / 0\n"))
    assert set(sys.modules) == before


def test_a_base_class_of_the_files_own_is_no_question(make_assignment: MakeAssignment) -> None:
    base = "\n\nclass Base(Spec):\n    points = 2\n"
    checks = CHECKS.replace("\n\nclass Half(Spec)", f"{base}\n\nclass Half(Base)")
    assert list(load_specs(make_assignment(checks))) == ["double", "half"]


def test_find_spec_suggests_the_nearest(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    assert find_spec(folder, "half").name == "half"
    with pytest.raises(SpecError, match=r"Did you mean “double”\?"):
        find_spec(folder, "duoble")
    with pytest.raises(SpecError, match="There is: double, half"):
        find_spec(folder, "zzz")
