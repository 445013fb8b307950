"""Mutants: the worked solution with one small change, which the checks should notice.

A check that lets a changed operator or axis pass would let a student's mistake pass as well.
"""

from __future__ import annotations

import ast
import copy
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from .answer import Answer, play
from .case import Case
from .errors import CourseError
from .loader import find_spec
from .notebooks import asked_questions, is_grade_code, read_text_notebook, worked_notebook
from .prove import quiet
from .referee import interpreted, judge
from .seeds import public_seed
from .spec import MeasuredSpec, Spec
from .students import MUTANTS_FILE, Workplace, own_cells, solution_cells

__all__ = ["WANTED", "Mutant", "Survey", "mutants", "survey"]

WANTED = 0.98
"""The share of the mutants that are not equivalent which the checks must reject."""
SEEDS = 3
"""A mutant must be rejected on each of so many seeds: a class is graded on one."""
SECONDS = 10
"""After this time an answer to a case counts as wrong: a mutant may loop without an end."""

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclass(frozen=True)
class Mutant:
    """A worked solution cell with one change."""

    change: str
    """The line that was changed and what became of it: ``h = o * c  ->  h = o / c``."""
    code: ast.Module
    """The changed cell."""


@dataclass(frozen=True)
class Survey:
    """What came of a question's mutants."""

    mutants: int
    """How many there are."""
    rejected: int
    """How many do not pass."""
    equivalent: int
    """How many pass because they are right; ``mutants.yml`` says why."""
    missed: int
    """How many pass though they are wrong."""
    faults: tuple[str, ...]
    """What ``mutants.yml`` should say and does not, or says and should not."""


def survey(folder: Path, question: str) -> Survey:
    """Make all mutants of a question's worked solution and check each.

    A measured question has none: its answers are more or less good, and none of them is wrong.

    Args:
        folder: the assignment's folder.
        question: the question's name.

    Raises:
        AutograderError: if the assignment cannot be read.
    """
    spec = find_spec(folder, question)
    reasons = _reasons(folder).get(question, {})
    equivalent, missed = reasons.get("equivalent") or {}, reasons.get("missed") or {}
    total, survivors = 0, set()
    survived = {"equivalent": 0, "missed": 0}
    made = () if isinstance(spec, MeasuredSpec) else _objects(folder.resolve(), question)
    with Workplace(folder).entered():
        for mutant, obj in made:
            total += 1
            if obj is None or not _passes(spec, obj):
                continue
            survivors.add(mutant.change)
            survived["equivalent" if mutant.change in equivalent else "missed"] += 1
    where = folder / MUTANTS_FILE
    faults = [
        f"The mutant “{change}” passes; reject it by another case, or say why in {where}."
        for change in sorted(survivors - set(equivalent) - set(missed))
    ]
    faults += [
        f"The mutant “{change}” does not pass, or there is none; take it out of {where}."
        for change in sorted((set(equivalent) | set(missed)) - survivors)
    ]
    rejected = total - survived["equivalent"] - survived["missed"]
    return Survey(total, rejected, survived["equivalent"], survived["missed"], tuple(faults))


def _reasons(folder: Path) -> dict[str, Any]:
    path = folder / MUTANTS_FILE
    if not path.exists():
        return {}
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise CourseError(f"{path} cannot be read: {error}") from None


def _objects(folder: Path, question: str) -> Iterator[tuple[Mutant, Any]]:
    """Make a question's mutants, each with the object to check, or ``None`` if it makes none."""
    notebook = read_text_notebook(worked_notebook(folder))
    solutions = solution_cells(notebook)
    sources = [solutions[grade_id] for grade_id in own_cells(notebook)[question]]
    asked: dict[str, str] = {}
    for cell in filter(is_grade_code, notebook.cells):
        asked.update(asked_questions(cell.source))
    expression = asked.pop(question)
    namespace: dict[str, Any] = {"__name__": "mutant"}
    checked = False
    for cell in notebook.cells:
        if is_grade_code(cell) and question in asked_questions(cell.source):
            break
        checked |= is_grade_code(cell)
        example = checked and "grade_id" not in cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and not is_grade_code(cell) and not example:
            with quiet():
                exec(cell.source, namespace)
    for source in sources:
        # What a cell defines for another question is that one's to change.
        for mutant in mutants(source, without=asked.values()):
            changed = dict(namespace)
            try:
                with quiet():
                    exec(compile(mutant.code, "<mutant>", "exec"), changed)
                    # Later cells of the question see the change.
                    for later in sources[sources.index(source) + 1 :]:
                        exec(later, changed)
                    yield mutant, eval(expression, changed)
            except Exception:
                yield mutant, None


def _passes(spec: Spec, obj: Any) -> bool:
    seed = public_seed(spec.name)
    player = interpreted(spec, partial(_play, spec, obj))
    with quiet():
        seeds = min(SEEDS, spec.proof_seeds)
        return any(judge(spec, seed + k, player, public=True).passed for k in range(seeds))


def _play(spec: Spec, obj: Any, case: Case) -> Answer:
    def stop(*_: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        return play(spec, obj, case)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def mutants(source: str, without: Collection[str] = ()) -> Iterator[Mutant]:
    """Make every mutant of a solution cell; only what lies in its solution regions is changed.

    Args:
        source: the cell's source, with its ``### BEGIN SOLUTION`` and ``### END SOLUTION``.
        without: names of functions and classes whose definitions are left as they are.
    """
    lines = source.splitlines()
    inside, within = set(), False
    for number, line in enumerate(lines, start=1):
        if line.strip() == "### BEGIN SOLUTION":
            within = True
        elif line.strip() == "### END SOLUTION":
            within = False
        elif within:
            inside.add(number)
    tree = ast.parse(source)
    wanted = [node for node in tree.body if getattr(node, "name", None) not in without]
    statements = [
        node
        for top in wanted
        for node in ast.walk(top)
        if isinstance(node, ast.stmt) and node.lineno in inside
    ]
    for statement in statements:
        yield from _of_statement(tree, statement)


def _of_statement(tree: ast.Module, statement: ast.stmt) -> Iterator[Mutant]:
    if not _is_docstring(statement) and not isinstance(statement, ast.Pass):
        yield _changed(tree, statement, statement, ast.Pass())
    for node in _own_nodes(statement):
        for other in _changes(node):
            yield _changed(tree, statement, node, other)


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """Walk a statement, but not the statements inside it, which have their own turn."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop(0)
        yield node
        todo += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node may be replaced by."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _OPERATORS:
        yield _with(node, op=_OPERATORS[type(node.op)]())
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.MatMult)):
        yield _with(node, left=node.right, right=node.left)
    if isinstance(node, ast.BoolOp):
        yield _with(node, op=_OPERATORS[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _OPERATORS:
        yield _with(node, ops=[_OPERATORS[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield node.operand
    if isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield node.value
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield ast.Constant(not node.value)
        elif isinstance(node.value, (int, float)):
            yield ast.Constant(node.value + 1)
            if node.value:
                yield ast.Constant(0)


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    return type(node)(**{**{name: getattr(node, name) for name in node._fields}, **fields})


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self._new if node is self._old else super().visit(node)


def _changed(tree: ast.Module, statement: ast.stmt, old: ast.AST, new: ast.AST) -> Mutant:
    # The copies keep hold of each other: the same replacement is made in the tree and in the line.
    memo: dict[int, Any] = {}
    changed = copy.deepcopy(tree, memo)
    line = memo[id(statement)]
    before = _first_line(line)
    replaced = ast.copy_location(copy.deepcopy(new), old)
    changed = _Replace(memo[id(old)], replaced).visit(changed)
    after = _first_line(replaced if old is statement else line)
    return Mutant(f"{before}  ->  {after}", ast.fix_missing_locations(changed))


def _first_line(statement: ast.AST) -> str:
    return ast.unparse(statement).splitlines()[0]
