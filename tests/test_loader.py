"""A broken checks.py is reported with its file and line; a good one gives its specs in order."""

from __future__ import annotations

import sys
from pathlib import Path

import measures
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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('unit = "mean byte"', "pass", "Checkpoint .*does not define unit"),
        ("    scale = (", "    marks = (", "Checkpoint .*does not define scale"),
        ("def measure(", "def measured(", "Checkpoint .*does not define measure"),
        ("(150, 0.5), ", "(150, 0.9), ", "a scale that holds shares that do not fall"),
        ("(200, 0.0)", "(200, 0.1)", r"from 1 to 0.1; .* like \(\(75, 1\.0\), "),
        ("points = 12", "points = 12\n    gradients = ('x',)", "has gradients, which a measured"),
        ("points = 12", "points = 12\n    partial_credit = {Rung.RUNS: 0.5}", "has partial_c"),
        ("    def cases", "    @misconception('No.')\n    def no(self, case):\n        return 1\n\n"
         "    def cases", "has misconceptions,"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_measured_question_is_named(
    make_assignment: MakeAssignment, old: str, new: str, message: str
) -> None:
    assert old in measures.CHECKS
    checks = measures.CHECKS.replace("MeasuredSpec\n", "MeasuredSpec, Rung, misconception\n", 1)
    assert list(load_specs(make_assignment(checks))) == ["checkpoint"]
    with pytest.raises(SpecError, match=message):
        load_specs(make_assignment(checks.replace(old, new, 1)))


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


NEIGHBOUR = "import torch\nimport factor\n"


def test_modules_beside_it_are_imported_and_met_by_nobody_else(
    make_assignment: MakeAssignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = object()
    monkeypatch.setitem(sys.modules, "factor", mine)  # What a notebook has imported.
    before = list(sys.path)
    source = CHECKS.replace("import torch\n", NEIGHBOUR).replace("points = 4", "points = factor.F")
    folder = make_assignment()
    (folder / "factor.py").write_text("F = 7", encoding="utf-8")
    make_assignment(source)
    assert load_specs(folder)["double"].points == 7
    assert sys.modules["factor"] is mine
    assert sys.path == before


def test_a_mistake_in_a_module_beside_it_is_told(make_assignment: MakeAssignment) -> None:
    folder = make_assignment()
    (folder / "factor.py").write_text("1 / 0", encoding="utf-8")
    make_assignment(CHECKS.replace("import torch\n", NEIGHBOUR))
    with pytest.raises(SpecError, match=r"does not import: ZeroDivisionError: .*line 3"):
        load_specs(folder)
    assert "factor" not in sys.modules


def test_specs_in_files_of_their_own(make_assignment: MakeAssignment) -> None:
    folder = make_assignment("from checks_more import Half\nfrom checks_first import Double\n")
    (folder / "checks_first.py").write_text(CHECKS, encoding="utf-8")
    (folder / "checks_more.py").write_text(CHECKS, encoding="utf-8")
    specs = load_specs(folder)
    assert list(specs) == ["half", "double"]
    make_assignment(
        "from checks_first import Double\nfrom checks_more import Half\n"
        "__all__ = ['Half', 'Double']\n"
    )
    assert list(load_specs(folder)) == ["half", "double"]
    (folder / "more.py").write_text(CHECKS, encoding="utf-8")
    make_assignment("from more import Half\nfrom checks_first import Double\n")
    assert list(load_specs(folder)) == ["double"]
