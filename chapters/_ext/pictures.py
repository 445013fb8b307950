"""Draw the book's pictures and put them into the page itself, so that its colours reach them.

The pictures are drawn by the modules in ``chapters/figures/`` before any page is read. A picture
shown with ``<img>`` is a sealed box: it cannot follow the reader's light or dark theme. Inlined,
it takes every colour from ``chapters/_static/book.css``. Any image of the book that has no
``:alt:`` text is a warning, which the build turns into an error.
"""

from __future__ import annotations

import importlib
import re
import sys
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
FOLDER = "chapters/figures/"


def draw_pictures(app: Sphinx) -> None:
    """Draw all pictures, before Sphinx looks for their files."""
    folder = Path(app.srcdir, FOLDER)
    sys.path.insert(0, str(folder.parent))
    try:
        for path in sorted(folder.glob("*.py")):
            importlib.import_module(f"figures.{path.stem}")
    finally:
        sys.path.remove(str(folder.parent))
    draw = sys.modules["figures.draw"]
    draw.draw_all(folder)
    for path in folder.glob("*.svg"):  # nobody draws them any more
        if path.stem not in draw.declared():
            path.unlink()


def inline_svg(source: str, prefix: str, alt: str) -> str:
    """Return an SVG file's text as an element for an HTML page.

    Args:
        source: The file's text, an ``<svg>`` element after an optional XML prolog.
        prefix: Put before each id, so that two pictures on a page never share one.
        alt: What the picture shows, in words, for readers who do not see it.
    """
    svg = source[source.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(alt, quote=True)}"', 1)


class InlinePictures(SphinxPostTransform):
    """Replace each image from ``chapters/figures`` by its drawing."""

    default_priority = 900  # after MyST-NB has made images of what the cells drew
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        for number, image in enumerate(list(self.document.findall(nodes.image))):
            if not image.get("alt", "").strip():
                LOGGER.warning(
                    "This image has no alt text: %s", image["uri"], location=image, type="pictures"
                )
            path = image["uri"]
            if path.startswith(FOLDER) and path.endswith(".svg"):
                source = Path(self.env.srcdir, path).read_text(encoding="utf-8")
                prefix = f"{Path(path).stem}-{number}-"
                svg = inline_svg(source, prefix, image.get("alt", ""))
                image.replace_self(nodes.raw("", svg, format="html"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the drawing and the transform with Sphinx."""
    app.connect("builder-inited", draw_pictures)
    app.add_post_transform(InlinePictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
