"""The book builds, its pages show what the code printed, and its pictures obey the rules."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
BOOK = ("_config.yml", "_toc.yml", "index.md", "chapters")
CHAPTERS = sorted((ROOT / "chapters").glob("*.md"))
PICTURES = sorted((ROOT / "chapters" / "figures").glob("*.svg"))
MAY_IMPORT = {"torch", "numpy", "matplotlib"} | set(sys.stdlib_module_names)
CODE_CELL = re.compile(r"^```\{code-cell\}.*?\n(?:---\n.*?\n---\n)?(.*?)^```$", re.M | re.S)

# What a picture may say: words are for the caption, where they can be translated.
WORDS = """
    x h c i f g o H L N t t−1 in out tanh σ × + @ … weight_ih weight_ih.T .T .chunk dim=1
    output c_0 h_0 c_n h_n
"""
SYMBOLS = set(WORDS.split())

HEADER = re.match(r"---\n.*?\n---\n", CHAPTERS[0].read_text(encoding="utf-8"), re.S)


def copy_book(folder: Path) -> Path:
    """Copy the book's own files, and nothing that an earlier build left, to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BOOK:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the one command that builds the book."""
    jupyter_book = Path(sys.executable).parent / "jupyter-book"
    # The kernel named python3 must be the one of this very environment.
    path = os.pathsep.join([str(jupyter_book.parent), os.environ.get("PATH", "")])
    return subprocess.run(
        [str(jupyter_book), "build", ".", "-n", "-W", "--keep-going"],
        cwd=folder,
        env=os.environ | {"PATH": path, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def build_page(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Build a book of one page, with the real book's configuration."""
    assert HEADER, "a chapter without the header that makes it a notebook"
    copy_book(folder)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n", encoding="utf-8")
    (folder / "index.md").write_text(f"{HEADER[0]}\n# A page\n\n{body}", encoding="utf-8")
    return build(folder)


class Page(HTMLParser):
    """What the tests need to know of a built page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.html = path.read_text(encoding="utf-8")
        self.ids: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.images: list[dict[str, str | None]] = []
        self.loads: list[str] = []
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "svg" and "pic" in str(values.get("class")).split():
            self.pictures.append(values)
        if tag == "img":
            self.images.append(values)
        if tag in ("script", "img", "link"):
            self.loads.append(str(values.get("src") or values.get("href") or ""))

    def outputs(self) -> str:
        """Return everything that the code printed, as plain text."""
        blocks = re.findall(r'<div class="output .*?<pre>(.*?)</pre>', self.html, re.S)
        return re.sub(r"<[^>]+>", "", "\n".join(blocks))


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the whole book once. Returns the folder of its pages."""
    folder = copy_book(tmp_path_factory.mktemp("book"))
    result = build(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "_build" / "html"


def pages(book: Path) -> list[Page]:
    """Return every page that a reader can open."""
    return [Page(book / "index.html"), *(Page(p) for p in sorted(book.glob("chapters/*.html")))]


def code_cells(chapter: Path) -> list[str]:
    """Return the code of a chapter's cells."""
    return CODE_CELL.findall(chapter.read_text(encoding="utf-8"))


def test_the_book_builds_without_a_warning(book: Path) -> None:
    assert (book / "index.html").is_file()
    assert {p.stem for p in CHAPTERS} == {p.stem for p in book.glob("chapters/*.html")}


def test_the_lstm_page_shows_what_its_code_printed(book: Path) -> None:
    printed = Page(book / "chapters" / "lstm.html").outputs()
    shapes = ["10, 3, 20", "4, 3, 20", "3, 20", "3, 30", "6, 30, 40", "4, 30, 20", "3, 10, 20"]
    for shape in shapes:
        assert f"torch.Size([{shape}])" in printed
    assert "LSTM(100, 20, num_layers=4)" in printed
    assert "unexpected keyword argument" in printed
    assert "Expected hidden[0] size (4, 3, 20), got [3, 4, 20]" in printed


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


def test_a_picture_without_alt_text_fails_the_build(tmp_path: Path) -> None:
    picture = "```{figure} chapters/figures/lstm-cell.svg\nCaption.\n```\n"
    result = build_page(tmp_path, picture)
    assert result.returncode != 0
    assert re.search(r"index\.md:\d+: WARNING: This image has no alt text", result.stderr)


def test_every_picture_is_inlined_and_described(book: Path) -> None:
    for page in pages(book):
        assert page.pictures, f"{page.path.name} has no picture"
        assert all(p["role"] == "img" and p["aria-label"] for p in page.pictures)
        assert all(image.get("alt") for image in page.images), page.path.name
        assert not [src for src in page.loads if "/figures/" in src or src.endswith(".svg")]
    shown = sum(len(page.pictures) for page in pages(book))
    assert shown >= len(PICTURES), "a picture that no page shows"


def test_ids_are_unique_and_references_resolve(book: Path) -> None:
    for page in pages(book):
        assert len(page.ids) == len(set(page.ids)), page.path.name
        assert set(re.findall(r"url\(#([^)]+)\)", page.html)) <= set(page.ids)


def test_pages_load_nothing_from_other_servers(book: Path) -> None:
    pytest.importorskip("sphinx-mathjax-offline")
    for page in pages(book):
        assert not [src for src in page.loads if re.match(r"(https?:)?//", src)], page.path.name
    assert (book / "_static" / "mathjax" / "tex-chtml.js").is_file()


def test_each_page_has_its_stylesheet(book: Path) -> None:
    for page in pages(book):
        assert any("book.css" in src for src in page.loads)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.stem)
def test_pictures_hold_symbols_and_no_words(picture: Path) -> None:
    tree = ElementTree.parse(picture)
    for element in tree.iter("{http://www.w3.org/2000/svg}text"):
        tokens = re.split(r"[\s(),]+", " ".join(element.itertext()))
        assert {token for token in tokens if not token.isdigit()} - {""} <= SYMBOLS


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.stem)
def test_pictures_leave_colour_and_size_to_the_stylesheet(picture: Path) -> None:
    svg = picture.read_text(encoding="utf-8")
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb\(|style=|<style", svg)
    width = float(re.search(r'viewBox="0 0 (\d+) ', svg)[1])  # type: ignore[index]
    assert width <= 480, "text in a wider picture is too small on a phone"


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
    assert text.count("{dropdown}") >= 3
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
    for chapter in CHAPTERS:
        text = chapter.read_text(encoding="utf-8")
        for colour, gate in re.findall(r"\\textcolor\{(#\w+)\}\{(\w)", text):
            assert colours[gate] == colour
