"""What a graded notebook can import: libraries, and the files that were read before it ran.

The source of all files that are handed in is read, but a notebook could write another one while it
runs, and import that.  So where points depend on what was read, nothing else is imported.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.abc import SourceLoader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from .i18n import _

__all__ = ["IMPORTS_VARIABLE", "restrict", "told"]

IMPORTS_VARIABLE = "AUTOGRADER_IMPORTS"
"""The environment variable that tells a kernel which files were read."""


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:32]  # An environment is small.


def told(sources: Iterable[bytes]) -> str:
    """Return what the environment variable says if these files were read."""
    return " ".join(sorted({_digest(source) for source in sources}))


def restrict(text: str) -> None:
    """Let this process import nothing but libraries and the files that were read.

    Libraries are what lies where modules are looked for now, but not in the working directory or
    among temporary files, unless a place for modules is in there.

    Args:
        text: what the environment variable says.
    """
    places = dict.fromkeys(map(_folder, sys.path), True)
    places |= {_folder(tempfile.gettempdir()): False, _folder(os.curdir): False}
    _Finder.places, _Finder.read = places, frozenset(text.split())
    sys.meta_path[:] = [_Finder if each is PathFinder else each for each in sys.meta_path]


def _folder(path: str) -> str:
    return os.path.join(os.path.realpath(path), "")


class _Finder(PathFinder):
    """Looks where Python looks, and refuses what was not read."""

    places: ClassVar[dict[str, bool]] = {}
    """Folders, and whether what lies in them is a library; the innermost decides."""
    read: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def find_spec(
        cls,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        found = super().find_spec(fullname, path, target)
        if found is None or found.origin is None:
            return found  # A folder without __init__.py: what is in it is looked for here, too.
        origin = os.path.realpath(found.origin)
        around = [place for place in cls.places if origin.startswith(place)]
        if around and cls.places[max(around, key=len)]:
            return found
        try:
            source = Path(origin).read_bytes() if origin.endswith(".py") else b""
        except OSError:
            source = b""
        if _digest(source) not in cls.read:
            raise ImportError(
                _(
                    "“{name}” cannot be imported while your work is being graded: its file was "
                    "not handed in, or was changed by the notebook."
                ).format(name=fullname),
                name=fullname,
            )
        return spec_from_file_location(
            fullname,
            found.origin,
            loader=_Read(found.origin, source),
            submodule_search_locations=found.submodule_search_locations,
        )


class _Read(SourceLoader):
    """Loads a text that was read, whatever stands in its file by now."""

    def __init__(self, path: str, source: bytes) -> None:
        self._path, self._source = path, source

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: str | bytes) -> bytes:
        return self._source
