"""The gallery: every card that an assignment can show, on one page, to be judged by eye."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from .answer import play
from .card import environment, to_html
from .errors import CourseError
from .loader import find_spec
from .notebooks import read_text_notebook, worked_notebook
from .prove import outcome, quiet
from .referee import interpreted, judge
from .seeds import public_seed
from .students import Workplace, objects_of, read_class
from .verdict import Verdict

__all__ = ["Exhibit", "exhibits", "write"]

Exhibit = tuple[str, str, list[tuple[str, Verdict]]]
"""An assignment, a question, and its made-up students with the verdict on each."""


def exhibits(folder: Path, question: str) -> list[tuple[str, Verdict]]:
    """Check what the sample class answers to a question, as each student would in practice.

    Args:
        folder: the assignment's folder.
        question: the question's name.

    Returns:
        Each student who answers otherwise than those before, and the verdict.

    Raises:
        AutograderError: if the assignment cannot be read.
    """
    spec = find_spec(folder, question)
    notebook = read_text_notebook(worked_notebook(folder))
    found: dict[str, tuple[str, Verdict]] = {}
    for student in read_class(folder):
        expected = student.expect.get(question, "passed")
        if expected in found or "undecided" in student.expect.values():
            continue
        with quiet(), Workplace(folder, student).entered():
            obj = objects_of(student, notebook, last=question)[question]
            player = interpreted(spec, partial(play, spec, obj))
            verdict = judge(spec, public_seed(question), player, public=True)
        found.setdefault(outcome(verdict), (student.name, verdict))
    return list(found.values())


def write(path: Path, shown: Sequence[Exhibit]) -> None:
    """Write the page: each card on a light and on a dark ground.

    Args:
        path: the page.
        shown: what to show.

    Raises:
        CourseError: if it cannot be written.
    """
    page = environment.get_template("gallery.html").render(shown=shown, card=to_html)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from None
