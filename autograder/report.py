"""What came of a class: ``grades.csv`` for spreadsheets and ``report.html`` to look at."""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .card import environment, to_html
from .course import Course
from .grading import Row
from .verdict import Verdict

__all__ = ["Question", "questions", "write"]


@dataclass(frozen=True)
class Question:
    """How a class did on one question."""

    name: str
    """The question's name."""
    title: str
    """What it asks for."""
    answered: int
    """How many submissions have a verdict on it."""
    passed: int
    """How many are right in every respect."""
    misconceptions: tuple[tuple[str, str, int], ...]
    """Name, hint and count of the misconceptions, most frequent first."""
    others: tuple[tuple[str, int], ...]
    """Reasons without a named misconception, and their counts, most frequent first."""


def questions(rows: list[Row]) -> list[Question]:
    """Sum up a class question by question, in the order of the notebook."""
    verdicts: dict[str, list[Verdict]] = {}
    for row in rows:
        for cell in row.cells:
            for verdict in cell.verdicts:
                verdicts.setdefault(verdict.question, []).append(verdict)
    found = []
    for name, given in verdicts.items():
        hints = {v.misconception: v.hint or "" for v in given if v.misconception}
        named = Counter(v.misconception for v in given if v.misconception)
        unnamed = Counter(v.reason for v in given if not v.passed and not v.misconception)
        found.append(
            Question(
                name,
                given[0].title,
                len(given),
                sum(v.passed for v in given),
                tuple((key, hints[key], count) for key, count in named.most_common()),
                tuple(unnamed.most_common()),
            )
        )
    return found


def histogram(rows: list[Row], bins: int = 11) -> list[tuple[str, int]]:
    """Count the submissions by their share of the points, in tenths, full marks apart.

    Returns:
        Pairs of a label (``"0-9 %"``, ..., ``"100 %"``) and a count.
    """
    counts = [0] * bins
    for row in rows:
        share = row.score / row.max_score if row.max_score else 0.0
        counts[min(int(share * (bins - 1) + 1e-9), bins - 1)] += 1
    labels = [f"{10 * i}–{10 * i + 9} %" for i in range(bins - 1)] + ["100 %"]
    return list(zip(labels, counts, strict=True))


def write(course: Course, assignment: str, rows: list[Row], target: Path) -> tuple[Path, Path]:
    """Write the table of grades and the report.

    Args:
        course: the course.
        assignment: the assignment's name.
        rows: its submissions.
        target: the folder to write into; made if need be.

    Returns:
        The paths of ``grades.csv`` and ``report.html``.
    """
    target.mkdir(parents=True, exist_ok=True)
    grades, report = target / "grades.csv", target / "report.html"
    summary = questions(rows)
    names = [question.name for question in summary]
    with grades.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["student", "assignment", "score", "max_score", *names, "reasons"])
        for row in rows:
            points = {v.question: v.points for cell in row.cells for v in cell.verdicts}
            writer.writerow(
                [
                    _plain(row.student),
                    assignment,
                    f"{row.score:g}",
                    f"{row.max_score:g}",
                    *(f"{points[name]:g}" if name in points else "" for name in names),
                    _plain(" ".join(row.reasons)),
                ]
            )
    links = {
        row.student: [
            (page.stem, Path(os.path.relpath(page, target)).as_posix())
            for page in sorted(row.feedback.glob("*.html"))
        ]
        if row.feedback
        else []
        for row in rows
    }
    html = environment.get_template("report.html").render(
        assignment=assignment,
        course=course.directory.course_id,
        rows=rows,
        questions=summary,
        histogram=histogram(rows),
        links=links,
        mean=sum(row.score for row in rows) / len(rows) if rows else 0.0,
        failed=[row for row in rows if row.failure],
        unprotected=sorted({name for row in rows for name in row.unprotected}),
        misplaced=course.misplaced(),
        card=to_html,
    )
    report.write_text(html, encoding="utf-8")
    return grades, report


def _plain(text: str) -> str:
    """Keep a spreadsheet from taking a student's text for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
