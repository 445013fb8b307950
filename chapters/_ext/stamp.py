"""Say on each page with which torch its code last ran, and when.

Outputs are kept from build to build, so the date is that of the run and not of the build. The
cache has a folder for each version of torch: with another version every page runs again.
"""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.locale import get_translation

_ = get_translation("book")


def keep_by_version(app: Sphinx) -> None:
    """Keep the outputs of each version of torch apart."""
    if not app.config.nb_execution_cache_path:
        kept = Path(app.outdir).parent / ".jupyter_cache"
        app.config.nb_execution_cache_path = str(kept / f"torch-{version('torch')}")


def stamp_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, str], doctree: object
) -> None:
    """Add the sentence to the end of a page that has code."""
    run = NbMetadataCollector.get_exec_data(app.env, pagename) if doctree is not None else None
    if run is not None:
        day = datetime.fromtimestamp(run["mtime"], tz=timezone.utc).date().isoformat()
        said = _("Last verified with torch {version} on {date}.").format(
            version=version("torch").partition("+")[0], date=f'<time datetime="{day}">{day}</time>'
        )
        context["body"] += f'\n<p class="stamp">{said}</p>'


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    # MyST-NB makes its cache when the builder starts, at the default priority.
    app.connect("builder-inited", keep_by_version, priority=400)
    app.connect("html-page-context", stamp_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
