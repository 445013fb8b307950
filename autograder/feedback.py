"""Feedback pages: nbgrader's own, made for a class of which most cells are alike."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter
from nbformat import NotebookNode

__all__ = ["FeedbackExporter"]

# A script's strings and a comment may hold what looks like an image; they are passed over whole.
_IMAGE_WITHOUT_TEXT = re.compile(
    r"<(?P<raw>script|style)\b.*?</(?P=raw)\s*>|<!--.*?-->|(?P<image><img\b)(?![^>]*\salt[\s=/>])",
    re.IGNORECASE | re.DOTALL,
)
_NO_TEXT = ' alt="No description has been provided for this image"'


def _with_text(match: re.Match[str]) -> str:
    return match[0] + _NO_TEXT if match["image"] else match[0]


class FeedbackExporter(HTMLExporter):
    """Makes the same pages as nbconvert's exporter, in a fraction of the time.

    It keeps what it has rendered, for most cells of a submission are as they were released, and
    it adds the missing alternative texts without parsing the whole page.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        highlight = Highlight2HTML(pygments_lexer="ipython3", parent=self)

        @lru_cache(maxsize=1024)
        def cached(source: str, language: str | None, magic: str | None) -> str:
            metadata = {"magics_language": magic} if magic else None
            return str(highlight(source, language=language, metadata=metadata))

        def highlight_code(source: str, language: str | None = None, metadata: Any = None) -> str:
            return cached(source, language, (metadata or {}).get("magics_language"))

        self._markdown: dict[str, str] = {}
        self.register_filter("highlight_code", highlight_code)

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Render Markdown, as nbconvert does."""
        if self.embed_images or context.get("cell", {}).get("attachments"):
            return str(super().markdown2html(context, source))
        if source not in self._markdown:
            if len(self._markdown) > 1024:
                self._markdown.clear()
            self._markdown[source] = str(super().markdown2html(context, source))
        return self._markdown[source]

    def _preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        # Without nbconvert's validation after each step: the notebook is one that we made.
        for step in self._preprocessors:
            nb, resources = step(nb, resources)
        return nb, resources

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        resources = self._init_resources(resources)
        data_types = WidgetsDataTypeFilter(
            notebook_metadata=self._nb_metadata, parent=self, resources=resources
        )
        self.register_filter("filter_data_type", data_types)
        # Not HTMLExporter's own, which parses the page to look for images without a text.
        page, resources = super(HTMLExporter, self).from_notebook_node(nb, resources, **kw)
        return _IMAGE_WITHOUT_TEXT.sub(_with_text, page), resources
