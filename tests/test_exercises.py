"""Every assignment of the course is proved, as `make` and its authors do it."""

from __future__ import annotations

import pytest
from conftest import ROOT, SOURCE
from typer.testing import CliRunner

from autograder.cli import app


@pytest.mark.parametrize("assignment", sorted(path.name for path in SOURCE.glob("*/")))
def test_an_assignment_is_proved_on_twenty_seeds(assignment: str) -> None:
    result = CliRunner().invoke(app, ["prove", assignment, "--course", str(ROOT), "--seeds", "20"])
    assert result.exit_code == 0, result.output
    assert "Every claim holds on 20 seeds." in result.output
