"""Pictures are drawn in one language, without words or colours, and put into the page."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from book import ROOT, build_page, built_pages
from figures import draw
from figures.draw import Drawing, draw_all, figure

MODULES = sorted(p.stem for p in (ROOT / "chapters" / "figures").glob("*.py"))
for module in MODULES:
    importlib.import_module(f"figures.{module}")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw all pictures. Returns their folder."""
    folder = tmp_path_factory.mktemp("pictures")
    draw_all(folder)
    return folder


@pytest.mark.parametrize("name", draw.declared())
def test_pictures_leave_colour_and_size_to_the_stylesheet(drawn: Path, name: str) -> None:
    svg = (drawn / f"{name}.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb\(|style=|<style", svg)
    known = (ROOT / "chapters" / "_static" / "book.css").read_text(encoding="utf-8")
    used = {word for group in re.findall(r'class="([^"]+)"', svg) for word in group.split()}
    assert {word for word in used if f".{word}" not in known} <= {"num", "data"}


def test_a_picture_is_drawn_anew_only_if_it_changed(tmp_path: Path) -> None:
    name = draw.declared()[0]
    assert draw_all(tmp_path, [name]) == [name]
    assert draw_all(tmp_path, [name]) == []
    (tmp_path / f"{name}.svg").write_text("old", encoding="utf-8")
    assert draw_all(tmp_path, [name]) == [name]


@pytest.mark.parametrize("text", ["the gate", "input x", "Batch (N)"])
def test_a_picture_says_no_words(text: str) -> None:
    with pytest.raises(ValueError, match="words belong in the caption"):
        Drawing(100, 100).text(0, 0, text)


@pytest.mark.parametrize("text", ["h_{t−1}", "(N, H_{in})", "weight_ih.T", "tanh", "3 × 3"])
def test_symbols_and_names_of_code_are_no_words(text: str) -> None:
    drawing = Drawing(100, 100)
    drawing.text(50, 50, text)
    shown = "".join(ElementTree.fromstring(drawing.svg()).itertext())
    assert re.sub(r"[_^]\{([^}]*)\}", r"\1", text) in shown


def test_a_picture_fits_a_phone() -> None:
    with pytest.raises(ValueError, match="480 is the most"):
        Drawing(481, 100)


def test_two_pictures_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="Two functions"):
        figure(draw.declared()[0], 10, 10)(lambda drawing: None)


def test_a_picture_without_alt_text_fails_the_build(tmp_path: Path) -> None:
    picture = "```{figure} chapters/figures/lstm-cell.svg\nCaption.\n```\n"
    result = build_page(tmp_path, picture)
    assert result.returncode != 0
    assert re.search(r"index\.md:\d+: WARNING: This image has no alt text", result.stderr)


def test_every_picture_is_inlined_and_described(book: Path) -> None:
    pages = built_pages(book)
    for page in pages:
        # An explorer says in words beside its pictures what they show.
        shown = [p for p in page.pictures if p.get("aria-hidden") != "true"]
        assert all(p["role"] == "img" and p["aria-label"] for p in shown)
        assert all(image.get("alt") for image in page.images), page.path.name
        assert not [src for src in page.loads if "/figures/" in src or src.endswith(".svg")]
    source = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "chapters").glob("*.md"))
    source += (ROOT / "index.md").read_text(encoding="utf-8")
    placed = set(re.findall(r"figures/([\w-]+)\.svg", source))
    assert placed == set(draw.declared()), "a picture that no page shows"
    assert sum(len(page.pictures) for page in pages) >= len(placed)
