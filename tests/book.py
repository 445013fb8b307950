"""What the tests of the book share: its chapters, copies of it, and how it is built."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
BOOK = ("_config.yml", "_toc.yml", "index.md", "chapters", "exercises/source/poem")
CODE_CELL = re.compile(r"^```\{code-cell\}.*?\n(?:---\n.*?\n---\n)?(.*?)^```$", re.M | re.S)
BIN = Path(sys.executable).parent

CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
PAGES = [ROOT / f"{entry['file']}.md" for part in CONTENTS for entry in part["chapters"]]
"""Every page but the first."""
CHAPTERS = [page for page in PAGES if "{code-cell}" in page.read_text(encoding="utf-8")]
"""The pages that are notebooks."""

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
"""The header that makes a page a notebook."""


def code_cells(chapter: Path) -> list[str]:
    """Return the code of a chapter's cells."""
    return CODE_CELL.findall(chapter.read_text(encoding="utf-8"))


def copy_book(folder: Path) -> Path:
    """Copy the book's own files, and nothing that an earlier build left, to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BOOK:
        source = ROOT / name
        if source.is_dir():
            left_behind = shutil.ignore_patterns("__pycache__", "*.svg")
            shutil.copytree(source, folder / name, ignore=left_behind)
        else:
            shutil.copy(source, folder / name)
    return folder


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # The kernel named python3 must be the one of this very environment.
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    environment = os.environ | {"PATH": path, "NO_COLOR": "1", "PYTHONPATH": "chapters/_ext"}
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def build_side_by_side(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build a copy of the book as `make book` does."""
    configured = _run(folder, "jupyter-book", "config", "sphinx", ".")
    if configured.returncode:
        return configured
    how = ("-d", "_build/.doctrees", "-j", "auto", "-n", "-W", "--keep-going", "-q")
    return _run(folder, "sphinx-build", ".", "_build/html", *how)


def build_page(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Build a book of one page, with the real book's configuration, by jupyter-book's command."""
    copy_book(folder)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n", encoding="utf-8")
    (folder / "index.md").write_text(f"{HEADER}# A page\n\n{body}", encoding="utf-8")
    return _run(folder, "jupyter-book", "build", ".", "-n", "-W", "--keep-going")


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
        self.links: list[str] = []
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "svg" and "pic" in str(values.get("class")).split():
            self.pictures.append(values)
        if tag == "img":
            self.images.append(values)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if tag in ("script", "img", "link"):
            self.loads.append(str(values.get("src") or values.get("href") or ""))

    def cells(self) -> list[tuple[str, str]]:
        """Return the code of each cell and what it printed, as plain text."""
        found = []
        for cell in re.split(r'<div class="cell [^"]*docutils container', self.html)[1:]:
            code = re.search(r'<div class="cell_input.*?<pre>(.*?)</pre>', cell, re.S)
            printed = re.findall(r'<div class="output .*?<pre>(.*?)</pre>', cell, re.S)
            found.append((_text(code[1]) if code else "", _text("\n".join(printed))))
        return found


def _text(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def built_pages(book: Path) -> list[Page]:
    """Return every page that a reader can open."""
    return [Page(book / "index.html"), *(Page(p) for p in sorted(book.glob("chapters/*.html")))]
