"""Things to play with that need no kernel: the directive ``explorer``.

::

    :::{explorer} conv
    :::

The forms are the templates in ``chapters/_ext/explorers/``, in which every text for people can be
translated. What they compute is JavaScript in ``chapters/_static/explorers/``, one file for each;
``tests/test_explorers.py`` compares it with torch. Without JavaScript there is a sentence instead.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pictures import FOLDER, inline_svg
from sphinx.application import Sphinx
from sphinx.locale import get_translation
from sphinx.util.docutils import SphinxDirective

_ = get_translation("book")

HERE = Path(__file__).parent / "explorers"
SCRIPTS = {
    "broadcast": ("common.js", "broadcast.js"),
    "conv": ("common.js", "windows.js"),
    "lstm": ("common.js", "lstm.js"),
    "pool": ("common.js", "windows.js"),
}
"""What each explorer runs, in order."""


class Explorer(SphinxDirective):
    """Put an explorer onto the page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in SCRIPTS:
            raise self.error(f"There is no explorer {name!r}; there are {', '.join(SCRIPTS)}.")
        environment = Environment(
            loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
        )
        number = self.env.new_serialno("explorer")
        html = environment.get_template(f"{name}.html").render(
            _=_, zip=zip, id=f"explorer-{number}", picture=self._picture
        )
        used = self.env.metadata[self.env.docname].setdefault("explorers", "")
        self.env.metadata[self.env.docname]["explorers"] = f"{used} {name}".strip()
        self.env.note_dependency(str(HERE / f"{name}.html"))
        return [nodes.raw("", html, format="html")]

    def _picture(self, name: str) -> str:
        """Return one of the book's pictures for a page, said in words elsewhere."""
        path = Path(self.env.srcdir, FOLDER, f"{name}.svg")
        self.env.note_dependency(str(path))
        svg = inline_svg(path.read_text(encoding="utf-8"), f"explorer-{name}-", "")
        return svg.replace('role="img" aria-label=""', 'aria-hidden="true"')


def add_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, object], doctree: object
) -> None:
    """Let a page load the scripts of its explorers, and no other."""
    used = app.env.metadata.get(pagename, {}).get("explorers", "").split()
    for script in dict.fromkeys(script for name in used for script in SCRIPTS[name]):
        app.add_js_file(f"explorers/{script}", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and the scripts."""
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
