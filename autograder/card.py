"""The card that shows a verdict: HTML for notebooks, text for terminals."""

from __future__ import annotations

import io
import sys
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.columns import Columns
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .i18n import _, ngettext
from .scale import place
from .verdict import Rung, Verdict

__all__ = [
    "VERDICT_MIME",
    "environment",
    "mark_shown",
    "show",
    "show_again",
    "to_html",
    "to_mimebundle",
    "to_text",
]

VERDICT_MIME = "application/vnd.autograder.verdict+json"
"""Marks an output as a verdict's, so that the grader can put its own in place of a forged one."""

environment = Environment(
    loader=PackageLoader("autograder"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals["_"] = _


def steps(verdict: Verdict) -> list[tuple[str, str]]:
    """List the rungs with what came of each: ``passed``, ``failed`` or ``untested``."""
    if verdict.unit is not None:
        return []  # A measure says how good an answer is; the rungs below it would say less.
    if verdict.rung is None:
        state = "passed" if verdict.passed else "untested"
        return [(rung.label, state) for rung in verdict.tested]

    def state_of(rung: Rung, failed: Rung) -> str:
        if rung.height < failed.height:
            return "passed"
        return "failed" if rung is failed else "untested"

    return [(rung.label, state_of(rung, verdict.rung)) for rung in verdict.tested]


def marks(verdict: Verdict) -> list[tuple[str, str]]:
    """List the marks of a measured question, the best last: measures, and the points they earn."""
    if verdict.measure is None:
        return []
    return [
        (f"{mark:g}", f"{round(share * verdict.max_points, 2):g}")
        for mark, share in reversed(verdict.scale)
    ]


def context(verdict: Verdict) -> dict[str, Any]:
    """Collect the sentences of a card."""
    score = ""  # A question that does not exist is worth nothing to speak of.
    if verdict.max_points:
        score = _("{points} of {max_points} points").format(
            points=f"{verdict.points:g}", max_points=f"{verdict.max_points:g}"
        )
    where = ""
    if verdict.case is not None:
        where = ngettext(
            "Seen in {failed} of {cases} case; the smallest is “{case}”: {sizes}.",
            "Seen in {failed} of {cases} cases; the smallest is “{case}”: {sizes}.",
            verdict.cases,
        ).format(
            failed=verdict.failed_cases,
            cases=verdict.cases,
            case=verdict.case,
            sizes=verdict.sizes,
        )
    return {
        "verdict": verdict,
        "score": score,
        "where": where,
        "steps": steps(verdict),
        "marks": marks(verdict),
        "place": place(verdict.scale, verdict.measure or 0.0) if verdict.scale else 0.0,
        "state": _state(verdict),
    }


def _state(verdict: Verdict) -> str:
    if verdict.passed:
        return "passed"
    return "partial" if verdict.points or verdict.held else "failed"


def to_html(verdict: Verdict) -> str:
    """Render a verdict as HTML that reads on light and dark pages, without a stylesheet."""
    return environment.get_template("card.html").render(context(verdict))


_MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "untested": ("·", "dim")}


def renderable(verdict: Verdict) -> Panel:
    """Lay a verdict out for Rich, in colour where the terminal has it."""
    parts = context(verdict)
    mark, colour = _MARKS["passed" if verdict.passed else "failed"]
    lines: list[Any] = []
    if verdict.hint:
        lines.append(Text(verdict.hint, style="bold"))
    lines.append(Text(verdict.reason))
    if verdict.difference:
        table = Table("", _("yours"), _("torch"), box=None, padding=(0, 2, 0, 0))
        difference = verdict.difference
        table.add_row(*map(Text, (difference.place, difference.got, difference.expected)))
        lines += ["", table]
    if parts["marks"]:
        measures, points = zip(*parts["marks"], strict=True)
        table = Table(verdict.unit or "", *measures, box=None, padding=(0, 2, 0, 0))
        table.add_row(_("points"), *points)
        lines += ["", table]
    if parts["where"]:
        lines += ["", Text(parts["where"], style="dim")]
    if parts["steps"]:
        rungs = [
            Text(f"{_MARKS[state][0]} {label}", _MARKS[state][1]) for label, state in parts["steps"]
        ]
        lines += ["", Columns(rungs, padding=(0, 2))]
    heading = " · ".join(filter(None, (f"{mark} {verdict.question}", parts["score"])))
    title = Text(heading, style=f"bold {colour}")
    return Panel(Group(*lines), title=title, title_align="left", border_style=colour, width=88)


def to_text(verdict: Verdict) -> str:
    """Render a verdict as plain text of at most 88 columns."""
    buffer = io.StringIO()
    # Inside a notebook Rich would show what it prints as an output of its own.
    console = Console(file=buffer, width=88, color_system=None, force_jupyter=False)
    console.print(renderable(verdict))
    return buffer.getvalue().rstrip()


def to_mimebundle(verdict: Verdict) -> dict[str, Any]:
    """Render a verdict for Jupyter: the front end shows the richest form it can."""
    return {
        "text/plain": to_text(verdict),
        "text/html": to_html(verdict),
        VERDICT_MIME: verdict.to_json(),
    }


def _kernel_shell() -> Any:
    """Return IPython's shell if this is a notebook's kernel, or ``None``."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def show(verdict: Verdict) -> None:
    """Show a verdict where the person is: as a card in a notebook, as text in a terminal."""
    shell = _kernel_shell()
    if shell is None:
        Console().print(renderable(verdict))
        return
    from IPython.display import display

    display(to_mimebundle(verdict), raw=True)
    mark_shown(verdict)


def mark_shown(verdict: Verdict) -> None:
    """Keep a verdict that the cell ends with from being shown in it again."""
    shell = _kernel_shell()
    if shell is not None:
        object.__setattr__(verdict, "_shown_in", shell.execution_count)


def show_again(verdict: Verdict) -> None:
    """Show a verdict that a cell ends with, unless :func:`show` did so in the same cell."""
    shell = _kernel_shell()
    if shell is None:
        print(repr(verdict))
    elif getattr(verdict, "_shown_in", None) != shell.execution_count:
        show(verdict)
