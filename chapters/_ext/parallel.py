"""Let Sphinx read pages side by side.

Two of Jupyter Book's extensions do not say whether they can be used in several processes at once,
so Sphinx would read one page after another, and run its code meanwhile. Both only register
transforms and keep nothing between pages.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config

SILENT = ("sphinx_multitoc_numbering", "sphinx_jupyterbook_latex")


def mark(app: Sphinx, config: Config) -> None:
    """Say it for them."""
    for name in SILENT:
        if name in app.extensions:
            app.extensions[name].parallel_read_safe = True


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
