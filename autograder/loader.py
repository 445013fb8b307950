"""Finding and importing the specs of an assignment from its ``checks.py``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from inspect import isabstract
from pathlib import Path

from .errors import SpecError, suggestion
from .forbidden import resolve
from .i18n import _
from .scale import fault
from .spec import MeasuredSpec, Spec
from .verdict import Rung

__all__ = ["CHECKS_FILE", "find_spec", "is_checks", "load_specs"]

CHECKS_FILE = "checks.py"
"""The file in an assignment's folder that declares its specs.

A long one may import parts of itself from files beside it whose names begin alike:
``checks_shapes.py``.
"""


def is_checks(path: str | Path) -> bool:
    """Tell by its name whether a file declares specs."""
    name = Path(path)
    return name.suffix == ".py" and name.stem.split("_")[0] == Path(CHECKS_FILE).stem


def find_spec(folder: Path, question: str) -> Spec:
    """Find one question's spec.

    Args:
        folder: the assignment's folder.
        question: the question's name.

    Raises:
        SpecError: if there is no such question; the message suggests the nearest.
    """
    specs = load_specs(folder)
    if question not in specs:
        raise SpecError(
            _("There is no question called “{question}” in {path}.").format(
                question=question, path=folder / CHECKS_FILE
            )
            + " "
            + suggestion(question, list(specs))
        )
    return specs[question]


def load_specs(folder: Path) -> dict[str, Spec]:
    """Import an assignment's specs.

    ``checks.py`` may import modules that lie beside it, when it is imported, not later.

    Args:
        folder: the assignment's folder.

    Returns:
        The specs by question, in the order of their definition, or that of ``__all__``.

    Raises:
        SpecError: if the file is missing, does not import, or declares something impossible.
    """
    path = folder.resolve() / CHECKS_FILE
    try:
        source = path.read_bytes()
    except OSError:
        raise SpecError(
            _(
                "There is no {name} in {folder}: the notebook must lie in its assignment's folder, "
                "and Jupyter must have been started on it there."
            ).format(name=CHECKS_FILE, folder=folder)
        ) from None
    return _load(path, source)


@lru_cache(maxsize=64)
def _load(path: Path, source: bytes) -> dict[str, Spec]:
    # A name of its own for each version, so that two assignments' checks never mix.
    name = f"autograder_checks_{hashlib.sha256(bytes(path) + source).hexdigest()[:16]}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise SpecError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        with _neighbours(path.parent):
            exec(compile(source, str(path), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[name]
        line = _line(error, str(path))
        raise SpecError(
            f"{path} does not import: {type(error).__name__}: {error}{line}. Mend it there."
        ) from None
    declared = vars(module)
    classes = [
        value
        for value in (declared[each] for each in declared.get("__all__", declared))
        if isinstance(value, type)
        and issubclass(value, Spec)
        and (value.__module__ == name or is_checks(f"{value.__module__}.py"))
        and (hasattr(value, "name") or not isabstract(value))
    ]
    specs: dict[str, Spec] = {}
    for cls in classes:
        _validate(cls, path, specs)
        specs[cls.name] = cls()
    if not specs:
        raise SpecError(f"{path} declares no Spec; see CONTRIBUTING.md for how to write one.")
    return specs


@contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    """Let ``checks.py`` import the modules that lie beside it, and nobody else meet them.

    A notebook may have imported its own copy of them, and another assignment may have modules of
    the same names, so they are not left in ``sys.modules``.
    """
    names = {path.stem for path in folder.glob("*.py")} - {Path(CHECKS_FILE).stem}
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(others)


def _validate(cls: type[Spec], path: Path, specs: dict[str, Spec]) -> None:
    where = f"The spec {cls.__name__} in {path}"
    measured = ("unit", "scale") if issubclass(cls, MeasuredSpec) else ()
    required = ("name", "points", *measured)
    missing = [name for name in required if not hasattr(cls, name)]
    missing += sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        raise SpecError(f"{where} does not define {', '.join(missing)}.")
    if cls.name in specs:
        raise SpecError(f"{where} has the name “{cls.name}”, which another spec there has too.")
    if not cls.points > 0:
        raise SpecError(f"{where} is worth {cls.points} points; it must be more than 0.")
    for name in cls.forbids:
        try:
            resolve(name)
        except AttributeError:
            raise SpecError(f"{where} forbids “{name}”, which does not exist.") from None
    for rung, share in cls.partial_credit.items():
        if not 0 <= share < 1:
            raise SpecError(
                f"{where} gives a share of {share} for “{rung.value}”; it must be from 0 to "
                "less than 1."
            )
    if cls.partial_credit.get(Rung.ALLOWED):
        raise SpecError(f"{where} gives points for forbidden calls; a wrong answer can make them.")
    if issubclass(cls, MeasuredSpec):
        _validate_measured(cls, where)


def _validate_measured(cls: type[MeasuredSpec], where: str) -> None:
    wrong = fault(cls.scale)
    if wrong:
        example = "((75, 1.0), (100, 0.8), (300, 0.0))"
        raise SpecError(f"{where} has a scale that {wrong}; it should be like {example}.")
    for name in ("gradients", "partial_credit", "misconceptions"):
        if getattr(cls(), name):
            raise SpecError(f"{where} has {name}, which a measured question cannot have.")


def _line(error: Exception, path: str) -> str:
    if isinstance(error, SyntaxError):
        return ""  # Its message has the line already.
    lines = [
        n for frame, n in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == path
    ]
    return f" (line {lines[-1]})" if lines else ""
