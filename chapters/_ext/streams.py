"""Show what a cell printed as it printed it.

A kernel sends a long print in pieces, cut anywhere. With ``nb_merge_streams`` MyST-NB makes one
output of them, but it puts a line break between any two (1.4, ``coalesce_streams``). Pieces that
follow each other are joined here before, with nothing between them.
"""

from __future__ import annotations

from myst_nb.core import render
from nbformat import NotebookNode
from sphinx.application import Sphinx

merge = render.coalesce_streams


def join_pieces(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return the outputs of a cell with neighbours of one stream made one, then merged."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" and output["name"] == last.get("name"):
            last["text"] += output["text"]
        else:
            joined.append(NotebookNode(output))
    return merge(joined)


def setup(app: Sphinx) -> dict[str, bool]:
    """Stand in for MyST-NB's function."""
    render.coalesce_streams = join_pieces
    return {"parallel_read_safe": True, "parallel_write_safe": True}
