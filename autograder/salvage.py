"""From the files that somebody handed in to a notebook that the other steps can rely on.

Students hand in renamed copies, archives, truncated downloads and notebooks that other programs
have rewritten.  Whatever of them can be read is read, within bounds, and what had to be done for
that is told in whole sentences.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from nbformat import NotebookNode

from .anynotebook import Content, cell_id_of, decode, grade_id_of, normalised
from .i18n import _

__all__ = ["Salvaged", "salvage"]

_FILES = 200  # files of a submission, and entries of its archives, that are looked at
_BYTES = 256 << 20  # of the files that are not the notebook itself
_UNPACKED_BYTES = 64 << 20  # of all archives together
_OTHER_CELLS = 1000
_COPIES = 20  # of one cell
_LOOK_ALIKES = ("", ".json", ".txt", ".bak")


@dataclass(frozen=True)
class Salvaged:
    """What became of the files."""

    notebook: NotebookNode | None
    """A valid notebook; None if there is nothing that could be read."""
    notes: tuple[str, ...] = ()
    """What had to be done, in sentences."""
    problem: str | None = None
    """Why there is no notebook, in a sentence."""


@dataclass(frozen=True)
class _File:
    """A file that might be the notebook."""

    path: str
    content: Content
    matches: int
    """How many of the assignment's cells it has."""


def salvage(name: str, files: Mapping[str, bytes], grade_ids: Collection[str]) -> Salvaged:
    """Find a notebook among the files that were handed in, and make it valid.

    Args:
        name: the notebook's name, without ``.ipynb``.
        files: the submission's files by relative path, without those that belong to other
            notebooks of the assignment.
        grade_ids: the ``grade_id`` of each of the assignment's cells.

    Returns:
        The notebook, without outputs, or the reason why there is none.
    """
    try:
        return _salvage(name, files, set(grade_ids))
    except Exception as error:  # One student's file must never stop the class.
        text = _("The files that were handed in could not be read as a notebook ({error}).")
        return Salvaged(None, (), text.format(error=type(error).__name__))


def _salvage(name: str, files: Mapping[str, bytes], known: set[str]) -> Salvaged:
    path = f"{name}.ipynb"
    own = _read(path, files[path], known) if path in files else None
    if own and own.content.data:
        others = [file.path for file in _loose(path, files, known) if file.matches]
        notes = list(own.content.notes)
        if others:
            text = _("Only “{path}” was graded; these other notebooks were not: {others}.")
            notes.append(text.format(path=path, others=_listed(others)))
        return _finished(own, notes, known)
    packed, problems = _packed(path, files, known)
    found = [*_loose(path, files, known), *packed]
    readable = [file for file in found if file.content.data]
    fitting = [file for file in readable if file.matches] or (
        readable if own is None and len(found) == 1 else []
    )
    if not fitting:
        problems += [file.content.problem for file in found if file.content.problem]
        return Salvaged(
            None, (), own.content.problem if own else _missing(path, files, problems, readable)
        )
    chosen = min(fitting, key=lambda file: (-file.matches, *_rank(file.path, path)))
    text = _(
        "The file “{path}” was not handed in; “{other}” was graded instead, because it holds "
        "{count} of the {all} cells of the assignment."
    )
    if own:
        text = _(
            "“{other}” was graded instead of “{path}”, because it holds {count} of the {all} cells "
            "of the assignment."
        )
    taken = text.format(path=path, other=chosen.path, count=chosen.matches, all=len(known))
    return _finished(
        chosen, [*([own.content.problem] if own else []), taken, *chosen.content.notes], known
    )


def _read(path: str, raw: bytes, known: set[str]) -> _File:
    content = decode(path, raw)
    cells = content.data["cells"] if content.data else []
    names = {name for cell in cells for name in (grade_id_of(cell), cell_id_of(cell))}
    return _File(path, content, len(names & known))


def _missing(
    path: str, files: Mapping[str, bytes], problems: list[str], readable: list[_File]
) -> str:
    if readable:
        text = _(
            "The file “{path}” was not handed in, and no other notebook belongs to it: {others}."
        )
        return text.format(path=path, others=_listed([file.path for file in readable]))
    if problems:
        text = _("The file “{path}” was not handed in. {problem}")
        return text.format(path=path, problem=problems[0])
    others = [other for other in files if not _ignored(other)]
    if others:
        text = _("The file “{path}” was not handed in, but only: {others}.")
        return text.format(path=path, others=_listed(sorted(others)))
    return _("The file “{path}” was not handed in.").format(path=path)


def _listed(paths: list[str]) -> str:
    return ", ".join(f"“{path[:80]}”" for path in paths[:10]) + (", …" if len(paths) > 10 else "")


def _finished(file: _File, notes: list[str], known: set[str]) -> Salvaged:
    notebook, more = normalised(
        {**(file.content.data or {}), "cells": _bounded(file, notes, known)}
    )
    return Salvaged(notebook, (*notes, *more))


def _bounded(file: _File, notes: list[str], known: set[str]) -> list[Any]:
    """Leave out what no person has written by hand."""
    cells: list[Any] = (file.content.data or {})["cells"]
    if len(cells) <= _OTHER_CELLS + len(known):
        return cells
    kept, others, copies = [], 0, dict.fromkeys(known, 0)
    for cell in cells:
        name = grade_id_of(cell)
        if name in copies and copies[name] < _COPIES:
            copies[name] += 1
        elif others < _OTHER_CELLS:
            others += 1
        else:
            continue
        kept.append(cell)
    text = _("The notebook has {count} cells; only {kept} of them were kept.")
    notes.append(text.format(count=len(cells), kept=len(kept)))
    return kept


# Which files might be the notebook.


def _ignored(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return any(part in (".ipynb_checkpoints", "__MACOSX") for part in parts) or (
        bool(parts) and parts[-1].startswith("._")
    )


def _rank(path: str, own: str) -> tuple[bool, int, str]:
    return PurePosixPath(path).name.casefold() != own.casefold(), path.count("/"), path


def _loose(own: str, files: Mapping[str, bytes], known: set[str]) -> list[_File]:
    """Read the other files that look like notebooks; the likeliest first, in case of too many."""
    paths = []
    for path, raw in files.items():
        if path == own or _ignored(path) or _is_archive(path, raw):
            continue
        by_content = PurePosixPath(path).suffix.lower() in _LOOK_ALIKES and (
            b'"cells"' in raw or '"cells"'.encode("utf-16-le") in raw or b'"worksheets"' in raw
        )
        if ".ipynb" in PurePosixPath(path).name.lower() or by_content:
            paths.append(path)
    found: list[_File] = []
    size = 0
    for path in sorted(paths, key=lambda path: _rank(path, own))[:_FILES]:
        size += len(files[path])
        if size > _BYTES and found:
            break
        file = _read(path, files[path], known)
        if file.content.data or ".ipynb" in path.lower():
            found.append(file)
    return found


def _is_archive(path: str, raw: bytes) -> bool:
    name = PurePosixPath(path).name.lower()
    return name.endswith(".zip") or (".ipynb" in name and raw[:4] == b"PK\x03\x04")


def _packed(own: str, files: Mapping[str, bytes], known: set[str]) -> tuple[list[_File], list[str]]:
    """Read the notebooks inside ZIP archives. Returns them and what is wrong with the archives."""
    found: list[_File] = []
    problems: list[str] = []
    left = _UNPACKED_BYTES
    for path in sorted(files):
        if _ignored(path) or not _is_archive(path, files[path]):
            continue
        try:
            for name, raw in _unpacked(files[path], left):
                left -= len(raw)
                found.append(_read(f"{path}/{name}", raw, known))
        except _ArchiveError as error:
            problems.append(str(error).format(path=path))
        except Exception:  # zipfile raises many kinds.
            problems.append(_("The archive “{path}” is damaged.").format(path=path))
    return found, problems


class _ArchiveError(Exception):
    """Says what is wrong with an archive."""


def _unpacked(raw: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
    # Each entry has this signature, so that a list without end is not even read.
    if raw.count(b"PK\x01\x02") > 100 * _FILES:
        raise _ArchiveError(_("The archive “{path}” holds too many files."))
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = [entry for entry in archive.infolist() if ".ipynb" in entry.filename.lower()]
        entries = [entry for entry in names if not entry.is_dir() and not _ignored(entry.filename)]
        if not entries:
            raise _ArchiveError(_("There is no notebook in the archive “{path}”."))
        if len(entries) > _FILES:
            raise _ArchiveError(_("The archive “{path}” holds too many files."))
        for entry in entries:
            if entry.flag_bits & 1:
                raise _ArchiveError(_("The archive “{path}” is locked with a password."))
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _ArchiveError(_("The archive “{path}” is packed in an unusual way."))
            with archive.open(entry) as file:
                content = file.read(limit + 1)
            limit -= len(content)
            if limit < 0:
                raise _ArchiveError(_("The archive “{path}” is too large when it is unpacked."))
            yield entry.filename, content
