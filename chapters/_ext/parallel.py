"""Let Sphinx read pages side by side.

Two of Jupyter Book's extensions do not say whether they can be used in several processes at once,
so Sphinx would read one page after another, and run its code meanwhile. Both only register
transforms and keep nothing between pages. And where there is no cache of outputs yet, two
processes would try to make its database at the same moment, and one would fail.
"""

from __future__ import annotations

from jupyter_cache import get_cache
from sphinx.application import Sphinx
from sphinx.config import Config

SILENT = ("sphinx_multitoc_numbering", "sphinx_jupyterbook_latex")


def mark(app: Sphinx, config: Config) -> None:
    """Say it for them."""
    for name in SILENT:
        if name in app.extensions:
            app.extensions[name].parallel_read_safe = True


def make_cache(app: Sphinx) -> None:
    """Make the database of the cache, if there is none."""
    # Asking for its settings writes the tables.
    get_cache(app.env.mystnb_config.execution_cache_path).get_cache_limit()


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", mark)
    # After MyST-NB has decided where the cache is, at the default priority.
    app.connect("builder-inited", make_cache, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
