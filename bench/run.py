"""Measure what the project promises, print a table, and write bench/results.json.

Run it with `make bench`, or name some figures: `.venv/bin/python bench/run.py check_ms_median`.
Each figure is one number in a flat JSON object; those that are not measured stay as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import kernels
from assignments import Assignments
from book import Book
from grading import LEFT_OUT, LSTM_CELL, PLAIN, Assignment, Classroom
from integrity import Integrity
from pages import Pages
from poem import SPEED_SECONDS, Poems
from process import BenchError, run, say
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Figure:
    """One number."""

    name: str
    """Its key in the results."""
    unit: str
    """Its unit; empty for a ratio."""
    what: str
    """What it is, for the table."""
    measure: Callable[[], float]
    """Measures it; what several figures need is measured once."""
    target: tuple[str, float] | None = None
    """What it should be: ``<``, ``≤`` or ``≥``, and a number."""

    def row(self, value: float) -> tuple[str, ...]:
        """Return the figure's row in the table."""
        shown, goal = f"{value:g}", ""
        if self.target is not None:
            sign, limit = self.target
            met = {"<": value < limit, "≤": value <= limit, "≥": value >= limit}[sign]
            shown = f"[{'green' if met else 'red'}]{shown}[/]"
            goal = f"{sign} {limit:g}"
        return self.name, shown, self.unit, goal, self.what


def figures(workspace: Path, size: int, large_size: int) -> list[Figure]:
    """List all figures, in the order in which they are measured.

    Args:
        workspace: a folder for courses and books.
        size: how many submissions a class has.
        large_size: how many a large class has.
    """
    lstm, plain = Assignment(LSTM_CELL, workspace), Assignment(PLAIN, workspace)
    some, plain_some = Classroom(lstm, size), Classroom(plain, size)
    many = Classroom(lstm, large_size)
    book = Book(workspace)
    whatever = Integrity(workspace / "integrity")
    course = Assignments(workspace)
    poems = Poems(workspace)

    return [
        Figure(
            "check_ms_median",
            "ms",
            "a check of a right answer, in a warm kernel",
            lambda: kernels.check_ms("solved"),
            ("<", 300),
        ),
        Figure(
            "check_wrong_ms_median",
            "ms",
            "a check of a wrong answer",
            lambda: kernels.check_ms("gate-order"),
            ("<", 300),
        ),
        Figure(
            "questions",
            "",
            "graded questions in all assignments, all proved on 20 seeds",
            lambda: course.questions,
            ("≥", 70),
        ),
        Figure(
            "prove_s",
            "s",
            "autograder prove, all assignments",
            lambda: course.prove_s,
            ("<", 180),
        ),
        Figure(
            "mutants_rejected_share",
            "",
            "mutants of the worked solutions that are rejected, equivalent ones apart",
            lambda: course.mutants_rejected,
            ("≥", 0.98),
        ),
        Figure(
            "all_checks_ms_median",
            "ms",
            "a check, over every answer of every sample class",
            lambda: course.check_ms_median,
            ("<", 300),
        ),
        Figure(
            "slowest_check_s",
            "s",
            "the slowest of them, first checks of a kernel included",
            lambda: course.check_s_slowest,
            ("<", 2),
        ),
        Figure(
            "complete_set_cpu_seconds",
            "s",
            "CPU time of grading one student's assignments, all but the poem",
            lambda: course.grading_cpu_seconds,
            ("<", 5),
        ),
        Figure(
            "poem_submission_cpu_seconds",
            "s",
            "CPU time of grading one right and complete poem homework",
            lambda: poems.submission_cpu_s,
            ("<", 20),
        ),
        Figure(
            "poem_load_s",
            "s",
            "loading and cleaning all 57,607 poems from the cache",
            lambda: poems.load_s,
            ("<", 5),
        ),
        Figure(
            "poem_perplexity",
            "",
            "validation perplexity of the committed network, per guess",
            lambda: poems.network["perplexity"],
            ("≤", 75),
        ),
        Figure(
            "poem_bits",
            "bit",
            "the same in bits per guess",
            lambda: poems.network["bits"],
        ),
        Figure(
            "poem_perplexity_characters",
            "",
            "the same without punctuation and ends",
            lambda: poems.network["characters"],
        ),
        Figure(
            "poem_four_equal_lines_share",
            "",
            "of 1000 quatrains that it wrote without rules at temperature 1",
            lambda: poems.network["four equal lines, T=1"],
            ("≥", 0.97),
        ),
        Figure(
            "poem_copied_lines_share",
            "",
            "their lines that are lines of training poems",
            lambda: poems.network["lines from the training poems, T=1"],
        ),
        Figure(
            "poem_real_copied_lines_share",
            "",
            "the lines of real validation poems that are",
            lambda: poems.network["lines of the validation poems that are in the training poems"],
        ),
        Figure(
            "poem_five_minutes_perplexity",
            "",
            "validation perplexity after five minutes of train.py",
            lambda: poems.five_minutes,
            ("≤", 100),
        ),
        Figure(
            "poem_tokens_per_second",
            "1/s",
            f"guesses that train.py learns from, over {SPEED_SECONDS} s",
            lambda: poems.speed["ours"],
        ),
        Figure(
            "poem_plain_tokens_per_second",
            "1/s",
            "the same of a plain loop with the same network",
            lambda: poems.speed["plain"],
        ),
        Figure(
            "sandbox_ms",
            "ms",
            "what the sandbox adds to a kernel's fork",
            kernels.sandbox_ms,
            ("<", 15),
        ),
        Figure(
            "kernel_private_mb",
            "MB",
            "memory of one sandboxed kernel's own, after the worked solution",
            lambda: kernels.private_mb(lstm, "python3-sandbox"),
            ("<", 60),
        ),
        Figure(
            "stock_kernel_private_mb",
            "MB",
            "the same of an ordinary kernel",
            lambda: kernels.private_mb(lstm, "python3"),
        ),
        Figure(
            "cpu_floor_seconds_per_submission",
            "s",
            "CPU time of the students' code, without Jupyter",
            lambda: kernels.cpu_floor(lstm),
        ),
        Figure(
            "grading_seconds_per_submission",
            "s",
            "autograder grade, all of it",
            lambda: some.ours.seconds / size,
        ),
        Figure(
            "kernel_cpu_seconds_per_submission",
            "s",
            "CPU time of its kernels",
            lambda: some.ours.kernel_cpu_seconds / size,
        ),
        Figure(
            "grader_cpu_seconds_per_submission",
            "s",
            "CPU time of its other processes, start-up included",
            lambda: (some.ours.cpu_seconds - some.ours.kernel_cpu_seconds) / size,
        ),
        Figure(
            f"coordinator_mb_{size}",
            "MB",
            "peak memory of its first process",
            lambda: some.ours.peak_mb,
        ),
        Figure(
            "regrade_unchanged_s",
            "s",
            "autograder grade again, nothing changed",
            some.again_s,
            ("<", 3),
        ),
        Figure(
            "stock_seconds_per_submission",
            "s",
            "nbgrader autograde with ordinary kernels",
            lambda: some.stock.seconds / size,
        ),
        Figure(
            "grading_speedup",
            "×",
            "stock by ours; all scores are equal",
            some.speedup,
            ("≥", 30),
        ),
        Figure(
            "plain_grading_seconds_per_submission",
            "s",
            "autograder grade, an assignment without torch",
            lambda: plain_some.ours.seconds / size,
        ),
        Figure(
            "plain_stock_seconds_per_submission",
            "s",
            "nbgrader autograde, the same",
            lambda: plain_some.stock.seconds / size,
        ),
        Figure(
            "plain_speedup",
            "×",
            "the same without torch; all scores are equal",
            plain_some.speedup,
        ),
        Figure(
            f"seconds_per_submission_{large_size}",
            "s",
            "autograder grade, a large class",
            lambda: many.ours.seconds / large_size,
        ),
        Figure(
            f"coordinator_mb_{large_size}",
            "MB",
            "peak memory of its first process",
            lambda: many.ours.peak_mb,
        ),
        Figure(
            "flatness",
            "×",
            f"time per submission of {large_size} by that of {size}",
            lambda: many.ours.seconds / large_size / (some.ours.seconds / size),
            ("≤", 1.15),
        ),
        Figure(
            "book_cold_s",
            "s",
            "make book, nothing kept from before",
            lambda: book.cold_s,
            ("<", 240),
        ),
        Figure(
            "book_plain_s", "s", "jupyter-book build with ordinary kernels", lambda: book.plain_s
        ),
        Figure(
            "book_speedup",
            "×",
            "the latter by the former",
            lambda: book.plain_s / book.cold_s,
            ("≥", 2),
        ),
        Figure(
            "book_rebuild_s",
            "s",
            "make book after a change to the prose of one chapter",
            lambda: book.rebuild_s,
            ("<", 20),
        ),
        Figure(
            "slowest_chapter_s",
            "s",
            "the code of the slowest chapter, two chapters at a time",
            lambda: book.slowest_chapter_s,
            ("<", 60),
        ),
        Figure(
            "heaviest_page_mb",
            "MB",
            "what the heaviest page transfers, without the search index",
            lambda: Pages(book.pages).heaviest_mb,
            ("<", 1.5),
        ),
        Figure(
            "accessibility_violations",
            "",
            "serious or critical for axe-core: all pages, both themes, phone and desktop",
            lambda: Pages(book.pages).violations,
            ("≤", 0),
        ),
        Figure(
            "fuzz_examples",
            "",
            "random submissions that were graded",
            lambda: whatever.fuzz["examples"],
        ),
        Figure(
            "fuzz_errors",
            "",
            "those of them that raised, failed or came out wrong",
            lambda: whatever.fuzz["errors"],
            ("≤", 0),
        ),
        Figure(
            "broken_kinds",
            "",
            "kinds of broken submissions in the catalogue",
            lambda: whatever.broken["kinds"],
            ("≥", 55),
        ),
        Figure(
            "broken_misjudged",
            "",
            "those with another score than the work is worth",
            lambda: len(whatever.broken["misjudged"]),
            ("≤", 0),
        ),
        Figure(
            "attacks",
            "",
            "attacks in the catalogue",
            lambda: whatever.attacks["kinds"],
            ("≥", 150),
        ),
        Figure(
            "attacks_above_zero",
            "",
            "those that earn anything for the question attacked",
            lambda: len(whatever.attacks["misjudged"]),
            ("≤", 0),
        ),
        Figure(
            "rows_present_share",
            "",
            "submissions of both catalogues that have a row",
            whatever.rows_present,
            ("≥", 1),
        ),
        Figure(
            "honest_changed",
            "",
            "honest students among them with another score than theirs",
            lambda: len(whatever.broken["changed"]) + len(whatever.attacks["changed"]),
            ("≤", 0),
        ),
        Figure(
            "catalogue_seconds",
            "s",
            "autograder grade, both catalogues",
            lambda: whatever.both("seconds"),
        ),
        Figure(
            "catalogue_timeout_seconds",
            "s",
            "the time-outs in them, one after another",
            lambda: whatever.both("timeout_seconds"),
        ),
        Figure(
            "honest_class_seconds",
            "s",
            "as many right submissions, right before",
            lambda: whatever.both("honest_class_seconds"),
        ),
        Figure(
            "catalogue_ratio",
            "×",
            "the catalogues without time-outs by right submissions",
            whatever.ratio,
            ("≤", 1.5),
        ),
        Figure(
            "fixtures",
            "",
            "nbgrader's own notebooks, handed in",
            lambda: whatever.fixtures["submissions"],
        ),
        Figure(
            "fixtures_equal",
            "",
            "those to which nbgrader and we give the same",
            lambda: whatever.fixtures["equal"],
        ),
        Figure(
            "fixtures_documented",
            "",
            "those to which we give something else for a documented reason",
            lambda: whatever.fixtures["documented"],
        ),
        Figure(
            "fixtures_undocumented",
            "",
            "those for no such reason",
            lambda: whatever.fixtures["undocumented"],
            ("≤", 0),
        ),
        Figure("demo_s", "s", "make demo, after make setup", lambda: make_s("demo"), ("<", 240)),
        Figure("test_s", "s", "make test, after make setup", lambda: make_s("test"), ("<", 1200)),
    ]


def make_s(target: str) -> float:
    """Return the seconds that a target of the Makefile takes, after set-up."""
    run("make", "setup")
    say(f"make {target}")
    return run("make", target).seconds


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("figures", nargs="*", help="the figures to measure; all by default")
    parser.add_argument(
        "--class-size", type=int, default=200, metavar="N", help="a class's submissions"
    )
    parser.add_argument(
        "--large-class", type=int, default=5000, metavar="N", help="a large class's submissions"
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS, metavar="FILE", help="where to write the results"
    )
    options = parser.parse_args()
    if min(options.class_size, options.large_class) < 1:
        parser.error("a class has one submission at least")
    if options.class_size == options.large_class:
        parser.error("the two classes must differ in size")
    # As in the Makefile: commands and kernels are those of this environment.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["PYTHONNOUSERSITE"] = "1"

    console = Console()
    with tempfile.TemporaryDirectory(prefix="bench-") as workspace:
        known = figures(Path(workspace), options.class_size, options.large_class)
        names = [figure.name for figure in known]
        unknown = [name for name in options.figures if name not in names]
        if unknown:
            parser.error(f"there is no figure {unknown[0]}; there is: {', '.join(names)}")
        wanted = [figure for figure in known if figure.name in (options.figures or names)]
        results: dict[str, float] = {}
        try:
            for figure in wanted:
                results[figure.name] = float(f"{figure.measure():.4g}")
        except BenchError as error:
            Console(stderr=True).print(
                f"{figure.name} cannot be measured: {error}", style="red", markup=False
            )
            sys.exit(1)
        finally:
            # What was measured before an error or a Ctrl-C counts: it took long enough.
            if results:
                measured = [figure for figure in wanted if figure.name in results]
                console.print(table_of(measured, results, options))
                write(options.output, names, results)
                console.print(f"Written: {options.output}", soft_wrap=True)


def table_of(
    measured: list[Figure], results: dict[str, float], options: argparse.Namespace
) -> Table:
    """Make the table of what was measured."""
    table = Table(
        "figure",
        "value",
        "unit",
        "target",
        "what",
        title=f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        caption=f"Classes of {options.class_size} and {options.large_class} are made of the sample "
        f"class without the student “{LEFT_OUT}”, who takes the time limit.",
    )
    table.columns[0].no_wrap = True
    table.columns[1].justify = "right"
    for figure in measured:
        table.add_row(*figure.row(results[figure.name]))
    return table


def write(path: Path, names: list[str], results: dict[str, float]) -> None:
    """Write results, and keep those of earlier runs that were not measured now."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known.update(results)
    kept = {name: known[name] for name in names if name in known}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
