"""Serve MathJax with the book instead of from another server.

The files come from the pip package ``sphinx-mathjax-offline`` (MathJax 3.2.2, Apache 2.0). Of its
24 MB only what TeX input and HTML output need is copied. Where the package is not installed the
book keeps Jupyter Book's default, a public CDN, and equations need a network to show.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.fileutil import copy_asset

NEEDED = ("tex-chtml.js", "input/tex/extensions", "output/chtml/fonts", "a11y", "sre")


def mathjax_folder() -> Path | None:
    """Return the folder of the installed MathJax, or None."""
    # The package's name has hyphens: it can be found, but no import statement can name it.
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "static" / "mathjax"


def point_to_local(app: Sphinx, config: Config) -> None:
    """Set ``mathjax_path`` when there is a local MathJax."""
    if mathjax_folder() is not None:
        config.mathjax_path = "mathjax/tex-chtml.js"


def copy_files(app: Sphinx, error: Exception | None) -> None:
    """Copy MathJax beside the finished pages."""
    folder = mathjax_folder()
    if error is not None or folder is None or app.builder.format != "html":
        return
    for name in NEEDED:
        source = folder / name
        target = Path(app.outdir, "_static", "mathjax", name)
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_asset(str(source), str(target.parent if source.is_file() else target))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", point_to_local)
    app.connect("build-finished", copy_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
