"""Reads a notebook's code as IPython would, and follows what its names stand for.

Names are followed through imports, plain assignments and loops, in whatever order the cells run: a
name stands for all that it is ever given.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from IPython.core.inputtransformer2 import TransformerManager

from . import rules
from .i18n import _
from .syntax import FUNCTIONS, bindings, called, text_of

LONGEST = 200_000  # Characters in a cell; nobody reads more, and the parser's memory grows with it.
LONGEST_PATH = 200
DEEPEST = 5  # Magics in magics.
ROUNDS = 8  # Longer chains of names than that nobody writes in good faith.

Found = tuple[int, str, str]
"""A line, a kind of flag, a name."""


@dataclass(eq=False)
class Cell:
    """What one cell's source says, whatever its names stand for elsewhere."""

    trees: list[tuple[ast.AST, int]] = field(default_factory=list)
    """Each tree with the number of lines before it."""
    found: list[Found] = field(default_factory=list)
    bindings: list[tuple[str, ast.expr]] = field(default_factory=list)
    imports: set[tuple[str, str]] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    """Attributes of the notebook's own classes."""
    stored: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)

    def add(self, source: str, offset: int, depth: int) -> bool:
        """Add code that this cell runs; tell whether there was any."""
        inner = read(source, depth + 1)
        self.trees += [(tree, lines + offset) for tree, lines in inner.trees]
        self.found += [(line + offset, kind, name) for line, kind, name in inner.found]
        self.bindings += inner.bindings
        for what in ("imports", "modules", "words", "own", "stored", "functions"):
            getattr(self, what).update(getattr(inner, what))
        return bool(inner.trees or inner.found)


@lru_cache(maxsize=4096)
def read(source: str, depth: int = 0) -> Cell:
    """Parse a cell with what its magics run; a cell that cannot run is empty."""
    if len(source) > LONGEST or depth > DEEPEST:
        return Cell(found=[(1, "unread", _("it is too long or nested too deeply"))])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # A student's "\d" is no concern of the grader's.
            tree = ast.parse(TransformerManager().transform_cell(source))
        if _is_bare_magic(source, rules.MAGICS_HELD) and isinstance(tree.body[0], ast.Expr):
            return read(f"%{source.strip()}", depth + 1)
        lead = source[: len(source) - len(source.lstrip("\r\n"))].count("\n")
        cell = Cell(trees=[(tree, lead)])
        for node in ast.walk(tree):
            _gather(node, cell)
            if call := magic_call(node):
                _magic(*call, cell, node.lineno + lead, depth)  # type: ignore[attr-defined]
            if isinstance(node, ast.Call) and called(node) == "compile" and node.args:
                cell.add(text_of(node.args[0]) or "", node.lineno + lead - 1, depth)
    except (SyntaxError, ValueError):
        magics = rules.MAGICS_FINE | rules.MAGICS_TOLD | rules.MAGICS_HELD
        bare = _is_bare_magic(source, magics)
        return read(f"%{source.strip()}", depth + 1) if bare else Cell()
    except Exception as error:  # IPython's own ways to fail are not known to be complete.
        return Cell(found=[(1, "unread", type(error).__name__)])
    return cell


def _is_bare_magic(source: str, magics: frozenset[str]) -> bool:
    word = re.match(r"\s*(\w+)(?![\w.(\[])", source)
    return bool(word and word[1] in magics and "\n" not in source.strip())


def magic_call(node: ast.AST) -> tuple[str, list[str]] | None:
    """Recognise get_ipython().run_line_magic("name", "text") and its like."""
    match node:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Call(func=ast.Name(id="get_ipython")),
                attr="run_line_magic" | "run_cell_magic" | "system" | "getoutput" as how,
            ),
            args=[_, *_],
            keywords=[],
        ):
            texts = [text for arg in node.args if (text := text_of(arg)) is not None]
            return (how, texts) if len(texts) == len(node.args) else None
    return None


def _magic(how: str, texts: list[str], cell: Cell, line: int, depth: int) -> None:
    """Judge a magic or a command; code that it runs in the kernel is added to the cell."""
    if how in ("system", "getoutput"):
        # What a command starts is ended with its cell; but IPython evaluates what is in braces.
        kind = "shell" if re.search(r"[{$]", texts[0]) else "command"
        cell.found.append((line, kind, texts[0].strip() or how))
        return
    name, argument, body = [*texts, "", ""][:3]
    autoreload = (name, argument.strip()) == ("load_ext", "autoreload")
    told = name not in rules.MAGICS_FINE
    held = name in rules.MAGICS_HELD and not autoreload
    held |= name not in ("time", "timeit") and "{" in argument
    held |= name == "writefile" and argument.strip().endswith((".py", ".pth", ".so"))
    setting = r"(InlineBackend(\.\w+ *=[^()]*)?)?"
    held |= name == "config" and not re.fullmatch(setting, argument.strip())
    if held or told:
        cell.found.append((line, "shell" if held else "command", f"%{name}"))
    if name in ("time", "timeit"):
        code = re.sub(r"^(?:-{1,2}[\w-]+(?:[ =]?\d+)?\s+)*", "", argument)
        if code.strip() and not cell.add(code, line - 1, depth):
            cell.found.append((line, "unread", f"%{name}"))
    if name in ("time", "timeit", "capture"):
        cell.add(body, line, depth)


def _gather(node: ast.AST, cell: Cell) -> None:
    """Note the names that a node imports, defines or mentions."""
    cell.bindings += bindings(node)
    match node:
        case ast.Name(id=name):
            cell.words.add(name)
            if not isinstance(node.ctx, ast.Load):
                cell.stored.add(name)
        case ast.Attribute(value=base, attr=name):
            cell.words.add(name)
            if not isinstance(node.ctx, ast.Load) and isinstance(base, ast.Name):
                cell.own |= {name} if base.id in ("self", "cls") else set()
        case ast.Constant(value=str(text)) if len(text) < 60:
            cell.words.add(text)
        case ast.MatchClass():
            cell.words.update(node.kwd_attrs)
        case ast.Import() | ast.ImportFrom():
            _gather_import(node, cell)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            cell.functions.add(name)
        case ast.ClassDef(name=name):
            cell.functions.add(name)
            for part in node.body:
                cell.own |= {part.name} if isinstance(part, FUNCTIONS[:2]) else set()
                targets = getattr(part, "targets", [getattr(part, "target", None)])
                cell.own |= {target.id for target in targets if isinstance(target, ast.Name)}


def _gather_import(node: ast.Import | ast.ImportFrom, cell: Cell) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.split(".")[0]
            cell.imports.add((alias.asname or first, alias.name if alias.asname else first))
            cell.modules.add(alias.name)
        return
    if node.module:
        cell.modules.add(node.module)
    for alias in node.names:
        if alias.name == "*":
            cell.imports.add(("*", node.module or ""))
        else:
            path = f"{node.module}.{alias.name}" if node.module else alias.name
            cell.words.add(alias.name)
            cell.imports.add((alias.asname or alias.name, rules.real_path(path)))


@dataclass(frozen=True)
class Names:
    """What the words of a cell stand for in the whole notebook."""

    paths: frozenset[tuple[str, str]]
    """Names, each with a dotted path that it may stand for."""
    modules: frozenset[str]
    files: frozenset[str]
    """Modules that are files of the student's own, which are read like cells."""
    own: frozenset[str]
    stored: frozenset[str]
    functions: frozenset[str]

    @cached_property
    def aliases(self) -> Mapping[str, set[str]]:
        """The paths by name."""
        aliases: dict[str, set[str]] = {}
        for name, path in self.paths:
            aliases.setdefault(name, set()).add(path)
        return aliases

    def within(self, cell: Cell) -> Names:
        """Leave out what one cell does not mention, so that its judgement can be kept."""
        words = cell.words | {"*"}
        paths = frozenset(
            (n, path) for n in self.aliases.keys() & words for path in self.aliases[n]
        )
        own, stored, functions = self.own & words, self.stored & words, self.functions & words
        return Names(paths, self.modules, self.files, own, stored, functions)

    def resolve(self, node: ast.AST) -> set[str]:
        """Find the dotted paths that an expression may stand for."""
        trail = []
        while isinstance(node, ast.Attribute):
            trail.append(node.attr)
            node = node.value
        roots: set[str] = set()
        match node:
            case ast.Name(id=name):
                roots = set(self.aliases.get(name, ()))
                if "*" in self.aliases and (name in rules.HOMES or name in rules.PATHS):
                    roots.add(name)
            case ast.NamedExpr(value=value):
                roots = self.resolve(value)
            case ast.IfExp(body=left, orelse=right):
                roots = self.resolve(left) | self.resolve(right)
            case ast.BoolOp(values=values):
                roots = set().union(*map(self.resolve, values))
            case ast.Call(func=ast.Name(id="getattr"), args=[base, named, *_]):
                text = text_of(named)
                roots = self.step(self.resolve(base), text) if text else set()
        for name in reversed(trail):
            roots = self.step(roots, name)
        return roots

    def step(self, paths: Iterable[str], name: str) -> set[str]:
        """Take one attribute of what paths stand for; a name in a file is one of the notebook's."""
        found: set[str] = set()
        for path in paths:
            longer = f"{path}.{name}"
            if path in self.files and longer not in self.files:
                found |= self.aliases.get(name, set())
            else:
                found.add(rules.real_path(longer))
        return found


def names_of(cells: Sequence[Cell], files: frozenset[str]) -> Names:
    """Follow the names of all cells of a notebook."""
    aliases: dict[str, set[str]] = {}
    todo = [pair for cell in cells for pair in cell.bindings]
    for name, path in {pair for cell in cells for pair in cell.imports}:
        home, _dot, last = path.rpartition(".")
        if home in files and path not in files:
            todo.append((name, ast.Name(last)))
        else:
            aliases.setdefault(name, set()).add(path)
    sets = [
        frozenset().union(*(getattr(cell, what) for cell in cells))
        for what in ("modules", "own", "stored", "functions")
    ]
    modules, *rest = sets
    names = Names(frozenset(), modules, files, *rest)
    vars(names)["aliases"] = aliases
    for _round in range(ROUNDS):
        before = sum(map(len, aliases.values()))
        for name, value in todo:
            if paths := names.resolve(value):
                aliases.setdefault(name, set()).update(
                    path for path in paths if len(path) < LONGEST_PATH
                )
        if sum(map(len, aliases.values())) == before:
            break
    return names
