"""The command ``autograder``."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from .errors import AutograderError, CourseError, suggestion
from .provisioner import share_zygote
from .sandbox import Level
from .zygote import available

if TYPE_CHECKING:
    # nbgrader takes seconds to import: the commands do it themselves, so that --help need not wait.
    from .course import Course
    from .grading import Change, Row

__all__ = ["app", "main"]

T = TypeVar("T")

app = typer.Typer(
    help="Release, grade and report PyTorch exercises that grade themselves, inside nbgrader.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 all is well · 1 something was found to be wrong · 2 the command could "
    "not be carried out · 130 interrupted.",
)
out = Console()
err = Console(stderr=True)

CourseOption = Annotated[
    Path,
    typer.Option(
        help="The nbgrader course directory, which holds nbgrader_config.py; by default the "
        "current folder, or the folder exercises in it.",
        show_default=False,
    ),
]
DatabaseOption = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        help="The gradebook's database as an SQLAlchemy URL, such as "
        "postgresql+psycopg://user@host/grades; by default, gradebook.db in the course directory."
    ),
]
AssignmentArgument = Annotated[
    str, typer.Argument(help="The assignment's name: its folder in source/.", show_default=False)
]
SomeAssignmentsArgument = Annotated[
    list[str],
    typer.Argument(help="The assignments' names: their folders in source/.", show_default=False),
]
AssignmentsArgument = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer reads this at run time, on Python 3.10 too
    typer.Argument(help="The assignments; all of them by default.", show_default=False),
]
JobsOption = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(min=1, help="How many questions to work on at a time; by default, one a core."),
]


@app.command()
def release(
    assignments: SomeAssignmentsArgument, course: CourseOption = Path(), db: DatabaseOption = None
) -> None:
    """Make the student's version of assignments: solutions out, checks in.

    It does what “nbgrader generate_assignment” does, after looking over notebook and specs.
    """
    from .course import Course
    from .grading import release as make

    here = Course(course, db=db)
    for assignment in assignments:
        folder = make(here, assignment)
        out.print(f"Released: {folder}", soft_wrap=True, highlight=False)


@app.command("sample-class")
def sample_class(
    assignments: SomeAssignmentsArgument,
    course: CourseOption = Path(),
    size: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1,
            help="Make a class of this size, whose students know more or less, in place of one "
            "student for each mistake.",
        ),
    ] = None,
) -> None:
    """Hand in the sample class: made-up submissions with every mistake that the specs name.

    They land in submitted/, where real submissions go, so use it in a course of its own; a student
    with one of the made-up names is overwritten.
    """
    from .course import Course
    from .students import hand_in, mixed_class, read_class

    here = Course(course)
    handed_in = 0
    for assignment in assignments:
        source = here.source(assignment)
        for student in mixed_class(source, size) if size else read_class(source):
            hand_in(
                student,
                here.folder("release", ".", assignment),
                here.folder("submitted", student.name, assignment),
            )
            handed_in += 1
    out.print(f"{handed_in} submissions handed in: {here.folder('submitted', '', '')}")


@app.command()
def grade(
    assignments: SomeAssignmentsArgument,
    course: CourseOption = Path(),
    student: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads this at run time, on Python 3.10 too
        typer.Option(help="Grade only this student; may be given several times."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Grade unchanged submissions again.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Write grades that change because the specs did, without asking."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no table of the students.")
    ] = False,
    jobs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, help="How many submissions to grade at a time; by default, four for each core."
        ),
    ] = None,
    scheduler: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Grade on a Dask cluster: the scheduler's address, such as tcp://10.0.0.1:8786."
        ),
    ] = None,
    db: DatabaseOption = None,
    level: Annotated[
        Optional[Level],  # noqa: UP045
        typer.Option(
            help="The least that the sandbox must give, in place of the course's own setting."
        ),
    ] = None,
) -> None:
    """Grade a class: gradebook, feedback pages, grades.csv and report.html for each assignment.

    Unchanged submissions are skipped, so an interrupted run is finished by running it again.
    """
    # Cases are small: a second thread would only keep a core from another submission.
    os.environ["OMP_NUM_THREADS"] = "1"
    if scheduler is None and available():
        share_zygote()  # It gets warm while this process is still importing.
    with _importing():
        from .course import Course
        from .grading import grade as grade_class
        from .pool import cluster_pool, local_pool
    here = Course(course, db=db, level=level)
    classes = {assignment: _class(here, assignment, student) for assignment in assignments}
    for path in here.misplaced():
        err.print(
            f"[yellow]Not graded:[/] {escape(str(path))}: there is no assignment of that name.",
            soft_wrap=True,
        )
    open_pool = (
        partial(cluster_pool, address=scheduler) if scheduler else partial(local_pool, jobs=jobs)
    )
    good = True
    for assignment, students in classes.items():
        run = partial(grade_class, here, assignment, students, open_pool, force=force)
        rows, declined = _watch(run, assignment, len(students), yes=yes)
        if not quiet:
            _table(rows)
        fresh = sum(row.fresh for row in rows)
        counts = f"{fresh} graded, {len(rows) - fresh} unchanged since they were graded."
        out.print(f"{assignment}: {counts}" if len(classes) > 1 else counts, highlight=False)
        _write_report(here, assignment)
        out.print(f"Feedback pages: {here.folder('feedback', '*', assignment)}", soft_wrap=True)
        if declined:
            err.print("Changed grades were not written. To write them, answer yes, or say --yes.")
        good = good and not declined and not any(row.failure for row in rows)
    out.print(f"Gradebook:      {here.database}", soft_wrap=True)
    if not good:
        raise typer.Exit(1)


def _class(here: Course, assignment: str, wanted: list[str] | None) -> list[str]:
    """List who is to be graded.

    Raises:
        CourseError: if there is no such assignment, or if somebody has not handed it in.
    """
    here.source(assignment)
    students = here.submitted(assignment)
    for name in wanted or []:
        if name not in students:
            raise CourseError(
                f"“{name}” has not handed in “{assignment}”. " + suggestion(name, students)
            )
    return wanted or students


def _watch(
    run: Callable[..., Iterator[Row]], assignment: str, total: int, *, yes: bool
) -> tuple[list[Row], bool]:
    """Grade with a progress bar. Returns the rows by student, and whether changes were declined."""
    rows: list[Row] = []
    declined = False
    with _progress() as progress:
        task = progress.add_task(f"Grading {assignment}", total=total)

        def confirm(changes: list[Change]) -> bool:
            nonlocal declined
            progress.stop()
            agreed = _confirm(changes, yes=yes)
            progress.start()
            declined = not agreed
            return agreed

        try:
            for row in run(confirm=confirm):
                rows.append(row.brief())
                progress.update(task, advance=1, description=f"Graded {row.student}")
        except KeyboardInterrupt:
            err.print("Interrupted. What was graded is kept; run the command again to finish.")
            raise typer.Exit(130) from None
        except AutograderError:
            if rows:
                err.print(f"{len(rows)} of {total} submissions are done, and kept.")
            raise
    return sorted(rows, key=lambda row: row.student), declined


def _confirm(changes: list[Change], *, yes: bool) -> bool:
    """Show which grades change because the specs did, and ask whether to write them."""
    table = Table(
        "student",
        "score now",
        "score then",
        title="The specs have changed since these submissions were graded",
        title_justify="left",
        header_style="bold",
        box=None,
    )
    for change in changes:
        table.add_row(escape(change.student), f"{change.before:g}", f"{change.after:g}")
    out.print(table)
    if yes or not sys.stdin.isatty():
        return yes
    return typer.confirm("Write these grades?")


@app.command()
def report(
    assignment: AssignmentArgument, course: CourseOption = Path(), db: DatabaseOption = None
) -> None:
    """Write grades.csv and report.html again, from the gradebook and the verdicts."""
    from .course import Course

    here = Course(course, db=db)
    here.notebooks(assignment)
    _write_report(here, assignment)


@app.command()
def prove(
    assignments: AssignmentsArgument = None,
    course: CourseOption = Path(),
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="On how many seeds each claim is tested; by default on 20, or on fewer where "
            "answers train a network.",
        ),
    ] = None,
    jobs: JobsOption = None,
) -> None:
    """Prove that the checks are right, before a student meets them.

    The worked solution earns full marks, the untouched notebook nothing, every misconception is
    rejected and named and taken for no other, and no verdict depends on the seed.
    """
    from .prove import prove as prove_question

    failed = 0
    table = Table("assignment", "question", "claims", "failed", box=None, header_style="bold")
    for assignment, question, proved in _each_question(
        "Proving", course, assignments, prove_question, seeds, jobs=jobs
    ):
        wrong = [proof for proof in proved if proof.failure]
        failed += len(wrong)
        for proof in wrong:
            err.print(
                f"[red]✗[/] {assignment} / {question}: "
                f"{escape(proof.statement)} {escape(proof.failure)}",
                soft_wrap=True,
            )
        table.add_row(assignment, question, str(len(proved)), str(len(wrong)))
    out.print(table)
    if failed:
        raise typer.Exit(1)
    if seeds:
        out.print(f"[green]✓[/] Every claim holds on {seeds} seeds.")
    else:
        out.print("[green]✓[/] Every claim holds on every seed.")


@app.command()
def mutate(
    assignments: AssignmentsArgument = None,
    course: CourseOption = Path(),
    jobs: JobsOption = None,
) -> None:
    """Change the worked solutions here and there, and see whether the checks notice.

    Each change, of an operator, a constant, an axis, a statement, makes a mutant. One that still
    passes must be listed in the assignment's mutants.yml, with the reason; at least 98 % of those
    that are not listed as equivalent must be rejected.
    """
    from .mutants import WANTED, Survey, survey

    table = Table("assignment", "question", "mutants", "rejected", "equivalent", "missed")
    table.box, table.header_style = None, "bold"
    rows: list[Survey] = []
    for assignment, question, found in _each_question(
        "Mutating", course, assignments, survey, jobs=jobs
    ):
        rows.append(found)
        counts = (found.mutants, found.rejected, found.equivalent, found.missed)
        table.add_row(assignment, question, *map(str, counts))
        for fault in found.faults:
            err.print(f"[red]✗[/] {assignment} / {question}: {escape(fault)}", soft_wrap=True)
    out.print(table)
    real = sum(row.mutants - row.equivalent for row in rows)
    share = sum(row.rejected for row in rows) / real if real else 1.0
    out.print(f"{share:.1%} of the {real} mutants that are not equivalent are rejected.")
    if share < WANTED or any(row.faults for row in rows):
        raise typer.Exit(1)


@app.command()
def gallery(
    assignments: AssignmentsArgument = None,
    course: CourseOption = Path(),
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("gallery.html"),
    text: Annotated[
        bool, typer.Option("--text", help="Print the cards as a terminal shows them, as well.")
    ] = False,
    jobs: JobsOption = None,
) -> None:
    """Show every card that the assignments can show, light and dark, on one page."""
    from .card import renderable
    from .gallery import exhibits, write

    shown = list(_each_question("Checking", course, assignments, exhibits, jobs=jobs))
    if text:
        for _assignment, _question, cards in shown:
            for _student, verdict in cards:
                out.print(renderable(verdict))
    write(output, shown)
    out.print(f"{sum(len(cards) for *_, cards in shown)} cards: {output.resolve()}", soft_wrap=True)


@app.command()
def status(
    folder: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(
            help="A folder of assignments, or one assignment's; by default the current one, or "
            "workspace in it.",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        bool,
        typer.Option(
            "--run", help="Run the notebooks anew, on copies, instead of reading what they show."
        ),
    ] = False,
) -> None:
    """Show which questions of your assignments pass, as your saved notebooks say."""
    from .standing import assignment_folders, read
    from .standing import run as run_notebooks

    if folder is None:
        folder = Path("workspace") if Path("workspace").is_dir() else Path()
    folders = assignment_folders(folder)
    if run:
        with _progress() as progress:
            task = progress.add_task("Running", total=len(folders))
            found = run_notebooks(folders, lambda _: progress.advance(task))
    else:
        found = read(folders)
    out.print(found.renderable())
    if found.next:
        assignment, standing = found.next
        out.print(f"Next: {standing.question} in {assignment}. {standing.title}", soft_wrap=True)
    else:
        out.print("[green]✓[/] Every question passes.")


@app.command()
def doctor(course: CourseOption = Path()) -> None:
    """Try all that grading needs on this machine, and say what is missing."""
    from .doctor import examine

    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: "·"}
    failed = False
    for finding in examine(course):
        failed = failed or finding.ok is False
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(width=24)
        table.add_column(overflow="fold")
        table.add_row(marks[finding.ok], finding.what, escape(finding.detail))
        out.print(table)
    if failed:
        raise typer.Exit(1)


def _each_question(
    doing: str,
    course: Path,
    assignments: list[str] | None,
    function: Callable[..., T],
    *arguments: object,
    jobs: int | None,
) -> Iterator[tuple[str, str, T]]:
    """Call a function for each question of some assignments, over all cores, in their order.

    Yields:
        Each assignment, question and result of ``function(folder, question, *arguments)``.
    """
    from .course import Course
    from .loader import load_specs
    from .spread import spread

    here = Course(course)
    folders = {name: here.source(name) for name in assignments or here.assignments()}
    work = [(name, each) for name, folder in folders.items() for each in load_specs(folder)]
    with _progress() as progress:
        task = progress.add_task(doing, total=len(work))
        tasks = [(folders[name], question, *arguments) for name, question in work]
        found = spread(function, tasks, jobs, done=lambda: progress.advance(task))
        for (name, question), result in zip(work, found, strict=True):
            yield name, question, result


@contextmanager
def _importing() -> Iterator[None]:
    """Import without looking for garbage among what is imported, which takes half a second."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )


def _table(rows: list[Row]) -> None:
    table = Table("student", "score", "what was wrong", header_style="bold", box=None)
    table.columns[0].no_wrap = True
    table.columns[1].justify = "right"
    for row in rows:
        full = row.score == row.max_score
        colour = "green" if full else "yellow" if row.score else "red"
        reasons = "\n".join(row.reasons)
        table.add_row(
            escape(row.student),
            f"[{colour}]{row.score:g}/{row.max_score:g}[/]",
            escape(reasons) if reasons else "[dim]nothing[/]",
        )
    out.print(table)


def _write_report(course: Course, assignment: str) -> None:
    from .grading import rows
    from .report import write

    grades, page, summary = write(
        course, assignment, partial(rows, course, assignment), course.root / "reports" / assignment
    )
    withheld = sum(bool(each.withheld) for each in summary.integrity)
    if withheld:
        out.print(
            f"{withheld} submissions hold code that could deceive the check; their points are "
            "withheld until you have looked. See Integrity in the report."
        )
    repaired = sum(bool(each.repairs) for each in summary.integrity)
    if repaired:
        out.print(f"{repaired} submissions had to be repaired. See Integrity in the report.")
    out.print(f"Grades:         {grades}", soft_wrap=True)
    out.print(f"Report:         {page}", soft_wrap=True)


def main() -> None:
    """Run the command, and show errors as one message."""
    # nbgrader calls commands of its own by name; they are beside this one, activated or not.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    try:
        app()
    except AutograderError as error:
        err.print(f"[red]Error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    finally:
        # Python would look for cycles among all of torch's objects before it ends: half a second.
        gc.freeze()


if __name__ == "__main__":
    main()
