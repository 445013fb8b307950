"""Leave Thebe out, which would run cells on a server that the course does not have.

Jupyter Book loads ``sphinx_thebe`` in any case, and it puts its scripts on every page, one of them
twice, which is an error in the reader's browser. None of what it listens to is needed.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config


def leave_out(app: Sphinx, config: Config) -> None:
    """Stop Thebe from listening, and take back the style sheet that it has asked for."""
    for listeners in app.events.listeners.values():
        listeners[:] = [each for each in listeners if each.handler.__module__ != "sphinx_thebe"]
    sheets = app.registry.css_files
    sheets[:] = [each for each in sheets if each[0] != "sphinx-thebe.css"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
