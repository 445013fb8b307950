"""``status``: which questions of which assignments pass, as the notebooks last showed it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .card import VERDICT_MIME, environment
from .errors import CourseError
from .i18n import _
from .loader import CHECKS_FILE, load_specs
from .verdict import Verdict

__all__ = ["Standing", "Status", "assignment_folders", "run", "status"]


@dataclass(frozen=True)
class Standing:
    """How one question stands."""

    question: str
    """The question's name."""
    title: str
    """What it asks for."""
    max_points: float
    """The points to earn."""
    verdict: Verdict | None
    """What its check last said, or ``None`` if it has not been run."""

    @property
    def state(self) -> str:
        """``passed``, ``failed`` or ``untested``."""
        if self.verdict is None:
            return "untested"
        return "passed" if self.verdict.passed else "failed"


class Status(dict[str, list[Standing]]):
    """The standings by assignment; shows itself as a table, in a notebook as in a terminal."""

    @staticmethod
    def points(standings: list[Standing]) -> tuple[float, float]:
        """Add up the points earned in practice, and the points to earn."""
        earned = sum(each.verdict.points for each in standings if each.verdict)
        return earned, sum(each.max_points for each in standings)

    @property
    def next(self) -> tuple[str, Standing] | None:
        """The first question that does not pass, with its assignment."""
        for assignment, standings in self.items():
            for each in standings:
                if each.state != "passed":
                    return assignment, each
        return None

    def renderable(self) -> Table:
        """Lay the table out for Rich, in colour where the terminal has it."""
        table = Table(_("assignment"), _("points"), _("questions"), header_style="bold", box=None)
        table.columns[0].no_wrap = True
        table.columns[1].justify = "right"
        table.columns[1].no_wrap = True
        colours = {"passed": "green", "failed": "red", "untested": "dim"}
        for assignment, standings in self.items():
            earned, most = self.points(standings)
            words = [
                Text(f"{MARKS[each.state]} {each.question}", colours[each.state], no_wrap=True)
                for each in standings
            ]
            table.add_row(assignment, f"{earned:g}/{most:g}", Columns(words, padding=(0, 2)))
        return table

    def __repr__(self) -> str:
        buffer = io.StringIO()
        Console(file=buffer, width=88, color_system=None, force_jupyter=False).print(
            self.renderable()
        )
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())

    def _repr_html_(self) -> str:
        return environment.get_template("status.html").render(status=self, marks=MARKS)


MARKS = {"passed": "✓", "failed": "✗", "untested": "·"}


def status(folder: Path | str | None = None) -> Status:
    """Show which questions of your assignments pass.

    What counts is the card that a check last showed: in this notebook at once, in others when they
    were last saved.

    Args:
        folder: a folder of assignments, or one assignment's; by default, this notebook's and its
            neighbours.

    Raises:
        CourseError: if there is no assignment.
    """
    from .student import here, seen

    if folder is None:
        inside = (here() / CHECKS_FILE).exists()
        folders = assignment_folders(here().parent if inside else here())
    else:
        folders = assignment_folders(Path(folder))
    return read(folders, {here().resolve(): seen()})


def assignment_folders(folder: Path) -> list[Path]:
    """Find the assignments in a folder, which may be one itself.

    Raises:
        CourseError: if there is none.
    """
    folder = folder.resolve()
    if (folder / CHECKS_FILE).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{CHECKS_FILE}"))
    if not found:
        raise CourseError(
            _(
                "There is no assignment in {folder}: an assignment is a folder with a notebook and "
                "a file {name}. Name the folder that holds yours."
            ).format(folder=folder, name=CHECKS_FILE)
        )
    return found


def read(folders: list[Path], live: Mapping[Path, Mapping[str, Verdict]] | None = None) -> Status:
    """Read how assignments stand.

    Args:
        folders: the assignments' folders.
        live: verdicts that are newer than those in the saved notebooks, by folder.
    """
    found = Status()
    for folder in folders:
        verdicts: dict[str, Verdict] = {}
        for path in sorted(folder.glob("*.ipynb")):
            with suppress(OSError, ValueError, AttributeError):  # A broken notebook shows nothing.
                verdicts.update(shown(nbformat.read(path, as_version=4)))
        found[folder.name] = standings(folder, {**verdicts, **(live or {}).get(folder, {})})
    return found


def standings(folder: Path, verdicts: Mapping[str, Verdict]) -> list[Standing]:
    """Put the questions of an assignment beside the verdicts on them.

    Raises:
        SpecError: if the specs cannot be read.
    """
    return [
        Standing(name, spec.title, spec.points, verdicts.get(name))
        for name, spec in load_specs(folder).items()
    ]


def shown(notebook: NotebookNode) -> Iterator[tuple[str, Verdict]]:
    """Yield the verdicts that a notebook's outputs show, by question."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {}).get(VERDICT_MIME)
            if data is not None:
                with suppress(TypeError, ValueError):  # Of another version, or edited.
                    verdict = Verdict.from_json(data)
                    yield verdict.question, verdict


def run(folders: list[Path], done: Callable[[Path], Any] = lambda folder: None) -> Status:
    """Run the notebooks of assignments anew, in kernels of their own, and read how they stand.

    The notebooks themselves stay as they are.

    Args:
        folders: the assignments' folders.
        done: called with each folder when it has been run.

    Raises:
        CourseError: if a notebook cannot be run at all.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    found = Status()
    for folder in folders:
        verdicts: dict[str, Verdict] = {}
        for path in sorted(folder.glob("*.ipynb")):
            try:
                notebook = nbformat.read(path, as_version=4)
                client = NotebookClient(
                    notebook,
                    timeout=60,
                    allow_errors=True,
                    extra_arguments=["--log-level=ERROR"],
                    resources={"metadata": {"path": str(folder)}},
                )
                with suppress(CellTimeoutError, DeadKernelError):  # What was shown until then.
                    asyncio.run(client.async_execute())
            except (OSError, ValueError, AttributeError) as error:
                raise CourseError(
                    _("{path} cannot be run: {error}").format(path=path, error=error)
                ) from None
            verdicts.update(shown(notebook))
        found[folder.name] = standings(folder, verdicts)
        done(folder)
    return found
