"""Assignment notebooks: from MyST Markdown to the ``.ipynb`` files that nbgrader reads."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from .errors import CourseError, SpecError, suggestion
from .loader import CHECKS_FILE, load_specs

__all__ = [
    "asked_questions",
    "is_grade_code",
    "only_checks",
    "read_text_notebook",
    "text_sources",
    "update_sources",
    "worked_notebook",
]


def text_sources(folder: Path) -> list[Path]:
    """Find the text notebooks of an assignment.

    They are the Markdown files with a jupytext header, and the one named like the folder even if
    its header is damaged, which must not go unnoticed.
    """

    def has_header(path: Path) -> bool:
        text = path.read_text(encoding="utf-8", errors="replace")
        return text.startswith("---\n") and "jupytext" in text.split("\n---", 1)[0]

    return [
        path for path in sorted(folder.glob("*.md")) if path.stem == folder.name or has_header(path)
    ]


def asked_questions(source: str) -> dict[str, str]:
    """Find the questions that a cell checks, from its calls of ``check``.

    Args:
        source: the cell's source, which may hold IPython magics.

    Returns:
        What is handed to the check, as Python source, by question.

    Raises:
        CourseError: if the source is not Python.
    """
    try:
        tree = _parsed(source)
    except SyntaxError as error:
        raise CourseError(f"A grade cell is not Python: {error}") from None
    found = {}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and len(node.args) == 2):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        question = node.args[0]
        if (
            name == "check"
            and isinstance(question, ast.Constant)
            and isinstance(question.value, str)
        ):
            found[question.value] = ast.unparse(node.args[1])
    return found


@lru_cache(maxsize=256)
def _parsed(source: str) -> ast.Module:
    """Parse a cell of the course's own, which each submission of a class has."""
    return ast.parse(TransformerManager().transform_cell(source))


def only_checks(source: str) -> bool:
    """Tell whether a cell does nothing but call ``check``, as far as can be seen.

    Args:
        source: the cell's source, which is the course's own.
    """
    try:
        statements = _parsed(source).body
    except SyntaxError:
        return False
    return all(
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Name)
        and statement.value.func.id == "check"
        and all(isinstance(argument, (ast.Constant, ast.Name)) for argument in statement.value.args)
        for statement in statements
    )


def is_grade_code(cell: NotebookNode) -> bool:
    """Tell whether a cell is code that nbgrader grades automatically."""
    meta = cell.metadata.get("nbgrader", {})
    return bool(cell.cell_type == "code" and meta.get("grade") and not meta.get("solution"))


def read_text_notebook(path: Path) -> NotebookNode:
    """Read a text notebook, and set the points of its grade cells from the assignment's specs.

    Args:
        path: the ``.md`` file in its assignment's folder.

    Returns:
        The notebook; equal files give equal notebooks, cell ids included.

    Raises:
        CourseError: if the file is no notebook, or a cell and its specs contradict each other.
        SpecError: if the assignment's specs do not load.
    """
    try:
        notebook: NotebookNode = jupytext.read(path)
    except Exception as error:
        raise CourseError(f"{path} cannot be read as a notebook: {error}") from None
    notebook.metadata.pop("jupytext", None)
    checked: list[str] = []
    ids: set[str] = set()
    for i, cell in enumerate(notebook.cells):
        meta = cell.metadata.get("nbgrader")
        cell["id"] = (meta or {}).get("grade_id") or f"cell-{i}"
        if cell["id"] in ids:
            raise CourseError(f"Two cells of {path} have the grade_id “{cell['id']}”.")
        ids.add(cell["id"])
        if meta is None:
            continue
        meta.setdefault("schema_version", 3)
        for flag in ("grade", "solution", "locked", "task"):
            meta.setdefault(flag, False)
        if is_grade_code(cell):
            questions = asked_questions(cell.source)
            checked += questions
            if questions:
                _set_points(meta, list(questions), path)
    specs = load_specs(path.parent) if (path.parent / CHECKS_FILE).exists() or checked else {}
    for question in specs:
        if checked.count(question) != 1:
            raise CourseError(
                f"“{question}” of {path.parent / CHECKS_FILE} is checked by "
                f"{checked.count(question)} grade cells of {path.name}; it must be exactly one."
            )
    return notebook


def _set_points(meta: Any, questions: list[str], path: Path) -> None:
    specs = load_specs(path.parent)
    for question in questions:
        if question not in specs:
            raise SpecError(
                f"The cell “{meta['grade_id']}” of {path} checks “{question}”, which "
                f"{CHECKS_FILE} does not declare. " + suggestion(question, list(specs))
            )
    points = sum(specs[question].points for question in questions)
    if meta.get("points", points) != points:
        raise CourseError(
            f"The cell “{meta['grade_id']}” of {path} gives {meta['points']} points, but its specs "
            f"in {CHECKS_FILE} give {points}; leave points out of the cell, or make them agree."
        )
    meta["points"] = points


def worked_notebook(folder: Path) -> Path:
    """Find the one notebook with the worked solution in an assignment's folder.

    Returns:
        A text notebook, or else an ``.ipynb``.

    Raises:
        CourseError: if there is none, or more than one.
    """
    if not folder.is_dir():
        raise CourseError(
            f"There is no assignment “{folder.name}” in {folder.parent}. "
            + suggestion(folder.name, [path.name for path in folder.parent.glob("*/")])
        )
    found = text_sources(folder) or sorted(folder.glob("*.ipynb"))
    if len(found) != 1:
        raise CourseError(
            f"The assignment folder {folder} holds {len(found)} notebooks; it must hold one, such "
            f"as {folder.name}.md."
        )
    return found[0]


def update_sources(source: Path) -> list[Path]:
    """Write the ``.ipynb`` beside every text notebook of a course that has none or an old one.

    Args:
        source: the course's ``source`` directory.

    Returns:
        The notebooks that were written.

    Raises:
        CourseError: if an ``.ipynb`` was edited after its text, so that writing would lose work.
    """
    written = []
    for text in [path for folder in sorted(source.glob("*/")) for path in text_sources(folder)]:
        target = text.with_suffix(".ipynb")
        notebook = read_text_notebook(text)
        if target.exists():
            old = nbformat.read(target, as_version=4)
            if _content(old) == _content(notebook):
                continue
            if target.stat().st_mtime > text.stat().st_mtime:
                raise CourseError(
                    f"{target} was edited after {text.name}, from which it is made. To keep the "
                    f"edits, run: jupytext --to md:myst {target}. To drop them, delete the .ipynb."
                )
        nbformat.write(notebook, target)
        written.append(target)
    return written


def _content(notebook: NotebookNode) -> list[Any]:
    return [(cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]
