"""What a student's code reaches for: what could undo the guard in its own kernel.

What cannot be decided while the code runs is decided here, by reading it. What may be used is in
the tables of :mod:`autograder.rules`. Where a name cannot be followed (a module handed around, an
attribute whose name is put together), that itself is held: a person can follow it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from . import rules
from .i18n import _
from .reading import (
    FUNCTIONS,
    Found,
    Names,
    bindings,
    called,
    magic_call,
    names_of,
    read,
    text_of,
)

__all__ = ["Flag", "scan"]

Said = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Flag:
    """One place in a notebook that reaches for what an answer does not need."""

    cell: str
    """The cell, as the caller named it."""
    line: int
    """The line in the cell, from 1."""
    code: str
    """That line, stripped and cut to 200 characters: the evidence."""
    reason: str
    """What the code reaches for and why it matters, in one whole sentence."""
    holds: bool
    """Whether points are withheld until a person has looked; otherwise it is only told."""

    def to_json(self) -> dict[str, Any]:
        """Turn the flag into plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Flag:
        """Rebuild a flag from :meth:`to_json`'s result.

        Raises:
            TypeError: if ``data`` is no flag.
        """
        return cls(**data)


def scan(cells: Iterable[tuple[str, str]]) -> list[Flag]:
    """Find what a notebook's code reaches for.

    Args:
        cells: name and source of the student's code cells, in their order, and of the files that
            were handed in with them; the name of such a file is its path and ends in ``.py``.

    Returns:
        The flags, by cell and line, each reason once a line; none for a cell that cannot run.
    """
    named = [(str(name), str(source)) for name, source in cells]
    read_cells = [read(source) for _name, source in named]
    names = names_of(
        read_cells, frozenset().union(*(rules.file_modules(name) for name, _source in named))
    )
    flags: dict[Flag, None] = {}
    for (cell, source), its in zip(named, read_cells, strict=True):
        lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line, kind, name in [
            *rules.judge_file(cell, source),
            *_judge(source, names.within(its)),
        ]:
            line = min(max(line, 1), len(lines))
            code = lines[line - 1].strip()[:200]
            flags[Flag(cell, line, code, rules.reason(kind, name), kind not in rules.TOLD)] = None
    return list(flags)


@lru_cache(maxsize=4096)
def _judge(source: str, names: Names) -> tuple[Found, ...]:
    cell = read(source)
    found = set(cell.found)
    for tree, offset in cell.trees:
        try:
            found |= {(line + offset, kind, name) for line, kind, name in _Judge(tree, names)}
        except (RecursionError, MemoryError):
            found.add((1, "unread", _("it is nested too deeply")))
    return tuple(sorted(found))


class _Judge:
    """Applies the rules to one tree."""

    def __init__(self, tree: ast.AST, names: Names) -> None:
        self.names = names
        self.nodes = list(ast.walk(tree))
        self.parents = {part: node for node in self.nodes for part in ast.iter_child_nodes(node)}
        self.followed = {value for node in self.nodes for _name, value in bindings(node)}
        self.stored = {
            node.id
            for node in self.nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        self.locals: dict[ast.AST, dict[str, bool]] = {}

    def __iter__(self) -> Iterator[Found]:
        for node in self.nodes:
            for kind, name in self.judge(node):
                yield getattr(node, "lineno", 1), kind, name

    def judge(self, node: ast.AST) -> Said:
        match node:
            case ast.Name():
                yield from self.name(node)
            case ast.Attribute():
                yield from self.reached(node)
            case ast.Call():
                yield from self.call(node)
            case ast.Import() | ast.ImportFrom():
                yield from self.imported(node)
            case ast.Constant() | ast.BinOp() | ast.JoinedStr():
                yield from self.text(text_of(node) or "")
            case ast.MatchClass(kwd_attrs=attributes):
                for name in attributes:
                    yield from self.attribute(node, name, mine=False)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from self.defined(name, isinstance(self.scope(node), ast.ClassDef))
            case ast.ClassDef():
                yield from self.class_(node)

    # Where a node stands

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        while parent := self.parents.get(node):
            yield parent
            node = parent

    def scope(self, node: ast.AST) -> ast.AST | None:
        """Find the function or class that a node is in."""
        kinds = (*FUNCTIONS, ast.ClassDef)
        return next((each for each in self.above(node) if isinstance(each, kinds)), None)

    def binder(self, name: ast.Name) -> ast.AST | None:
        """Find the function whose own a name is."""
        for each in self.above(name):
            if isinstance(each, FUNCTIONS):
                if each not in self.locals:
                    self.locals[each] = _locals(each)
                if name.id in self.locals[each]:
                    return each
        return None

    def method(self, node: ast.AST) -> str:
        """Name the method whose own object a name is; empty if it may be anything."""
        function = self.binder(node) if isinstance(node, ast.Name) else None
        if not isinstance(function, FUNCTIONS[:2]) or node.id in self.stored:  # type: ignore[attr-defined]
            return ""
        args = [*function.args.posonlyargs, *function.args.args]
        first = bool(args) and args[0].arg == node.id  # type: ignore[attr-defined]
        static = any(getattr(each, "id", "") == "staticmethod" for each in function.decorator_list)
        inside = isinstance(self.parents.get(function), ast.ClassDef)
        return function.name if first and inside and not static else ""

    def is_called(self, node: ast.AST, least: int = 0) -> bool:
        call = self.parents.get(node)
        return isinstance(call, ast.Call) and call.func is node and len(call.args) >= least

    def is_called_on_self(self, node: ast.AST) -> bool:
        """Tell whether a node is a call, or called, with the method's own object."""
        call = node if isinstance(node, ast.Call) else self.parents.get(node)
        args = call.args if isinstance(call, ast.Call) else []
        return bool(args) and node is not args[0] and bool(self.method(args[0]))

    def is_looked_at(self, node: ast.AST) -> bool:
        """Tell whether a value stands where nothing can keep it."""
        match self.parents.get(node):
            case ast.Call(func=ast.Name(id=name), args=args):
                mine = self.names.stored | self.names.functions
                return name in rules.LOOKING - mine and node in args
            case ast.Call(func=func, args=args):
                return "inspect.getsource" in self.paths(func) and node in args
            case ast.Compare(ops=ops):
                return all(isinstance(each, (ast.Is, ast.IsNot)) for each in ops)
            case ast.FormattedValue():
                return True
        return False

    def is_followed(self, node: ast.AST) -> bool:
        """Tell whether a whole module may stand here: its uses are seen, or nothing keeps it."""
        match self.parents.get(node):
            case ast.Attribute():
                return True
            case ast.NamedExpr() | ast.IfExp() | ast.BoolOp() as parent:
                return self.is_followed(parent)
            case ast.Call(func=ast.Name(id=name), args=[base, named, *_]) if base is node:
                if name in rules.BY_NAME and text_of(named) is not None:
                    return True
        return node in self.followed or self.is_looked_at(node)

    # Names and attributes

    def paths(self, node: ast.AST) -> set[str]:
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and (function := self.binder(root)):
            if not self.locals[function][root.id]:
                return set()  # Something of the function's own, such as N, F = x.shape.
        return self.names.resolve(node)

    def path(self, path: str, *, store: bool = False) -> Said:
        own = any(path == name or path.startswith(f"{name}.") for name in self.names.files)
        if own:
            return
        if judged := rules.verdict(path):
            yield judged
        elif store and not path.startswith(rules.SETTINGS):
            yield "tell" if path.startswith(rules.SETTINGS_TOLD) else "patch", path

    def whole(self, node: ast.AST) -> Said:
        """Judge a name or attribute that is not part of a longer path."""
        for path in self.paths(node):
            yield from self.path(path)
            if self.is_followed(node):
                continue
            if path in rules.ONLY_CALLED and not self.is_called(node):
                yield "hold", path
            if path not in rules.PLAIN and (path in self.names.modules or rules.loaded(path)):
                yield "value", path

    def name(self, node: ast.Name) -> Said:
        name = node.id
        strange = rules.is_dunder(name) and name not in rules.DUNDERS
        if not isinstance(node.ctx, ast.Load):
            if name in rules.REBOUND and not self.scope(node):
                yield "rebind", name
            if strange:
                yield "define", name
        elif self.paths(node):
            if not isinstance(self.parents.get(node), ast.Attribute):
                yield from self.whole(node)
        elif name == "get_ipython":
            if not any(magic_call(each) for each in self.above(node)):
                yield "hold", name
        elif strange or name in rules.PRIVATE:
            yield "hold", name
        elif name == "__file__":
            yield "tell", name
        else:
            yield from self.builtin(node)

    def builtin(self, node: ast.Name) -> Said:
        name, call = node.id, self.parents.get(node)
        if name in rules.SHADOWED & self.names.stored and not self.is_called(node):
            return  # Only a call of it is held, for it may still be Python's own.
        if name in rules.NAMESPACES and self.is_called(node) and call:
            inside = self.parents.get(call)
            asked = isinstance(inside, ast.Compare) and inside.left is not call
            asked &= all(isinstance(op, (ast.In, ast.NotIn)) for op in getattr(inside, "ops", ()))
            if asked or isinstance(inside, ast.Expr) or self.is_looked_at(call):
                return
        by_name = name in rules.BY_NAME and not self.is_called(node, least=2)
        if by_name or name in rules.RUN_TEXT | rules.NAMESPACES:
            yield "hold", name
        elif name in rules.FILES:
            yield "open" if self.is_called(node) else "hold", name

    def reached(self, node: ast.Attribute) -> Said:
        """Judge an attribute, unless it is part of a longer path, which is judged as a whole."""
        base, name, store = node.value, node.attr, not isinstance(node.ctx, ast.Load)
        mine = self.is_mine(base)
        mine |= name in ("__init__", "__setattr__") and self.is_called_on_self(node)
        if store or not self.paths(node):
            yield from self.attribute(base, name, mine, store=store)
        elif name in rules.ONLY_OF_SELF and not mine:
            yield "private", name
        elif not isinstance(self.parents.get(node), ast.Attribute):
            yield from self.whole(node)

    def is_mine(self, base: ast.AST) -> bool:
        return bool(self.method(base)) or called(base) == "super"

    def attribute(self, base: ast.AST, name: str, mine: bool, *, store: bool = False) -> Said:
        paths = self.names.step(self.paths(base), name)
        for path in paths:
            yield from self.path(path, store=store)
        if paths:
            return
        of_class = called(base) == "type" or getattr(base, "attr", "") == "__class__"
        if store and (of_class or name in rules.CHECKED):
            yield "patch", name
        if rules.is_dunder(name):
            read = name in rules.DUNDERS and (mine or name not in rules.ONLY_OF_SELF)
            if not read or (store and name not in ("__name__", "__doc__")):
                yield "private", name
        elif name in rules.ATTRIBUTES:
            yield "hold", name
        elif name in rules.HOMES:
            if not (mine and name in self.names.own):
                yield "hold", name
        elif name.startswith("_"):
            known = mine or name in self.names.own | rules.NAMEDTUPLE | {"_"}
            known |= bool(self.paths(base) & self.names.files)
            if name in rules.PRIVATE or not known:
                yield "private", name
        elif name in rules.ATTRIBUTES_TOLD and not mine:
            yield "tell", name

    # Calls

    def call(self, node: ast.Call) -> Said:
        func, args, paths = node.func, node.args, self.paths(node.func)
        name = func.id if isinstance(func, ast.Name) else ""
        if called(node) == "__setattr__" and self.is_called_on_self(func):
            name = "setattr"
        if name in rules.BY_NAME and len(args) > 1:
            yield from self.by_name(name, args[0], args[1])
        elif name == "type" and len(args) > 1:
            yield "hold", name
        elif name in rules.FILES and args and isinstance(getattr(args[0], "value", ""), int):
            yield "file", ast.unparse(args[0])
        elif isinstance(func, ast.Attribute) and func.attr == "eval" and args:
            yield "hold", "eval"  # A model's takes nothing.
        if "functools.wraps" in paths and (len(args) > 1 or node.keywords):
            yield "hold", "functools.wraps"  # Names of attributes to copy, whatever they are.
        given = [*args[:2], *(word.value for word in node.keywords)]
        if paths & rules.TIMERS and not all(map(self.is_function, given)):
            yield "hold", "timeit"
        if "torch.load" in paths:
            yield from self.load(node, "weights_only", True)
        if "numpy.load" in paths:
            yield from self.load(node, "allow_pickle", False)

    def is_function(self, node: ast.AST) -> bool:
        """Tell whether timeit is given a function or a number, and no text to run."""
        functions = self.names.functions - self.names.stored
        defined = isinstance(node, ast.Name) and node.id in functions
        number = isinstance(node, ast.Constant) and not isinstance(node.value, str)
        return defined or number or isinstance(node, ast.Lambda) or called(node) == "partial"

    def load(self, node: ast.Call, key: str, safe: bool) -> Said:
        """Hold a load that may unpickle."""
        words = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        unclear = len(node.args) > 2 or any(isinstance(arg, ast.Starred) for arg in node.args)
        if unclear or words.get(key, safe) is not safe or words.keys() & {None, "pickle_module"}:
            yield "hold", f"load({key}=…)"

    def by_name(self, how: str, base: ast.AST, name: ast.AST) -> Said:
        text = text_of(name)
        if text is not None:
            yield from self.attribute(base, text, self.is_mine(base), store=how != "getattr")
        elif self.paths(base) or not self.is_tame(how, base, name):
            yield "name", ast.unparse(name)

    def is_tame(self, how: str, base: ast.AST, name: ast.AST) -> bool:
        """Tell whether a name put together at run time can only be an ordinary one."""
        if isinstance(name, ast.Name):
            items = how != "getattr" and self.is_looped(name, lambda loop: called(loop) == "items")
            mine = self.is_mine(base) and (items or self.method(base) == "__init__")
            return mine or self.is_looped(name, _are_ordinary)
        parts: Sequence[ast.AST] = getattr(name, "values", [])
        if isinstance(name, ast.BinOp) and isinstance(name.op, ast.Add):
            parts = [name.left, name.right]
        texts = [text_of(part) for part in parts]
        pattern = "".join(".*" if text is None else re.escape(text) for text in texts)
        dangerous = rules.DANGEROUS | rules.HOMES | rules.CHECKED
        return any(texts) and not any(re.fullmatch(pattern, word) for word in dangerous)

    def is_looped(self, name: ast.Name, fits: Callable[[ast.expr], bool]) -> bool:
        """Tell whether a name is the first that a fitting loop around it gives a value."""
        for each in self.above(name):
            for loop in getattr(each, "generators", [each] if isinstance(each, ast.For) else []):
                target = loop.target.elts[0] if isinstance(loop.target, ast.Tuple) else loop.target
                if getattr(target, "id", "") == name.id and fits(loop.iter):
                    return True
        return False

    # Statements

    def imported(self, node: ast.Import | ast.ImportFrom) -> Said:
        module = getattr(node, "module", "") or ""
        for alias in node.names:
            name = f"{module}.{alias.name}".strip(".")
            if {name, module} & self.names.files:
                continue
            path = name.removesuffix(".*")
            if getattr(node, "level", 0):
                yield "unknown", f".{path}"
            for each in {rules.real_path(path), path}:
                if judged := rules.verdict(each):
                    yield judged
            if (alias.name == "*" and path not in rules.STARS) or (
                isinstance(self.scope(node), ast.ClassDef)
            ):
                yield "value", path

    def text(self, text: str) -> Said:
        if text in rules.DANGEROUS:
            yield "text", text
        elif re.match(r"/(proc|sys)(/|$)|/dev(/(?!null$)|$)|module://", text):
            yield "file", text

    def defined(self, name: str, in_class: bool) -> Said:
        if in_class and name in rules.CLASS_TOLD:
            yield "class", name
        elif in_class and rules.is_dunder(name) and name not in rules.DUNDERS:
            yield "define", name
        elif not in_class and name in rules.REBOUND:
            yield "rebind", name

    def class_(self, node: ast.ClassDef) -> Said:
        if any(word.arg == "metaclass" for word in node.keywords):
            yield "class", _("a metaclass")
        for base in node.bases:
            if getattr(base, "id", "") == "type":
                yield "class", _("a metaclass")
            if self.paths(base) & {"torch.Tensor", "torch.nn.Parameter"}:
                yield "class", _("a kind of tensor")


def _are_ordinary(items: ast.expr) -> bool:
    """Tell whether a loop goes through texts that are written out and name nothing internal."""
    firsts = [getattr(item, "elts", [item])[:1] for item in getattr(items, "elts", [])]
    texts = [text_of(*first) if first else None for first in firsts]
    return bool(texts) and not any(
        text is None or text.startswith("_") or text in rules.DANGEROUS | rules.HOMES
        for text in texts
    )


def _locals(function: ast.AST) -> dict[str, bool]:
    """Map each name that a function binds to whether it may be an alias of something outside."""
    names: set[str] = set()
    followed: set[str] = set()
    for node in ast.walk(function):
        followed |= {name for name, _value in bindings(node)}
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            followed |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            followed |= set(node.names)
    args: ast.arguments = getattr(function, "args")  # noqa: B009
    names = {node.arg for node in ast.iter_child_nodes(args) if isinstance(node, ast.arg)}
    body = getattr(function, "body")  # noqa: B009
    queue: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if isinstance(node, ast.comprehension):  # Its target is not the function's.
            queue += [node.iter, *node.ifs]
        elif not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            queue += ast.iter_child_nodes(node)
    return {name: name in followed for name in names | followed}
