"""From the bytes of a file that should be a notebook to a valid one.

Encodings, truncated files, old formats and wrong types: what can be read is read, in a time that
stays in proportion to the length, and what had to be done for that is told in whole sentences.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import nbformat
from charset_normalizer import from_bytes
from nbformat import NotebookNode

from .i18n import _, ngettext

__all__ = ["Content", "cell_id_of", "decode", "free_id", "grade_id_of", "normalised"]

_CHARACTERS = 200_000  # of a cell's source
_DEPTH = 10  # of metadata
_SAMPLE = 1 << 20  # bytes, to guess an encoding
_ENCODINGS = ["utf_8", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1251"]
_ENCODINGS += ["cp1253", "cp1255", "cp1256", "latin_1"]


@dataclass(frozen=True)
class Content:
    """What a file holds."""

    data: dict[str, Any] | None = None
    """What was decoded from JSON, with a list of cells; None if there is no notebook in it."""
    notes: tuple[str, ...] = ()
    """What had to be done, in sentences."""
    problem: str = ""
    """Why there is no notebook, in a sentence."""


# From bytes to cells.

_MAGIC = (
    (b"%PDF", _("The file “{path}” is a PDF document, not a notebook.")),
    (b"PK\x03\x04", _("The file “{path}” is an archive, not a notebook.")),
    (b"\x1f\x8b", _("The file “{path}” is an archive, not a notebook.")),
    (b"Rar!", _("The file “{path}” is an archive, not a notebook.")),
    (b"7z\xbc\xaf", _("The file “{path}” is an archive, not a notebook.")),
    (b"\x89PNG", _("The file “{path}” is a picture, not a notebook.")),
    (b"\xff\xd8\xff", _("The file “{path}” is a picture, not a notebook.")),
)


def decode(path: str, raw: bytes) -> Content:
    """Find the cells in a file.

    Args:
        path: the file's name in the sentences.
        raw: its content.

    Returns:
        What it holds, or why it is no notebook.
    """
    for magic, problem in _MAGIC:
        if raw.startswith(magic):
            return Content(problem=problem.format(path=path))
    if not raw.strip(b"\0 \t\r\n"):
        return Content(problem=_("The file “{path}” is empty.").format(path=path))
    text, encoding = _decoded(raw)
    notes = []
    if encoding:
        sentence = _("The file “{path}” is not in UTF-8; it was read as {encoding}.")
        notes.append(sentence.format(path=path, encoding=encoding))
    data: Any = None
    try:
        data = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        cells = _recovered(text)
        if not cells:
            return Content(problem=_described(text).format(path=path))
        data = {"cells": cells}
        sentence = ngettext(
            "The file “{path}” is damaged; one cell could be read.",
            "The file “{path}” is damaged; {count} cells could be read.",
            len(cells),
        )
        notes.append(sentence.format(path=path, count=len(cells)))
    if isinstance(data, dict) and isinstance(data.get("worksheets"), list):
        data = {**data, "cells": _worksheet_cells(data["worksheets"])}
        sentence = _("The file “{path}” is in an old format of notebooks and was converted.")
        notes.append(sentence.format(path=path))
    if not (isinstance(data, dict) and isinstance(data.get("cells"), list)):
        problem = _("The file “{path}” holds data in JSON, but no notebook.").format(path=path)
        return Content(problem=problem)
    return Content(data, tuple(notes))


def _decoded(raw: bytes) -> tuple[str, str | None]:
    """Decode a file. Returns the encoding too if it was guessed or is unusual."""
    encoding = json.detect_encoding(raw)
    if not encoding.startswith("utf-8"):
        return raw.decode(encoding, "replace").removeprefix("\ufeff"), encoding
    try:
        return raw.decode(encoding), None
    except UnicodeDecodeError as error:
        # What comes before is plain ASCII, or is valid UTF-8 and the file is damaged there.
        before, start = raw[: error.start], max(0, error.start - 1000)
    if len(raw) - len(before) > 3 and before.isascii():
        guess = from_bytes(raw[start : start + _SAMPLE], cp_isolation=_ENCODINGS).best()
        if guess and guess.encoding not in ("ascii", "utf_8"):
            return raw.decode(guess.encoding, "replace"), guess.encoding
    return raw.decode(encoding, "replace"), None


_START = re.compile(r'\{\s*"(?=[a-z_]+")')


def _recovered(text: str) -> list[Any]:
    """Find the cells that are whole in a damaged notebook.

    Decoding may start again at each brace.  If that has taken too long, it only goes on where it
    got stuck, so that the time stays in proportion to the length.
    """
    decoder = json.JSONDecoder(strict=False)
    cells: list[Any] = []
    effort = 4 * len(text) + (16 << 20)
    position = 0
    while effort > -len(text) and (start := _START.search(text, position)):
        position = start.end()
        try:
            found, position = decoder.raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            # A text without an end was read up to the file's; and an error counts the lines that
            # come before it, which takes time too.
            unterminated = error.msg.startswith("Unterminated")
            effort -= (len(text) if unterminated else error.pos) - start.start() + error.pos // 32
            if effort < 0:
                position = max(position, error.pos)
            continue
        except (ValueError, RecursionError):
            effort -= len(text) - start.start()
            continue
        if isinstance(found.get("cells"), list):
            cells += found["cells"]
        elif isinstance(found.get("cell_type"), str):
            cells.append(found)
    return cells


def _worksheet_cells(worksheets: list[Any]) -> list[Any]:
    found = [sheet.get("cells") for sheet in worksheets if isinstance(sheet, dict)]
    return [cell for cells in found if isinstance(cells, list) for cell in cells]


def _described(text: str) -> str:
    """Say what a text is that is no notebook."""
    start = text[:2000].lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        return _(
            "The file “{path}” is a web page, not a notebook; perhaps it was saved from the "
            "browser instead of downloaded."
        )
    if start.startswith(("{", "[")):
        return _("The file “{path}” is damaged: not one cell of it could be read.")
    if len(text) <= _CHARACTERS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
        else:
            return _("The file “{path}” is a Python script, not a notebook.")
    return _("The file “{path}” is not a notebook.")


# From anything that has cells to a valid notebook.


def grade_id_of(cell: Any) -> str | None:
    """Return the ``grade_id`` of a cell, whatever the cell is.

    Args:
        cell: a cell as it was decoded from JSON.

    Returns:
        The ``grade_id``, or None if it has none that is a text.
    """
    for key in ("metadata", "nbgrader", "grade_id"):
        cell = cell.get(key) if isinstance(cell, dict) else None
    return cell if isinstance(cell, str) else None


def cell_id_of(cell: Any) -> str | None:
    """Return the ``id`` of a cell, whatever the cell is, or None if it has no valid one."""
    found = cell.get("id") if isinstance(cell, dict) else None
    return found if isinstance(found, str) and re.fullmatch("[a-zA-Z0-9_-]{1,64}", found) else None


def normalised(content: Mapping[str, Any]) -> tuple[NotebookNode, list[str]]:
    """Make a valid notebook, without outputs, from whatever has a list of cells.

    Args:
        content: the notebook as it was decoded from JSON; it stays as it is.

    Returns:
        The notebook, and what had to be left out, in sentences.
    """
    notes = []
    found = content.get("cells")
    found = found if isinstance(found, list) else []
    given = [cell for cell in found if isinstance(cell, dict)]
    if len(given) < len(found):
        text = _("Among the cells were {count} things that are no cells; they were left out.")
        notes.append(text.format(count=len(found) - len(given)))
    taken: set[str] = set()
    cells = []
    for index, cell in enumerate(given):
        name = cell_id_of(cell)
        if name is None or name in taken:
            name = free_id(f"unnamed-{index}", taken)
        taken.add(name)
        made = _cell(cell, name)
        if len(made["source"]) > _CHARACTERS:
            made["source"] = ""
            text = _(
                "The text of the cell “{name}” has more than {limit} characters; it was left out."
            )
            notes.append(text.format(name=grade_id_of(cell) or name, limit=_CHARACTERS))
        cells.append(made)
    metadata = _plain(content.get("metadata"), _DEPTH)
    metadata = _checked(metadata if isinstance(metadata, dict) else {}, _NOTEBOOK_METADATA)
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return nbformat.from_dict(whole), notes


def free_id(name: str, taken: Collection[str]) -> str:
    """Make an id for a cell.

    Args:
        name: the id if it is free and not too long; otherwise the id begins like it.
        taken: the ids of the other cells.

    Returns:
        A valid id that is not taken.
    """
    if name not in taken and len(name) <= 64:
        return name
    return next(made for i in count(2) if (made := f"{name[:50]}-{i}") not in taken)


def _cell(cell: dict[str, Any], name: str) -> dict[str, Any]:
    kind = cell.get("cell_type")
    # In old notebooks code is an input, and headings are cells of their own.
    source = _text(cell.get("source", cell.get("input")))
    if kind == "heading":
        level = cell.get("level")
        source = "#" * (level if isinstance(level, int) and 0 < level < 7 else 1) + " " + source
    kind = "markdown" if kind in ("heading", "html") else kind
    kind = kind if kind in ("code", "markdown", "raw") else "raw"
    metadata = _plain(cell.get("metadata"), _DEPTH)
    metadata = _checked(metadata if isinstance(metadata, dict) else {}, _CELL_METADATA)
    made = {"cell_type": kind, "id": name, "metadata": metadata, "source": source}
    if kind == "code":
        return {**made, "outputs": [], "execution_count": None}
    attachments = _plain(cell.get("attachments"), 3)
    if _is_attachments(attachments):
        made["attachments"] = attachments
    return made


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(_text(part) for part in _plain(value, _DEPTH))
    if isinstance(value, str):
        # Half a surrogate pair cannot be written to any file.
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    return "" if value is None else str(_plain(value, _DEPTH))


def _plain(value: Any, depth: int) -> Any:
    """Copy metadata, without lone surrogates and without what is nested too deep."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        pairs = value.items() if depth else ()
        return {_text(key): _plain(each, depth - 1) for key, each in pairs}
    if isinstance(value, list):
        return [_plain(each, depth - 1) for each in value] if depth else []
    return value


def _is_strings(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_tags(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(tag, str) and re.search("^[^,]+$", tag) for tag in value)
        and len(set(value)) == len(value)
    )


def _is_attachments(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(bundle, dict)
        and all(
            isinstance(data, str)
            or (isinstance(data, list) and all(isinstance(d, str) for d in data))
            for data in bundle.values()
        )
        for bundle in value.values()
    )


def _has_names(value: Any, *keys: str) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in keys)


def _is_language(value: Any) -> bool:
    texts = ("file_extension", "mimetype", "pygments_lexer")
    return (
        _has_names(value, "name")
        and all(isinstance(value.get(key, ""), str) for key in texts)
        and isinstance(value.get("codemirror_mode", ""), (str, dict))
    )


# What nbformat's schema says of metadata, and what we say of our own.
_CELL_METADATA = {
    "nbgrader": lambda value: isinstance(value, dict),
    "tags": _is_tags,
    "name": lambda value: isinstance(value, str) and bool(re.search("^.+$", value)),
    "format": lambda value: isinstance(value, str),
    "jupyter": lambda value: isinstance(value, dict),
    "execution": _is_strings,
    "collapsed": lambda value: isinstance(value, bool),
    "scrolled": lambda value: isinstance(value, bool) or value == "auto",
}
_NOTEBOOK_METADATA = {
    "autograder": lambda value: False,
    "kernelspec": lambda value: _has_names(value, "name", "display_name"),
    "language_info": _is_language,
    "orig_nbformat": lambda value: False,
    "title": lambda value: isinstance(value, str),
    "authors": lambda value: isinstance(value, list),
}


def _checked(metadata: dict[str, Any], checks: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in metadata.items() if key not in checks or checks[key](value)
    }
