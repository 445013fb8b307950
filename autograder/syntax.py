"""What Python's syntax trees say: what a node binds and spells out, and where it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import zip_longest

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def bindings(node: ast.AST) -> list[tuple[str, ast.expr]]:
    """List the names that a node binds and the expressions that they then stand for."""
    pairs: list[tuple[ast.AST, ast.expr]] = []
    match node:
        case ast.Assign():
            pairs = [(target, node.value) for target in node.targets]
        case ast.AnnAssign(value=ast.expr() as value) | ast.NamedExpr(value=value):
            pairs = [(node.target, value)]
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            pairs = [(node.target, value) for value in _items(node.iter)]
        case ast.arguments():
            names = [*node.posonlyargs, *node.args]
            given = [*zip(names[len(names) - len(node.defaults) :], node.defaults, strict=True)]
            only = zip(node.kwonlyargs, node.kw_defaults, strict=True)
            given += [(arg, default) for arg, default in only if default]
            return [(arg.arg, default) for arg, default in given]
    return [pair for target, value in pairs for pair in _unpacked(target, value)]


def _unpacked(target: ast.AST, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
        for part, its in zip(target.elts, value.elts, strict=False):
            yield from _unpacked(part, its)


def _items(node: ast.expr) -> list[ast.expr]:
    """List what a loop goes through, where that is written out; enumerate and zip are seen through.

    Returns:
        The expressions, empty if they cannot be known.
    """
    nothing = ast.Constant(None)
    match node:
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return items
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner, *_]):
            return [ast.Tuple([nothing, item]) for item in _items(inner)]
        case ast.Call(func=ast.Name(id="zip"), args=parts):
            rows = zip_longest(*map(_items, parts), fillvalue=nothing)
            return [ast.Tuple(list(row)) for row in rows]
        case ast.Call(func=ast.Attribute(value=ast.Dict() as table, attr="items")):
            return [ast.Tuple([k or nothing, v]) for k, v in zip(table.keys, table.values)]  # noqa: B905
    return []


def called(node: ast.AST) -> str:
    """Name what a call calls, without what it is an attribute of; empty if it is no call."""
    func = node.func if isinstance(node, ast.Call) else None
    return func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")


def text_of(node: ast.AST | None) -> str | None:
    """Put together a text that consists of constants; None if it does not."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            parts: Sequence[ast.AST] = [left, right]
        case ast.JoinedStr(values=values):
            parts = values
        case ast.FormattedValue(format_spec=None, value=value):
            parts = [value]
        case _:
            return None
    texts = [text_of(part) for part in parts]
    return None if None in texts else "".join(text or "" for text in texts)


Known = Callable[[ast.AST], list[str]]
"""Lists all texts that a part of a text can be; empty if that cannot be known."""


def can_spell(node: ast.AST, words: Iterable[str], known: Known = lambda part: []) -> bool:
    """Tell whether a text that is put together, such as f"weight_{k}", can be one of the words."""
    parts: Sequence[ast.AST] = getattr(node, "values", [])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    texts = [known(part) if (text := text_of(part)) is None else [text] for part in parts]
    pattern = "".join(f"({'|'.join(map(re.escape, text))})" if text else ".*" for text in texts)
    return not any(map(any, texts)) or any(re.fullmatch(pattern, word) for word in words)


def can_be(node: ast.AST, words: Collection[str], known: Known = lambda part: []) -> bool:
    """Tell whether a text may be a private name or one of the words, or cannot be known."""
    text = text_of(node)
    return can_spell(node, words, known) if text is None else text.startswith("_") or text in words


def can_yield(items: ast.expr, words: Collection[str], known: Known = lambda part: []) -> bool:
    """Tell whether a loop may go through private names or the words, or cannot be known."""
    firsts = _firsts(items)
    return not firsts or any(not first or can_be(first[0], words, known) for first in firsts)


def _firsts(items: ast.expr) -> list[list[ast.expr]]:
    """List the items that are written out, of each pair the first; an empty pair has none."""
    return [getattr(item, "elts", [item])[:1] for item in getattr(items, "elts", [])]


class Tree:
    """A syntax tree in which one can look upwards."""

    def __init__(self, tree: ast.AST) -> None:
        self.nodes = list(ast.walk(tree))
        self.parents = {part: node for node in self.nodes for part in ast.iter_child_nodes(node)}
        names = [node for node in self.nodes if isinstance(node, ast.Name)]
        self.stored = {name.id for name in names if not isinstance(name.ctx, ast.Load)}
        self.locals: dict[ast.AST, dict[str, bool]] = {}

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

    def called_on(self, node: ast.AST) -> str:
        """Name the method whose own object is the first argument of what a node calls."""
        call = self.parents.get(node)
        args = call.args if isinstance(call, ast.Call) and call.func is node else []
        return self.method(args[0]) if args else ""

    def assigned(self, name: ast.Name) -> list[ast.expr]:
        """List all that a function's own name stands for; empty if that cannot be known."""
        function = self.binder(name)
        inside = list(ast.walk(function)) if function else []
        values = [v for node in inside for bound, v in bindings(node) if bound == name.id]
        stores = [
            node
            for node in inside
            if (
                isinstance(node, ast.Name)
                and node.id == name.id
                and not isinstance(node.ctx, ast.Load)
            )
            or (isinstance(node, ast.arg) and node.arg == name.id)
            or name.id in getattr(node, "names", [])  # global and nonlocal
        ]
        return values if len(values) == len(stores) else []

    def texts(self, part: ast.AST) -> list[str]:
        """List all texts that a loop around a name gives it; empty if that cannot be known."""
        name = part.value if isinstance(part, ast.FormattedValue) else part
        if not isinstance(name, ast.Name) or getattr(part, "format_spec", None):
            return []
        found: list[str] = []

        def fits(items: ast.expr) -> bool:
            texts = [text_of(first[0]) if first else None for first in _firsts(items)]
            found.extend(text for text in texts if text is not None)
            return bool(texts) and None not in texts

        return found if self.is_looped(name, fits) else []

    def is_looped(self, name: ast.Name, fits: Callable[[ast.expr], bool]) -> bool:
        """Tell whether a name is the first that a fitting loop around it gives a value."""
        for each in self.above(name):
            for loop in getattr(each, "generators", [each] if isinstance(each, ast.For) else []):
                target = loop.target.elts[0] if isinstance(loop.target, ast.Tuple) else loop.target
                if getattr(target, "id", "") == name.id and fits(loop.iter):
                    return True
        return False


def _locals(function: ast.AST) -> dict[str, bool]:
    """Map each name that a function binds to whether it may be an alias of something outside."""
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
