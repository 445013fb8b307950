"""What a student's code reaches for: what could undo the guard in its own kernel.

What cannot be decided while the code runs is decided here, by reading it. What may be used is in
the tables of :mod:`autograder.rules`. Where a name cannot be followed (a module handed around, an
attribute whose name is put together), that itself is held: a person can follow it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from . import rules
from .i18n import _
from .reading import Found, Names, magic_call, names_of, read
from .syntax import Tree, bindings, called, can_be, can_yield, text_of

__all__ = ["Flag", "scan"]

Said = Iterator[tuple[str, str]]

_WRITING = re.compile(r"open|write|save|tofile|dump|copy|rename|[!%]")


@dataclass(frozen=True)
class Flag:
    """One place in a notebook that reaches for what an answer does not need."""

    cell: str  # As the caller named it.
    line: int  # In the cell, from 1.
    code: str  # That line, stripped and cut to 200 characters: the evidence.
    reason: str  # What the code reaches for and why it matters, in one whole sentence.
    holds: bool  # Are points withheld until a person has looked? Otherwise it is only told.

    def to_json(self) -> dict[str, Any]:
        """Turn the flag into plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Flag:
        """Rebuild a flag from :meth:`to_json`'s result, or raise a TypeError if it is none."""
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
    files = frozenset().union(*(rules.file_modules(name) for name, _source in named))
    names = names_of(read_cells, files)
    # Where files can be written, a module that is not there may be one of them.
    writing = any(_WRITING.search(source) for _name, source in named)
    flags: dict[Flag, None] = {}
    for (cell, source), its in zip(named, read_cells, strict=True):
        lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        found = [*rules.judge_file(cell, source), *_judge(source, names.within(its))]
        for line, kind, name in found:
            line = min(max(line, 1), len(lines))
            code = lines[line - 1].strip()[:200]
            holds = kind not in rules.TOLD
            if kind in ("unknown", "path") and not writing:
                # What is not there cannot be imported; what is there may run whatever it is given.
                holds = kind == "unknown" and rules.is_there(name)
            flags[Flag(cell, line, code, rules.reason(kind, name), holds)] = None
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


class _Judge(Tree):
    """Applies the rules to one tree."""

    def __init__(self, tree: ast.AST, names: Names) -> None:
        super().__init__(tree)
        self.names = names
        self.followed = {value for node in self.nodes for _name, value in bindings(node)}

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

    def is_looked_at(self, node: ast.AST) -> bool:
        """Tell whether a value stands where nothing can keep it."""
        match self.parents.get(node):
            case ast.Call(func=ast.Name() as func, args=args) if func.id in rules.LOOKING:
                return node in args and not self.is_own(func)
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
            case ast.Call(func=ast.Name(id=name), args=[first, named, *_]) if name in rules.BY_NAME:
                return first is node and text_of(named) is not None
        return node in self.followed or self.is_looked_at(node)

    # Names and attributes

    def is_own(self, name: ast.Name) -> bool:
        """Tell whether a name may be the notebook's own rather than Python's."""
        return name.id in self.names.stored | self.names.functions or bool(self.binder(name))

    def paths(self, node: ast.AST) -> set[str]:
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        function = self.binder(root) if isinstance(root, ast.Name) else None
        if function and not self.locals[function][root.id]:  # type: ignore[attr-defined]
            return set()  # Something of the function's own, such as N, F = x.shape.
        return self.names.resolve(node)

    def path(self, path: str, *, store: bool = False) -> Said:
        if path in self.names.files:
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
        if name in rules.SHADOWED and not self.is_called(node) and self.is_own(node):
            return  # Only a call of it is held, for it may still be Python's own.
        if name == "compile" and self.is_called(node, least=1) and isinstance(call, ast.Call):
            if text_of(call.args[0]) is not None:
                return  # Its text is read as code; running it takes an exec.
        elif name in rules.NAMESPACES and self.is_called(node) and call:
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
        mine = self.is_mine(base) or (name == "__setattr__" and bool(self.called_on(node)))
        if name == "__init__":  # With another's, any object could be taken for self.
            mine = called(base) == "super" or self.called_on(node) == "__init__"
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
        checked = rules.CHECKED if mine else rules.CHECKED | rules.CHECKED_OF_TORCH
        if store and (of_class or name in checked):
            yield "patch", name
        if rules.is_dunder(name):
            read = name in rules.DUNDERS and (mine or name not in rules.ONLY_OF_SELF)
            if not read or (store and name not in ("__name__", "__doc__")):
                yield "private", name
        elif name in rules.ATTRIBUTES | rules.HOMES - (self.names.own if mine else set()):
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
        if called(node) == "__setattr__" and self.called_on(func):
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
        for path, (key, safe) in rules.LOADS.items():
            if path in paths and not self.is_safe(node, key, safe):
                yield "hold", f"load({key}=…)"

    def is_function(self, node: ast.AST) -> bool:
        """Tell whether timeit is given a function or a number, and no text to run."""
        if isinstance(node, ast.Name):
            return node.id in self.names.functions - self.names.stored and not self.binder(node)
        number = isinstance(getattr(node, "value", None), int)
        return number or isinstance(node, ast.Lambda) or called(node) == "partial"

    def is_safe(self, load: ast.Call, key: str, safe: bool) -> bool:
        words = {word.arg: getattr(word.value, "value", None) for word in load.keywords}
        unclear = len(load.args) > 2 or any(isinstance(arg, ast.Starred) for arg in load.args)
        unclear |= bool(words.keys() & {None, "pickle_module"})
        return words.get(key, safe) is safe and not unclear

    def by_name(self, how: str, base: ast.AST, name: ast.AST) -> Said:
        text = text_of(name)
        if text is not None:
            yield from self.attribute(base, text, self.is_mine(base), store=how != "getattr")
        elif self.paths(base) or not self.is_tame(how, base, name):
            yield "name", ast.unparse(name)

    def is_tame(self, how: str, base: ast.AST, name: ast.AST) -> bool:
        """Tell whether a name put together at run time can only be an ordinary one."""
        words = rules.DANGEROUS | rules.HOMES | rules.CHECKED | rules.CHECKED_OF_TORCH
        if not isinstance(name, ast.Name):
            return not can_be(name, words, self.texts)
        items = self.is_looped(name, lambda loop: called(loop) == "items")
        mine = self.is_mine(base) and (items or self.method(base) == "__init__")
        known = self.assigned(name)
        return (
            (mine and how != "getattr")
            or (bool(known) and not any(can_be(value, words, self.texts) for value in known))
            or self.is_looped(name, lambda loop: not can_yield(loop, words, self.texts))
        )

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
        bases = {getattr(base, "id", "") for base in node.bases}
        if "type" in bases or any(word.arg == "metaclass" for word in node.keywords):
            yield "class", _("a metaclass")
        if {"torch.Tensor", "torch.nn.Parameter"} & set().union(*map(self.paths, node.bases)):
            yield "class", _("a kind of tensor")
