"""The book builds, its pages show what the code printed, and its chapters keep the rules."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import torch
from book import CHAPTERS, PAGES, ROOT, build_page, built_pages, code_cells

MAY_IMPORT = {"torch", "numpy", "matplotlib"} | set(sys.stdlib_module_names)


def test_every_page_is_in_the_contents() -> None:
    assert set(PAGES) == set((ROOT / "chapters").glob("*.md"))


def test_the_book_builds_without_a_warning(book: Path) -> None:
    assert (book / "index.html").is_file()
    assert {p.stem for p in PAGES} == {p.stem for p in book.glob("chapters/*.html")}


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("print('fine')", None),
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; print(1, file=sys.stderr)", "mystnb.stderr"),
    ],
    ids=["fine", "failing", "noisy"],
)
def test_a_failing_or_noisy_cell_fails_the_build(
    tmp_path: Path, code: str, complaint: str | None
) -> None:
    result = build_page(tmp_path, f"```{{code-cell}} ipython3\n{code}\n```\n")
    assert (result.returncode == 0) == (complaint is None), result.stderr
    assert complaint is None or complaint in result.stderr


def test_ids_are_unique_and_references_resolve(book: Path) -> None:
    for page in built_pages(book):
        assert len(page.ids) == len(set(page.ids)), page.path.name
        assert set(re.findall(r"url\(#([^)]+)\)", page.html)) <= set(page.ids)


def test_links_within_the_book_lead_somewhere(book: Path) -> None:
    pages = built_pages(book)
    ids = {page.path: set(page.ids) for page in pages}
    for page in pages:
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
            assert target.exists(), f"{page.path.name}: {link}"
            if parts.fragment and target in ids:
                assert unquote(parts.fragment) in ids[target], f"{page.path.name}: {link}"


def test_pages_load_nothing_from_other_servers(book: Path) -> None:
    pytest.importorskip("sphinx-mathjax-offline")
    for page in built_pages(book):
        assert not [src for src in page.loads if re.match(r"(https?:)?//", src)], page.path.name
    assert (book / "_static" / "mathjax" / "tex-chtml.js").is_file()


def test_each_page_has_its_stylesheet(book: Path) -> None:
    for page in built_pages(book):
        assert any("book.css" in src for src in page.loads)


def test_pages_say_with_which_torch_and_when_they_were_verified(book: Path) -> None:
    version = torch.__version__.partition("+")[0]
    for chapter in CHAPTERS:
        html = (book / "chapters" / f"{chapter.stem}.html").read_text(encoding="utf-8")
        said = rf'Last verified with torch {version} on <time datetime="(\d{{4}}-\d\d-\d\d)">\1<'
        assert re.search(said, html), chapter.name


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_chapters_import_only_what_runs_anywhere(chapter: Path) -> None:
    cells = code_cells(chapter)
    assert cells
    for node in ast.walk(ast.parse("\n".join(cells))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names = [node.module or ""]
        assert {name.split(".")[0] for name in names} <= MAY_IMPORT


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_chapters_have_the_sections_that_readers_expect(chapter: Path) -> None:
    text = chapter.read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", text, re.M)
    assert sections[0] == "What you will be able to do"
    assert {"Summary", "Check yourself", "References"} <= set(sections)
    assert any(section.startswith("The assignment: ") for section in sections)
    assert "**Time:**" in text
    assert "**You need:**" in text
    assert text.count("{admonition} Predict first") >= 3
    assert text.count(":::{quiz}") >= 4
    assert text.count("```{figure}") >= 1
    assert "torch.manual_seed(" in text


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_code_fits_the_page(chapter: Path) -> None:
    long = [line for cell in code_cells(chapter) for line in cell.splitlines() if len(line) > 80]
    assert not long


def test_gates_have_one_colour_in_the_whole_book() -> None:
    css = (ROOT / "chapters" / "_static" / "book.css").read_text(encoding="utf-8")
    colours = {"i": "#2ca02c", "f": "#d62728", "g": "#9467bd", "o": "#1f77b4"}
    for gate, colour in colours.items():
        assert f"--gate-{gate}: {colour};" in css
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for colour, gate in re.findall(r"\\textcolor\{(#\w+)\}\{(\w)", text):
            assert colours[gate] == colour
