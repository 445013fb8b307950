"""Each chapter can be downloaded as a notebook that any Jupyter shows, and be run elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import notebooks
import pytest
from book import CHAPTERS, Page, code_cells
from plain import Plain

SAYS = {"answer": "Show the answer", "explorer": "Play.", "question": "Check yourself"}


@pytest.fixture
def plain() -> Plain:
    return Plain(
        title={"conv": "Convolution"}.__getitem__,
        cited=lambda key: (f"{key.title()} 1997", f"{key.title()}. A *paper*."),
        picture=lambda path: '<svg xmlns="http://www.w3.org/2000/svg"><defs/></svg>',
        style="html {\n  --ink: #000;\n}\n\nsvg.pic text {\n  fill: var(--ink);\n}\n",
        says=SAYS,
    )


@pytest.mark.parametrize(
    ("myst", "markdown"),
    [
        (
            "See [](conv.md) and [it](conv.md).",
            "See [Convolution](conv.ipynb) and [it](conv.ipynb).",
        ),
        ("A {term}`gradient` and {term}`two <gradient>`.", "A gradient and two."),
        ("By {footcite:t}`knuth`, {footcite:p}`knuth`.", "By Knuth 1997, (Knuth 1997)."),
        ("% a comment\n(target)=\nText.", "Text."),
        (
            ":::{admonition} Predict first\n:class: tip\nWhat?\n\nReally `x`?\n:::",
            "> **Predict first**\n>\n> What?\n>\n> Really `x`?",
        ),
        (
            ":::{dropdown} Why?\nBecause.\n:::",
            "<details><summary>Why?</summary>\n\nBecause.\n\n</details>",
        ),
        (
            "::::{note}\n:::{dropdown} Why?\nYes.\n:::\n::::\nAfter.",
            "> **Note**\n>\n> <details><summary>Why?</summary>\n>\n> Yes.\n>\n> </details>\nAfter.",
        ),
        (":::{explorer} conv\n:::", "*Play.*"),
        ("The rule `.{2}` and `x`.", "The rule `.{2}` and `x`."),
        ("```python\n% kept\n```", "```python\n% kept\n```"),
    ],
)
def test_myst_becomes_plain_markdown(plain: Plain, myst: str, markdown: str) -> None:
    assert plain.cell(myst) == markdown


def test_a_quiz_folds_its_right_answer_away(plain: Plain) -> None:
    quiz = ":::{quiz}\n:answer: 2\n\nHow many?\n\n- One\n\n  No.\n- Two\n\n  Yes, *two*.\n:::"
    open_part, folded = plain.cell(quiz).split("<details>")
    assert "How many?" in open_part
    assert "1. One\n2. Two" in open_part
    assert "Yes" not in open_part
    assert "**Two**" in folded
    assert "Yes, *two*." in folded
    assert "No." not in folded


def test_works_that_are_cited_are_listed_at_the_end(plain: Plain) -> None:
    plain.cell("By {footcite:t}`knuth`.")
    assert plain.cell("```{footbibliography}\n```") == "- Knuth. A *paper*."


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_a_chapter_is_offered_as_a_notebook(book: Path, chapter: Path) -> None:
    page = Page(book / "chapters" / f"{chapter.stem}.html")
    assert f"{chapter.stem}.ipynb" in page.links
    notebook = nbformat.read(page.path.with_suffix(".ipynb"), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.source.strip() for cell in code] == [c.strip() for c in code_cells(chapter)]
    assert not any(cell.outputs for cell in code)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    outside_code = re.sub(r"`[^`\n]*`", "", text)
    assert not re.findall(r"^:{3,}|^`{3,}\{|\{[a-z][\w:-]*\}`|\]\([\w/]*\.md", text, re.M)
    assert ":class:" not in outside_code
    for other in re.findall(r"\]\((\w+)\.ipynb", text):
        assert (page.path.parent / f"{other}.ipynb").exists() or not any(
            p.stem == other for p in CHAPTERS
        )


@pytest.mark.parametrize(
    ("url", "variable", "where"),
    [
        ("", "", None),
        ("", "someone/course", "someone/course"),
        ("https://github.com/a/b", "someone/course", "a/b"),
        ("https://example.org/a/b", "", None),
    ],
)
def test_the_book_knows_where_it_is_published(
    monkeypatch: pytest.MonkeyPatch, url: str, variable: str, where: str | None
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", variable)
    config = SimpleNamespace(html_theme_options={"repository_url": url})
    assert notebooks.repository(SimpleNamespace(config=config)) == where


def test_launch_buttons_point_at_files_of_the_finished_book(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/course")
    monkeypatch.setattr(notebooks.NbMetadataCollector, "get_exec_data", lambda *_: {"mtime": 0})
    config = SimpleNamespace(html_theme_options={}, notebooks_branch="gh-pages")
    app = SimpleNamespace(config=config, env=None)
    for chapter in CHAPTERS:
        name = f"chapters/{chapter.stem}"
        context = {"header_buttons": [], "pathto": lambda path, resource: path}
        notebooks.add_buttons(app, name, "", context, object())  # type: ignore[arg-type]
        (group,) = context["header_buttons"]
        colab, binder = (button["url"] for button in group["buttons"])
        path = colab.removeprefix(
            "https://colab.research.google.com/github/someone/course/blob/gh-pages/"
        )
        assert (book / path).is_file()
        start = "https://mybinder.org/v2/gh/someone/course/gh-pages?urlpath=lab/tree/"
        assert (book / binder.removeprefix(start)).is_file()
    installed = (book / ".binder" / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^torch==\d+\.\d+\.\d+$", installed, re.M)
