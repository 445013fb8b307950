"""Offer each page with code as a notebook: to download, and to run on Colab or Binder.

Beside each finished page ``x.html`` stands ``x.ipynb``, in Markdown that any Jupyter shows, without
outputs: the reader predicts and runs. The buttons for Colab and Binder need to know where on GitHub
the finished book is published. ``repository.url`` in ``_config.yml`` says it, or the variable
``GITHUB_REPOSITORY``, which GitHub's own builds set; the branch is ``notebooks_branch``. All that
the buttons point at is in the finished book, the packages that Binder installs included.
"""

from __future__ import annotations

import os
import re
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from myst_nb.sphinx_ import NbMetadataCollector
from plain import Plain
from pybtex.database import parse_file
from pybtex.plugin import find_plugin
from sphinx.application import Sphinx
from sphinx.locale import get_translation

_ = get_translation("book")

PACKAGES = ("matplotlib", "numpy", "torch")
"""What a page's code imports."""

GITHUB = re.compile(r"(?:https://github\.com/)?([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def repository(app: Sphinx) -> str | None:
    """Return where the book is published, as ``owner/name`` on GitHub, or None."""
    options = app.config.html_theme_options
    named = options.get("repository_url") or os.environ.get("GITHUB_REPOSITORY", "")
    match = GITHUB.fullmatch(named)
    return match[1] if match else None


def add_buttons(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: object
) -> None:
    """Add the buttons to the header of a page that has code."""
    if doctree is None or NbMetadataCollector.get_exec_data(app.env, pagename) is None:
        return
    buttons = context["header_buttons"]
    download = {
        "type": "link",
        "url": context["pathto"](f"{pagename}.ipynb", resource=True),
        "text": ".ipynb",
        "tooltip": _("Download this page as a notebook"),
        "icon": "fas fa-code",
        "label": "download-notebook-button",
    }
    for group in buttons:
        if group.get("label") == "download-buttons":
            # The theme's own entry for a source file offers MyST's text, which few can open.
            group["buttons"] = [download, *(b for b in group["buttons"] if b["type"] != "link")]
    where = repository(app)
    if where is None:
        return
    branch, path = app.config.notebooks_branch, f"{pagename}.ipynb"
    links = [
        (
            "Colab",
            _("Run this page on Colab"),
            "_static/images/logo_colab.png",
            f"https://colab.research.google.com/github/{where}/blob/{branch}/{path}",
        ),
        (
            "Binder",
            _("Run this page on Binder"),
            "_static/images/logo_binder.svg",
            f"https://mybinder.org/v2/gh/{where}/{branch}?urlpath=lab/tree/{path}",
        ),
    ]
    buttons.insert(
        0,
        {
            "type": "group",
            "tooltip": _("Run this page"),
            "icon": "fas fa-rocket",
            "label": "launch-buttons",
            "buttons": [
                {"type": "link", "text": text, "tooltip": tip, "icon": icon, "url": url}
                for text, tip, icon, url in links
            ],
        },
    )


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Write a notebook beside each page that has code, and what Binder installs."""
    if error is not None or app.builder.format != "html":
        return
    pages = [
        page
        for page in sorted(app.env.found_docs)
        if NbMetadataCollector.get_exec_data(app.env, page) is not None
    ]
    for page in pages:
        notebook = plain_notebook(app, page)
        nbformat.write(notebook, Path(app.outdir, f"{page}.ipynb"))
    folder = Path(app.outdir, ".binder")
    folder.mkdir(exist_ok=True)
    needed = "".join(f"{name}=={version(name).partition('+')[0]}\n" for name in PACKAGES)
    (folder / "requirements.txt").write_text(needed, encoding="utf-8")


def plain_notebook(app: Sphinx, page: str) -> nbformat.NotebookNode:
    """Return a page as a notebook that any Jupyter shows."""
    source = Path(app.env.doc2path(page))
    notebook = jupytext.read(source)
    plain = Plain(
        title=lambda name: app.env.titles[f"{Path(page).parent}/{name}"].astext(),
        cited=lambda key: citation(Path(app.srcdir, app.config.bibtex_bibfiles[0]), key),
        picture=lambda path: (source.parent / path).read_text(encoding="utf-8"),
        style=Path(app.srcdir, "chapters/_static/book.css").read_text(encoding="utf-8"),
        says={
            "answer": _("Show the answer"),
            "explorer": _("Here the online book has an explorer to play with."),
            "question": _("Check yourself"),
        },
    )
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = plain.cell(cell.source)
        cell.metadata = nbformat.NotebookNode()
    notebook.metadata.pop("jupytext", None)
    return notebook


@cache
def citation(bibliography: Path, key: str) -> tuple[str, str]:
    """Return how a sentence names a work, and the work's entry, both as plain Markdown."""
    entries = parse_file(str(bibliography), bib_format="bibtex").entries
    entry = entries[key]
    people = [str(person.last_names[-1]) for person in entry.persons["author"]]
    people = [re.sub(r"[{}\\\"]", "", name) for name in people]
    if people[-1] == "others" or len(people) > 2:
        named = _("{first} et al.").format(first=people[0])
    elif len(people) == 2:
        named = _("{first} and {second}").format(first=people[0], second=people[1])
    else:
        named = people[0]
    style = find_plugin("pybtex.style.formatting", "plain")()
    backend = find_plugin("pybtex.backends", "markdown")()
    (formatted,) = style.format_entries([entry])
    return f"{named} {entry.fields['year']}", formatted.text.render(backend)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_config_value("notebooks_branch", "gh-pages", "html")
    # After the theme, which makes its own buttons at 501.
    app.connect("html-page-context", add_buttons, priority=502)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
