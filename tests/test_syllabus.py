"""Every example and statement of the slides, the blog post and the API pages has its place.

``syllabus/<chapter>.yml`` lists them. An example must stand in a cell, a statement must be proved
by one, and one that is wrong must be corrected in a box beside the evidence. What the list says was
printed must be what the build printed.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from book import CHAPTERS, ROOT, Page, code_cells

LISTS = sorted((ROOT / "tests" / "syllabus").glob("*.yml"))
ENTRIES = [
    pytest.param(path.stem, entry, id=f"{path.stem}-{number}")
    for path in LISTS
    for number, entry in enumerate(yaml.safe_load(path.read_text(encoding="utf-8")), start=1)
]
KEYS = {
    "example": {"seed", "kind", "code", "output"},
    "proved": {"seed", "kind", "says", "code", "output"},
    "corrected": {"seed", "kind", "says", "box", "code", "output"},
}


def bare(text: str) -> str:
    """Return a text without any white space."""
    return re.sub(r"\s+", "", text)


@cache
def cells_of(page: Path) -> list[tuple[str, str]]:
    """Return the cells of a built page, which is read once for all its entries."""
    return Page(page).cells()


def test_every_list_belongs_to_a_chapter() -> None:
    assert {path.stem for path in LISTS} <= {chapter.stem for chapter in CHAPTERS}


@pytest.mark.parametrize(("chapter", "entry"), ENTRIES)
def test_it_has_its_place(book: Path, chapter: str, entry: dict[str, Any]) -> None:
    required = KEYS[entry["kind"]] - {"output"}
    assert required <= set(entry) <= KEYS[entry["kind"]], "misspelt or missing keys"
    source = ROOT / "chapters" / f"{chapter}.md"
    text = source.read_text(encoding="utf-8")
    if entry["kind"] == "corrected":
        boxes = re.findall(
            r"^(:{3,})\{admonition\}[^\n]*\n:class: slide\n(.*?)^\1$", text, re.M | re.S
        )
        assert any(bare(entry["box"]) in bare(body) for _, body in boxes), "no such box"
    wanted = bare(entry["code"])
    places = [number for number, cell in enumerate(code_cells(source)) if wanted in bare(cell)]
    assert places, f"no cell has this code:\n{entry['code']}"
    cells = cells_of(book / "chapters" / f"{chapter}.html")
    assert len(cells) == len(code_cells(source))
    printed = [bare(cells[place][1]) for place in places]
    for output in entry.get("output", []):
        assert any(bare(output) in text for text in printed), f"not printed: {output}"
